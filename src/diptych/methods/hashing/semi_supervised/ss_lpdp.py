"""Semi-supervised hashing by label prediction and distance preserving, SS-LPDP (Zhang et al. 2017).

    labels   F = (1 - a) (I - a A)⁻¹ clip( (X_1 W_1 + X_2 W_2) / 2 ),  W the ridge regression of labels that were given
    codes    min_{V,G,P}  Σ_m ||V - X_m P_m||²  +  β ||F - V G'||²  +  γ n Σ_{c,c'} s_c s_c' (||μ_c - μ_c'||² - d_cc')²
                          +  λ (||G||² + Σ_m ||P_m||²),        μ_c the mean of V over the pairs of class c
    turn     min_{B,R}  ||B - V R||²        B in {-1, 1}, R'R = I

for the two sides m: labels of all pairs are regressed, then spread over the graph A of the nearest of both sides;
latent rows V (n, k) tell them, and keep classes as far from each other as their mean features are; then V is turned
until signs lose least of it (iterative quantisation: Gong & Lazebnik, CVPR 2011). A code is sgn(x P_m R). V goes
downhill, the others have closed forms.

Reconstruction: neither text nor code was at hand, but what others tell of it. Squared distances d are scaled to mean
2k, that of independent signs; s_c is the share of a class.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating, SomeLabels
from diptych.parts.affinities import neighbours, spread
from diptych.parts.bits import rotation, signs
from diptych.parts.fitted import Above, AtLeast, Below
from diptych.parts.kernels import squared_distance
from diptych.parts.rows import Rows, ridge, squares


@dataclass
class SSLPDP(SomeLabels, Alternating):
    """across is a, labels β, distances γ and decay λ; neighbours, how many of a side stand in the graph."""

    across: Annotated[float, AtLeast(0), Below(1)] = 0.9
    labels: Annotated[float, AtLeast(0)] = 10.0
    distances: Annotated[float, AtLeast(0)] = 0.1
    decay: Annotated[float, Above(0)] = 1.0
    neighbours: Annotated[int, AtLeast(1)] = 10
    turns: Annotated[int, AtLeast(0)] = 50

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        known = L.any(axis=1)
        now = SimpleNamespace(sides=[Rows(rows, self.decay) for rows in (X, Y)])
        told = [rows @ Rows(rows[known], self.decay).function(L[known]) for rows in (X, Y)]
        near = neighbours(X, self.neighbours) + neighbours(Y, self.neighbours)
        now.F = spread(near, np.where(known[:, None], L, np.clip(sum(told) / 2, 0, 1)), self.across)
        now.F[known] = L[known]
        now.mean = (now.F / np.maximum(now.F.sum(axis=0), 1e-9)).T
        features = now.mean @ np.hstack([X, Y])
        share = now.F.mean(axis=0)
        now.share, now.d = np.outer(share, share), squared_distance(features, features)
        now.d *= 2 * self.bits * now.share.sum() / max(float(np.vdot(now.share, now.d)), 1e-9)
        now.V = np.random.default_rng(self.seed).standard_normal((len(X), self.bits))
        self.factor(now)
        self.functions(now)
        return now

    def steps(self) -> Any:
        return self.factor, self.latent, self.functions

    def factor(self, now: Any) -> None:
        now.G = ridge(now.V, now.F, self.decay / max(self.labels, 1e-9))

    def functions(self, now: Any) -> None:
        now.P = [side.function(now.V) for side in now.sides]

    def latent(self, now: Any) -> None:
        way = -np.linalg.solve(self.curvature(now), self.half_slope(now).T).T
        before, V = self.objective(now), now.V
        for step in 0.5 ** np.arange(12):
            now.V = V + step * way
            if self.objective(now) < before:
                return
        now.V = V

    def half_slope(self, now: Any) -> Array:
        """(n, k) half of the gradient by V."""
        told = sum(side.X @ P for side, P in zip(now.sides, now.P, strict=True)) + self.labels * now.F @ now.G
        mu = now.mean @ now.V
        off = now.share * (squared_distance(mu, mu) - now.d)
        pull = 4 * self.distances * len(now.V) * now.mean.T @ (off.sum(axis=1)[:, None] * mu - off @ mu)
        return np.asarray(now.V @ self.curvature(now) - told + pull)

    def curvature(self, now: Any) -> Array:
        """(k, k) half of the second derivative by a row of V, but for the distances."""
        return np.asarray(2 * np.eye(self.bits) + self.labels * now.G.T @ now.G)

    def objective(self, now: Any) -> float:
        mu = now.mean @ now.V
        total = self.labels * squares(now.F - now.V @ now.G.T) + self.decay * squares(now.G)
        total += self.distances * len(now.V) * float(np.vdot(now.share, (squared_distance(mu, mu) - now.d) ** 2))
        for side, P in zip(now.sides, now.P, strict=True):
            total += side.untold(now.V, P) + self.decay * squares(P)
        return total

    def maps(self, now: Any) -> tuple[Array, Array]:
        centred = now.V - now.V.mean(axis=0)
        now.R = np.eye(self.bits)
        for _ in range(self.turns):
            now.R = rotation(signs(centred @ now.R), centred)
        return now.P[0] @ now.R, now.P[1] @ now.R

    def codes(self, now: Any) -> tuple[Array, Array]:
        turned = (now.V - now.V.mean(axis=0)) @ now.R
        return turned, turned
