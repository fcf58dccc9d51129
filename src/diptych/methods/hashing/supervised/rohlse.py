"""Robust online hashing with label semantic enhancement, ROHLSE (Li, Shu, Yu & Wu, Pattern Recognition 145, 2024).

    min_{E,W}  ||L - E - [X Y 1] W||² + β ||E||_1 + λ ||W||²
    min_{B,V}  ||k L̃ L̃' - B V'||² + φ ||B - V||²,   L̃ = L - E, rows of length 1,   B in {-1, 1}, V'V = n I, V'1 = 0

Labels are not trusted: E is what is wrong with them, in few places, where the features of both sides tell otherwise.
Codes B of k bits follow what is left of them.

Pairs come in batches that are seen once. Codes of those before stand, and of features, labels and codes only sums of
products are kept. In a batch each unknown has a closed form, the others held. A code is sgn([x 1] P), P a ridge
regression of all codes so far. The released code counts the sums of a batch anew in every turn, and centres queries by
the mean of the queries asked.

Simplified: in the paper L - E is also of low rank and a product of labels and how they go together (γ, α), and each
side tells it by itself, which let wrong labels stand here. Labels are solved for before codes, which start at random.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np

from diptych.kinds import Array, BadInput, Pairs, hamming
from diptych.method import Method, aligned, check, featured
from diptych.parts.algebra import unit
from diptych.parts.bits import rotation, signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.kernels import KernelMap


@dataclass
class ROHLSE(Method):
    """sparse, decay and near are the paper's β, λ and φ; fit_decay is the ridge of P.

    chunk       how many pictures `fit` hands on at a time, in an order drawn by `seed`
    landmarks   drawn by `seed` from the first batch, on each side: a row is told by how like them it is (`KernelMap`)
    """

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    chunk: Annotated[int, AtLeast(2)] = 2000
    landmarks: Annotated[int, AtLeast(2)] = 1000
    rounds: Annotated[int, AtLeast(0)] = 2
    sparse: Annotated[float, AtLeast(0)] = 0.2
    decay: Annotated[float, Above(0)] = 1.0
    near: Annotated[float, Above(0)] = 0.001
    fit_decay: Annotated[float, Above(0)] = 1.0
    seed: Annotated[int, AtLeast(0)] = 0

    def fit(self, train: Pairs) -> Self:
        self._of(self.settings())  # bounds hold for those who construct it in Python, too
        check(train, "labels")
        self._gram: Array = np.empty((0, 0))  # nothing is counted in yet
        order = np.random.default_rng(self.seed).permutation(train.n_images)
        for rows in np.array_split(order, -(-len(order) // self.chunk)):
            self.partial_fit(train.select(rows))
        return self

    def partial_fit(self, batch: Pairs) -> Self:
        """Learn from one more batch of pairs. Raises BadInput after `from_pretrained`: a folder keeps no sums."""
        if not hasattr(self, "_gram") and self.learned():
            raise BadInput(f"{self.paper_name()}: what it learned from is not kept in a folder; fit it anew")
        check(batch, "labels")
        first = not hasattr(self, "_gram") or not len(self._gram)
        if first:
            kernel = KernelMap(landmarks=self.landmarks, seed=self.seed)
            self.images_, self.texts_ = (
                replace(kernel).fit(featured(items, side))
                for items, side in ((batch.images, "images"), (batch.texts, "texts"))
            )
        like = batch.features(self._like(batch.images, "images"), self._like(batch.texts, "texts"))
        X, Y, told = aligned(like, "labels")
        assert told is not None
        rows, L = np.hstack([X, Y, np.ones((len(X), 1))]), told.astype(np.float64)
        if first:
            self._gram = np.zeros((rows.shape[1],) * 2)
            self._labels, self._codes = np.zeros((rows.shape[1], L.shape[1])), np.zeros((rows.shape[1], self.bits))
            self._of_B = self._of_V = np.zeros((L.shape[1], self.bits))
        self._gram += rows.T @ rows
        clean = self.cleaned(rows, L)
        B, V = self.coded(unit(clean))
        self._labels += rows.T @ clean
        self._codes += rows.T @ B
        self._of_B, self._of_V = self._of_B + unit(clean).T @ B, self._of_V + unit(clean).T @ V
        self._learn(X.shape[1])
        return self

    def cleaned(self, rows: Array, L: Array) -> Array:
        """L - E of a batch, whose rows (n, d) are counted in already."""
        from scipy.linalg import cho_factor, cho_solve

        factor, clean = cho_factor(self._gram + self.decay * np.eye(len(self._gram))), L
        for _ in range(self.rounds):
            left = L - rows @ cho_solve(factor, self._labels + rows.T @ clean)
            clean = L - np.sign(left) * np.maximum(np.abs(left) - self.sparse / 2, 0)
        return clean

    def coded(self, L: Array) -> tuple[Array, Array]:
        """B and V (n, k) of the labels of a batch, rows of length 1, towards those before them."""
        V = np.random.default_rng(self.seed).standard_normal((len(L), self.bits))
        B = signs(V)
        for _ in range(self.rounds):
            B = signs(self.bits * L @ (self._of_V + L.T @ V) + self.near * V)
            pull = self.bits * L @ (self._of_B + L.T @ B) + self.near * B
            V = np.sqrt(len(L)) * rotation(pull - pull.mean(axis=0), np.eye(len(L)))
        return B, V

    def _learn(self, width: int) -> None:
        """P of each side, from the sums of its own columns and the constant one."""
        every, found = np.arange(len(self._gram)), []
        for own in (np.r_[every[:width], -1], every[width:]):
            gram = self._gram[np.ix_(own, own)] + self.fit_decay * np.eye(len(own))
            found.append(np.linalg.solve(gram, self._codes[own]))
        self.A_, self.B_ = found

    def encode_images(self, items: Any) -> Array:
        return self._encoded(items, self.A_, "images")

    def encode_texts(self, items: Any) -> Array:
        return self._encoded(items, self.B_, "texts")

    def _encoded(self, items: Any, P: Array, side: str) -> Array:
        return self.space.normalise(self._like(items, side) @ P[:-1] + P[-1])

    def _like(self, items: Any, side: str) -> Array:
        return np.asarray(getattr(self, f"{side}_").transform(featured(items, side)))
