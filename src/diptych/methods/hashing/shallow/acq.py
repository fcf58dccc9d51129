"""Alternating co-quantisation, ACQ (Irie, Arai & Taniguchi, ICCV 2015).

    min_{B,R}  Σ_t  ||B_t - Z_t R_t||²  +  λ ||B_t - Z_s R_s||²        B_t in {-1, 1}, R_t'R_t = I

for the two sides t, s being the other one. Z are the pairs as canonical correlation analysis reduces them, and stay as
they are: only the turns R are learned, each side's such that the signs of both lose least of it. The minima are
B_t = sgn(Z_t R_t + λ Z_s R_s) and the Procrustes turn of Z_t onto B_t + λ B_s. Both sides start from one random turn.

Reconstruction: from the abstract; λ is not the paper's. There are no more bits than the smaller side has features, so
few features want `landmarks`.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating
from diptych.parts.algebra import bilinear, ridged
from diptych.parts.bits import rotation, signs
from diptych.parts.fitted import AtLeast
from diptych.parts.rows import squares


@dataclass
class ACQ(Alternating):
    """across is λ; ridge and power are those of `cca`."""

    across: Annotated[float, AtLeast(0)] = 0.5
    ridge: Annotated[float, AtLeast(0)] = 2.0
    power: Annotated[float, AtLeast(0)] = 1.0

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        M_x, M_y = (ridged(rows.T @ rows / len(rows), self.ridge) for rows in (X, Y))
        A, B, correlations = bilinear(X.T @ Y / len(X), M_x, M_y, self.bits)
        now = SimpleNamespace(A=[A * correlations**self.power, B * correlations**self.power])
        for t, rows in enumerate((X, Y)):
            now.A[t] = now.A[t] / np.sqrt(np.square(rows @ now.A[t]).mean())
        now.Z = [rows @ directions for rows, directions in zip((X, Y), now.A, strict=True)]
        k = len(correlations)
        now.R = 2 * [rotation(np.random.default_rng(self.seed).standard_normal((k, k)), np.eye(k))]
        self.quantise(now)
        return now

    def steps(self) -> Any:
        return self.turn, self.quantise

    def quantise(self, now: Any) -> None:
        one, two = (Z @ R for Z, R in zip(now.Z, now.R, strict=True))
        now.B = [signs(one + self.across * two), signs(two + self.across * one)]

    def turn(self, now: Any) -> None:
        now.R = [rotation(now.B[t] + self.across * now.B[1 - t], now.Z[t]) for t in range(2)]

    def objective(self, now: Any) -> float:
        turned = [Z @ R for Z, R in zip(now.Z, now.R, strict=True)]
        return sum(squares(now.B[t] - turned[t]) + self.across * squares(now.B[t] - turned[1 - t]) for t in range(2))

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.A[0] @ now.R[0], now.A[1] @ now.R[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.B[0], now.B[1]
