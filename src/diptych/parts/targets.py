"""Which pairs of a batch belong together: (b, b) matrices of a batch, never of all pairs.

Row i is picture i and column j is text j; where both sides are one, i and j are items of it.
"""

from __future__ import annotations

from torch import Tensor


def same_picture(owner: Tensor) -> Tensor:
    """1 where text j is told of picture i. owner (b,); two captions of one picture are positives of each other."""
    return (owner[:, None] == owner[None, :]).float()


def shared_label(labels: Tensor, others: Tensor | None = None) -> Tensor:
    """1 where items i and j share at least one label. labels (b, C) 0/1; others (m, C) of the j, where they differ."""
    return (labels @ (labels if others is None else others).T > 0).float()
