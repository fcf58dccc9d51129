"""The rows of one side, n of width d, and the least squares that alternating solvers ask of them again and again."""

from __future__ import annotations

from typing import Any

import numpy as np

from diptych.kinds import Array


def squares(rows: Array) -> float:
    """||rows||_F²."""
    return float(np.vdot(rows, rows))


def ridge(V: Array, targets: Array, strength: float) -> Array:
    """argmin_U ||targets - V U'||² + strength ||U||², (d, k). V (n, k) with few columns, targets (n, d)."""
    return np.asarray(np.linalg.solve(V.T @ V + strength * np.eye(V.shape[1]), V.T @ targets).T)


class Rows:
    """X (n, d) against V (n, k) that changes: what depends on X alone is done once, and X'V once for each V.

    V is told by its identity, so it must not be written into.
    """

    def __init__(self, X: Array, strength: float) -> None:
        """strength: of the ridge in `function`, above 0."""
        from scipy.linalg import cho_factor

        self.X, self.length, self.gram = X, squares(X), X.T @ X
        self._factor = cho_factor(self.gram + strength * np.eye(len(self.gram)))
        self._of: tuple[Array, Array] | None = None
        self._parted: Any = None

    def cross(self, V: Array) -> Array:
        """X'V (d, k)."""
        if self._of is None or self._of[0] is not V:
            self._of = V, self.X.T @ V
        return self._of[1]

    def function(self, V: Array) -> Array:
        """argmin_W ||V - X W||² + strength ||W||², (d, k)."""
        from scipy.linalg import cho_solve

        return np.asarray(cho_solve(self._factor, self.cross(V)))

    def factor(self, V: Array, strength: float) -> Array:
        """argmin_U ||X - V U'||² + strength ||U||², (d, k)."""
        return np.asarray(np.linalg.solve(V.T @ V + strength * np.eye(V.shape[1]), self.cross(V).T).T)

    def tied(self, V: Array) -> Array:
        """argmin_W ||V - X W||² + ||X - V W'||², (d, k): the Sylvester equation X'X W + W V'V = 2 X'V."""
        if self._parted is None:
            self._parted = np.linalg.eigh(self.gram)
        values, P = self._parted
        others, Q = np.linalg.eigh(V.T @ V)
        sums = np.maximum(values, 0)[:, None] + np.maximum(others, 0)
        solved = 2 * (P.T @ self.cross(V) @ Q) / np.maximum(sums, np.finfo(np.float64).eps * sums.max())
        return np.asarray(P @ solved @ Q.T)

    def untold(self, V: Array, W: Array) -> float:
        """||V - X W||²: what X does not tell of V."""
        return squares(V) - 2 * float(np.vdot(self.cross(V), W)) + float(np.vdot(W, self.gram @ W))

    def lost(self, V: Array, U: Array) -> float:
        """||X - V U'||²: what V does not give back of X."""
        return self.length - 2 * float(np.vdot(self.cross(V), U)) + float(np.vdot(U.T @ U, V.T @ V))
