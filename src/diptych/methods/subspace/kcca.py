"""Kernel canonical correlation analysis (Akaho 2001; Hardoon et al. 2004; for retrieval Hwang & Grauman, IJCV 2012).

    max_{α,β}  α'K_x K_y β   subject to   α'K_x²α/n + r α'K_x α = β'K_y²β/n + r β'K_y β = 1

With factors K = ΦΦ' this is linear canonical correlation analysis of Φ_x and Φ_y with ridge r. Φ comes from `landmarks`
training rows (Nyström); with every row a landmark it is exact, so one path serves both.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np

from diptych.kinds import Array, Pairs
from diptych.method import Method, check, featured
from diptych.parts.algebra import Moments, bilinear
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.kernels import KernelMap


@dataclass
class KCCA(Method):
    """kernel, scale, landmarks, seed: see `KernelMap`. Both sides use the same kind of kernel."""

    dims: Annotated[int, AtLeast(1)] = 512
    kernel: Literal["rbf", "chi2"] = "rbf"
    scale: Annotated[float, Above(0)] = 1.0
    landmarks: Annotated[int | None, AtLeast(2)] = 1000
    ridge: Annotated[float, AtLeast(0)] = 1e-3
    power: Annotated[float, AtLeast(0)] = 1.0
    seed: Annotated[int, AtLeast(0)] = 0

    def fit(self, train: Pairs) -> Self:
        check(train, self.needs)
        settings = (self.kernel, self.scale, self.landmarks, self.seed)
        self.images_ = KernelMap(*settings).fit(featured(train.images, "images"))
        self.texts_ = KernelMap(*settings).fit(featured(train.texts, "texts"))
        moments = Moments().add(self.images_.transform(train.images), self.texts_.transform(train.texts), train.owner)
        M_x, M_y = (C + self.ridge * np.eye(len(C)) for C in (moments.c_xx, moments.c_yy))
        A, B, self.correlations_ = bilinear(moments.c_xy, M_x, M_y, self.dims)
        weight = self.correlations_**self.power
        self.A_, self.B_ = A * weight, B * weight
        self.mean_x_, self.mean_y_ = moments.mean_x, moments.mean_y
        return self

    def encode_images(self, items: Any) -> Array:
        return self.space.normalise((self.images_.transform(featured(items, "images")) - self.mean_x_) @ self.A_)

    def encode_texts(self, items: Any) -> Array:
        return self.space.normalise((self.texts_.transform(featured(items, "texts")) - self.mean_y_) @ self.B_)
