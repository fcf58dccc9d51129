"""The last step of `mini`: picture tower, head and text tower learn from captions together, from pixels.

What the student learned from its teachers is where this begins. The first layers, which see edges and colours, stay as
they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from student import PREPROCESSING, Student, enlarged, views
from torch import Tensor, nn
from words import Look, Speak

from diptych import parts


class Eyes(nn.Module):
    """(b, H, W, 3) pixels in 0..255 -> (b, dims): of the whole picture; in training, of a view of each.

    The first `still` stages and the statistics of every layer stay as the student has them.
    """

    def __init__(self, student: Student, look: Look, still: int) -> None:
        super().__init__()
        self.student, self.look, self.still = student, look, still
        for part in (student.stem, *student.stages[:still], student.hint):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Eyes:
        super().train(mode)
        self.student.eval()
        return self

    def forward(self, pictures: Tensor) -> Tensor:
        side = PREPROCESSING.side
        with torch.no_grad():
            seen = views(pictures, side, whole=0.5) if self.training else enlarged(pictures, side)
            x = self.student.entered(seen)
            for stage in self.student.stages[: self.still]:
                x = stage(x)
        for stage in self.student.stages[self.still :]:
            x = stage(x)
        return self.look.said(self.student.top(x).mean(dim=(2, 3)))


@dataclass
class Sharpen(Speak):
    """`Speak`, with the picture tower learning, too.

    still   stages of the student that do not learn
    """

    still: int = 1
    epochs: int = 2
    batch: int = 256
    rate: float = 3e-4

    def beginning(self, student: Student, heads: Any) -> Sharpen:
        """Start from this picture tower, and from what `Speak` trained between it and words."""
        self._student, self._heads = student, heads
        return self

    def network(self, facts: dict[str, Any]) -> Any:
        self._student.requires_grad_(True)
        heads = self._heads.requires_grad_(True)
        return parts.heads.Network(
            images=Eyes(self._student, heads.images, self.still),
            texts=heads.texts,
            temperature=heads.temperature,
            memory=heads.memory,
        )
