"""The algebra under every closed form: second moments that stream, one bilinear solver, kernels.

One solver carries the linear half of the field: methods differ in the three matrices that they give it,

    maximise  a' C b   subject to  a' M_x a = b' M_y b = 1,

solved by the singular vectors of M_x^{-1/2} C M_y^{-1/2}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from diptych.kinds import Array, BadInput, batches, count, take

BLOCK_BYTES = 64 << 20  # of rows at a time: large enough for full BLAS speed, small beside the Gram matrices


class Moments:
    """Counts, means and covariances of paired rows, added up block by block; memory O(d_x² + d_y²) whatever n is.

    `add(X, Y, owner)` takes images (n_i, d_x) and texts (n_t, d_y), dense or scipy.sparse; every text is one pair, its
    picture being row `owner` of X. Sums are kept in float64 around the first block's mean, so that large means cost
    no digits.
    """

    n: float

    def __init__(self) -> None:
        self.n = 0.0
        self._x_varies = self._y_varies = False

    def add(self, X: Any, Y: Any, owner: Array | None = None) -> Self:
        """Count these pairs in. Raises BadInput when there are none, or a width is not that of the rows before."""
        pairs = count(Y)
        if not pairs:
            raise BadInput("there are no pairs to learn from")
        one_to_one = owner is None or (count(X) == pairs and np.array_equal(owner, np.arange(pairs)))
        if not self.n:
            self._start(X, Y)
        for name, rows, width in (("images", X, len(self._at_x)), ("texts", Y, len(self._at_y))):
            if rows.shape[1] != width:
                raise BadInput(f"{name} are {rows.shape[1]} wide, the rows before were {width}")
        self._x_varies = self._x_varies or differ(X, self._first_x)
        self._y_varies = self._y_varies or differ(Y, self._first_y)
        step = max(1, int(BLOCK_BYTES / (row_bytes(X) + row_bytes(Y) * pairs / count(X))))
        if one_to_one:
            for start in range(0, pairs, step):
                x = self._block(X, slice(start, start + step), self._at_x)
                y = self._block(Y, slice(start, start + step), self._at_y)
                self._xx += gram(x)
                self._yy += gram(y)
                self._xy += cross(x, y)
                self._x += column_sums(x)
                self._y += column_sums(y)
        else:
            assert owner is not None
            self._add_many(X, Y, owner, step)
        self.n += pairs
        return self

    def _start(self, X: Any, Y: Any) -> None:
        d_x, d_y = X.shape[1], Y.shape[1]
        self._first_x, self._first_y = first_row(X), first_row(Y)
        # Shifting a sparse block would make it dense; its means are small, so it is summed where it stands.
        self._at_x = np.zeros(d_x) if hasattr(X, "tocsr") else np.asarray(X[:4096], dtype=np.float64).mean(axis=0)
        self._at_y = np.zeros(d_y) if hasattr(Y, "tocsr") else np.asarray(Y[:4096], dtype=np.float64).mean(axis=0)
        self._x, self._y = np.zeros(d_x), np.zeros(d_y)
        self._xx, self._xy, self._yy = np.zeros((d_x, d_x)), np.zeros((d_x, d_y)), np.zeros((d_y, d_y))

    @staticmethod
    def _block(rows: Any, block: Any, at: Array) -> Any:
        part = take(rows, block)
        if hasattr(part, "tocsr"):
            if not at.any():
                return part.astype(np.float64)
            part = part.toarray()
        return np.asarray(part, dtype=np.float64) - at

    def _add_many(self, X: Any, Y: Any, owner: Array, step: int) -> None:
        """Several texts a picture: each picture is read once, against the sum of its texts."""
        order = np.argsort(owner, kind="stable")
        first = np.searchsorted(owner[order], np.arange(count(X) + 1))
        for start in range(0, count(X), step):
            stop = min(start + step, count(X))
            texts = order[first[start] : first[stop]]
            of = owner[texts] - start
            x = self._block(X, slice(start, stop), self._at_x)
            y = self._block(Y, texts, self._at_y)
            share = np.bincount(of, minlength=stop - start).astype(np.float64)
            root = np.sqrt(share)[:, None]
            self._xx += gram(x.multiply(root).tocsr() if hasattr(x, "tocsr") else x * root)
            self._yy += gram(y)
            self._xy += cross(x, sum_rows(y, of, stop - start))
            self._x += np.asarray(x.T @ share).ravel()
            self._y += column_sums(y)

    def check(self) -> None:
        """Raise BadInput when all rows of a side so far are the same: no direction stands out."""
        must_vary(self._x_varies, "images")
        must_vary(self._y_varies, "texts")

    @property
    def mean_x(self) -> Array:
        return self._at_x + self._x / self.n

    @property
    def mean_y(self) -> Array:
        return self._at_y + self._y / self.n

    @property
    def c_xx(self) -> Array:
        """(d_x, d_x) covariance of the pictures, divided by n."""
        return self._centred(self._xx, self._x, self._x)

    @property
    def c_yy(self) -> Array:
        return self._centred(self._yy, self._y, self._y)

    @property
    def c_xy(self) -> Array:
        return self._centred(self._xy, self._x, self._y)

    def _centred(self, products: Array, left: Array, right: Array) -> Array:
        C = products / self.n
        C -= np.outer(left / self.n, right / self.n)
        return np.asarray(C)


def first_row(rows: Any) -> Array:
    """(1, d) dense."""
    row = take(rows, slice(0, 1))
    return np.array(row.toarray() if hasattr(row, "toarray") else row)


def differ(rows: Any, first: Array) -> bool:
    """Whether any row is another than `first`; of rows that vary it seldom reads more than a block."""
    blocks = (block.toarray() if hasattr(block, "toarray") else block for block in batches(rows, 256))
    return any(bool((np.asarray(block) != first).any()) for block in blocks)


def must_vary(varies: bool, side: str) -> None:
    """Raise BadInput when the rows of a side do not vary."""
    if not varies:
        raise BadInput(f"all {side} have the same features; there is nothing to learn from")


def row_bytes(rows: Any) -> float:
    """Bytes of a row in float64: of a sparse one, its nonzeros and their columns."""
    return max(12.0 * float(rows.nnz) / count(rows), 1.0) if hasattr(rows, "tocsr") else 8.0 * int(rows.shape[1])


def gram(rows: Any) -> Array:
    """rows' rows as a dense matrix."""
    product = rows.T @ rows
    return np.asarray(product.toarray() if hasattr(product, "toarray") else product)


