"""Deep multiscale fusion hashing (Nie, Wang, Li, Hao, Jian & Yin, TCSVT 2020).

    h_m = tanh(W_m [z_1; z_2; ...; z_s]),   z_1 = f_1(x), z_2 = f_2(z_1), ...
    min  NLL(H_I H_T' / 2, S) + quantise Σ_m ||B - H_m||² + balance Σ_m ||H_m'1||²

A code is made of what all layers of a network say and not of the last one's alone: early ones know details, late ones
meaning. B = sgn(H_I + H_T), of all codes of both sides the one that is nearest; NLL(T, S) is the mean of
log(1 + e^T) - S T, S who shares a label.

Reconstruction: the abstract alone was at hand. There a branch of a convolutional network ends each scale; here scales
are the hidden layers, all of one width, on features.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class DMFH(Descent):
    """scales is how many hidden layers there are, all of which are looked at."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    scales: Annotated[int, AtLeast(1)] = 3
    quantise: Annotated[float, AtLeast(0)] = 0.1
    balance: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def encoder(width: int) -> Any:
            taps = parts.heads.Taps(width, self.hidden, self.scales)
            return nn.Sequential(parts.heads.OneRow(), taps, nn.Linear(self.scales * self.hidden, self.bits), nn.Tanh())

        return parts.heads.Network(*map(encoder, parts.heads.widths(facts)))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        sides, S = (images, texts), parts.targets.shared_label(batch.labels)
        B = parts.codes.signs(images + texts).detach()
        return {
            "pairs": parts.losses.pair_likelihood(images @ texts.T / 2, S),
            "quantise": self.quantise * sum(parts.codes.quantisation(side, B) for side in sides),
            "balance": self.balance * sum(parts.codes.balance(side) for side in sides),
        }
