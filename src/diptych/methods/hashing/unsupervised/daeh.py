"""Deep adaptively-enhanced hashing, DAEH (Shi, Zhao, Liu, Zhang, Ou, You & Peng, TCSVT 2022).

    S_ij = 1 where both sides are sure that i and j are alike, -1 where either is sure that they are not, else
           2 (share cos(x_i, x_j) + (1 - share) cos(y_i, y_j)) - 1
    min  between T(U, V) + T(U, E) + T(V, E) + enhance T(E, the weaker of U and V) + read ||d(E) - x||²
    T(A, B) = pull mean_i (1.5 - cos(a_i, b_i))² + mean_{i ≠ j} (cos(a_i, b_j) - S_ij)² + ||cos(A, A) - cos(B, B)||²

A side is sure where the distance 1 - cos is further from its mode than `sure` times the spread of those on that side of
the mode: most pairs of items have nothing to do with each other, and where they stand is the crowd. E is a teacher, an
autoencoder of the pictures whose code has to give them back by d. The side whose code shares less with S learns more
from it: what they share is the mutual information I(S, A) of Rényi's second order, of Gram matrices of rows.

Simplified: the paper's teacher is a transformer that reads pixels, and gives back what another one, trained on labels
of ImageNet, says of them; here it reads the features that the others read. The bounds of texts are fixed numbers there.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, Pairs, hamming
from diptych.method import Batch, Descent, drawn
from diptych.parts.algebra import unit
from diptych.parts.crowds import crowd
from diptych.parts.fitted import AtLeast


@dataclass
class DAEH(Descent):
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 256
    share: Annotated[float, AtLeast(0)] = 0.3
    sure: Annotated[float, AtLeast(0)] = 2.0
    between: Annotated[float, AtLeast(0)] = 4.0
    pull: Annotated[float, AtLeast(0)] = 1.0
    enhance: Annotated[float, AtLeast(0)] = 0.1
    read: Annotated[float, AtLeast(0)] = 0.1
    epochs: Annotated[int, AtLeast(0)] = 10
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        width = parts.heads.widths(facts)[0]
        return parts.heads.coders(
            facts,
            self.hidden,
            self.bits,
            nn.Tanh,
            teacher=nn.Sequential(parts.heads.coder(width, self.hidden, self.bits), nn.Tanh()),
            decoder=parts.heads.layers(self.bits, self.hidden, width),
            memory=parts.memory.Tables(bounds=(2, 2)),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        if epoch == 0:
            sides = drawn(train, _SAMPLE, self.seed)
            net.memory.bounds.copy_(from_numpy(np.stack([self.bounds(unit(rows)) for rows in sides])))

    def bounds(self, rows: Array) -> Array:
        """Below which distance rows of length 1 are surely alike, and above which they surely are not."""
        mode, below, above = crowd((1 - rows @ rows.T)[~np.eye(len(rows), dtype=bool)])
        spreads = np.array([-np.sqrt(np.square(below).mean()), np.sqrt(np.square(above).mean())])
        return np.asarray(mode + self.sure * spreads)

    def likeness(self, images: Any, texts: Any, bounds: Any) -> Any:
        """S (b, b) of the features of a batch."""
        far = [1 - parts.losses.cosines(side, side) for side in (images, texts)]
        (near_x, far_x), (near_y, far_y) = bounds
        S = 2 * parts.targets.alike(images, texts, self.share) - 1
        S = S.masked_fill((far[0] < near_x) & (far[1] < near_y), 1.0)
        return S.masked_fill((far[0] > far_x) | (far[1] > far_y), -1.0)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        S = self.likeness(batch.images, batch.texts, net.memory.bounds)
        E = net.teacher(batch.images)
        weaker = images if shared(S, images) < shared(S, texts) else texts
        return {
            "between": self.between * self.tied(images, texts, S),
            "taught": self.tied(images, E, S) + self.tied(texts, E, S),
            "enhance": self.enhance * self.tied(E, weaker, S),
            "read": self.read * parts.losses.reconstruction(net.decoder(E), parts.heads.UnitLength()(batch.images)),
        }

    def tied(self, A: Any, B: Any, S: Any) -> Any:
        """T(A, B)"""
        cosines = parts.losses.cosines
        across = cosines(A, B)
        wrong = (across - S).square().fill_diagonal_(0).mean()
        pull = self.pull * (1.5 - across.diagonal()).square().mean()
        return pull + wrong + (cosines(A, A) - cosines(B, B)).square().mean()


_SAMPLE = 1000


def shared(S: Any, A: Any) -> float:
    """I(S, A) of the rows of both: their entropies less that of both together, -log tr(K²) of K of trace 1."""
    kernels = [(-parts.losses.squared_distances(rows, rows) / rows.shape[1]).exp() for rows in (S, A.detach())]
    return float(sum(entropy(K) for K in kernels) - entropy(kernels[0] * kernels[1]))


def entropy(K: Any) -> Any:
    """Of a Gram matrix with 1 on its diagonal, Rényi's second order (Sánchez Giraldo, Rao & Príncipe 2015)."""
    return -(K / len(K)).square().sum().log()
