"""Multi-modal semantic autoencoder (Wu, Wang & Huang, Neurocomputing 2019).

    min  sum_m ||X_m - S W_m'||^2 + encoding ||X_m W_m - S||^2 + ridge ||W_m||^2  +  semantics ||L - S U||^2

One code S of a pair is what both sides are encoded to, decoded from with the same W_m, and what the labels L are read
off. The paper learns codes first and what encodes them then; here all is learned in turns, by closed forms. W_m solves
the Sylvester equation

    (encoding X'X + ridge I) W + W S'S = (1 + encoding) X'S,

U is least squares, and S solves a (k, k) system. S starts as the leading singular vectors of features and labels, and
every table is scaled to norm 1 a row first, so that the weights mean the same for every kind of feature.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import ClosedForm
from diptych.parts.algebra import top_svd
from diptych.parts.fitted import Above, AtLeast


@dataclass
class MMSAE(ClosedForm):
    """rounds of alternation. ridge is a share of the mean eigenvalue of encoding X'X."""

    needs = "labels"
    dims: Annotated[int, AtLeast(1)] = 64
    encoding: Annotated[float, Above(0)] = 10.0
    semantics: Annotated[float, AtLeast(0)] = 10.0
    ridge: Annotated[float, Above(0)] = 1.0
    rounds: Annotated[int, AtLeast(1)] = 10

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        from scipy.linalg import eigh, solve

        centred = L - L.mean(axis=0)
        tables = [table * np.sqrt(len(table)) / max(np.linalg.norm(table), 1e-12) for table in (X, Y, centred)]
        left, values, _ = top_svd(np.hstack([*tables[:2], np.sqrt(self.semantics) * tables[2]]), self.dims)
        S, labels = left * values, tables[2]
        sides = []
        for table in tables[:2]:
            spread, axes = eigh(self.encoding * table.T @ table)
            sides.append((table, spread + self.ridge * spread.mean(), axes))
        for _ in range(self.rounds):
            weights = [sylvester(spread, axes, S, (1 + self.encoding) * table.T @ S) for table, spread, axes in sides]
            U = solve(S.T @ S + 1e-9 * np.trace(S.T @ S) * np.eye(S.shape[1]), S.T @ labels, assume_a="pos")
            left_side = self.semantics * U @ U.T + 2 * self.encoding * np.eye(S.shape[1])
            right_side = self.semantics * labels @ U.T
            for (table, *_), W in zip(sides, weights, strict=True):
                left_side += W.T @ W
                right_side += (1 + self.encoding) * table @ W
            S = solve(left_side, right_side.T, assume_a="pos").T
        A, B = (W * np.sqrt(len(X)) / np.linalg.norm(rows) for W, rows in zip(weights, (X, Y), strict=True))
        return A, B


def sylvester(spread: Array, axes: Array, S: Array, C: Array) -> Array:
    """W with  axes diag(spread) axes' W + W S'S = C: both sides are symmetric, so it is a division of eigenvalues."""
    from scipy.linalg import eigh

    of_codes, turned = eigh(S.T @ S)
    return np.asarray(axes @ ((axes.T @ C @ turned) / (spread[:, None] + np.maximum(of_codes, 0.0))) @ turned.T)
