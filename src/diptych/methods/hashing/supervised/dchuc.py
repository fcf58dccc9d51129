"""Deep cross-modal hashing with hashing functions and unified hash codes jointly learning (Tu et al., TKDE 2020).

    J = ||U V' - k S||² + ||G V' - k S||² + between ||U G' - k S||² + quantise ||V - (U + G) / 2||²
        + labels (||U W - L||² + ||G W - L||²) + ||V W - L||² + ridge ||W||²

U and G are the outputs of pictures and texts, V in {-1, 1} the one code of each pair learned from, W (k, C) reads
labels from codes of k bits. S is 1 for pairs that share a label and -r for others, r such that S is zero in the mean.
Before every epoch W and V are solved for on a sample of outputs: W in closed form, V bit by bit with all others held,

    v_j = -sgn(q_j + 2 Σ_{i≠j} v_i m_ij),   M = U'U + G'G + W W',   Q = -2k S'(U + G) - quantise (U + G) - 2 L W'.

The released code doubles G'G and W W' in M, which is not the gradient of J, and trains on the sample alone where an
epoch here is all pairs. In the paper's protocol database items that were learned from are stored as their V, which
knows their labels: `unified`. Without it every item is coded by the network of its side, queries and database alike.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, Pairs, hamming, take
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class DCHUC(Descent):
    """quantise, labels and between are the paper's gamma, alpha and mu; sample is in pairs.

    unified   an item whose features were learned from has the code V of its pair, of several the signs of their sum
    """

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    quantise: Annotated[float, AtLeast(0)] = 200.0
    labels: Annotated[float, AtLeast(0)] = 50.0
    between: Annotated[float, AtLeast(0)] = 50.0
    ridge: Annotated[float, Above(0)] = 50.0
    sample: Annotated[int, AtLeast(1)] = 2000
    unified: bool = False
    batch: Annotated[int, AtLeast(3)] = 64
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        n, classes = facts["texts"], facts["classes"]
        return parts.heads.Network(
            images=nn.Sequential(parts.heads.coder(facts["image_width"], self.hidden, self.bits), nn.Tanh()),
            texts=nn.Sequential(parts.heads.coder(facts["text_width"], self.hidden, self.bits), nn.Tanh()),
            memory=parts.memory.Tables(V=(n, self.bits), W=(self.bits, classes), labels=(n, classes)),
            stored=parts.memory.Stored(n if self.unified else 0, self.bits),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        L = np.asarray(train.text_labels, dtype=np.float32)
        rows = np.random.default_rng([self.seed, epoch]).permutation(len(L))[: self.sample]
        U = self.outputs(net.images, take(train.images, train.owner[rows]))
        G = self.outputs(net.texts, take(train.texts, rows))
        V, W = self.codes(L, rows, U, G, net.memory.V.cpu().numpy(), net.memory.W.cpu().numpy())
        for table, found in ((net.memory.V, V), (net.memory.W, W), (net.memory.labels, L)):
            table.copy_(from_numpy(found))
        net.stored.remember(train, net.memory.V)

    def encode_images(self, items: Any) -> Array:
        return np.asarray(self.trained().stored.instead(super().encode_images(items), items, "images"))

    def encode_texts(self, items: Any) -> Array:
        return np.asarray(self.trained().stored.instead(super().encode_texts(items), items, "texts"))

    def codes(self, L: Array, rows: Array, U: Array, G: Array, V: Array, W: Array) -> tuple[Array, Array]:
        """V and W after one pass over the bits, from labels L of all pairs and outputs U, G of these rows."""
        both, bits = U + G, self.bits
        near, shared = np.empty_like(V), 0.0  # S in blocks: of those who share a label, the sum of their outputs
        for start in range(0, len(L), _BLOCK):
            share = (L[start : start + _BLOCK] @ L[rows].T > 0).astype(np.float32)
            near[start : start + _BLOCK], shared = share @ both, shared + share.sum()
        r = shared / max(len(L) * len(rows) - shared, 1)
        Q = -2 * bits * ((1 + r) * near - r * both.sum(axis=0)) - 2 * L @ W.T
        Q[rows] -= self.quantise * both
        M, V = U.T @ U + G.T @ G + W @ W.T, V.copy()
        for j in range(bits):
            V[:, j] = 0
            V[:, j] = np.where(Q[:, j] + 2 * V @ M[:, j] <= 0, 1, -1)
        gram = self.labels * (U.T @ U + G.T @ G) + V.T @ V + self.ridge * np.eye(bits, dtype=V.dtype)
        return V, np.linalg.solve(gram, self.labels * both.T @ L[rows] + V.T @ L)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        V, W, size = net.memory.V, net.memory.W, len(images) * len(net.memory.V)
        share = parts.targets.shared_label(batch.labels, net.memory.labels)
        r = share.sum() / (1 - share).sum().clamp(min=1)
        S = self.bits * ((1 + r) * share - r)
        apart = {
            "codes": sum((side @ V.T - S).square().sum() for side in (images, texts)),
            "between": self.between * (images @ texts.T - S[:, batch.index]).square().sum(),
            "quantise": self.quantise * (V[batch.index] - (images + texts) / 2).square().sum(),
            "labels": self.labels * sum((side @ W - batch.labels).square().sum() for side in (images, texts)),
        }
        return {name: term / size for name, term in apart.items()}


_BLOCK = 1024
