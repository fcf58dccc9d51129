"""Unsupervised deep hashing with binary latent factors, UDCMH (Wu, Lin, Han, Liu, Ding, Zhang & Shen, IJCAI 2018).

    min_{B,U,H}  Σ_t α_t^γ (||F_t - B U_t'||² + smooth tr(B' Λ_t B)) + fit Σ_t ||B - H_t||²
    subject to   B in {-1, 1},  Σ_t α_t = 1

for the two sides t: B, one code of both sides of a pair, gives back the features F_t of either. Λ_t is the Laplacian of
a graph that has the nearest of an item at 1 and the farthest at -1, so the first come to share its bits and the last do
not. Before every epoch of the networks H_t, U_t is a ridge regression, α_t ~ (what side t loses)^(1 / (1 - γ)), and B
goes down bit by bit, without relaxation and with its neighbours' bits as they were.

Reconstruction: the abstract alone was at hand, and weights are ours; smooth and fit are over the number of bits. F_t
are the features that the networks read, centred. Near and far are anchors, items drawn at random, which have the bits
of those near them in the mean: so no two items have to be compared.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import TwoStep
from diptych.parts.affinities import to_anchors, told_by
from diptych.parts.bits import bitwise, correlated, signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import ridge, squares


@dataclass
class UDCMH(TwoStep):
    """even is the paper's γ: the greater, the more alike α_t; near and far of the anchors are an item's neighbours."""

    smooth: Annotated[float, AtLeast(0)] = 5.0
    fit_weight: Annotated[float, AtLeast(0)] = 0.1
    even: Annotated[float, Above(1)] = 3.0
    anchors: Annotated[int, AtLeast(2)] = 300
    near: Annotated[int, AtLeast(1)] = 10
    rounds: Annotated[int, AtLeast(1)] = 2
    ridge: Annotated[float, AtLeast(0)] = 5.0

    def solve(self, X: Array, Y: Array, H: tuple[Array, Array], B: Array, epoch: int) -> Array | None:
        away = [to_anchors(rows, self.anchors, self.seed) for rows in (X, Y)]
        graphs = [(told_by(one, self.near), told_by(one, self.near, farthest=True)) for one in away]
        if not epoch:
            A, C = correlated(X, Y, self.bits, self.ridge, np.random.default_rng(self.seed))
            B = signs(X @ A + Y @ C)
        for _ in range(self.rounds):
            B = self.codes((X, Y), graphs, H, B)
        return B

    def codes(self, F: Any, graphs: Any, H: tuple[Array, Array], B: Array) -> Array:
        """B after one pass over U, α and its own bits."""
        pulls = [(near - far) @ (near.T @ B / (near.sum(axis=0)[:, None] + 1e-12)) for near, far in graphs]
        pulls = [pull - pull.mean(axis=0) for pull in pulls]  # else whoever is far from all would tell every item
        U = [ridge(B, rows, 1.0) for rows in F]
        lost = [
            squares(rows - B @ u.T) - self.smooth / self.bits * float(np.vdot(B, pull))
            for rows, u, pull in zip(F, U, pulls, strict=True)
        ]
        shares = np.maximum(lost, 1e-12) ** (1 / (1 - self.even))
        weights = (shares / shares.sum()) ** self.even
        target, gram = self.fit_weight / self.bits * (H[0] + H[1]), np.zeros((self.bits, self.bits))
        for weight, rows, u, pull in zip(weights, F, U, pulls, strict=True):
            target = target + weight * (rows @ u + self.smooth / self.bits * pull)
            gram += weight * u.T @ u
        return bitwise(B, gram, target)
