"""Triplet-based deep hashing (Deng, Chen, Liu, Gao & Tao, TIP 2018).

    min  -Σ_(q,p,n) log sigmoid(θ_qp - θ_qn - margin) + quantise Σ_m ||B - H_m||² + balance Σ_m ||H_m'1||², θ = h h' / 2
    B = sgn[(2 I + graph Lap)^-1 (H_I + H_T)],   Lap = D - L L',  D = diag(L L'1),  before every epoch

Triplets q, p, n (p shares a label with q, n does not) run between the sides in both ways and within each; of every item
of a batch `triplets` are drawn for each way. B, one code of both sides of a pair, also minimises graph tr(B' Lap B) by
its relaxed closed form: pairs that share labels come to have the same bits.

Rows of L are of length 1 and Lap is over its mean degree, so that graph does not hang on how many pairs there are; L L'
is of low rank, and no matrix of all pairs is made. The one port that is published takes positives of other anchors,
gives quantisation and graph no gradient, and adds 2 to every entry in place of 2 I; none of it is followed.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, Pairs, hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class TDH(Descent):
    """margin is the paper's alpha, quantise, balance and graph its gamma, eta and beta; margin is a share of k / 2."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    margin: Annotated[float, AtLeast(0)] = 0.5
    triplets: Annotated[int, AtLeast(1)] = 5
    quantise: Annotated[float, AtLeast(0)] = 0.5
    balance: Annotated[float, AtLeast(0)] = 0.1
    graph: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        memory = parts.memory.Tables(B=(facts["texts"], self.bits))
        return parts.heads.coders(facts, self.hidden, self.bits, nn.Tanh, memory=memory)

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        H = self.outputs(net.images, train.images)[train.owner] + self.outputs(net.texts, train.texts)
        smooth = smoothed(H, np.asarray(train.text_labels, dtype=np.float32), self.graph)
        net.memory.B.copy_(parts.codes.signs(from_numpy(smooth)))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        sides, B = (images, texts), net.memory.B[batch.index]
        S = parts.targets.shared_label(batch.labels)
        ways = ((images, texts), (texts, images), (images, images), (texts, texts))
        return {
            "triplets": sum(self.likelihood(*way, S) for way in ways),
            "quantise": self.quantise * sum(parts.codes.quantisation(side, B) for side in sides),
            "balance": self.balance * sum(parts.codes.balance(side) for side in sides),
        }

    def likelihood(self, asked: Any, items: Any, S: Any) -> Any:
        """The first sum of one way, as a mean over triplets drawn of those that S allows; 0 where there are none."""
        from torch.nn.functional import softplus

        able = (S.sum(dim=1) > 0) & ((1 - S).sum(dim=1) > 0)
        if not able.any():
            return asked.sum() * 0
        near, far = (items[table[able].multinomial(self.triplets, replacement=True)] for table in (S, 1 - S))
        apart = ((near - far) * asked[able][:, None]).sum(dim=2) / 2
        return softplus(self.margin * self.bits / 2 - apart).mean()


def smoothed(H: Array, L: Array, graph: float) -> Array:
    """(2 I + graph Lap / mean degree)^-1 H, H (n, bits) and labels L (n, C): a diagonal less a matrix of rank C."""
    L = L / np.maximum(np.linalg.norm(L, axis=1, keepdims=True), 1e-12)
    degree = L @ L.sum(axis=0)
    weight = graph / max(float(degree.mean()), 1e-12)
    inverse = 1 / (2 + weight * degree)[:, None]
    core = np.eye(L.shape[1], dtype=L.dtype) - weight * L.T @ (inverse * L)
    return np.asarray(inverse * (H + weight * L @ np.linalg.solve(core, L.T @ (inverse * H))))
