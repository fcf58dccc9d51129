"""Modality-specific and shared generative adversarial network (MS2GAN: Wu, Jing, Wu, Ji, Dong, Luo, Huang & Wang 2020).

Each side has a shared row c and a specific row s, and both together are what it is found by.

    min over the features        labels + similarity - adversary L_c + specific L_s + orthogonality mean cos(c, s)^2
    min over the discriminators  L_c + L_s

L_c and L_s are the losses of two classifiers that tell pictures from texts by c and by s: the shared rows are to hide
their side, the specific ones to show it. Labels are read off c and s by one classifier each; similarity is minus the
log-likelihood of "share a label" given half the cosine of c, within and across sides.

Simplified: the paper (Pattern Recognition 104, 2020) has one more network, common to both sides, for the shared rows;
here c and s are halves of what one network a side gives. Its layers and weights are for VGG features and are not told
in full.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent, Player
from diptych.parts.fitted import AtLeast


@dataclass
class MS2GAN(Descent):
    needs = "labels"
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 256
    similarity: Annotated[float, AtLeast(0)] = 1.0
    adversary: Annotated[float, AtLeast(0)] = 0.1
    specific: Annotated[float, AtLeast(0)] = 0.1
    orthogonality: Annotated[float, AtLeast(0)] = 0.1
    batch: int = 100
    momentum: float = 0.5
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def judge() -> Any:
            return parts.heads.layers(self.dims, self.dims // 2, 1)

        return parts.heads.Network(
            images=parts.heads.mlp(facts["image_width"], self.hidden, 2 * self.dims),
            texts=parts.heads.mlp(facts["text_width"], self.hidden, 2 * self.dims),
            labels=nn.ModuleList([nn.Linear(self.dims, facts["classes"]) for _ in range(2)]),
            judges=nn.ModuleList([judge(), judge()]),
        )

    def players(self, net: Any) -> list[Player]:
        features = [*net.images.parameters(), *net.texts.parameters(), *net.labels.parameters()]
        return [
            Player("discriminators", list(net.judges.parameters()), self.judged),
            Player("features", features, self.loss),
        ]

    def judged(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        """How well the sides are told apart by their shared, and by their specific rows."""
        halves = zip(net.judges, images.chunk(2, dim=1), texts.chunk(2, dim=1), strict=True)
        shared, specific = (parts.losses.told_apart(judge(u), judge(v)) for judge, u, v in halves)
        return {"shared": shared, "specific": specific}

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, S = parts.losses, parts.targets.shared_label(batch.labels)
        told = self.judged(net, images, texts, batch)
        halves = [side.chunk(2, dim=1) for side in (images, texts)]
        (u, _), (v, _) = halves
        read = [
            losses.label_entropy(labels(half), batch.labels)
            for side in halves
            for labels, half in zip(net.labels, side, strict=True)
        ]
        both = ((u, v), (u, u), (v, v))
        return {
            "labels": sum(read) / 2,
            "similarity": self.similarity * sum(losses.pair_likelihood(losses.cosines(a, b) / 2, S) for a, b in both),
            "shared": -self.adversary * told["shared"],
            "specific": self.specific * told["specific"],
            "orthogonality": self.orthogonality * sum(losses.orthogonality(*side) for side in halves),
        }
