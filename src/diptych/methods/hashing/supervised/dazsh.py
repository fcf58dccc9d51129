"""Discrete asymmetric zero-shot hashing, DAZSH (Shu, Yong, Yu, Gao, Wang, Xiao & Wu, Neurocomputing 511, 2022).

    min  Σ_m α ||X_m - G_m A_m||² + β ||B_m - G_m W_m||² + μ ||B_m - X_m P_m||² + γ (||G_m||² + ||W_m||² + ||P_m||²)
         + 1/s Σ_ij [log(1 + e^θ_ij) - s_ij θ_ij],   Θ = λ / k  B_1 B_2',   B_m in {-1, 1}, n x k

for the two sides m. A (C x d) are attributes of the classes that are shown, G (n x C) how much of each class there is
in an item, and W the codes of classes: a code follows the classes that an item resembles, who shares a label (s_ij) and
what features tell of it. So items of classes never shown have codes, too: sgn(x P_m). G, W and P have closed forms; B
goes to the minimum of a bound of all this that is linear in it. The last sum runs over all i against s of the j, and
over s of the i against all j.

In the paper G_m is a product of labels with an n x n matrix, whose length is weighed in place of G's, and the s are
drawn anew in each turn; its released code goes up where this goes down.

Simplified: attributes are word vectors of the names of classes there, as wide as the features; here the mean of the
rows of a class, since no set has others.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating
from diptych.parts.bits import signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import Rows, ridge, squares


@dataclass
class DAZSH(Alternating):
    """attributes, classes, fit_weight, decay and sharpness are the paper's α, β, μ, γ and λ; drawn is s."""

    needs = "labels"
    landmarks: Annotated[int, AtLeast(0)] = 300
    attributes: Annotated[float, AtLeast(0)] = 100.0
    classes: Annotated[float, Above(0)] = 1.0
    fit_weight: Annotated[float, Above(0)] = 0.01
    decay: Annotated[float, Above(0)] = 0.01
    sharpness: Annotated[float, AtLeast(0)] = 4.0
    drawn: Annotated[int, AtLeast(1)] = 50
    rounds: Annotated[int, AtLeast(0)] = 10

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        rng = np.random.default_rng(self.seed)
        L = L[:, L.any(axis=0)]
        few = np.sort(rng.permutation(len(L))[: self.drawn])
        now = SimpleNamespace(few=few, shared=(L @ L[few].T > 0).astype(np.float64))
        now.sides = [Rows(rows, self.decay / self.fit_weight) for rows in (X, Y)]
        now.A = [L.T @ rows / L.sum(axis=0)[:, None] for rows in (X, Y)]
        now.B = [signs(L @ rng.standard_normal((L.shape[1], self.bits)))] * 2
        now.W = [np.zeros((L.shape[1], self.bits)) for _ in range(2)]
        now.P = [np.zeros((rows.shape[1], self.bits)) for rows in (X, Y)]
        now.unlike = self._unlike(now)
        self.memberships(now)
        return now

    def steps(self) -> Any:
        return self.image_codes, self.text_codes, self.of_classes, self.memberships, self.functions

    def memberships(self, now: Any) -> None:
        now.G = []
        for side, A, B, W in zip(now.sides, now.A, now.B, now.W, strict=True):
            M = self.attributes * A @ A.T + self.classes * W @ W.T + self.decay * np.eye(len(A))
            now.G.append(np.linalg.solve(M, (self.attributes * side.X @ A.T + self.classes * B @ W.T).T).T)

    def of_classes(self, now: Any) -> None:
        now.W = [ridge(G, B, self.decay / self.classes).T for G, B in zip(now.G, now.B, strict=True)]

    def functions(self, now: Any) -> None:
        now.P = [side.function(B) for side, B in zip(now.sides, now.B, strict=True)]

    def image_codes(self, now: Any) -> None:
        self._solve(now, 0)

    def text_codes(self, now: Any) -> None:
        self._solve(now, 1)

    def _solve(self, now: Any, m: int) -> None:
        B, others, few, scale = now.B[m], now.B[1 - m], now.few, self.sharpness / self.bits
        pull = 2 * (self.classes * now.G[m] @ now.W[m] + self.fit_weight * now.sides[m].X @ now.P[m])
        steep = np.zeros((len(B), 1))
        for asked, told, shared in ((slice(None), others[few], now.shared), (few, others, now.shared.T)):
            pull[asked] -= self._slope(B[asked], told, shared)
            steep[asked] += np.linalg.eigvalsh(told.T @ told)[-1]
        # No second derivative of the last sum is above this: those of log(1 + e^θ) are at most 1/4.
        found = signs(pull + scale**2 / 4 / len(few) * steep * B)
        now.B = [found, others] if m == 0 else [others, found]
        now.unlike = self._unlike(now)

    def _slope(self, B: Array, others: Array, shared: Array) -> Array:
        """Of the last sum, over these codes and others, by B."""
        from scipy.special import expit

        scale = self.sharpness / self.bits
        return np.asarray(scale / min(shared.shape) * (expit(scale * B @ others.T) - shared) @ others)

    def _unlike(self, now: Any) -> float:
        """The last sum."""
        (images, texts), few, total = now.B, now.few, 0.0
        for B, others, shared in ((images, texts[few], now.shared), (images[few], texts, now.shared.T)):
            theta = self.sharpness / self.bits * B @ others.T  # never beyond λ
            total += float(np.log1p(np.exp(theta)).sum() - np.vdot(shared, theta)) / len(few)
        return total

    def objective(self, now: Any) -> float:
        total = now.unlike
        for side, A, G, B, W, P in zip(now.sides, now.A, now.G, now.B, now.W, now.P, strict=True):
            total += self.attributes * squares(side.X - G @ A) + self.classes * squares(B - G @ W)
            total += self.fit_weight * side.untold(B, P) + self.decay * (squares(G) + squares(W) + squares(P))
        return float(total)

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.P[0], now.P[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.B[0], now.B[1]
