"""Bilinear model (Tenenbaum & Freeman 2000; across modalities Sharma, Kumar, Daume & Jacobs, CVPR 2012).

    min_{A_x,A_y,b}  Σ_i ||x_i - A_x b_i||² + ||y_i - A_y b_i||²

Each side is a style, the content b is common: the principal components of the stacked rows [x; y] are [A_x; A_y]. One
side alone gives its content by ridge regression,  b = (A_x'A_x + r I)^{-1} A_x' x.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from diptych.kinds import Array
from diptych.method import Streaming
from diptych.parts.algebra import Moments, cholesky_factor, ridged, top_eigen
from diptych.parts.fitted import AtLeast


@dataclass
class BLM(Streaming):
    """ridge is relative to the mean content a side explains; without it weakly seen contents blow up."""

    dims: Annotated[int, AtLeast(1)] = 64
    ridge: Annotated[float, AtLeast(0)] = 0.1

    def directions(self, moments: Moments) -> tuple[Array, Array]:
        s_x, s_y = (np.sqrt(np.maximum(np.diag(C), 1e-12)) for C in (moments.c_xx, moments.c_yy))
        # Unit variance, and the two blocks brought to the same total, so that the wider side does not own the content.
        w_x, w_y = 1 / (s_x * np.sqrt(len(s_x))), 1 / (s_y * np.sqrt(len(s_y)))
        cross = moments.c_xy * np.outer(w_x, w_y)
        joint = np.block([[moments.c_xx * np.outer(w_x, w_x), cross], [cross.T, moments.c_yy * np.outer(w_y, w_y)]])
        _, style = top_eigen(joint, self.dims)
        A_x, A_y = style[: len(w_x)], style[len(w_x) :]
        return w_x[:, None] * self._content(A_x), w_y[:, None] * self._content(A_y)

    def _content(self, A: Array) -> Array:
        from scipy.linalg import cho_solve

        return np.asarray(cho_solve((cholesky_factor(ridged(A.T @ A, self.ridge)), True), A.T).T)
