"""Collective matrix factorisation hashing (Ding, Guo & Zhou, CVPR 2014).

    min_{U,V,P}  Σ_t  λ_t ||X_t - V U_t'||_F² + μ ||V - X_t P_t||_F²  +  γ (||V||² + Σ_t ||U_t||² + ||P_t||²)

for the two sides t, with λ_1 + λ_2 = 1 and one row of V (n, k) a pair. A code is sgn(x P_t). Each of U, P and V in turn
is a ridge regression. V is a linear map of both sides after its first step, so it is kept as that map and starts as a
random one: the second moments of the pairs are all that is needed, whatever their number.

A copy of the authors' code that is much in use reads `mu*(mu*X'X+gamma*I)\\X'Y`, which divides by the factor that it
means to multiply with; P is then μ² times too small. P here is that of the paper.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from diptych.kinds import Array, hamming
from diptych.method import Streaming
from diptych.parts.algebra import Moments
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class CMFH(Streaming):
    """images is the paper's λ_1, fit_weight its μ and decay its γ.

    Each side is divided by the root of its mean square length first, so that weights mean the same for all features.
    The paper's γ is .01, on features of few dimensions; words need more. rounds are passes over U, P and V: more of
    them lower the objective, and make bits alike.
    """

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    images: Annotated[float, Above(0), Below(1)] = 0.5
    fit_weight: Annotated[float, Above(0)] = 100.0
    decay: Annotated[float, Above(0)] = 30.0
    rounds: Annotated[int, AtLeast(2)] = 5
    seed: Annotated[int, AtLeast(0)] = 0

    def directions(self, moments: Moments) -> tuple[Array, Array]:
        from scipy.linalg import cho_factor, cho_solve

        C_x, C_xy, C_y = moments.c_xx, moments.c_xy, moments.c_yy
        s_x, s_y = 1 / np.sqrt(np.trace(C_x)), 1 / np.sqrt(np.trace(C_y))
        C_x, C_xy, C_y = s_x**2 * C_x, s_x * s_y * C_xy, s_y**2 * C_y
        mu, decay, eye = self.fit_weight, self.decay / moments.n, np.eye(self.bits)
        ridged_x, ridged_y = (cho_factor(C + decay / mu * np.eye(len(C))) for C in (C_x, C_y))
        start = np.random.default_rng(self.seed).standard_normal((len(C_x) + len(C_y), self.bits))
        E_x: Array
        E_y: Array
        E_x, E_y = start[: len(C_x)], start[len(C_x) :]
        for _ in range(self.rounds):  # V = X E_x + Y E_y
            XV, YV = C_x @ E_x + C_xy @ E_y, C_xy.T @ E_x + C_y @ E_y
            VV = E_x.T @ XV + E_y.T @ YV
            U_x = self.images * np.linalg.solve(self.images * VV + decay * eye, XV.T).T
            U_y = (1 - self.images) * np.linalg.solve((1 - self.images) * VV + decay * eye, YV.T).T
            P_x, P_y = cho_solve(ridged_x, XV), cho_solve(ridged_y, YV)
            M = self.images * U_x.T @ U_x + (1 - self.images) * U_y.T @ U_y + (2 * mu + self.decay) * eye
            E_x = np.linalg.solve(M, (self.images * U_x + mu * P_x).T).T
            E_y = np.linalg.solve(M, ((1 - self.images) * U_y + mu * P_y).T).T
        return s_x * P_x, s_y * P_y
