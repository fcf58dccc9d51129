"""Passive-aggressive model for image retrieval (PAMIR: Grangier & Bengio, IEEE TPAMI 2008).

    s(q, p) = q' W p,   and for a text q, its picture p+ and another one p-
    W <- W + t q (p+ - p-)',   t = min(C, l / (||q||^2 ||p+ - p-||^2)),   l = max(0, 1 - s(q, p+) + s(q, p-))

Each step is the smallest change of W that puts the picture before the other one by a margin of 1, at most C; what is
kept is the mean of W over all steps. Rows have length 1, and pictures are centred, which changes no ranking of them.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np

from diptych.kinds import Array, Pairs, dot
from diptych.method import Method, check, dense, featured, project
from diptych.parts.algebra import unit
from diptych.parts.fitted import Above, AtLeast


@dataclass
class PAMIR(Method):
    """aggressiveness is C; passes over the texts, each against a picture drawn anew."""

    space = dot
    aggressiveness: Annotated[float, Above(0)] = 0.1
    passes: Annotated[int, AtLeast(1)] = 10
    seed: Annotated[int, AtLeast(0)] = 0

    def fit(self, train: Pairs) -> Self:
        check(train, self.needs)
        X = unit(dense(featured(train.images, "images")))
        self.mean_ = X.mean(axis=0)
        X -= self.mean_
        texts = words(featured(train.texts, "texts"))
        rng, steps = np.random.default_rng(self.seed), self.passes * train.n_texts
        order = np.concatenate([rng.permutation(train.n_texts) for _ in range(self.passes)])
        other = rng.integers(0, train.n_images - 1, steps)
        other += other >= train.owner[order]  # any picture but its own
        W = np.zeros((train.texts.shape[1], X.shape[1]))
        later = np.zeros_like(W)  # each change times the share of the steps before it, which the mean lacks
        for step, (text, wrong) in enumerate(zip(order.tolist(), other.tolist(), strict=True)):
            columns, q = texts[text]
            apart = X[train.owner[text]] - X[wrong]
            change = passive_aggressive(q, apart, q @ (W[columns] @ apart), self.aggressiveness)
            W[columns] += change
            later[columns] += change * (step / steps)
        self.W_ = W - later
        return self

    def encode_images(self, items: Any) -> Array:
        rows = unit(dense(featured(items, "images", len(self.mean_))))
        return self.space.normalise(rows - self.mean_)

    def encode_texts(self, items: Any) -> Array:
        rows = unit(featured(items, "texts", len(self.W_)))
        return self.space.normalise(project(rows, np.zeros(len(self.W_)), self.W_, "texts"))


def passive_aggressive(q: Array, apart: Array, score: float, most: float) -> Array:
    """The change of W, on the columns where q is not 0, for s(q, p+) - s(q, p-) = score and apart = p+ - p-."""
    size = (q @ q) * (apart @ apart)
    pace = min(most, max(0.0, 1.0 - score) / size) if size > 0 else 0.0
    return np.outer(pace * q, apart)


def words(rows: Any) -> list[tuple[Array, Array]]:
    """Of each row, scaled to length 1: the columns where it is not 0, and its values there."""
    from scipy.sparse import csr_matrix

    table = csr_matrix(unit(rows), dtype=np.float64)
    starts = table.indptr[1:-1]
    return list(zip(np.split(table.indices, starts), np.split(table.data, starts), strict=True))
