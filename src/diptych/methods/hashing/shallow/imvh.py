"""Iterative multi-view hashing, IMVH (Hu, Jin, Ren, Cai & He, ACM MM 2014).

    min_{B,W,Q}  Σ_t [ α tr(B_t' Λ_t B_t) + β (||B_t - X_t W_t||² + ρ ||W_t||²) ]  +  γ ||B_1 Q - B_2||²
    subject to  B_t in {-1, 1},  Q'Q = I

for the two sides t: within a side near items get near codes, and far ones are pushed apart; across, the codes of pairs
are aligned by Q. Λ_t is the Laplacian of a signed graph, the k nearest of an item at 1 and k drawn ones at -1. Bits are
assigned as they are, without relaxation: each item in turn takes the bits that are best with all others held. A code is
sgn(x W_1 Q) for pictures, and sgn(y W_2) for texts.

Reconstruction: from the abstract. The paper may solve the assignments by cuts; the weights are not its.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating
from diptych.parts.affinities import Affinity, assigned, neighbours
from diptych.parts.bits import correlated, rotation, signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import Rows, squares


@dataclass
class IMVH(Alternating):
    """within is α, fit_weight β, across γ, decay ρ, neighbours k; ridge is that of the `cca` where it starts."""

    rounds: Annotated[int, AtLeast(0)] = 5
    within: Annotated[float, AtLeast(0)] = 0.1
    fit_weight: Annotated[float, Above(0)] = 1.0
    across: Annotated[float, AtLeast(0)] = 1.0
    decay: Annotated[float, Above(0)] = 30.0
    neighbours: Annotated[int, AtLeast(1)] = 5
    ridge: Annotated[float, AtLeast(0)] = 2.0

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        rng = np.random.default_rng(self.seed)
        W = correlated(X, Y, self.bits, self.ridge, rng)
        now = SimpleNamespace(sides=[Rows(rows, self.decay) for rows in (X, Y)], W=list(W))
        now.graphs = [self._graph(rows, rng) for rows in (X, Y)]
        now.B = [signs(side.X @ W) for side, W in zip(now.sides, now.W, strict=True)]
        now.Q = np.eye(self.bits)
        return now

    def _graph(self, rows: Array, rng: np.random.Generator) -> Any:
        """Signed weights; without those of an item with itself, which no bit changes."""
        from scipy.sparse import csr_matrix

        near, n = neighbours(rows, self.neighbours), len(rows)
        i, j = np.repeat(np.arange(n), self.neighbours), rng.integers(0, n, n * self.neighbours)
        far = csr_matrix((np.ones(len(i)), (i, j)), (n, n))
        signed = (near - far.maximum(far.T)).tolil()
        signed.setdiag(0)
        return signed.tocsr()

    def steps(self) -> Any:
        return self.functions, self.image_bits, self.text_bits, self.align

    def functions(self, now: Any) -> None:
        now.W = [side.function(B) for side, B in zip(now.sides, now.B, strict=True)]

    def image_bits(self, now: Any) -> None:
        self._assign(now, 0, now.B[1] @ now.Q.T)

    def text_bits(self, now: Any) -> None:
        self._assign(now, 1, now.B[0] @ now.Q)

    def _assign(self, now: Any, t: int, aligned: Array) -> None:
        pull = self.fit_weight * now.sides[t].X @ now.W[t] + self.across * aligned
        now.B = [*now.B[:t], assigned(now.graphs[t], now.B[t], self.within, pull), *now.B[t + 1 :]]

    def align(self, now: Any) -> None:
        now.Q = rotation(now.B[1], now.B[0])

    def objective(self, now: Any) -> float:
        total = self.across * squares(now.B[0] @ now.Q - now.B[1])
        for side, graph, B, W in zip(now.sides, now.graphs, now.B, now.W, strict=True):
            total += self.within * Affinity(graph).roughness(B)
            total += self.fit_weight * (side.untold(B, W) + self.decay * squares(W))
        return total

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.W[0] @ now.Q, now.W[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.B[0] @ now.Q, now.B[1]
