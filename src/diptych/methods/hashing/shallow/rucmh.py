"""Robust unsupervised cross-modal hashing, RUCMH (Cheng, Jing & Ng, ACM Transactions on Information Systems 2020).

    min_{B,W,U,π}  Σ_t [ ||B_t - X_t W_t||² + α ||X_t - B_t U_t'||² + ρ (||W_t||² + α ||U_t||²) ]
                   + β Σ_i ||b_x,i - b_y,π(i)||²                         B_t in {-1, 1}

for the two sides t. Who belongs to whom is told of some pairs only: of these π(i) = i, and for each other picture π
chooses the text of nearest code among those that are left over. W and U have closed forms, codes are solved for bit by
bit, and the choice is a step like the others. A code is sgn(x W_t).

Reconstruction: from the abstract; the weights are not the paper's. The share that is not told is drawn here from pairs
that are.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array, batches
from diptych.method import Alternating
from diptych.parts.algebra import bilinear, ridged
from diptych.parts.bits import bitwise, rotation, signs
from diptych.parts.fitted import Above, AtLeast, Below
from diptych.parts.rows import Rows, squares


@dataclass
class RUCMH(Alternating):
    """features is α, across β, decay ρ. untold is the share of pairs of which π is not known.

    It starts from a random turn of what canonical correlation analysis, with this ridge, finds in the pairs that are.
    """

    features: Annotated[float, Above(0)] = 1.0
    across: Annotated[float, AtLeast(0)] = 0.3
    decay: Annotated[float, Above(0)] = 30.0
    untold: Annotated[float, AtLeast(0), Below(1)] = 0.0
    ridge: Annotated[float, AtLeast(0)] = 2.0

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        rng, n = np.random.default_rng(self.seed), len(X)
        now = SimpleNamespace(sides=[Rows(rows, self.decay) for rows in (X, Y)], pair=np.arange(n))
        now.left = np.sort(rng.permutation(n)[: round(self.untold * n)])
        pairs = np.setdiff1d(now.pair, now.left)
        M_x, M_y = (ridged(rows[pairs].T @ rows[pairs] / n, self.ridge) for rows in (X, Y))
        A, B, s = bilinear(X[pairs].T @ Y[pairs] / n, M_x, M_y, self.bits)
        turn = rotation(rng.standard_normal((len(s), self.bits)), np.eye(len(s)))  # of few directions, as many bits
        now.W = [A * s @ turn, B * s @ turn]
        now.B = [signs(side.X @ W) for side, W in zip(now.sides, now.W, strict=True)]
        self.factors(now)
        return now

    def steps(self) -> Any:
        return self.choose, self.functions, self.factors, self.image_codes, self.text_codes

    def choose(self, now: Any) -> None:
        texts = now.B[1][now.left]
        near = [(block @ texts.T).argmax(axis=1) for block in batches(now.B[0][now.left], 1024)]
        now.pair = now.pair.copy()
        if near:
            now.pair[now.left] = now.left[np.concatenate(near)]

    def functions(self, now: Any) -> None:
        now.W = [side.function(B) for side, B in zip(now.sides, now.B, strict=True)]

    def factors(self, now: Any) -> None:
        now.U = [side.factor(B, self.decay) for side, B in zip(now.sides, now.B, strict=True)]

    def image_codes(self, now: Any) -> None:
        now.B = [self._solved(now, 0, now.B[1][now.pair]), now.B[1]]

    def text_codes(self, now: Any) -> None:
        asked = np.zeros_like(now.B[1])
        np.add.at(asked, now.pair, now.B[0])
        now.B = [now.B[0], self._solved(now, 1, asked)]

    def _solved(self, now: Any, t: int, across: Array) -> Array:
        U, W = now.U[t], now.W[t]
        pull = now.sides[t].X @ (W + self.features * U) + self.across * across
        return bitwise(now.B[t], self.features * U.T @ U, pull)

    def objective(self, now: Any) -> float:
        total = self.across * squares(now.B[0] - now.B[1][now.pair])
        for side, B, W, U in zip(now.sides, now.B, now.W, now.U, strict=True):
            total += side.untold(B, W) + self.features * side.lost(B, U)
            total += self.decay * (squares(W) + self.features * squares(U))
        return total

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.W[0], now.W[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.B[0], now.B[1]