def cross(x: Any, y: Any) -> Array:
    """x' y as a dense matrix, whichever of the two is sparse."""
    product = (y.T @ x).T if hasattr(y, "tocsr") else x.T @ y
    return np.asarray(product.toarray() if hasattr(product, "toarray") else product)


def column_sums(rows: Any) -> Array:
    return np.asarray(rows.sum(axis=0), dtype=np.float64).ravel()


def sum_rows(rows: Any, group: Array, n: int) -> Any:
    """(n, d) the sum of the rows of each group, dense or sparse as they are."""
    from scipy.sparse import csr_matrix

    gather = csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), shape=(n, len(group)))
    return gather @ rows


def ridged(C: Array, ridge: float) -> Array:
    """C with `ridge` times its mean diagonal added to the diagonal, so that a ridge means the same at any scale."""
    lifted = C.copy()
    lifted[np.diag_indices(len(C))] += max(ridge * np.trace(C) / len(C), np.finfo(np.float64).tiny)
    return lifted


def top_svd(T: Array, k: int) -> tuple[Array, Array, Array]:
    """The k largest singular triplets U (m, k), s (k,), V (n, k), with signs fixed so that a result is repeatable.

    Fewer than k where T has a smaller rank: directions of no more than rounding are left out.
    Through the eigenvectors of the smaller Gram matrix when far fewer than all are wanted.
    """
    from scipy.linalg import eigh, svd

    k, rounding = min(k, *T.shape), max(T.shape) * float(np.finfo(np.float64).eps)
    if min(T.shape) <= 256 or k > min(T.shape) // 2:
        U, s, Vt = svd(T, full_matrices=False)
        k = min(k, int((s > s[0] * rounding).sum()))
        U, s, V = U[:, :k], s[:k], Vt[:k].T
    else:
        wide = T.shape[0] < T.shape[1]
        G = T @ T.T if wide else T.T @ T
        values, near = eigh(G, subset_by_index=(len(G) - k, len(G) - 1))
        k = int((values > values[-1] * rounding).sum())  # the values are squares of s
        near, s = near[:, ::-1][:, :k], np.sqrt(values[::-1][:k])
        far = (T.T if wide else T) @ near / s
        U, V = (near, far) if wide else (far, near)
    sign = np.sign(U[np.abs(U).argmax(axis=0), np.arange(k)])
    return U * sign, s, V * sign


