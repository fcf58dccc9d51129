"""Flexible supervised collective matrix factorisation hashing, FS-CMFH (Liu et al., Multimedia Tools & Appl. 2018).

    min_{V,U,P}  Σ_t [ λ_t ||X_t - V_t U_t'||² + μ ||V_t - X_t P_t||² ]  +  γ tr(V̂' Λ V̂)
                 + η Σ_t (||V_t||² + ||U_t||² + ||P_t||²)                V̂ = [V_1; V_2]

for the two sides t, λ_1 + λ_2 = 1: flexible, since each side has a latent row of its own, and the two of a pair are
like each other by the graph alone. Λ is the Laplacian of one graph over the rows of both sides, in which s_ij is the
cosine of their labels, within a side and across. A code is sgn(x P_t - mean V_t).

Reconstruction: from the abstract; the weights are not the paper's. Λ is divided by its mean degree, so that γ means the
same for any number of pairs. V is approached by conjugate gradients, one side after the other.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating
from diptych.parts.affinities import Affinity
from diptych.parts.algebra import unit
from diptych.parts.fitted import Above, AtLeast, Below
from diptych.parts.rows import Rows, squares


@dataclass
class FSCMFH(Alternating):
    """images is λ of the pictures, fit_weight μ, smooth γ and decay η."""

    needs = "labels"
    images: Annotated[float, Above(0), Below(1)] = 0.5
    fit_weight: Annotated[float, Above(0)] = 10.0
    smooth: Annotated[float, AtLeast(0)] = 100.0
    decay: Annotated[float, Above(0)] = 1.0
    rounds: Annotated[int, AtLeast(0)] = 5

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        draw, n, F = np.random.default_rng(self.seed).standard_normal, len(X), unit(L)
        now = SimpleNamespace(F=F, shares=(self.images, 1 - self.images), V=[draw((n, self.bits)) for _ in range(2)])
        now.sides = [Rows(rows, self.decay / self.fit_weight) for rows in (X, Y)]
        now.P = [draw((rows.shape[1], self.bits)) for rows in (X, Y)]
        now.graph = Affinity(thin=F, degrees=2 * F @ F.sum(axis=0))  # half of a row's edges lead to the other side
        now.weight = self.smooth / now.graph.degrees.mean()
        self.factors(now)
        return now

    def steps(self) -> Any:
        return self.factors, self.latent, self.functions

    def factors(self, now: Any) -> None:
        parted = zip(now.sides, now.V, now.shares, strict=True)
        now.U = [side.factor(V, self.decay / share) for side, V, share in parted]

    def functions(self, now: Any) -> None:
        now.P = [side.function(V) for side, V in zip(now.sides, now.V, strict=True)]

    def latent(self, now: Any) -> None:
        now.V = list(now.V)
        for t, (side, share, U, P) in enumerate(zip(now.sides, now.shares, now.U, now.P, strict=True)):
            across = now.F @ (now.F.T @ now.V[1 - t])
            target = side.X @ (share * U + self.fit_weight * P) + now.weight * across
            M = share * U.T @ U + (self.fit_weight + self.decay) * np.eye(self.bits)
            now.V[t] = now.graph.smooth(now.V[t], M, now.weight, target)

    def objective(self, now: Any) -> float:
        total = -2 * now.weight * float(np.vdot(now.F.T @ now.V[0], now.F.T @ now.V[1]))
        for side, share, V, U, P in zip(now.sides, now.shares, now.V, now.U, now.P, strict=True):
            total += share * side.lost(V, U) + self.fit_weight * side.untold(V, P)
            total += now.weight * now.graph.roughness(V)
        return float(total + self.decay * sum(squares(one) for one in (*now.V, *now.U, *now.P)))

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.P[0], now.P[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        V, W = (rows - rows.mean(axis=0) for rows in now.V)
        return V, W
