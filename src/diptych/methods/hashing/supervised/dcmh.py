"""Deep cross-modal hashing (Jiang & Li, CVPR 2017).

    J = Σ_ij [log(1 + e^θ_ij) - S_ij θ_ij]  +  quantise (||B - F||² + ||B - G||²)  +  balance (||F'1||² + ||G'1||²)

F and G are the outputs of pictures and texts, θ = F G' / 2, S tells who shares a label, and B = sgn(F + G) is one code
for both sides of a pair. A step moves the outputs of its batch against the remembered ones of all pairs; B is solved
for before every epoch.

Each term is a mean here, over pairs, bits, or the outputs of a bit, so that weights do not hang on how many pairs there
are; the paper's are sums with gamma = eta = 1. F'1 is that of the batch: remembered rows lag behind, and a sum that
does not answer to what is done about it swings. F and G start as one random table, the paper's as two. The paper trains
a convolutional network from pictures and draws a new order for every step; here two layers on features learn in epochs.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import Pairs, hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class DCMH(Descent):
    """quantise and balance weigh the paper's terms of gamma and eta."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    quantise: Annotated[float, AtLeast(0)] = 0.5
    balance: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 64

    def network(self, facts: dict[str, Any]) -> Any:
        rows = (facts["texts"], self.bits)
        return parts.heads.Network(
            images=parts.heads.coder(facts["image_width"], self.hidden, self.bits),
            texts=parts.heads.coder(facts["text_width"], self.hidden, self.bits),
            memory=parts.memory.Tables(F=rows, G=rows, B=rows, labels=(facts["texts"], facts["classes"])),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        memory = net.memory
        if epoch == 0:
            memory.labels.copy_(from_numpy(train.text_labels))
            memory.F.normal_()
            memory.G.copy_(memory.F)
        memory.B.copy_(parts.codes.signs(memory.F + memory.G))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        memory = net.memory
        S, B = parts.targets.shared_label(batch.labels, memory.labels), memory.B[batch.index]
        thetas = (images @ memory.G.T / 2, texts @ memory.F.T / 2)
        memory.F = memory.F.index_copy(0, batch.index, images.detach())  # anew: the gradient still needs the old one
        memory.G = memory.G.index_copy(0, batch.index, texts.detach())
        return {
            "pairs": sum(parts.losses.pair_likelihood(theta, S) for theta in thetas),
            "quantise": self.quantise * sum((B - side).square().mean() for side in (images, texts)),
            "balance": self.balance * sum(side.mean(dim=0).square().sum() for side in (images, texts)),
        }
