"""Quantised correlation hashing, QCH (Wu, Yang, Zheng, Wang & Wang, IJCAI 2015).

    min_{W,B}  ||X W_x - Y W_y||²  +  λ Σ_t ||B - X_t W_t||²  +  (1 + λ) r Σ_t ||W_t||²
    subject to  W_t'(X_t'X_t + r I) W_t = n I,  B in {-1, 1}

for the two sides t: what is correlated, and what signs lose of it, are minimised together. Under the constraint the
lengths are constants. So W_t, in whitened rows, is the Procrustes turn of its side onto X_s W_s + λ B, s being the
other one. λ = 0 is canonical correlation analysis, where it starts from.

Reconstruction: from the abstract; λ is not the paper's, and both sides of a pair share one code. There are no more bits
than the smaller side has features, so few features want `landmarks`.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating
from diptych.parts.algebra import cholesky_factor, ridged, top_svd
from diptych.parts.bits import rotation, signs
from diptych.parts.fitted import AtLeast
from diptych.parts.rows import squares


@dataclass
class QCH(Alternating):
    """quantise is λ; ridge is r as a share of the mean variance of each side, as in `cca`."""

    quantise: Annotated[float, AtLeast(0)] = 0.1
    ridge: Annotated[float, AtLeast(0)] = 20.0

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        from scipy.linalg import solve_triangular

        now = SimpleNamespace(
            factors=[cholesky_factor(ridged(rows.T @ rows / len(rows), self.ridge)) for rows in (X, Y)]
        )
        now.Z = [solve_triangular(F, rows.T, lower=True).T for F, rows in zip(now.factors, (X, Y), strict=True)]
        U, _, V = top_svd(now.Z[0].T @ now.Z[1], self.bits)
        turn = rotation(np.random.default_rng(self.seed).standard_normal((U.shape[1],) * 2), np.eye(U.shape[1]))
        now.W, now.told = [U @ turn, V @ turn], [now.Z[0] @ U @ turn, now.Z[1] @ V @ turn]
        self.sign(now)
        return now

    def steps(self) -> Any:
        return self.turn_images, self.turn_texts, self.sign

    def sign(self, now: Any) -> None:
        now.B = signs(now.told[0] + now.told[1])

    def turn_images(self, now: Any) -> None:
        self._turn(now, 0)

    def turn_texts(self, now: Any) -> None:
        self._turn(now, 1)

    def _turn(self, now: Any, t: int) -> None:
        now.W[t] = rotation(now.told[1 - t] + self.quantise * now.B, now.Z[t])
        now.told[t] = now.Z[t] @ now.W[t]

    def objective(self, now: Any) -> float:
        apart = squares(now.told[0] - now.told[1])
        lost = sum(squares(now.B - told) for told in now.told)
        length = 2 * now.B.size - sum(squares(told) for told in now.told)  # r ||W||², by the constraint
        return float(apart + self.quantise * lost + (1 + self.quantise) * length)

    def maps(self, now: Any) -> tuple[Array, Array]:
        from scipy.linalg import solve_triangular

        A, B = (solve_triangular(F, W, lower=True, trans=1) for F, W in zip(now.factors, now.W, strict=True))
        return A, B

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.B, now.B
