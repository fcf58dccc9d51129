"""Semantic correlation maximisation, SCM (Zhang & Li, AAAI 2014).

    min_{A,B}  ||sgn(X A) sgn(Y B)' - k S||_F²        S = 2 L̃ L̃' - 11',   L̃ the label rows at unit length

for k bits. Dropping the signs, and with A'X'XA = B'Y'YB = n I, the directions are the singular vectors of C = k X'SY
in the metric of the covariances: all at once (orthogonal), or one bit after the other, what a bit explains being taken
out of C before the next is sought (sequential):  C <- C - X' sgn(X a) sgn(Y b)' Y. S is never formed, and X'1 = 0 since
rows are centred, so C = 2k (X'L̃)(Y'L̃)' and every C after it is a product of two thin factors.

The authors' code stops where the value of a bit exceeds that of the one before, and fills up with directions of CCA;
their paper, and this, does not. Not to be confused with the real-valued `scm` (Rasiwasia et al. 2010).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from diptych.kinds import Array, BadInput, hamming
from diptych.method import ClosedForm
from diptych.parts.algebra import bilinear, cholesky_factor, ridged, top_svd
from diptych.parts.bits import signs
from diptych.parts.fitted import AtLeast


@dataclass
class SCMHash(ClosedForm):
    """ridge is a share of the mean variance of each side, times features over pairs: what few pairs leave unsure.

    Orthogonal codes have no more bits than C has rank: there are at most as many as labels, or as features of a side.
    """

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    solver: Literal["sequential", "orthogonal"] = "sequential"
    ridge: Annotated[float, AtLeast(0)] = 1.0

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        unit = L / np.sqrt(np.maximum(L.sum(axis=1, keepdims=True), 1))
        P, Q = 2 * self.bits * X.T @ unit, Y.T @ unit
        M_x, M_y = (ridged(side.T @ side / len(side), self.ridge * side.shape[1] / len(side)) for side in (X, Y))
        if self.solver == "orthogonal":
            A, B, _ = bilinear(P @ Q.T, M_x, M_y, self.bits)
            return A, B
        return self._sequential(X, Y, P, Q, cholesky_factor(M_x), cholesky_factor(M_y))

    def _sequential(self, X: Array, Y: Array, P: Array, Q: Array, F_x: Array, F_y: Array) -> tuple[Array, Array]:
        """Bit by bit from C = P Q' and the Cholesky factors of the covariances; P and Q grow by a column a bit."""
        from scipy.linalg import solve_triangular

        P, Q = solve_triangular(F_x, P, lower=True), solve_triangular(F_y, Q, lower=True)
        A, B = np.empty((X.shape[1], self.bits)), np.empty((Y.shape[1], self.bits))
        for bit in range(self.bits):
            (U, R_x), (V, R_y) = np.linalg.qr(P), np.linalg.qr(Q)
            u, _, v = top_svd(R_x @ R_y.T, 1)
            if not u.shape[1]:
                raise BadInput("labels and features have nothing in common; are all labels the same?")
            A[:, [bit]] = solve_triangular(F_x, U @ u, lower=True, trans=1)
            B[:, [bit]] = solve_triangular(F_y, V @ v, lower=True, trans=1)
            of_x, of_y = (signs(rows) for rows in (X @ A[:, [bit]], Y @ B[:, [bit]]))
            P = np.hstack([P, -solve_triangular(F_x, X.T @ of_x, lower=True)])
            Q = np.hstack([Q, solve_triangular(F_y, Y.T @ of_y, lower=True)])
        return A, B
