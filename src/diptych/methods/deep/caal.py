"""Category alignment adversarial learning (CAAL: He, Wang, Wang, Xu, Yang, Wang & Shen, IEEE TKDE 2022).

Two conditional generators make a common row of each side out of labels and noise, p and q; two encoders make one out
of a picture and of a text, u and v.

    stage 1   a discriminator tells the pair (u, v) from the pair (p, q), given the labels
    stage 2   raw features are rebuilt from (u, p) and from (v, q); a second discriminator tells the pair of raw from
              the pair of rebuilt features, given the labels
    labels    read off u, v, p and q by one classifier

Generators and encoders play against both discriminators, so that the sides are aligned class by class. Rows x and y
have length 1.

Reconstruction: built after the paper's abstract and what surveys tell of it. Which rows each stage makes and compares,
layers and weights are ours.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent, Player
from diptych.parts.fitted import AtLeast


@dataclass
class CAAL(Descent):
    """rebuilding weighs the squared distance of raw and rebuilt features, adversary both games."""

    needs = "labels"
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 256
    noise: Annotated[int, AtLeast(1)] = 64
    rebuilding: Annotated[float, AtLeast(0)] = 0.1
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
            generators=nn.ModuleList([layers(classes + self.noise, self.hidden, self.dims) for _ in both]),
            decoders=nn.ModuleList([layers(2 * self.dims, self.hidden, width) for width in both]),
            judges=nn.ModuleList([layers(width + classes, self.hidden, 1) for width in (2 * self.dims, sum(both))]),
        )

    def players(self, net: Any) -> list[Player]:
        modules = (net.images, net.texts, net.labels, net.generators, net.decoders)
        others = [parameter for module in modules for parameter in module.parameters()]
        return [
            Player("discriminators", list(net.judges.parameters()), self.judged),
            Player("generators", others, self.loss),
        ]

    def stages(self, net: Any, images: Any, texts: Any, batch: Batch) -> tuple[Any, ...]:
        """What is made of labels, raw features and what is rebuilt of them; each of both sides."""
        import torch

        drawn = [torch.randn(len(images), self.noise, device=images.device).to(images) for _ in net.generators]
        made = [make(torch.cat([batch.labels, z], 1)) for make, z in zip(net.generators, drawn, strict=True)]
        joined = [torch.cat(pair, dim=1) for pair in zip((images, texts), made, strict=True)]
        rebuilt = [decode(rows) for decode, rows in zip(net.decoders, joined, strict=True)]
        return made, [parts.heads.UnitLength()(side) for side in (batch.images, batch.texts)], rebuilt

    def judged(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        import torch

        made, raw, rebuilt = self.stages(net, images, texts, batch)

        def told(judge: Any, real: Any, fake: Any) -> Any:
            return parts.losses.told_apart(*(judge(torch.cat([*pair, batch.labels], 1)) for pair in (real, fake)))

        first, second = net.judges
        return {"rows": told(first, (images, texts), made), "features": told(second, raw, rebuilt)}

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        made, raw, rebuilt = self.stages(net, images, texts, batch)
        missed = sum(parts.losses.reconstruction(*pair) for pair in zip(rebuilt, raw, strict=True))
        rows = (images, texts, *made)
        return {
            "labels": sum(parts.losses.label_entropy(net.labels(side), batch.labels) for side in rows),
            "rebuilding": self.rebuilding * missed,
            "adversary": -self.adversary * sum(self.judged(net, images, texts, batch).values()),
        }
