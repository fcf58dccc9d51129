"""Supervised matrix factorisation hashing, SMFH (Tang, Wang & Shao, IEEE Transactions on Image Processing 2016).

    min_{V,U,P}  Σ_t [ α_t ||X_t - V U_t'||² + β ||V - X_t P_t||² ]  +  γ tr(V' Λ V)
                 + λ (||V||² + Σ_t ||U_t||² + ||P_t||²)

for the two sides t, α_1 + α_2 = 1: one latent row of V (n, k) a pair. Λ is the Laplacian of three graphs added up: the
cosine of the labels of two pairs, and whether one of them is among the nearest of the other by pictures, and by texts.
A code is sgn(x P_t - mean V). U and P have closed forms; V solves V A + γ Λ V = C, which is approached by conjugate
gradients from the V before, so that no n x n matrix is made or inverted.

The released code multiplies raw label counts, by which pairs of many labels rule; rows of labels are of unit length
here, and Λ is divided by its mean degree, so that γ means the same for any number of pairs.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych.kinds import Array
from diptych.method import Factorising
from diptych.parts.affinities import Affinity, neighbours
from diptych.parts.algebra import unit
from diptych.parts.fitted import AtLeast


@dataclass
class SMFH(Factorising):
    """images is the paper's α, fit_weight its β, smooth its γ, decay its λ and neighbours its k."""

    needs = "labels"
    smooth: Annotated[float, AtLeast(0)] = 30.0
    neighbours: Annotated[int, AtLeast(1)] = 5

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        now = super().start(X, Y, L)
        now.graph = Affinity(neighbours(X, self.neighbours) + neighbours(Y, self.neighbours), unit(L))
        now.weight = self.smooth / now.graph.degrees.mean()
        return now

    def latent(self, now: Any, target: Array, M: Array) -> None:
        now.V = now.graph.smooth(now.V, M, now.weight, target)

    def more(self, now: Any) -> float:
        return float(now.weight * now.graph.roughness(now.V))
