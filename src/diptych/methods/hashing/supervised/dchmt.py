"""Differentiable cross-modal hashing via multimodal transformers, DCHMT (Tu, Liu, Lin, Hong & Wang, ACM MM 2022).

    u_i = [softmax(z_i1), ..., softmax(z_ik)] in [0, 1]^2k,   bit j of an item is the greater of z_ij's two numbers
    min  Σ over both sides and within each  mean_ij [ S_ij d_ij² + (1 - S_ij) max(0, c - d_ij)² ]
    d_ij = ||u_i - u_j||,   c² = 2 k theta

A bit is selected, of two, and not cut: its softmax is differentiable all the way, and nothing has to ask for outputs
near their signs. Those that share a label (S) are to have the same bits, and others at least the share theta of them
apart.

Of opposite bits d² is 2, so d² = ½ ||h_i - h_j||² of h = the difference of both numbers of each softmax, as which
outputs are kept here. The root in d has no gradient where two codes are one, as all nearly are before training; it is
taken a little above. The paper fine-tunes CLIP; here two layers read features.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class DCHMT(Descent):
    """apart is the paper's theta, .5 there; within weighs the pairs of one side, as 1 in the paper."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 256
    apart: Annotated[float, Above(0)] = 0.25
    within: Annotated[float, AtLeast(0)] = 1.0
    epochs: int = 15
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        return parts.heads.coders(facts, self.hidden, 2 * self.bits, parts.heads.Selected)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        S = parts.targets.shared_label(batch.labels)
        return {
            "between": self.pairs(images, texts, S),
            "within": self.within * sum(self.pairs(side, side, S) for side in (images, texts)),
        }

    def pairs(self, u: Any, v: Any, S: Any) -> Any:
        """The mean of one way, over bits."""
        squared = parts.losses.squared_distances(u, v) / 2
        short = ((2 * self.bits * self.apart) ** 0.5 - (squared + 1e-6).sqrt()).relu()
        return (S * squared + (1 - S) * short.square()).mean() / self.bits
