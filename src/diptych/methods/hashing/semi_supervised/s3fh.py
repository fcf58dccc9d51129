"""Semi-supervised semantic factorisation hashing, S3FH (Wang, Multimedia Tools and Applications 2018).

    min_{F,G,V,P,α}  ||F - V G'||²  +  λ Σ_m α_m^r tr(F' Λ_m F)  +  ||U (F - Y)||²  +  μ Σ_m ||V - X_m P_m||²
                     + η (||G||² + Σ_m ||P_m||²)        Σ_m α_m = 1

for the two sides m: labels F (n, C) of all pairs, which keep to those that were given (Y; U is great on pairs that have
labels and 0 on the others), are alike for neighbours under either side's graph Λ_m, weighed by how well it goes with F,
and are factorised into one latent row of V (n, k) a pair, told by the features of either side. A code is sgn(x P_m).
All unknowns have closed forms; F is approached by conjugate gradients from the F before.

Reconstruction: from the abstract; graphs join each pair to its nearest, and their Laplacians are divided by their mean
degree, so that λ means the same for any number of neighbours.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating, SomeLabels
from diptych.parts.affinities import Affinity, neighbours
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import Rows, ridge, squares


@dataclass
class S3FH(SomeLabels, Alternating):
    """smooth is λ, given what U² has on labelled pairs, fit_weight μ, decay η and power r."""

    smooth: Annotated[float, AtLeast(0)] = 3.0
    given: Annotated[float, Above(0)] = 100.0
    fit_weight: Annotated[float, Above(0)] = 0.1
    decay: Annotated[float, Above(0)] = 1.0
    power: Annotated[float, Above(1)] = 2.0
    neighbours: Annotated[int, AtLeast(1)] = 10
    rounds: Annotated[int, AtLeast(0)] = 10

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        now = SimpleNamespace(Y=L, F=L, U=self.given * L.any(axis=1), alpha=np.full(2, 0.5))
        near = [neighbours(rows, self.neighbours) for rows in (X, Y)]
        now.graphs = [Affinity(edges / edges.sum(axis=1).mean()) for edges in near]
        now.sides = [Rows(rows, self.decay / self.fit_weight) for rows in (X, Y)]
        now.V = np.random.default_rng(self.seed).standard_normal((len(X), self.bits))
        self.factor(now)
        self.functions(now)
        return now

    def steps(self) -> Any:
        return self.labels, self.weigh, self.factor, self.latent, self.functions

    def labels(self, now: Any) -> None:
        weights = self.smooth * now.alpha**self.power
        near = weights[0] * now.graphs[0].near + weights[1] * now.graphs[1].near
        graph = Affinity(near, degrees=np.asarray(near.sum(axis=1)).ravel() + now.U)
        now.F = graph.smooth(now.F, np.eye(now.F.shape[1]), 1.0, now.V @ now.G.T + now.U[:, None] * now.Y)

    def weigh(self, now: Any) -> None:
        rough = np.array([max(graph.roughness(now.F), np.finfo(float).tiny) for graph in now.graphs])
        shares = (rough / rough.min()) ** (-1 / (self.power - 1))
        now.alpha = shares / shares.sum()

    def factor(self, now: Any) -> None:
        now.G = ridge(now.V, now.F, self.decay)

    def latent(self, now: Any) -> None:
        told = now.F @ now.G + self.fit_weight * sum(side.X @ P for side, P in zip(now.sides, now.P, strict=True))
        now.V = np.linalg.solve(now.G.T @ now.G + 2 * self.fit_weight * np.eye(self.bits), told.T).T

    def functions(self, now: Any) -> None:
        now.P = [side.function(now.V) for side in now.sides]

    def objective(self, now: Any) -> float:
        total = squares(now.F - now.V @ now.G.T) + float(now.U @ np.square(now.F - now.Y).sum(axis=1))
        for graph, alpha, side, P in zip(now.graphs, now.alpha, now.sides, now.P, strict=True):
            total += self.smooth * alpha**self.power * graph.roughness(now.F)
            total += self.fit_weight * side.untold(now.V, P) + self.decay * squares(P)
        return total + self.decay * squares(now.G)

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.P[0], now.P[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        centred = now.V - now.V.mean(axis=0)
        return centred, centred
