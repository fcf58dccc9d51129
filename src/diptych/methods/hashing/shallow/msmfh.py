"""Multi-modal graph regularised smooth matrix factorisation hashing, MSFH (Fang, Zhang & Ren, Knowl.-Based Syst. 2019).

    min_{V,U,P}  Σ_t [ λ_t ||X_t - V M U_t'||² + μ ||V - X_t P_t||² ]  +  β tr(V' Λ V)
                 + γ (||V||² + Σ_t ||U_t||² + ||P_t||²)                M = (1 - θ) I + (θ / k) 11'

for the two sides t, λ_1 + λ_2 = 1. M smooths what stands between factors, so that the factors themselves become sparse
(non-smooth factorisation: Pascual-Montano et al., TPAMI 2006). Λ is the Laplacian of the neighbours of pictures, those
of texts, and what both have in common: H H', H >= 0, from a symmetric factorisation of their mean. A code is
sgn(x P_t - mean V).

Reconstruction: from the abstract; the weights are not the paper's, and V may be negative here. Λ is divided by its mean
degree, so that β means the same for any number of pairs.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Factorising
from diptych.parts.affinities import Affinity, neighbours, shared
from diptych.parts.fitted import AtLeast, Below


@dataclass
class MSMFH(Factorising):
    """images is λ of the pictures, fit_weight μ, smooth β, sparse θ and decay γ; groups are the columns of H."""

    smooth: Annotated[float, AtLeast(0)] = 30.0
    sparse: Annotated[float, AtLeast(0), Below(1)] = 0.4
    neighbours: Annotated[int, AtLeast(1)] = 5
    groups: Annotated[int, AtLeast(1)] = 32

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        now = super().start(X, Y, L)
        near = neighbours(X, self.neighbours) + neighbours(Y, self.neighbours)
        now.graph = Affinity(near, shared(near / 2, self.groups, self.seed))
        now.weight = self.smooth / now.graph.degrees.mean()
        return now

    def blended(self, V: Array) -> Array:
        return np.asarray((1 - self.sparse) * V + self.sparse * V.mean(axis=1, keepdims=True))

    def latent(self, now: Any, target: Array, M: Array) -> None:
        now.V = now.graph.smooth(now.V, M, now.weight, target)

    def more(self, now: Any) -> float:
        return float(now.weight * now.graph.roughness(now.V))
