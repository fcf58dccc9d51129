"""Joint-modal distribution-based similarity hashing (Liu, Qian, Guan, Zhan & Ying, SIGIR 2020).

    min  ||cos(U, V) - scale S||² - pull mean_i cos(u_i, v_i) + within (||cos(U, U) - scale S||² + the same of V)
    J = images S_I + texts S_T + across (S_I S_T' + S_T S_I') / 2,   S_I = 2 cos(X, X) - 1
    S = J (1 + apart exp(min J - J))  where J < left,    J (1 + together exp(J - max J))  where J > right,   else J

in the mean over a batch, rows of S_I and S_T in the product at length 1, outputs through tanh(h sqrt(1 + epoch)). Below
its mode, J spreads like a Gaussian, above it like a Laplacian; left = mode - 2 sigma and right = mode + 4 lambda are
where pairs no longer belong to the crowd, and S pushes those apart and pulls these together.

Both spreads are measured before the first epoch, on pairs drawn from all. The released code has them written down for
two data sets, with a left bound that hardly any pair is below; it also makes negative J above the right bound more
negative, where here right is at least 0.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Pairs, hamming
from diptych.method import Batch, Descent, drawn
from diptych.parts.crowds import crowd
from diptych.parts.fitted import AtLeast


@dataclass
class JDSH(Descent):
    """images, texts and across are the paper's alpha, beta and lambda; scale its mu, apart and together its weights."""

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    images: Annotated[float, AtLeast(0)] = 0.2
    texts: Annotated[float, AtLeast(0)] = 0.6
    across: Annotated[float, AtLeast(0)] = 0.2
    apart: Annotated[float, AtLeast(0)] = 0.2
    together: Annotated[float, AtLeast(0)] = 0.2
    scale: Annotated[float, AtLeast(0)] = 1.4
    within: Annotated[float, AtLeast(0)] = 0.05
    pull: Annotated[float, AtLeast(0)] = 0.5
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        return parts.heads.coders(facts, self.hidden, self.bits, memory=parts.memory.Tables(bounds=(4,)))

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        if epoch == 0:
            X, Y = drawn(train, _SAMPLE, self.seed)
            J = self.joint(from_numpy(X), from_numpy(Y)).numpy()
            net.memory.bounds.copy_(from_numpy(bounds(J[~np.eye(len(J), dtype=bool)])))

    def joint(self, images: Any, texts: Any) -> Any:
        """J (b, b) of the features of a batch."""
        from torch.nn.functional import normalize

        S_I, S_T = (2 * parts.losses.cosines(side, side) - 1 for side in (images, texts))
        product = normalize(S_I) @ normalize(S_T).T
        return self.images * S_I + self.texts * S_T + self.across * (product + product.T) / 2

    def weighted(self, J: Any, bounds: Any) -> Any:
        """S of J."""
        least, left, right, most = bounds
        low, high = J * (1 + self.apart * (least - J).exp()), J * (1 + self.together * (J - most).exp())
        return low.where(left > J, high.where(right < J, J))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        cosines, off, epoch = parts.losses.cosines, parts.losses.off, batch.done * self.epochs
        u, v = (parts.codes.annealed(side, epoch) for side in (images, texts))
        S = self.scale * self.weighted(self.joint(batch.images, batch.texts), net.memory.bounds)
        between = cosines(u, v)
        return {
            "between": (between - S).square().mean(),
            "pull": -self.pull * between.diagonal().mean(),
            "within": self.within * (off(u, u, S) + off(v, v, S)),
        }


_SAMPLE = 1000


def bounds(values: Any) -> Any:
    """Least, left, right and most of J, from values of it: where it leaves its crowd on either side of the mode."""
    mode, below, above = crowd(values)
    sigma, spread = np.sqrt(np.square(below).mean()), above.mean()
    return np.array([values.min(), mode - 2 * sigma, max(mode + 4 * spread, 0.0), values.max()], dtype=np.float32)
