"""Dual deep neural networks cross-modal hashing, DDCMH (Chen, Yu, Sun, Zhang & Wang, AAAI 2018): three stages.

    1   codes B_T of the texts alone, by any way of hashing one side
    2   min ||h_I(x) - B_T||²                   a network of pictures learns them
    3   min ||h_T(y) - B||²,  B = sgn h_I(x)    and a network of texts what became of them

No item is compared with another, so a step costs as much as it has items, and the networks never meet. Stage 1 is
supervised discrete hashing (Shen, Shen, Liu & Shen, CVPR 2015) on a kernel's landmarks of texts, bit by bit:

    min_{B,W,P}  ||L - B W'||² + decay ||W||² + fit ||B - Y P||²

Stages 2 and 3 share their epochs: B is what the network of pictures says before each.

Reconstruction: the abstract alone was at hand. There B is corrected once more, which is not told how.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, Pairs, hamming
from diptych.method import Batch, Descent, featured
from diptych.parts.bits import bitwise, signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.kernels import KernelMap
from diptych.parts.rows import Rows, ridge


@dataclass
class ThreeStage(Descent):
    """fit_weight and fit_decay are of stage 1.

    landmarks   drawn by `seed`, of the texts; rounds over their bits
    rebuilt     whether texts learn what became of the codes; without, both sides learn the codes of the texts
    """

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    landmarks: Annotated[int, AtLeast(2)] = 500
    rounds: Annotated[int, AtLeast(0)] = 5
    fit_weight: Annotated[float, AtLeast(0)] = 0.01
    fit_decay: Annotated[float, Above(0)] = 1.0
    rebuilt: bool = True
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        table = (facts["texts"], self.bits)
        memory = parts.memory.Tables(of_texts=table, rebuilt=table)
        return parts.heads.coders(facts, self.hidden, self.bits, nn.Tanh, memory=memory)

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        if epoch == 0:
            net.memory.of_texts.copy_(from_numpy(self.codes(train)))
            net.memory.rebuilt.copy_(net.memory.of_texts)
        elif self.rebuilt:
            made = self.outputs(net.images, train.images)[train.owner]
            net.memory.rebuilt.copy_(from_numpy(signs(made)))

    def codes(self, train: Pairs) -> Array:
        """B_T (n, bits) of the texts of these pairs."""
        texts = featured(train.texts, "texts")
        mapped = KernelMap(landmarks=self.landmarks, seed=self.seed).fit(texts).transform(texts)
        side = Rows(mapped - mapped.mean(axis=0), self.fit_decay)
        L = np.asarray(train.text_labels, dtype=np.float64)
        B = signs(np.random.default_rng(self.seed).standard_normal((len(L), self.bits)))
        for _ in range(self.rounds):
            W, P = ridge(B, L, self.fit_decay), side.function(B)
            B = bitwise(B, W.T @ W, L @ W + self.fit_weight * side.X @ P)
        return B

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        codes, memory = parts.codes, net.memory
        return {
            "images": codes.quantisation(images, memory.of_texts[batch.index]),
            "texts": codes.quantisation(texts, memory.rebuilt[batch.index]),
        }