def bilinear(C: Array, M_x: Array | None, M_y: Array | None, dims: int) -> tuple[Array, Array, Array]:
    """Directions A (d_x, k), B (d_y, k) and values s (k,) of  max a'Cb  with a'M_x a = b'M_y b = 1.

    None stands for the identity. k is at most dims and the rank of C. Raises BadInput when a matrix is singular or C
    is zero.
    """
    from scipy.linalg import solve_triangular

    L_x = None if M_x is None else cholesky_factor(M_x)
    L_y = None if M_y is None else cholesky_factor(M_y)
    T = C if L_x is None else solve_triangular(L_x, C, lower=True)
    T = T if L_y is None else solve_triangular(L_y, T.T, lower=True).T
    A, s, B = top_svd(T, dims)
    if not len(s):
        raise BadInput("the features of images and texts do not vary together; there is nothing to learn from")
    A = A if L_x is None else solve_triangular(L_x, A, lower=True, trans=1)
    B = B if L_y is None else solve_triangular(L_y, B, lower=True, trans=1)
    return A, B, s


def max_var(C: Array, views: Sequence[int], ridge: float, dims: int) -> tuple[Array, Array]:
    """Directions U (d, k), values (k,), falling, of  max Σ_vw u_v'C_vw u_w + r_v u_v'u_v  with Σ_v u_v'M_v u_v = 1.

    C (d, d) covariance of views beside each other, of these widths; M_v = C_vv + r_v I, each with its own `ridge`. v, w
    run over all views, r over v alone. A value is at most the number of views, and 1 where they have nothing in common.
    Raises BadInput when an M_v is singular.
    """
    from scipy.linalg import solve_triangular

    stops = np.cumsum(views)
    own = [slice(int(stop) - width, int(stop)) for stop, width in zip(stops, views, strict=True)]
    factors = [cholesky_factor(ridged(C[view, view], ridge)) for view in own]
    T = C.copy()
    for view, factor in zip(own, factors, strict=True):
        T[view] = solve_triangular(factor, T[view], lower=True)
        T[:, view] = solve_triangular(factor, T[:, view].T, lower=True).T
    for view in own:
        T[view, view] = np.eye(view.stop - view.start)
    values, U = top_eigen(T, dims)
    for view, factor in zip(own, factors, strict=True):
        U[view] = solve_triangular(factor, U[view], lower=True, trans=1)
    return U, values


def cholesky_factor(M: Array) -> Array:
    """L with L L' = M, lower. Raises BadInput when M is singular."""
    from scipy.linalg import LinAlgError, cholesky

    try:
        return np.asarray(cholesky(M, lower=True))
    except LinAlgError:
        raise BadInput("the covariance of the features is singular; set a larger ridge, such as ridge=0.01") from None


def top_eigen(M: Array, k: int) -> tuple[Array, Array]:
    """The k largest eigenvalues of a covariance, falling, and their eigenvectors as columns, signs fixed.

    Fewer than k where M has a smaller rank, as in `top_svd`.
    """
    from scipy.linalg import eigh

    k = min(k, len(M))
    values, vectors = eigh(M, subset_by_index=(len(M) - k, len(M) - 1))
    k = int((values > values[-1] * len(M) * np.finfo(np.float64).eps).sum())
    values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
    return values, vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(k)])


def unit(rows: Any) -> Any:
    """Rows, dense or sparse, scaled to length 1, as float64; rows of zeros stay."""
    if not hasattr(rows, "tocsr"):
        rows = np.asarray(rows, dtype=np.float64)
        return rows / _length(np.einsum("ij,ij->i", rows, rows))[:, None]
    rows = rows.tocsr().astype(np.float64)
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    rows.data /= _length(np.bincount(row, rows.data**2, minlength=rows.shape[0]))[row]
    return rows


def _length(squares: Array) -> Array:
    return np.where(squares > 0, np.sqrt(squares), 1.0)
