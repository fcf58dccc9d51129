"""Contrastive learning of two towers (CPC: van den Oord et al. 2018; CLIP: Radford et al. 2021).

    max  log p(text | picture) + log p(picture | text),   p a softmax over the batch of  exp(cos(u, v) / temperature)

The towers are small networks on features, and with noise a linear layer beside each, see `parts.heads.noisy`. Captions
of one picture that meet in a batch are positives of it.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class InfoNCE(Descent):
    """hidden layers have these widths; at 0 there is none and the tower is linear, which is best for bags of words.

    temperature is where the learned one starts, and .01 its least. Noise is a share of the mean variance of a side's
    features; without it there is no linear layer beside the hidden one either.
    """

    image_hidden: Annotated[int, AtLeast(0)] = 2048
    text_hidden: Annotated[int, AtLeast(0)] = 0
    dims: Annotated[int, AtLeast(1)] = 512
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    image_noise: Annotated[float, AtLeast(0)] = 0.0
    text_noise: Annotated[float, AtLeast(0)] = 0.0
    temperature: Annotated[float, AtLeast(0.01)] = 0.07
    epochs: int = 5
    batch: int = 512
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        def tower(width: int | None, hidden: int, noise: float) -> Any:
            if noise:
                return parts.heads.noisy(width, hidden, self.dims, self.dropout, noise)
            return parts.heads.mlp(width, hidden, self.dims, dropout=self.dropout)

        return parts.heads.Network(
            images=tower(facts["image_width"], self.image_hidden, self.image_noise),
            texts=tower(facts["text_width"], self.text_hidden, self.text_noise),
            temperature=parts.heads.Temperature(self.temperature),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        logits = net.temperature(parts.losses.cosines(images, texts))
        return {"contrastive": parts.losses.contrastive(logits, parts.targets.same_picture(batch.owner))}
