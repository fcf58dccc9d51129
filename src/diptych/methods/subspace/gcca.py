"""Generalised canonical correlation analysis of any number of views, MAX-VAR (Carroll 1968; Kettenring 1971).

    min_{G,U}  Σ_v ||G - X_v U_v||² + r_v ||U_v||²   subject to   G'G = I

Views are the features of both sides, each of those that a composition puts beside each other a view by itself: a
picture seen by two networks and by its regions, a text by its words and its topics. One row of G a pair is what all of
them agree on, on each level. With C_vw the covariance of two views and M_v = C_vv + r_v I, it is the eigenproblem

    Σ_w C_vw u_w + r_v u_v = λ M_v u_v,

and, with a view a side, canonical correlation analysis. An item is Σ_v x_v U_v over the views of its side. Each
coordinate is weighted by the mean correlation of its views, (λ - 1) / (views - 1), to the power `power`.
"""

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np

from diptych.kinds import Array, BadInput, Pairs
from diptych.method import Streaming
from diptych.parts.algebra import Moments, max_var
from diptych.parts.fitted import AtLeast


@dataclass
class GCCA(Streaming):
    """ridge is a share of the mean variance of each view."""

    dims: Annotated[int, AtLeast(1)] = 256
    ridge: Annotated[float, AtLeast(0)] = 2.0
    power: Annotated[float, AtLeast(0)] = 1.0

    def partial_fit(self, batch: Pairs) -> Self:
        self._views = batch.views
        return super().partial_fit(batch)

    def directions(self, moments: Moments) -> tuple[Array, Array]:
        d_x = len(moments.mean_x)
        C = np.block([[moments.c_xx, moments.c_xy], [moments.c_xy.T, moments.c_yy]])
        views = (*(self._views[0] or (d_x,)), *(self._views[1] or (len(C) - d_x,)))
        U, values = max_var(C, views, self.ridge, self.dims)
        self.correlations_ = (values - 1) / (len(views) - 1)
        kept = self.correlations_ > 1e-9
        if not kept.any():
            raise BadInput("the features of images and texts do not vary together; there is nothing to learn from")
        A, B = np.split((U * self.correlations_**self.power)[:, kept], [d_x])
        self.correlations_ = self.correlations_[kept]
        return A, B
