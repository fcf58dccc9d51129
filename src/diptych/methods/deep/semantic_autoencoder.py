"""Semantic autoencoder without labels, after what Zhou, Hassan & Goon (IEEE Access 2023) tell of their reference [56].

Raw features are rebuilt from one latent space that both sides share, and what is rebuilt has to mean the same:

    min  reconstruction   ||x - x^(u)||^2 + ||y - y^(v)||^2 + ||x - x^(v)||^2 + ||y - y^(u)||^2
         consistency      mean (u - v)^2 + mean (f(x^(v)) - v)^2 + mean (g(y^(u)) - u)^2

with u = f(x), v = g(y): a picture that is rebuilt from a text is encoded to the text's row again, and the other way
round. Rows x and y have length 1. Against learning by heart the features get noise, and the encoders dropout and a
linear layer beside the hidden one, see `parts.heads.noisy`.

Reconstruction: the survey gives no sizes and no weights.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class SemanticAutoencoder(Descent):
    """noise is a share of the mean variance of a side's features."""

    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 256
    consistency: Annotated[float, AtLeast(0)] = 40.0
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    noise: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 64
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        return parts.heads.autoencoders(facts, self.hidden, self.dims, self.dropout, self.noise)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        apart = parts.losses.reconstruction
        x, y = (parts.heads.UnitLength()(rows) for rows in (batch.images, batch.texts))
        from_text, from_image = net.to_image(texts), net.to_text(images)
        with parts.heads.kept_statistics(net):
            again = ((images, texts), (net.images(from_text), texts), (net.texts(from_image), images))
        rebuilt = apart(net.to_image(images), x) + apart(net.to_text(texts), y)
        return {
            "reconstruction": rebuilt + apart(from_text, x) + apart(from_image, y),
            "consistency": self.consistency * sum((one - other).square().mean() for one, other in again),
        }
