"""Pairwise relationship guided deep hashing (Yang, Deng, Liu, Liu, Tao & Gao, AAAI 2017).

    J = NLL(F G' / 2, S) + within [NLL(F F' / 2, S) + NLL(G G' / 2, S)] + decorrelate mean_{k != l} cov_kl²
        + quantise (||B - F||² + ||B - G||²) + balance (||F'1||² + ||G'1||²)

is `dcmh` with the pairs of each side by itself, and with bits that are not to say the same: cov is the covariance of
the bits of a batch, on each side. NLL(T, S) is the mean of log(1 + e^T) - S T.

Pairs of one side are those of the batch. The one port that is published takes the covariance of a mean of deviations,
which is 0, and gives the quantisation no gradient; neither is followed. The rest is as in `dcmh`.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch
from diptych.methods.hashing.supervised.dcmh import DCMH
from diptych.parts.fitted import AtLeast


@dataclass
class PRDH(DCMH):
    """decorrelate is the paper's lambda; within weighs the pairs of one side."""

    within: Annotated[float, AtLeast(0)] = 1.0
    decorrelate: Annotated[float, AtLeast(0)] = 1.0
    batch: int = 256
    rate: float = 3e-3

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        S, sides = parts.targets.shared_label(batch.labels), (images, texts)
        return super().loss(net, images, texts, batch) | {
            "within": self.within * sum(parts.losses.pair_likelihood(side @ side.T / 2, S) for side in sides),
            "decorrelate": self.decorrelate * sum(parts.codes.decorrelation(side) for side in sides),
        }
