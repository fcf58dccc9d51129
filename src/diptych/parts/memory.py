"""What a training remembers of all it learns from: tables of one row a text or a picture, of use to losses alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Tables(nn.Module):
    """Named tables of these shapes, zero at first; `Tables(codes=(n, bits)).codes` is one.

    They are buffers: a checkpoint has them, and no gradient passes into them.
    """

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def __getitem__(self, name: str) -> Tensor:
        return self.get_buffer(name)
