"""Fast multi-label canonical correlation analysis (Ranjan, Rasiwasia & Jawahar, ICCV 2015).

    C_xy = (1/Z) Σ_i Σ_{j in N(i)} f_ij x_i y_j'        f_ij = exp(-||l_i - l_j|| / σ)

N(i) are the `few` pairs whose labels are nearest to those of pair i, so the sums cost O(n few) instead of O(n²).
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import ClosedForm
from diptych.parts.algebra import bilinear, ridged
from diptych.parts.fitted import Above, AtLeast


@dataclass
class FastMLCCA(ClosedForm):
    """seed: which of the pairs with equal labels come first. ridge: the share of the diagonal in the paper's code."""

    needs = "labels"
    dims: Annotated[int, AtLeast(1)] = 512
    few: Annotated[int, AtLeast(1)] = 100
    sigma: Annotated[float, Above(0)] = 1.0
    ridge: Annotated[float, AtLeast(0)] = 0.25
    power: Annotated[float, AtLeast(0)] = 1.0
    seed: Annotated[int, AtLeast(0)] = 0

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        from scipy.sparse import csr_matrix
        from sklearn.neighbors import NearestNeighbors

        n = len(X)
        order = np.random.default_rng(self.seed).permutation(n)
        X, Y, L = X[order], Y[order], L[order].astype(np.float64)
        near = NearestNeighbors(n_neighbors=min(self.few, n)).fit(L)
        distance, j = near.kneighbors(L)
        alike, first = np.exp(-distance / self.sigma), np.arange(0, j.size + 1, j.shape[1])
        f = csr_matrix((alike.ravel(), j.ravel(), first), (n, n))
        Z, from_i, from_j = f.sum(), np.asarray(f.sum(axis=1)), np.asarray(f.sum(axis=0)).T
        C_xy = X.T @ (f @ Y) / Z
        C_xx, C_yy = X.T @ (X * from_i) / Z, Y.T @ (Y * from_j) / Z
        A, B, self.correlations_ = bilinear(C_xy, ridged(C_xx, self.ridge), ridged(C_yy, self.ridge), self.dims)
        scale = self.correlations_**self.power
        return A * scale, B * scale
