"""Differentiable cross-modal hashing via multimodal transformers (Tu, Liu, Lin, Hong & Wang, ACM MM 2022).

    min  Σ_m,m' mean_ij [S_ij D_ij² + (1 - S_ij) max(0, c - D_ij)²],   c = sqrt(2 k margin),  k bits
    D_ij = ||p_i - p_j||,   p_i = softmax over -1 and 1 of every bit, 2 k numbers

A bit is chosen and not thresholded: of two logits the greater one, which a softmax relaxes, so that no sign needs a
gradient. Pictures with texts, and each side with itself: within.

A softmax over two is the sigmoid of their difference, which is all that is learned here; distances are the same. The
paper fine-tunes CLIP; here two layers read features. An erratum of the authors mends the margin of its figure 1.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class DCHMT(Descent):
    """margin is the paper's theta, a share of all bits; within weighs pairs of one side."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    margin: Annotated[float, Above(0)] = 0.5
    within: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        return parts.heads.coders(facts, self.hidden, self.bits)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        S, (p, q) = parts.targets.shared_label(batch.labels), (images.sigmoid(), texts.sigmoid())
        return {
            "between": self.hinge(p, q, S),
            "within": self.within * sum(self.hinge(side, side, S) for side in (p, q)),
        }

    def hinge(self, p: Any, q: Any, S: Any) -> Any:
        """The sum of one pair of sides, from the probabilities of bits."""
        squared = 2 * parts.losses.squared_distances(p, q)
        short = ((2 * self.bits * self.margin) ** 0.5 - (squared + 1e-12).sqrt()).relu()
        return (S * squared + (1 - S) * short.square()).mean() / self.bits
