"""Equally-guided discriminative hashing (Shi, You, Zheng, Wang & Peng, IJCAI 2019).

    labels      min  NLL(W W' / 2, S) + quantise ||W - sgn W||²,   W = tanh f(u), a code for each set u of labels
    both sides  min  Σ_m mean_i -log softmax_j(sharpness cos(h_i, sgn w_j))_i + near ||h_i - sgn w_i||²

Codes of sets of labels are a classifier that both sides share: each item is to lie on its own one and to be told from
the others. What makes angles large makes Hamming distances large, k / 2 (1 - cos), so classifying and hashing agree.
NLL(T, S) is the mean of log(1 + e^T) - S T, S who shares a label.

Reconstruction: the abstract alone was at hand. The softmax is over the sets of labels in a batch, where items with
the same labels share the probability; labels and sides train in the same steps, and no gradient passes between
them.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class EGDH(Descent):
    """guide weighs the softmax, near the distance to the own code; sharpness is one over the temperature."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    quantise: Annotated[float, AtLeast(0)] = 0.1
    sharpness: Annotated[float, Above(0)] = 10.0
    guide: Annotated[float, AtLeast(0)] = 1.0
    near: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        labels = nn.Sequential(parts.heads.layers(facts["classes"], self.hidden, self.bits), nn.Tanh())
        return parts.heads.coders(facts, self.hidden, self.bits, nn.Tanh, labels=labels)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, codes, L = parts.losses, parts.codes, batch.labels
        W = net.labels(L)
        S, B = parts.targets.shared_label(L), codes.signs(W).detach()
        same = (parts.targets.label_cosine(L) > 1 - 1e-4).float()
        guided = [(self.sharpness * losses.cosines(side, B)).log_softmax(dim=1) for side in (images, texts)]
        return {
            "labels": losses.pair_likelihood(W @ W.T / 2, S),
            "quantise": self.quantise * codes.quantisation(W, B),
            "guide": self.guide * sum(-((same * table).sum(1) / same.sum(1).clamp(min=1)).mean() for table in guided),
            "near": self.near * sum(codes.quantisation(side, B) for side in (images, texts)),
        }
