"""Codes of any number of views: MAX-VAR (Kettenring 1971) turned as iterative quantisation turns (Gong et al. 2013).

    G = Σ_v X_v U_v,     min_{B,R}  ||B - G R||²   subject to   B in {-1, 1},  R'R = I

Views are the features of both sides, those that a composition puts beside each other each by itself, and U what
`subspace/gcca` finds in them. G is what all views of a pair agree on; R turns it until its signs lose least of it, and
every view of either side is read by the same bits: an item's code is sgn(Σ_v x_v U_v R) over the views of its own side.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np

from diptych.kinds import Array, Pairs, hamming
from diptych.method import ClosedForm
from diptych.methods.subspace.gcca import GCCA
from diptych.parts.bits import rotation, signs
from diptych.parts.fitted import AtLeast


@dataclass
class MultiviewGCCA(ClosedForm):
    """ridge and power are those of `gcca`. Of few directions, as many bits as are asked."""

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    ridge: Annotated[float, AtLeast(0)] = 2.0
    power: Annotated[float, AtLeast(0)] = 1.0
    rounds: Annotated[int, AtLeast(0)] = 20
    seed: Annotated[int, AtLeast(0)] = 0

    def fit(self, train: Pairs) -> Self:
        self._views = train.views
        return super().fit(train)

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        inner = GCCA(dims=self.bits, ridge=self.ridge, power=self.power)
        inner._views = self._views
        A, B = inner.solve(X, Y, None)
        G = X @ A + Y @ B
        drawn = np.random.default_rng(self.seed).standard_normal((G.shape[1], self.bits))
        R = rotation(drawn, np.eye(G.shape[1]))
        for _ in range(self.rounds):
            R = rotation(signs(G @ R), G)
        return A @ R, B @ R
