"""Label prediction framework (Mandal, Rao & Biswas 2019, arXiv 1905.11139): a supervised method on few labels.

    p_I, p_T    what each side tells of each label, learned on the pairs that have labels
    expected    of each label, as many of the other pairs as there would be if as large a share of them had it
    accepted    pairs to which both sides alone give the very same labels, each to those who are likeliest to have it;
                p_I and p_T are learned again with them, `rounds` times
    at last     each label goes to the expected number of pairs by (p_I + p_T) / 2, and `base` learns from all

Both sides of a pair have to agree, since each sees what the other does not. `base` has its own settings, and of those
that it has in common with this the values here.

Reconstruction: the abstract alone was at hand. What predicts is ridge regression under a radial basis kernel, since few
labels are soon learned by heart. One threshold for all labels would never be passed by those that few pairs have, and
leave most pairs without any; hence the expected number. Nothing looks for pairs of classes never shown.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np

from diptych.kinds import Array, Pairs, hamming
from diptych.method import SomeLabels, check, featured
from diptych.methods.hashing.supervised.dchuc import DCHUC
from diptych.methods.hashing.supervised.dcmh import DCMH
from diptych.methods.hashing.supervised.dsph import DSPH
from diptych.methods.hashing.supervised.hmah import HMAH
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.kernels import KernelMap
from diptych.parts.rows import Rows


@dataclass
class LPF(SomeLabels):
    """base is the method that learns from the completed labels, with its own defaults besides what stands here.

    bits to warmup  those of the base
    landmarks       how many training rows of a side tell by the kernel what an item is like
    ridge           of the regression

    base_           the fitted base
    """

    space = hamming
    base: Literal["dcmh", "dchuc", "dsph", "hmah"] = "dcmh"
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    epochs: Annotated[int, AtLeast(0)] = 20
    batch: Annotated[int, AtLeast(3)] = 64
    rate: Annotated[float, Above(0)] = 1e-3
    warmup: Annotated[float, AtLeast(0)] = 0.05
    landmarks: Annotated[int, AtLeast(2)] = 500
    ridge: Annotated[float, Above(0)] = 0.3
    rounds: Annotated[int, AtLeast(0)] = 2

    def fit(self, train: Pairs, **how: Any) -> Self:
        train = self.told(train)
        check(train, self.needs)
        kind = next(kind for kind in (DCMH, DCHUC, DSPH, HMAH) if kind.paper_name() == self.base)
        common = {name: value for name, value in self.settings().items() if name in kind.__dataclass_fields__}
        labels = self.completed(train)
        told = replace(train, labels=labels).select(np.flatnonzero(labels.any(axis=1)))
        self.base_ = kind(**common).fit(told, **how)
        return self

    def encode_images(self, items: Any) -> Array:
        return self.base_.encode_images(items)

    def encode_texts(self, items: Any) -> Array:
        return self.base_.encode_texts(items)

    def slope(self, side: Literal["images", "texts"], rows: Array, wanted: Array) -> Array:
        return self.base_.slope(side, rows, wanted)

    def completed(self, train: Pairs) -> Array:
        """(n, C) labels of all pictures, predicted where they have none, from the picture and the mean of its texts."""
        labels = np.asarray(train.labels)
        known = np.asarray(labels.any(axis=1))
        expected = labels[known].mean(axis=0) * (~known).sum()
        words = self.likeness(train.texts, "texts")
        texts = np.zeros((train.n_images, words.shape[1]))
        np.add.at(texts, train.owner, words)
        texts /= np.maximum(np.bincount(train.owner, minlength=train.n_images), 1)[:, None]
        sides = (self.likeness(train.images, "images"), texts)
        sure, believed = known, labels
        for _ in range(self.rounds + 1):
            p_I, p_T = (self.regressed(rows, sure, believed) for rows in sides)
            own, other = first(p_I, ~known, expected), first(p_T, ~known, expected)
            agreed = (own == other).all(axis=1) & own.any(axis=1)
            sure, believed = known | agreed, labels | (own & agreed[:, None])
        return labels | first((p_I + p_T) / 2, ~known, expected)

    def likeness(self, items: Any, side: str) -> Array:
        """(n, r) rows of a side under the kernel."""
        rows = featured(items, side)
        return KernelMap(landmarks=self.landmarks, seed=self.seed).fit(rows).transform(rows)

    def regressed(self, rows: Array, sure: Array, labels: Array) -> Array:
        """(n, C) what rows (n, r) tell of labels, learned where they are sure."""
        centred, mean = rows - rows[sure].mean(axis=0), labels[sure].mean(axis=0)
        centred /= np.sqrt(np.square(centred).sum(axis=1).mean())
        return np.asarray(mean + centred @ Rows(centred[sure], self.ridge).function(labels[sure] - mean))


def first(p: Array, rows: Array, number: Array) -> Array:
    """(n, C) whether p puts one of these rows (n,) among the first `number` (C,) of them in its column."""
    place = np.full(p.shape, np.inf)
    place[rows] = (-p[rows]).argsort(axis=0, kind="stable").argsort(axis=0)
    return place < np.rint(number)
