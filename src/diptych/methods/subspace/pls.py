"""Partial least squares: singular vectors of the cross-covariance (Wold 1985; for retrieval Sharma & Jacobs 2011).

    max_{a,b}  a' C_xy b   subject to   ||a|| = ||b|| = 1

over variables brought to unit variance: covariance, unlike correlation, follows the units of the features.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from diptych.kinds import Array
from diptych.method import Streaming
from diptych.parts.algebra import Moments, bilinear
from diptych.parts.fitted import AtLeast


@dataclass
class PLS(Streaming):
    """standardise: bring every variable to unit variance first."""

    dims: Annotated[int, AtLeast(1)] = 512
    standardise: bool = True

    def directions(self, moments: Moments) -> tuple[Array, Array]:
        s_x, s_y = np.ones(len(moments.mean_x)), np.ones(len(moments.mean_y))
        if self.standardise:
            s_x, s_y = (np.sqrt(np.maximum(np.diag(C), 1e-12)) for C in (moments.c_xx, moments.c_yy))
        A, B, self.covariances_ = bilinear(moments.c_xy / np.outer(s_x, s_y), None, None, self.dims)
        return A / s_x[:, None], B / s_y[:, None]
