"""Global and local semantics-preserving deep hashing (Ma, Li, Meng, Wu & Ngan, Neurocomputing 2018).

    local    mean_ij S_ij d_ij + (1 - S_ij) max(0, margin - d_ij),  d_ij = (1 - h_i'g_j / k) / 2 across sides, k bits
    global   Σ_m ||H_m H_m' / k - (2 cos(L, L) - 1)||²   within each side, by how many labels are shared
    codes    Σ_m ||H_m - B||²,  B = sgn(H_I + H_T),   balance Σ_m ||H_m'1||²

Across the sides a margin parts those that share a label from those that share none; within a side distances follow how
much two items share; and one code is shared by both sides of a pair.

Reconstruction: the paper was not at hand, and these terms follow what is told of it. All are means.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class GLSPH(Descent):
    """whole, codes and balance weigh the terms besides the local one; margin is a share of the bits."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    margin: Annotated[float, Above(0)] = 0.5
    whole: Annotated[float, AtLeast(0)] = 1.0
    codes: Annotated[float, AtLeast(0)] = 0.1
    balance: Annotated[float, AtLeast(0)] = 0.01
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        return parts.heads.coders(facts, self.hidden, self.bits, nn.Tanh)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        sides, S = (images, texts), parts.targets.shared_label(batch.labels)
        d = (1 - images @ texts.T / self.bits) / 2
        graded = 2 * parts.targets.label_cosine(batch.labels) - 1
        B = parts.codes.signs(images + texts).detach()
        return {
            "local": (S * d + (1 - S) * (self.margin - d).relu()).mean(),
            "global": self.whole * sum((side @ side.T / self.bits - graded).square().mean() for side in sides),
            "codes": self.codes * sum(parts.codes.quantisation(side, B) for side in sides),
            "balance": self.balance * sum(parts.codes.balance(side) for side in sides),
        }
