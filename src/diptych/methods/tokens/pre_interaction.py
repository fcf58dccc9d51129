"""Interaction first, encoders of one side afterwards (VLDeformer: Zhang, Wu, Chen, Deng, Siebert, Li, Han, Kong & Cao,
"VLDeformer: Vision-language decomposed transformer for fast cross-modal retrieval", Knowledge-Based Systems 2022).

One transformer, with an entrance for each side, is trained twice over:

    together   it reads regions and words in one row, and tells from their mean whether they belong together
    apart      it reads either side alone, whose mean is the item's vector: contrastive of their cosines

Apart, layers are those that learned together. Mismatched pairs are a text and the picture before it in the batch, in an
order drawn anew. The paper starts from a published transformer that has also learned to fill in masked words, so that
together is all of its training but for a few steps; here it is a share of the steps.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class PreInteraction(Descent):
    """together is the share of the training in which sides are read in one row; the rest is as in `fine_global`."""

    hidden: Annotated[int, AtLeast(1)] = 128
    dims: Annotated[int, AtLeast(1)] = 128
    heads: Annotated[int, AtLeast(1)] = 4
    layers: Annotated[int, AtLeast(1)] = 1
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.1
    temperature: Annotated[float, AtLeast(0.01)] = 0.07
    together: Annotated[float, AtLeast(0), Below(1)] = 0.2
    epochs: int = 8
    patience: int = 20
    batch: Annotated[int, AtLeast(3)] = 128

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        settings = (self.hidden, self.dims, self.heads, self.layers, self.dropout)
        images, texts = (parts.sequences.Transformer(width, *settings) for width in parts.heads.widths(facts))
        images.layers, images.leave = texts.layers, texts.leave
        temperature = parts.heads.Temperature(self.temperature)
        return parts.heads.Network(images, texts, match=nn.Linear(self.dims, 1), temperature=temperature)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        if batch.done < self.together:
            return {"together": told(net, batch)}
        logits = net.temperature(parts.losses.cosines(images, texts))
        return {"apart": parts.losses.contrastive(logits, parts.targets.same_picture(batch.owner))}


def told(net: Any, batch: Batch) -> Any:
    """Cross-entropy of whether a text and a picture, its own or the one before in the batch, belong together."""
    import torch

    pictures, words = net.images.entered(batch.images), net.texts.entered(batch.texts)
    found = []
    for shift in (0, 1):
        states, real = (
            torch.cat([side.roll(shift, 0), other], dim=1) for side, other in zip(pictures, words, strict=True)
        )
        logits = net.match(parts.sequences.pooled(net.texts.heard(states, real), real, "mean"))[:, 0]
        same = (batch.owner.roll(shift, 0) == batch.owner).to(logits.dtype)
        found.append(torch.nn.functional.binary_cross_entropy_with_logits(logits, same))
    return sum(found) / 2
