"""Set and rebase hashing, SRCH (Wang, Shen, Zhang, Yao & Liu, IJCAI 2020).

    min_{B,W,Z,S}  Σ_t  ||X_t W_t - B||² + ||X_t - B W_t'||²  +  γ ||Z - B||²
                   + λ Σ_t Σ_{ij in E_t}  c_ij [ s_ij² ||z_i - z_j||² + μ (s_ij - 1)² ]        B in {-1, 1}

for the two sides t: an autoencoder of each with one matrix both ways reads the code B of a pair and writes the features
back. Edges E_t are set: the nearest neighbours in the features of a side, c_ij less for those of many. They are
rebased: s_ij = μ / (μ + ||z_i - z_j||²) lets go of those that codes contradict. W solves a Sylvester equation, Z goes
down by conjugate gradients, B bit by bit.

Reconstruction: the terms are known from notes of a reader, and weights are ours; μ is in squared distances of one bit.
The paper holds BB' = nI and W'W = I; here neither is forced, and what keeps bits apart is that together they have to
write the features back. B starts as a turn of canonical correlations, as in `acq`, and W anywhere; c_ij are 1 in the
mean.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating
from diptych.parts.affinities import Affinity, neighbours
from diptych.parts.bits import bitwise, correlated, signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import Rows, squares


@dataclass
class SRCH(Alternating):
    """link, smooth and rebase are γ, λ and μ; ridge is that of the `cca` where it starts.

    size   mean square length of features, as a share of that of codes
    """

    rounds: Annotated[int, AtLeast(0)] = 5
    size: Annotated[float, Above(0)] = 1.0
    link: Annotated[float, Above(0)] = 1.0
    smooth: Annotated[float, AtLeast(0)] = 0.1
    rebase: Annotated[float, Above(0)] = 1.0
    neighbours: Annotated[int, AtLeast(1)] = 10
    ridge: Annotated[float, AtLeast(0)] = 5.0

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        rng = np.random.default_rng(self.seed)
        A, B = correlated(X, Y, self.bits, self.ridge, rng)
        Z = signs(X @ A + Y @ B)
        now = SimpleNamespace(B=Z, Z=Z, edges=[edges(rows, self.neighbours) for rows in (X, Y)])
        now.sides = [Rows(np.sqrt(self.size * self.bits) * rows, 1.0) for rows in (X, Y)]
        now.W = [rng.standard_normal((rows.shape[1], self.bits)) for rows in (X, Y)]
        self.rebased(now)
        return now

    def steps(self) -> Any:
        return self.rewrite, self.rebased, self.smoothed, self.assign

    def rewrite(self, now: Any) -> None:
        now.W = [side.tied(now.B) for side in now.sides]

    def rebased(self, now: Any) -> None:
        now.S = [self.kept(now.Z, i, j) for i, j, _ in now.edges]

    def kept(self, Z: Array, i: Array, j: Array) -> Array:
        """s of each edge."""
        mu = self.bits * self.rebase
        return np.asarray(mu / (mu + np.square(Z[i] - Z[j]).sum(axis=1)))

    def graph(self, now: Any) -> Affinity:
        """c s² of the edges of both sides."""
        from scipy.sparse import coo_matrix

        n = len(now.Z)
        weighed = [coo_matrix((c * s**2, (i, j)), (n, n)) for (i, j, c), s in zip(now.edges, now.S, strict=True)]
        one_way = (weighed[0] + weighed[1]).tocsr()
        return Affinity(one_way + one_way.T)

    def smoothed(self, now: Any) -> None:
        now.Z = self.graph(now).smooth(now.Z, self.link * np.eye(self.bits), self.smooth, self.link * now.B)

    def assign(self, now: Any) -> None:
        told = sum(2 * side.X @ W for side, W in zip(now.sides, now.W, strict=True))
        now.B = bitwise(now.B, sum(W.T @ W for W in now.W), told + self.link * now.Z)

    def objective(self, now: Any) -> float:
        lost = sum(side.untold(now.B, W) + side.lost(now.B, W) for side, W in zip(now.sides, now.W, strict=True))
        let_go = sum(float(c @ (s - 1) ** 2) for (_, _, c), s in zip(now.edges, now.S, strict=True))
        rough = self.graph(now).roughness(now.Z) + self.bits * self.rebase * let_go
        return float(lost + self.link * squares(now.Z - now.B) + self.smooth * rough)

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.W[0], now.W[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.B, now.B


def edges(rows: Array, k: int) -> tuple[Array, Array, Array]:
    """Ends i < j and weights c of the edges between nearest neighbours."""
    from scipy.sparse import triu

    near = neighbours(rows, k)
    degree = np.asarray(near.sum(axis=1)).ravel()
    upper = triu(near).tocoo()
    weight = 1 / np.sqrt(degree[upper.row] * degree[upper.col])
    return upper.row, upper.col, weight / weight.mean()
