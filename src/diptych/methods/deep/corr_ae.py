"""Correspondence autoencoders, all three (Feng, Wang & Li, ACM MM 2014).

    min  (1 - alpha) reconstruction + alpha ||f(x) - g(y)||^2

    corr    each code reconstructs its own side:  ||x - x^(f(x))||^2 + ||y - y^(g(y))||^2
    cross   each reconstructs the other side:     ||x - x^(g(y))||^2 + ||y - y^(f(x))||^2
    full    each reconstructs both

Simplified: the first layer, which the paper trains as restricted Boltzmann machines beforehand, learns with the rest
here; noise on the features, dropout and a linear layer beside the hidden one (`parts.heads.noisy`) keep it from
learning by heart what the paper's machines would have smoothed.

Codes are tanh, the logistic function around zero, since they are compared by cosine. Rows x and y have length 1. The
paper takes alpha 0.8, and 0.2 for `cross`.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class CorrAE(Descent):
    """noise is a share of the mean variance of a side's features."""

    variant: Literal["corr", "cross", "full"] = "full"
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 256
    alpha: Annotated[float, AtLeast(0), Below(1)] = 0.8
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    noise: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 64
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        return parts.heads.autoencoders(facts, self.hidden, self.dims, self.dropout, self.noise)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        unit, apart = parts.heads.UnitLength(), parts.losses.reconstruction

        def made_of(for_image: Any, for_text: Any) -> Any:
            return apart(net.to_image(for_image), unit(batch.images)) + apart(net.to_text(for_text), unit(batch.texts))

        own = made_of(images, texts) if self.variant != "cross" else 0.0
        other = made_of(texts, images) if self.variant != "corr" else 0.0
        return {
            "reconstruction": (1 - self.alpha) * (own + other),
            "correspondence": self.alpha * apart(images, texts),
        }
