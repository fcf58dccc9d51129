"""Universal weighting of pairs by polynomials of their similarity (Wei, Xu, Yang, Ji, Wang & Shen, CVPR 2020).

    L = mean_i  [ sum_p a_p s_ii^p ]_+  +  [ sum_q b_q max_n s_in^q ]_+      from both sides

over the hardest negative n of each anchor i, where it is an informative one: s_in > s_ii - margin. A polynomial's
derivative is the weight of a pair: with these, of the authors' code, a positive pulls the harder the farther it is, and
a negative pushes the harder the nearer it is, from a cosine of .35 on. s is the cosine of two towers here; the paper
puts the loss on SCAN and BFAN. Every positive pulls; in released code one without an informative negative does not.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class PolyLoss(Descent):
    """attract and repel are a and b, from the constant up. Hidden widths and dropout as in `infonce`."""

    image_hidden: Annotated[int, AtLeast(0)] = 2048
    text_hidden: Annotated[int, AtLeast(0)] = 0
    dims: Annotated[int, AtLeast(1)] = 512
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    margin: Annotated[float, AtLeast(0)] = 0.2
    attract: tuple[float, ...] = (0.5, -0.7, 0.2)
    repel: tuple[float, ...] = (0.03, -0.4, 0.9)
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def tower(width: int | None, hidden: int) -> Any:
            rows = parts.heads.mlp(width, hidden, self.dims, dropout=self.dropout)
            return nn.Sequential(rows, nn.BatchNorm1d(self.dims, affine=False))

        return parts.heads.Network(
            tower(facts["image_width"], self.image_hidden), tower(facts["text_width"], self.text_hidden)
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        near, same = parts.losses.cosines(images, texts), parts.targets.same_picture(batch.owner) > 0
        own = near.diagonal()
        hardest = near.masked_fill(same, -1.0)
        informative = [(most, most > own - self.margin) for most in (hardest.amax(dim=1), hardest.amax(dim=0))]
        return {
            "attract": 2 * polynomial(self.attract, own).clamp(min=0).mean(),
            "repel": sum((polynomial(self.repel, s).clamp(min=0) * kept).mean() for s, kept in informative),
        }


def polynomial(coefficients: tuple[float, ...], s: Any) -> Any:
    """sum_p coefficients_p s^p."""
    return sum((coefficient * s**power for power, coefficient in enumerate(coefficients)), start=0 * s)
