"""Label consistent matrix factorisation hashing, LCMFH (Wang, Gao, Wang & He, TPAMI 2019).

    min_{Z,U,P}  Σ_t [ λ_t ||X_t - L Z U_t'||² + μ ||L Z - X_t P_t||² ]  +  γ (||L Z||² + Σ_t ||U_t||² + ||P_t||²)

for the two sides t, λ_1 + λ_2 = 1: the latent row of a pair is V = L Z, so that pairs of the same labels have the same.
Rows of L are of unit length. Each unknown in turn has a closed form. A code is sgn(x P_t - mean V).

The authors' demonstration stores sgn(L Z - mean) for the database, which takes the labels of its items; here only items
that were learned from are stored so, and only where `unified`. It also centres queries by the mean of the queries
asked; the means here are those learned from.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Factorising
from diptych.parts.algebra import unit


@dataclass
class LCMFH(Factorising):
    """images is the paper's λ_1, fit_weight its μ and decay its γ, .001 in the paper."""

    needs = "labels"

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        now = super().start(X, Y, L)
        now.L = unit(L)
        now.inverse = np.linalg.pinv(now.L.T @ now.L, hermitian=True)  # a label that nobody has is no direction
        now.V = now.L @ np.random.default_rng(self.seed).standard_normal((L.shape[1], self.bits))
        self.factors(now)
        return now

    def latent(self, now: Any, target: Array, M: Array) -> None:
        now.V = now.L @ np.linalg.solve(M, (now.inverse @ (now.L.T @ target)).T).T
