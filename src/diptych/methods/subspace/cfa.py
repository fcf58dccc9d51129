"""Cross-modal factor analysis (Li, Dimitrova, Li & Sethi, ACM MM 2003).

    min_{A,B}  ||X A - Y B||_F²   subject to   A'A = B'B = I

with the rows centred: A and B are the singular vectors of X'Y. Each factor is weighted by its singular value to the
power `power`, the square root by default, which restores the scale that orthonormal directions drop.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from diptych.kinds import Array
from diptych.method import Streaming
from diptych.parts.algebra import Moments, bilinear
from diptych.parts.fitted import AtLeast


@dataclass
class CFA(Streaming):
    """Each side is divided by its Frobenius norm first, so that neither outweighs the other."""

    dims: Annotated[int, AtLeast(1)] = 512
    power: Annotated[float, AtLeast(0)] = 0.5

    def directions(self, moments: Moments) -> tuple[Array, Array]:
        f_x, f_y = np.sqrt(np.trace(moments.c_xx)), np.sqrt(np.trace(moments.c_yy))
        A, B, values = bilinear(moments.c_xy / (f_x * f_y), None, None, self.dims)
        weight = values**self.power
        self.covariances_ = values
        return A * weight / f_x, B * weight / f_y
