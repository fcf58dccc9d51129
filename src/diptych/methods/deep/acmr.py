"""Adversarial cross-modal retrieval (Wang, Yang, Xu, Hanjalic & Shen, ACM MM 2017).

    min over the encoders and the label classifier   alpha L_imi + beta L_imd + L_reg - L_adv
    min over the modality classifier                 L_adv

L_imd is the cross-entropy of one label classifier on both sides, L_imi keeps items of one label near and others at
least a margin apart across the sides, L_adv is the cross-entropy of a classifier that tells pictures from texts. Its
gradient comes back reversed, by a factor that grows as training goes on; L_reg is the weight decay.

The authors' released script leaves the adversary's gradient and the label classifier's weights out of what it trains,
and takes for a distance what is none. Here both learn and L_imi is on Euclidean distances, as in the paper.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import l2
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class ACMR(Descent):
    """structure and semantics are the paper's alpha and beta; apart weighs items that share no label (its lambda).

    adversary multiplies what comes back of the adversary's gradient; at 0 the sides are not made alike by it.
    """

    space = l2
    needs = "labels"
    hidden: Annotated[int, AtLeast(1)] = 512
    dims: Annotated[int, AtLeast(1)] = 40
    structure: Annotated[float, AtLeast(0)] = 1.0
    semantics: Annotated[float, AtLeast(0)] = 1.0
    apart: Annotated[float, AtLeast(0)] = 1.0
    adversary: Annotated[float, AtLeast(0)] = 1.0
    margin: Annotated[float, Above(0)] = 1.0
    batch: int = 64
    momentum: float = 0.5

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def encoder(width: int | None) -> Any:
            return nn.Sequential(parts.heads.mlp(width, self.hidden, 100, self.dims, activation=nn.Tanh), nn.Tanh())

        return parts.heads.Network(
            images=encoder(facts["image_width"]),
            texts=encoder(facts["text_width"]),
            labels=nn.Linear(self.dims, facts["classes"]),
            modality=parts.heads.layers(self.dims, self.dims // 2, self.dims // 4, 1, activation=nn.Identity),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, S = parts.losses, parts.targets.shared_label(batch.labels)
        distance = (losses.squared_distances(images, texts) + 1e-12).sqrt()
        near = (S * distance).sum() / S.sum().clamp(min=1)
        far = ((1 - S) * (self.margin - distance).clamp(min=0)).sum() / (1 - S).sum().clamp(min=1)
        labels = sum(losses.label_entropy(net.labels(side), batch.labels) for side in (images, texts))
        factor = self.adversary * parts.heads.reversal(batch.done)
        judged = [net.modality(parts.heads.reversed_gradient(side, factor)) for side in (images, texts)]
        return {
            "structure": self.structure * (near + self.apart * far),
            "semantics": self.semantics * labels,
            "modality": losses.told_apart(*judged),
        }
