"""Generalised semantic preserving hashing, GSPH (Mandal, Chaudhury & Biswas, CVPR 2017; TIP 2019).

    min_{A,B}  ||k S - A B'||_F²        A, B in [-1, 1]

A (n_1, k) and B (n_2, k) are the codes of pictures and texts, before their signs are taken; their numbers need not be
the same, and who belongs to whom is not asked. s_ij is the cosine of the labels of picture i and text j, a product of
thin factors F E', so that no n x n matrix is made. Each column of A, with all others held, is the minimum cut at the
box:

    a_l <- cut((k F E'b_l - Σ_{m≠l} a_m b_m'b_l) / b_l'b_l),   and likewise b_l.

Codes of other items come from logistic regressions on kernels, one a bit. The paper's protocol, where both sides of a
database item are there, stores the signs of the mean of their probabilities; here an item has the code of its own side.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array, Pairs
from diptych.method import Alternating, unaligned
from diptych.parts.algebra import unit
from diptych.parts.bits import signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.logistic import logistic


@dataclass
class Mandal(Alternating):
    """fit_decay is the strength of the logistic regressions. The paper has 500 landmarks and up to 100 rounds."""

    needs = "labels"
    landmarks: Annotated[int, AtLeast(0)] = 1500
    fit_decay: Annotated[float, Above(0)] = 0.03

    def rows(self, train: Pairs) -> tuple[Array, Array, Any, Array]:
        return unaligned(train)

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        draw = np.random.default_rng(self.seed).standard_normal
        now = SimpleNamespace(X=X, Y=Y, F=unit(L[0]), E=unit(L[1]))
        now.A, now.B = (signs(draw((len(rows), self.bits))) for rows in (X, Y))
        return now

    def steps(self) -> Any:
        return self.image_codes, self.text_codes

    def image_codes(self, now: Any) -> None:
        now.A = self._columns(now.A, now.B, now.F, now.E)

    def text_codes(self, now: Any) -> None:
        now.B = self._columns(now.B, now.A, now.E, now.F)

    def _columns(self, A: Array, B: Array, F: Array, E: Array) -> Array:
        A, gram, target = A.copy(), B.T @ B, self.bits * F @ (E.T @ B)
        for bit in range(A.shape[1]):
            others = A @ gram[:, bit] - A[:, bit] * gram[bit, bit]
            A[:, bit] = np.clip((target[:, bit] - others) / max(gram[bit, bit], 1e-12), -1, 1)
        return A

    def objective(self, now: Any) -> float:
        S = self.bits**2 * float(np.vdot(now.F.T @ now.F, now.E.T @ now.E))
        across = float(np.vdot(now.F.T @ now.A, now.E.T @ now.B))
        return S - 2 * self.bits * across + float(np.vdot(now.A.T @ now.A, now.B.T @ now.B))

    def maps(self, now: Any) -> tuple[Array, Array]:
        return logistic(now.X, signs(now.A), self.fit_decay), logistic(now.Y, signs(now.B), self.fit_decay)

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.A, now.B
