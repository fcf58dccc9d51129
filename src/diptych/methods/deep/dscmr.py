"""Deep supervised cross-modal retrieval (Zhen, Hu, Wang & Peng, CVPR 2019).

    J = (||U P - L||_F + ||V P - L||_F) / n + pairs J2 + invariance ||U - V||_F / n

J2 is minus the log-likelihood of "share a label" given half the cosine, for picture-text, picture-picture and
text-text pairs. The last layer is one for both sides.

P learns by gradient, as in the authors' code; their paper alternates it with a least-squares step. Their code takes
the mean norm of a row where the paper, and this, take the Frobenius norm; it goes through the pairs in one fixed order
and keeps the epoch that is best on the test set, which is neither in the paper nor here.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class DSCMR(Descent):
    """pairs and invariance are the paper's lambda and eta."""

    needs = "labels"
    hidden: Annotated[int, AtLeast(1)] = 2048
    dims: Annotated[int, AtLeast(1)] = 1024
    pairs: Annotated[float, AtLeast(0)] = 1e-3
    invariance: Annotated[float, AtLeast(0)] = 0.1
    batch: int = 100
    momentum: float = 0.5

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        shared = nn.Linear(self.hidden, self.dims)
        return parts.heads.Network(
            images=nn.Sequential(parts.heads.mlp(facts["image_width"], self.hidden), nn.ReLU(), shared),
            texts=nn.Sequential(parts.heads.mlp(facts["text_width"], self.hidden), nn.ReLU(), shared),
            classifier=nn.Linear(self.dims, facts["classes"], bias=False),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, S = parts.losses, parts.targets.shared_label(batch.labels)
        both = ((images, texts), (images, images), (texts, texts))
        return {
            "labels": sum(losses.frobenius(net.classifier(side) - batch.labels) for side in (images, texts)),
            "pairs": self.pairs * sum(losses.pair_likelihood(losses.cosines(u, v) / 2, S) for u, v in both),
            "invariance": self.invariance * losses.frobenius(images - texts),
        }
