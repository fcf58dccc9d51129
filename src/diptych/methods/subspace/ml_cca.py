"""Multi-label canonical correlation analysis (Ranjan, Rasiwasia & Jawahar, ICCV 2015).

    C_xy = (1/Z) Σ_ij f_ij x_i y_j'      C_xx = (1/Z) Σ_ij f_ij x_i x_i'      C_yy = (1/Z) Σ_ij f_ij y_j y_j'

f_ij = l_i'l_j / (|l_i||l_j|) says how alike the labels of picture i and text j are; canonical correlation analysis
follows. With f = ΦΦ', Φ the unit label rows, C_xy = (X'Φ)(Y'Φ)' and no n x n matrix exists.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import ClosedForm
from diptych.parts.algebra import bilinear, ridged
from diptych.parts.fitted import AtLeast


@dataclass
class MLCCA(ClosedForm):
    needs = "labels"
    dims: Annotated[int, AtLeast(1)] = 512
    ridge: Annotated[float, AtLeast(0)] = 0.25
    power: Annotated[float, AtLeast(0)] = 1.0

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        phi = L / np.maximum(np.linalg.norm(L, axis=1, keepdims=True), 1e-12)
        weight = phi @ phi.sum(axis=0)
        Z = weight.sum()
        C_xy = (X.T @ phi) @ (Y.T @ phi).T / Z
        C_xx, C_yy = X.T @ (X * weight[:, None]) / Z, Y.T @ (Y * weight[:, None]) / Z
        A, B, self.correlations_ = bilinear(C_xy, ridged(C_xx, self.ridge), ridged(C_yy, self.ridge), self.dims)
        scale = self.correlations_**self.power
        return A * scale, B * scale
