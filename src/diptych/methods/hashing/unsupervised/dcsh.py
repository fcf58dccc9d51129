"""Deep cross-modal hashing via spectral embedding, DCSH (Hoang, Do, Nguyen & Cheung, TIP 2020).

    min_{Z,R,B}  Σ_t  tr(Z_t' Λ_t Z_t) + together ||B - Z_t R_t||²      B in {-1, 1},  Z_t'Z_t = n Σ²,  R_t R_t' = I

for the two sides t, Λ_t = I - A_t the Laplacian of a side: Z_t are its own representation, along which its neighbours
lie close, and turned by R_t all of them are near the one binary code B of a pair. Then a network of each side learns B.
B are the signs of the sum of Z_t R_t, R_t a Procrustes turn, and Z_t goes down by the orthogonal part of what pulls it
(A_t Z_t + together B R_t') Σ.

Z_t start as the eigenvectors of the mean of both graphs. A_t are anchor graphs, so nothing is n x n.

Reconstruction: the abstract alone was at hand. Σ, the eigenvalues of the mean graph, are ours: at Σ = I, directions
that hardly any neighbours share count as much as the first ones, and codes are the worse for it. So are the anchors;
the paper's networks read pixels and sequences of words.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from diptych.kinds import Array
from diptych.method import TwoStep
from diptych.parts.affinities import anchored, to_anchors
from diptych.parts.algebra import top_eigen
from diptych.parts.bits import orthogonal, rotation, signs
from diptych.parts.fitted import Above, AtLeast


@dataclass
class DCSH(TwoStep):
    """near of the anchors tell an item; power is that of the eigenvalues in Σ; rounds are passes over R, Z and B."""

    together: Annotated[float, Above(0)] = 0.1
    anchors: Annotated[int, AtLeast(2)] = 500
    near: Annotated[int, AtLeast(1)] = 30
    power: Annotated[float, AtLeast(0)] = 1.0
    rounds: Annotated[int, AtLeast(0)] = 10

    def solve(self, X: Array, Y: Array, H: tuple[Array, Array], B: Array, epoch: int) -> Array | None:
        if epoch:
            return None
        F = [anchored(to_anchors(rows, self.anchors, self.seed), self.near) for rows in (X, Y)]
        return self.embedded([factor - factor.mean(axis=0) for factor in F])

    def embedded(self, F: list[Array]) -> Array:
        """The sum of Z_t R_t, of the graphs F_t F_t' (n, n)."""
        both = np.hstack(F) / np.sqrt(2)
        values, V = top_eigen(both.T @ both, self.bits)
        scale = np.sqrt(len(both)) * values**self.power / np.sqrt(np.mean(values ** (2 * self.power)))
        draw = np.random.default_rng(self.seed).standard_normal((len(values), self.bits))
        Z, R = 2 * [both @ V / np.sqrt(values) * scale], 2 * [rotation(draw, np.eye(len(values)))]
        for _ in range(self.rounds):
            B = signs(Z[0] @ R[0] + Z[1] @ R[1])
            R = [rotation(B, side) for side in Z]
            pulls = zip(F, Z, R, strict=True)
            Z = [orthogonal((f @ (f.T @ side) + self.together * B @ turn.T) * scale) * scale for f, side, turn in pulls]
        return np.asarray(Z[0] @ R[0] + Z[1] @ R[1])
