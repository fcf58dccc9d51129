"""Canonical correlation analysis (Hotelling 1936; for retrieval Hardoon, Szedmak & Shawe-Taylor 2004).

    max_{a,b}  a' C_xy b   subject to   a'(C_xx + r_x I) a = b'(C_yy + r_y I) b = 1

Each coordinate is weighted by its correlation to the power `power` (normalised CCA: Gong et al. 2014).
"""

from dataclasses import dataclass
from typing import Annotated

from diptych.kinds import Array
from diptych.method import Streaming
from diptych.parts.algebra import Moments, bilinear, ridged
from diptych.parts.fitted import AtLeast


@dataclass
class CCA(Streaming):
    """ridge is a share of the mean variance of each side."""

    dims: Annotated[int, AtLeast(1)] = 512
    ridge: Annotated[float, AtLeast(0)] = 2.0
    power: Annotated[float, AtLeast(0)] = 1.0

    def directions(self, moments: Moments) -> tuple[Array, Array]:
        M_x, M_y = ridged(moments.c_xx, self.ridge), ridged(moments.c_yy, self.ridge)
        A, B, self.correlations_ = bilinear(moments.c_xy, M_x, M_y, self.dims)
        weight = self.correlations_**self.power
        return A * weight, B * weight
