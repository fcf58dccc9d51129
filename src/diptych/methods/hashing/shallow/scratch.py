"""Scalable discrete matrix factorisation hashing, SCRATCH (Li, Chen, Zhang, Luo, Nie, Zhang & Xu, ACM MM 2018).

    min_{B,R,V,U,G,W}  Σ_t [ λ_t ||X_t - V U_t'||² + μ ||V - X_t W_t||² ]  +  α ||L - V G'||²  +  ||B - V R||²
                       + γ (||V||² + ||G||² + Σ_t ||U_t||² + ||W_t||²)        B in {-1, 1}, R'R = I

for the two sides t: one latent row of V (n, k) a pair gives back features and labels, is told by the features of either
side alone, and is turned by R until signs lose least of it. Each unknown in turn has a closed form. The code of an item
is sgn(x W_t R). In the authors' protocol database items that were learned from have their rows of B, which know
labels: `unified`.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating
from diptych.parts.bits import rotation, signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import Rows, ridge, squares


@dataclass
class SCRATCH(Alternating):
    """features is the paper's λ of both sides, labels its α, fit_weight its μ and decay its γ.

    The paper has 500 landmarks a side, α = 500 and γ = 5; more landmarks want more decay.
    """

    needs = "labels"
    landmarks: Annotated[int, AtLeast(0)] = 1500
    features: Annotated[float, Above(0)] = 0.5
    labels: Annotated[float, Above(0)] = 5000.0
    fit_weight: Annotated[float, Above(0)] = 1000.0
    decay: Annotated[float, Above(0)] = 500.0

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        draw, k = np.random.default_rng(self.seed).standard_normal, self.bits
        x, y = (Rows(rows, self.decay / self.fit_weight) for rows in (X, Y))
        now = SimpleNamespace(sides=(x, y), L=L, V=draw((len(X), k)), W=[draw((rows.shape[1], k)) for rows in (X, Y)])
        now.R = rotation(draw((k, k)), np.eye(k))
        self.quantise(now)
        self.factors(now)
        return now

    def steps(self) -> Any:
        return self.quantise, self.factors, self.functions, self.latent, self.rotate

    def quantise(self, now: Any) -> None:
        now.B = signs(now.V @ now.R)

    def factors(self, now: Any) -> None:
        now.U = [side.factor(now.V, self.decay / self.features) for side in now.sides]
        now.G = ridge(now.V, now.L, self.decay / self.labels)

    def functions(self, now: Any) -> None:
        now.W = [side.function(now.V) for side in now.sides]

    def latent(self, now: Any) -> None:
        told = self.labels * now.L @ now.G + now.B @ now.R.T
        M = self.labels * now.G.T @ now.G + (1 + 2 * self.fit_weight + self.decay) * np.eye(self.bits)
        for side, U, W in zip(now.sides, now.U, now.W, strict=True):
            told += side.X @ (self.features * U + self.fit_weight * W)
            M += self.features * U.T @ U
        now.V = np.linalg.solve(M, told.T).T

    def rotate(self, now: Any) -> None:
        now.R = rotation(now.B, now.V)

    def objective(self, now: Any) -> float:
        total = self.labels * squares(now.L - now.V @ now.G.T) + squares(now.B - now.V @ now.R)
        for side, U, W in zip(now.sides, now.U, now.W, strict=True):
            total += self.features * side.lost(now.V, U) + self.fit_weight * side.untold(now.V, W)
        return total + self.decay * sum(squares(one) for one in (now.V, now.G, *now.U, *now.W))

    def maps(self, now: Any) -> tuple[Array, Array]:
        A, B = (W @ now.R for W in now.W)
        return A, B

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.B, now.B
