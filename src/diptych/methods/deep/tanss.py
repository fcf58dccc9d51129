"""Ternary adversarial networks with self-supervision (TANSS: Xu, Lu, Song, Yang, Shen & Li 2020).

Three networks meet in one space: pictures, texts, and labels, whose rows w = f(l) guide the other two.

    labels     l is reconstructed from w                                (the self-supervision)
    semantics  ||z - w||^2 / dims of pictures and texts, and l decoded from z by the same decoder
    pairs      minus the log-likelihood of sharing a label given half the cosine, picture against text
    fooled     two discriminators tell w from pictures, and w from texts; the encoders raise their loss

Simplified: the paper's label network (IEEE Transactions on Cybernetics 50, 2020) reads word vectors of class names;
pairs here carry label vectors alone, so it reads those. Of a class that no training item has it learns nothing then:
what is found of such classes, as under Wikipedia's protocol `zero_shot`, the encoders carry over.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent, Player
from diptych.parts.fitted import AtLeast


@dataclass
class TANSS(Descent):
    needs = "labels"
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 256
    semantics: Annotated[float, AtLeast(0)] = 1.0
    pairs: Annotated[float, AtLeast(0)] = 1.0
    adversary: Annotated[float, AtLeast(0)] = 0.1
    batch: int = 100
    momentum: float = 0.5
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        classes = facts["classes"]
        return parts.heads.Network(
            images=parts.heads.mlp(facts["image_width"], self.hidden, self.dims),
            texts=parts.heads.mlp(facts["text_width"], self.hidden, self.dims),
            labels=parts.heads.layers(classes, self.dims, self.dims),
            decoder=nn.Linear(self.dims, classes),
            judges=nn.ModuleList([parts.heads.layers(self.dims, self.dims // 2, 1) for _ in range(2)]),
        )

    def players(self, net: Any) -> list[Player]:
        modules = (net.images, net.texts, net.labels, net.decoder)
        encoders = [parameter for module in modules for parameter in module.parameters()]
        return [
            Player("discriminators", list(net.judges.parameters()), self.judged),
            Player("encoders", encoders, self.loss),
        ]

    def judged(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        """How well rows of labels are told from those of pictures, and from those of texts."""
        guides = net.labels(batch.labels)
        sides = zip(("images", "texts"), net.judges, (images, texts), strict=True)
        return {name: parts.losses.told_apart(judge(guides), judge(side)) for name, judge, side in sides}

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, guides = parts.losses, net.labels(batch.labels)
        S = parts.targets.shared_label(batch.labels)
        near = sum((side - guides).square().mean() for side in (images, texts))
        told = sum(losses.label_entropy(net.decoder(side), batch.labels) for side in (images, texts))
        fooled = sum(self.judged(net, images, texts, batch).values())
        return {
            "labels": losses.label_entropy(net.decoder(guides), batch.labels),
            "semantics": self.semantics * (near + told),
            "pairs": self.pairs * losses.pair_likelihood(losses.cosines(images, texts) / 2, S),
            "fooled": -self.adversary * fooled,
        }
