"""Adversarial graph convolutional network (AGCN: Dong, Zhang, Dong, Nie & Zhang 2022).

An item is seen through a local graph, itself and the k training items of its side that are most like it,

    h = ReLU(row of D^{-1/2} (A + I) D^{-1/2} X W),   A the cosines of the graph's items, those below `threshold` cut

and a layer on top brings h to the common space, where one classifier reads the labels off both sides, items of one
label are drawn together (minus the log-likelihood of sharing one given half the cosine), and a modality classifier is
fooled by its reversed gradient.

Inductive: neighbours are training items for whatever is asked, a sample of `landmarks` of them, and an item is no
neighbour of its own.

Reconstruction: IEEE TCSVT 32 (2022); no code is public, and sizes and weights are ours.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Pairs, count, take
from diptych.method import Batch, Descent, dense, featured
from diptych.parts.fitted import AtLeast, Below


@dataclass
class AGCN(Descent):
    needs = "labels"
    neighbours: Annotated[int, AtLeast(1)] = 5
    threshold: Annotated[float, AtLeast(0), Below(1)] = 0.5
    landmarks: Annotated[int, AtLeast(2)] = 2000
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 512
    similarity: Annotated[float, AtLeast(0)] = 1.0
    adversary: Annotated[float, AtLeast(0)] = 0.1
    batch: int = 100
    momentum: float = 0.5
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def side(items: int, width: int) -> Any:
            bank = parts.graphs.Neighbourhood(min(self.landmarks, items), width, self.neighbours, self.threshold)
            return nn.Sequential(bank, nn.Linear(width, self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.dims))

        image_width, text_width = parts.heads.widths(facts)
        return parts.heads.Network(
            images=side(facts["images"], image_width),
            texts=side(facts["texts"], text_width),
            labels=nn.Linear(self.dims, facts["classes"]),
            modality=parts.heads.layers(self.dims, self.dims // 2, 1),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        if epoch == 0:
            for (bank, *_), items, side in ((net.images, train.images, "images"), (net.texts, train.texts, "texts")):
                drawn = np.random.default_rng(self.seed).permutation(count(featured(items, side)))[: len(bank.rows)]
                bank.remember(dense(take(items, np.sort(drawn))))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, S = parts.losses, parts.targets.shared_label(batch.labels)
        both = ((images, texts), (images, images), (texts, texts))
        factor = self.adversary * parts.heads.reversal(batch.done)
        judged = [net.modality(parts.heads.reversed_gradient(side, factor)) for side in (images, texts)]
        return {
            "labels": sum(losses.label_entropy(net.labels(side), batch.labels) for side in (images, texts)),
            "similarity": self.similarity * sum(losses.pair_likelihood(losses.cosines(u, v) / 2, S) for u, v in both),
            "modality": losses.told_apart(*judged),
        }
