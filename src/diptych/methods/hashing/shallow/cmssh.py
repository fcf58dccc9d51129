"""Cross-modality similarity-sensitive hashing, CMSSH (Bronstein, Bronstein, Michel & Paragios, CVPR 2010).

Bits are boosted one after the other. Of m pairs (x_k, y_k), s_k is 1 for those that belong together and -1 for others,
w_k says how much each still counts, 1/m at first. The directions of a bit are the first singular pair of

    C = Σ_k w_k s_k (x_k - x̄)(y_k - ȳ)',    x̄ = Σ_k w_k x_k,  ȳ = Σ_k w_k y_k,

and its offsets a, b maximise r = Σ_k w_k s_k h_k g_k for the bits h = sgn(p'x + a), g = sgn(q'y + b). Then

    w_k <- w_k exp(-α s_k h_k g_k) / Σ,    α = ½ log((1 + r) / (1 - r)).

Here pairs belong together that share a label: as many of them are drawn as of others. Offsets are sought among
quantiles. The paper may weigh bits by α when codes are compared; here each counts one.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array, BadInput, hamming
from diptych.method import ClosedForm, project
from diptych.parts.bits import signs
from diptych.parts.fitted import AtLeast


@dataclass
class CMSSH(ClosedForm):
    """drawn pairs of each kind; quantiles of a side among which an offset is sought."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    drawn: Annotated[int, AtLeast(1)] = 5000
    quantiles: Annotated[int, AtLeast(1)] = 17
    seed: Annotated[int, AtLeast(0)] = 0

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        i, j, s = self._drawn(L.astype(np.float64))
        w = np.full(len(s), 1 / len(s))
        A, B = np.empty((X.shape[1], self.bits)), np.empty((Y.shape[1], self.bits))
        self.a_, self.b_ = np.empty(self.bits), np.empty(self.bits)
        shares = np.linspace(0, 1, self.quantiles + 2)[1:-1]
        for bit in range(self.bits):
            p, q = self._directions(X, Y, i, j, s * w, w)
            told_x, told_y = (X @ p)[i], (Y @ q)[j]
            cuts_x, cuts_y = np.quantile(told_x, shares), np.quantile(told_y, shares)
            h, g = signs(told_x[:, None] - cuts_x), signs(told_y[:, None] - cuts_y)
            r = h.T @ (g * (w * s)[:, None])
            best = np.unravel_index(int(r.argmax()), r.shape)
            A[:, bit], B[:, bit] = p, q
            self.a_[bit], self.b_[bit] = cuts_x[best[0]], cuts_y[best[1]]
            height = float(np.clip(r[best], -1 + 1e-6, 1 - 1e-6))
            w = w * np.exp(-np.arctanh(height) * s * h[:, best[0]] * g[:, best[1]])
            w /= w.sum()
        return A, B

    def _drawn(self, L: Array) -> tuple[Array, Array, Array]:
        """Rows of pictures and texts, and 1 or -1: as many of those that share a label as of others."""
        rng, n = np.random.default_rng(self.seed), len(L)
        i, j = rng.integers(0, n, (2, 40 * self.drawn))
        shares = (L[i] * L[j]).any(axis=1)
        kept = [np.flatnonzero(shares)[: self.drawn], np.flatnonzero(~shares)[: self.drawn]]
        if not len(kept[1]):
            raise BadInput(
                "cmssh tells pairs that share a label from others, and all share one; use one that needs pairs"
            )
        least = min(map(len, kept))
        of = np.concatenate([kind[:least] for kind in kept])
        return i[of], j[of], np.repeat([1.0, -1.0], least)

    @staticmethod
    def _directions(X: Array, Y: Array, i: Array, j: Array, signed: Array, w: Array) -> tuple[Array, Array]:
        """The first singular pair of C, which is applied and never made."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.linalg import LinearOperator, svds

        n = len(X)
        between = csr_matrix((signed, (i, j)), (n, n))
        at_x, at_y = np.bincount(i, w, n) @ X, np.bincount(j, w, n) @ Y

        def times(q: Array) -> Array:
            told = between @ (Y @ q.ravel() - at_y @ q.ravel())
            return np.asarray(X.T @ told - at_x * told.sum())

        def back(p: Array) -> Array:
            told = between.T @ (X @ p.ravel() - at_x @ p.ravel())
            return np.asarray(Y.T @ told - at_y * told.sum())

        C = LinearOperator((X.shape[1], Y.shape[1]), matvec=times, rmatvec=back, dtype=np.float64)
        u, _, vt = svds(C, 1, v0=np.ones(min(C.shape)), tol=1e-5)
        return u[:, 0], vt[0]

    def encode_images(self, items: Any) -> Array:
        return self.space.normalise(project(items, self.mean_x_, self.A_, "images") - self.a_)

    def encode_texts(self, items: Any) -> Array:
        return self.space.normalise(project(items, self.mean_y_, self.B_, "texts") - self.b_)
