"""Cross-view hashing, CVH (Kumar & Udupa, IJCAI 2011).

    min_W  Σ_ij s_ij (||x_i W_x - x_j W_x||² + ||y_i W_y - y_j W_y||² + ||x_i W_x - y_j W_y||²) / 2
    subject to  W_x'(X'X + r I) W_x + W_y'(Y'Y + r I) W_y = I

without the signs. With Λ = D - S, D the row sums of S, the directions are those of the smallest values of

    [ X'(2Λ + D)X      -X'SY    ] [w_x]       [ X'X + r I      0     ] [w_x]
    [   -Y'SX      Y'(2Λ + D)Y  ] [w_y]  =  λ [     0      Y'Y + r I ] [w_y]

s_ij is the cosine of the labels of two pairs, a product of thin factors; or, by `pairs`, each is like itself alone,
which makes it canonical correlation analysis. A code is sgn(x W). What the ridge adds counts as variance that is like
nothing else, at the mean degree: else the directions of least variance would have the smallest values. Directions on
which the two sides of a pair disagree are left out, which the equations are not asked to do: they come before all but
the first few, and turn bits of texts against those of pictures. So there are no more bits than labels.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from diptych.kinds import Array, BadInput, hamming
from diptych.method import ClosedForm
from diptych.parts.algebra import cholesky_factor, ridged, unit
from diptych.parts.fitted import AtLeast


@dataclass
class CVH(ClosedForm):
    """ridge is a share of the mean variance of each side."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    similarity: Literal["labels", "pairs"] = "labels"
    ridge: Annotated[float, AtLeast(0)] = 2.0

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        from scipy.linalg import solve_triangular
        from scipy.sparse.linalg import eigsh

        n = len(X)
        F = unit(L)
        degrees = F @ F.sum(axis=0) if self.similarity == "labels" else np.ones(n)
        factors, whole, thin = [], [], []
        for rows in (X, Y):
            C = rows.T @ rows / n
            M = ridged(C, self.ridge)
            factor = cholesky_factor(M)
            spread = 3 * ((rows * degrees[:, None]).T @ rows / n + degrees.mean() * (M - C))
            factors.append(factor)
            whole.append(solve_triangular(factor, solve_triangular(factor, spread, lower=True).T, lower=True))
            thin.append(solve_triangular(factor, rows.T @ F if self.similarity == "labels" else rows.T, lower=True))
        across = thin[0] @ thin[1].T / n
        own = [spread - 2 * few @ few.T / n for spread, few in zip(whole, thin, strict=True)]
        T = np.block([[own[0], -across], [-across.T, own[1]]])
        _, W = eigsh(T, min(2 * self.bits, len(T) - 1), which="SA", v0=np.ones(len(T)), tol=1e-8)
        W_x, W_y = np.split(W, [X.shape[1]])
        agreed = (W_x * (across @ W_y)).sum(axis=0)
        kept = np.flatnonzero(agreed > 1e-6 * agreed.max())[: self.bits]
        if not len(kept):
            raise BadInput("labels and features have nothing in common; are all labels the same?")
        W_x, W_y = W_x[:, kept], W_y[:, kept]
        A, B = (solve_triangular(R, V, lower=True, trans=1) for R, V in zip(factors, (W_x, W_y), strict=True))
        return A, B
