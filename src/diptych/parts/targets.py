"""Which pairs of a batch belong together: (b, b) matrices of a batch, never of all pairs.

Row i is picture i and column j is text j; where both sides are one, i and j are items of it.
"""

from __future__ import annotations

from torch import Tensor

from diptych.parts import losses


def same_picture(owner: Tensor) -> Tensor:
    """1 where text j is told of picture i. owner (b,); two captions of one picture are positives of each other."""
    return (owner[:, None] == owner[None, :]).float()


def shared_label(labels: Tensor, others: Tensor | None = None) -> Tensor:
    """1 where items i and j share at least one label. labels (b, C) 0/1; others (m, C) of the j, where they differ."""
    return (labels @ (labels if others is None else others).T > 0).float()


def label_cosine(labels: Tensor, others: Tensor | None = None) -> Tensor:
    """Cosines of the labels (b, C) 0/1 of items i and of others (m, C): 1 for the same ones, 0 where none is shared."""
    return losses.cosines(labels, labels if others is None else others)


def alike(images: Tensor, texts: Tensor, share: float) -> Tensor:
    """share cos(x_i, x_j) + (1 - share) cos(y_i, y_j): how alike pairs are by the features of both sides, (b, b)."""
    return share * losses.cosines(images, images) + (1 - share) * losses.cosines(texts, texts)


def second_order(near: Tensor, share: float) -> Tensor:
    """(1 - share) near + share near near' / b: alike are those, too, who are alike to the same ones. near (b, b)."""
    return (1 - share) * near + share * near @ near.T / len(near)


def nearest(near: Tensor, share: float) -> Tensor:
    """near (b, b) with all but the greatest `share` of each row 0, at least its greatest one."""
    kept = near.topk(min(max(1, round(share * len(near))), len(near)), dim=1)
    return near.new_zeros(near.shape).scatter(1, kept.indices, kept.values)
