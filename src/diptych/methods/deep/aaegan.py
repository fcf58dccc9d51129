"""Assembling autoencoders and a generative adversarial network (AAEGAN: Xu, Tian, Lin, Lu, Shao & Shen, ACM TOMM 2021).

    autoencoders    ||x - x^(f(x))||^2 and the same of y; across: ||x - x^(g(y))||^2 and the same of y
    alignment       ||f(x) - g(y)||^2 / dims and the discrepancy of the two sides' rows
    labels          read off the rows of real items, and off those of made-up ones
    generators      make items of each side from labels and noise, and are to pass for real
    discriminators  tell real from made-up items, given the labels

What the generators make up of labels alone teaches the encoders, too. Rows x and y have length 1.

Simplified: the paper's class embeddings are word vectors, with an autoencoder of their own, and let it make up classes
that were never shown; here they are the label vectors that pairs carry, and only such classes are made up.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent, Player
from diptych.parts.fitted import AtLeast


@dataclass
class AAEGAN(Descent):
    """reconstruction, alignment, synthesis and adversary weigh the terms besides the labels of real items."""

    needs = "labels"
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 256
    noise: Annotated[int, AtLeast(1)] = 64
    reconstruction: Annotated[float, AtLeast(0)] = 0.1
    alignment: Annotated[float, AtLeast(0)] = 0.1
    synthesis: Annotated[float, AtLeast(0)] = 0.1
    adversary: Annotated[float, AtLeast(0)] = 0.1
    batch: int = 100
    momentum: float = 0.5
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        both, classes, layers = parts.heads.widths(facts), facts["classes"], parts.heads.layers
        images, texts = (parts.heads.mlp(width, self.hidden, self.dims) for width in both)
        return parts.heads.Network(
            images,
            texts,
            labels=nn.Linear(self.dims, classes),
            decoders=nn.ModuleList([layers(self.dims, self.hidden, width) for width in both]),
            generators=nn.ModuleList([layers(classes + self.noise, self.hidden, width) for width in both]),
            judges=nn.ModuleList([layers(width + classes, self.hidden, 1) for width in both]),
        )

    def players(self, net: Any) -> list[Player]:
        autoencoders = [
            parameter
            for module in (net.images, net.texts, net.labels, net.decoders)
            for parameter in module.parameters()
        ]
        return [
            Player("discriminators", list(net.judges.parameters()), self.judged),
            Player("generators", list(net.generators.parameters()), self.generated),
            Player("autoencoders", autoencoders, self.loss),
        ]

    def made_up(self, net: Any, batch: Batch) -> list[Any]:
        """Items of each side, of unit length, made from the labels of the batch and noise."""
        import torch

        drawn = [torch.randn(len(batch.labels), self.noise, device=batch.labels.device) for _ in net.generators]
        given = [torch.cat([batch.labels, noise], dim=1) for noise in drawn]
        return [parts.heads.UnitLength()(make(rows)) for make, rows in zip(net.generators, given, strict=True)]

    def judge(self, net: Any, sides: Any, batch: Batch) -> list[Any]:
        import torch

        return [judge(torch.cat([rows, batch.labels], 1)) for judge, rows in zip(net.judges, sides, strict=True)]

    def judged(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        real = self.judge(net, map(parts.heads.UnitLength(), (batch.images, batch.texts)), batch)
        fake = self.judge(net, self.made_up(net, batch), batch)
        return {"told": sum(map(parts.losses.told_apart, real, fake))}

    def generated(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        made = self.made_up(net, batch)
        fooled = sum(map(parts.losses.passes_for_fake, self.judge(net, made, batch)))
        return {"fooled": self.adversary * fooled, "labels": self.read(net, made, batch)}

    def read(self, net: Any, items: Any, batch: Batch) -> Any:
        """Label entropy of items of both sides, from their common rows."""
        rows = [encode(side) for encode, side in zip((net.images, net.texts), items, strict=True)]
        return sum(parts.losses.label_entropy(net.labels(side), batch.labels) for side in rows)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, real = parts.losses, [parts.heads.UnitLength()(side) for side in (batch.images, batch.texts)]
        codes = ((images, texts), (texts, images))
        remade = sum(
            losses.reconstruction(decode(code), rows)
            for order in codes
            for decode, code, rows in zip(net.decoders, order, real, strict=True)
        )
        near = (images - texts).square().mean() + losses.discrepancy(images, texts, 1 / self.dims)
        labels = sum(losses.label_entropy(net.labels(side), batch.labels) for side in (images, texts))
        return {
            "labels": labels,
            "reconstruction": self.reconstruction * remade,
            "alignment": self.alignment * near,
            "synthesis": self.synthesis * self.read(net, self.made_up(net, batch), batch),
        }
