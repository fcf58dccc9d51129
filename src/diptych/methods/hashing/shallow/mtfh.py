"""Matrix tri-factorisation hashing, MTFH (Liu, Hu, Ling & Cheung, TPAMI 2021).

    min_{U,V,Ũ,Ṽ,H}  α ||S - U Ũ'/q_1||² + (1 - α) ||S - Ṽ V'/q_2||²
                     + β (||Ũ - V H_1'||² + ||Ṽ - U H_2||²) + r (||H_1||² + ||H_2||²)

U (n_1, q_1) and V (n_2, q_2) in {-1, 1} are the codes of pictures and texts: neither their numbers nor their lengths
need be the same, and who belongs to whom is not asked. Ũ (n_2, q_1) and Ṽ (n_1, q_2), in {-1, 1} too, are the codes of
each side in the lengths of the other, which H (q_1, q_2) leads to. s_ij is the cosine of the labels of picture i and
text j, a product of thin factors. H has closed forms; codes are solved for bit by bit, each with all others held.

Codes of other items come from logistic regressions on kernels, one a bit.

Simplified: a picture u and a text v are compared where `meet` says, as sgn(u H_2) with v or as u with sgn(v H_1'); the
paper does the former where pictures ask and the latter where texts ask. Its code draws a number of bits to go over where it means to draw an order, and takes
columns of H_2 in the step of V where the derivative has H_1; here bits go in order, and the derivative is taken.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np

from diptych.kinds import Array, Pairs
from diptych.method import Alternating, unaligned
from diptych.parts.algebra import unit
from diptych.parts.bits import bitwise, signs
from diptych.parts.fitted import Above, AtLeast, Below
from diptych.parts.logistic import logistic
from diptych.parts.rows import ridge, squares


@dataclass
class MTFH(Alternating):
    """bits is q_2, of texts, and image_bits q_1, none being as many; images is α, across β.

    decay is r, which is .1 in the paper, and fit_decay the strength of the logistic regressions. The
    paper has 500 landmarks.
    """

    needs = "labels"
    image_bits: Annotated[int | None, AtLeast(1)] = None
    meet: Literal["texts", "images"] = "texts"
    landmarks: Annotated[int, AtLeast(0)] = 1500
    images: Annotated[float, Above(0), Below(1)] = 0.5
    across: Annotated[float, Above(0)] = 0.1
    decay: Annotated[float, Above(0)] = 0.1
    fit_decay: Annotated[float, Above(0)] = 0.03

    def rows(self, train: Pairs) -> tuple[Array, Array, Any, Array]:
        return unaligned(train)

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        now = SimpleNamespace(X=X, Y=Y, F=unit(L[0]), E=unit(L[1]))
        draw, sizes = np.random.default_rng(self.seed).standard_normal, (self.image_bits or self.bits, self.bits)
        now.U, now.V_ = (signs(draw((len(X), size))) for size in sizes)
        now.U_, now.V = (signs(draw((len(Y), size))) for size in sizes)
        now.a, now.b = self.images / sizes[0], (1 - self.images) / sizes[1]
        self.lead(now)
        return now

    def steps(self) -> Any:
        return self.image_codes, self.text_codes, self.lead

    def lead(self, now: Any) -> None:
        now.H_1, now.H_2 = (
            ridge(now.V, now.U_, self.decay / self.across),
            ridge(now.U, now.V_, self.decay / self.across).T,
        )

    def image_codes(self, now: Any) -> None:
        """U and Ũ."""
        like, q = now.F @ (now.E.T @ now.U_), now.U.shape[1]
        gram = now.a / q * now.U_.T @ now.U_ + self.across * now.H_2 @ now.H_2.T
        now.U = bitwise(now.U, gram, now.a * like + self.across * now.V_ @ now.H_2.T)
        like = now.E @ (now.F.T @ now.U)
        now.U_ = bitwise(now.U_, now.a / q * now.U.T @ now.U, now.a * like + self.across * now.V @ now.H_1.T)

    def text_codes(self, now: Any) -> None:
        """V and Ṽ."""
        like, q = now.E @ (now.F.T @ now.V_), now.V.shape[1]
        gram = now.b / q * now.V_.T @ now.V_ + self.across * now.H_1.T @ now.H_1
        now.V = bitwise(now.V, gram, now.b * like + self.across * now.U_ @ now.H_1)
        like = now.F @ (now.E.T @ now.V)
        now.V_ = bitwise(now.V_, now.b / q * now.V.T @ now.V, now.b * like + self.across * now.U @ now.H_2)

    def objective(self, now: Any) -> float:
        total = self.decay * (squares(now.H_1) + squares(now.H_2))
        total += self.across * (squares(now.U_ - now.V @ now.H_1.T) + squares(now.V_ - now.U @ now.H_2))
        S = float(np.vdot(now.F.T @ now.F, now.E.T @ now.E))
        for weight, of_x, of_y in ((now.a, now.U, now.U_), (now.b, now.V_, now.V)):
            q = of_x.shape[1]
            total += weight * q * S - 2 * weight * float(np.vdot(now.F.T @ of_x, now.E.T @ of_y))
            total += weight / q * float(np.vdot(of_x.T @ of_x, of_y.T @ of_y))
        return total

    def maps(self, now: Any) -> tuple[Array, Array]:
        self.H_ = now.H_2 if self.meet == "texts" else now.H_1
        return logistic(now.X, now.U, self.fit_decay), logistic(now.Y, now.V, self.fit_decay)

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.U, now.V

    def met(self, signed: Array, side: str) -> Array:
        if side == self.meet:
            return signed
        return signs(signed @ (self.H_ if self.meet == "texts" else self.H_.T))
