"""Cluster-based joint matrix factorisation hashing, CBJMF (Rafailidis & Crestani, SIGIR 2016).

    min_{V,U,P}  Σ_m [ λ_m ||X_m - V U_m'||² + μ ||V - X_m P_m||² ]  +  γ (||V||² + Σ_m ||U_m||² + ||P_m||²)

where m is the pictures, the texts, and the clusters that they fall into: each side is clustered by itself, and a pair's
third row says how near it is to each centre of both. All three share one row of V (n, k). The code of an item is
whether x P_t is above the median of those learned from, by which each bit says as much as it can.

Reconstruction: from the abstract. The paper pushes non-negative factors of each side towards a consensus; here one V
is factorised by ridge regressions, which finds more.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Factorising
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import Rows


@dataclass
class CBJMF(Factorising):
    """clusters a side, whose rows weigh cluster_weight, beside the paper's λ of the pictures (images), μ and γ."""

    clusters: Annotated[int, AtLeast(2)] = 30
    cluster_weight: Annotated[float, Above(0)] = 1.0

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        now = super().start(X, Y, L)
        C = np.hstack([self._nearness(X), self._nearness(Y)])
        C -= C.mean(axis=0)
        now.sides.append(Rows(C * np.sqrt(len(C)) / np.linalg.norm(C), self.decay / self.fit_weight))
        now.shares.append(self.cluster_weight)
        now.P.append(np.random.default_rng(self.seed).standard_normal((C.shape[1], self.bits)))
        self.factors(now)
        return now

    def _nearness(self, rows: Array) -> Array:
        """(n, clusters) softmax of minus the squared distance to each centre, over its mean."""
        from sklearn.cluster import KMeans

        found = KMeans(min(self.clusters, len(rows)), n_init=1, max_iter=30, random_state=self.seed)
        apart = np.square(found.fit_transform(rows))
        near = np.exp(-apart / apart.mean())
        return np.asarray(near / near.sum(axis=1, keepdims=True))

    def latent(self, now: Any, target: Array, M: Array) -> None:
        now.V = np.linalg.solve(M, target.T).T

    def cut(self, projected: Array) -> Array:
        return np.median(projected, axis=0)
