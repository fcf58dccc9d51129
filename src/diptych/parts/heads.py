"""Networks on top of features: what turns the items of each side into rows of one space."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych.kinds import BadInput


class Network(nn.Module):
    """What a method trains: an encoder of each side, and any other modules by name.

    A module named `memory` is for buffers that training alone needs (remembered outputs, queues): a checkpoint has
    them, the fitted method does not.
    """

    images: nn.Module
    texts: nn.Module

    def __init__(self, images: nn.Module, texts: nn.Module, **others: nn.Module) -> None:
        super().__init__()
        for name, module in {"images": images, "texts": texts, **others}.items():
            self.add_module(name, module)


def mlp(
    width: int | None, *widths: int, activation: Callable[[], nn.Module] = nn.ReLU, dropout: float = 0.0
) -> nn.Sequential:
    """Linear layers from rows of `width` through hidden `widths` to the last of them, which stays linear.

    A hidden width of 0 is no layer. Dropout is on each hidden layer. Rows come in scaled to length 1, so that a
    learning rate means the same for every kind of feature. Raises BadInput where the items have no width, such as
    strings.
    """
    if width is None:
        raise BadInput("this method learns from feature rows; turn pictures and texts into features first")
    widths = (*(hidden for hidden in widths[:-1] if hidden), widths[-1])
    layers: list[nn.Module] = [UnitLength(), nn.Linear(width, widths[0])]
    for before, after in pairwise(widths):
        layers += [activation(), nn.Dropout(dropout), nn.Linear(before, after)]
    return nn.Sequential(*layers)


class UnitLength(nn.Module):
    """Each row scaled to length 1; a row of zeros stays zero."""

    def forward(self, rows: Tensor) -> Tensor:
        return functional.normalize(rows, dim=-1)


class Temperature(nn.Module):
    """Logits times a learned factor that never exceeds `most` (CLIP: Radford et al. 2021, section 2.5)."""

    def __init__(self, temperature: float = 0.07, most: float = 100.0) -> None:
        super().__init__()
        self.log_factor = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.log_most = math.log(most)

    def forward(self, logits: Tensor) -> Tensor:
        # Clipped in place, as CLIP does: clipped in the graph, a factor at its bound would get no gradient to leave it.
        with torch.no_grad():
            self.log_factor.clamp_(max=self.log_most)
        return logits * self.log_factor.exp()
