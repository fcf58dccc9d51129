"""How alike n rows are, as an operator that is never n x n: few neighbours, and thin factors such as labels.

    S = N + F F'      Λ = D - S      D the diagonal of the row sums of S, unless told otherwise

N (n, n) sparse and symmetric, F (n, r).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diptych.kinds import Array
from diptych.parts.bits import signs
from diptych.parts.kernels import squared_distance


class Affinity:
    """near: N, or None; thin: F, or None; degrees (n,) of D where they are not the row sums."""

    def __init__(self, near: Any = None, thin: Array | None = None, degrees: Array | None = None) -> None:
        self.near, self.thin = near, thin
        told = next(one for one in (near, thin) if one is not None)
        self.degrees: Array = self @ np.ones((told.shape[0], 1)) if degrees is None else degrees[:, None]

    def __matmul__(self, V: Array) -> Array:
        """S V."""
        product: Any = 0.0 if self.near is None else self.near @ V
        return np.asarray(product if self.thin is None else product + self.thin @ (self.thin.T @ V))

    def laplacian(self, V: Array) -> Array:
        """Λ V."""
        return np.asarray(self.degrees * V - self @ V)

    def roughness(self, V: Array) -> float:
        """tr V'ΛV = ½ Σ_ij s_ij ||v_i - v_j||², D being the row sums."""
        return float(np.vdot(V, self.laplacian(V)))

    def smooth(self, V: Array, M: Array, strength: float, target: Array, turns: int = 10) -> Array:
        """Down from V (n, k) towards the V of  min tr(V M V') + strength tr(V'ΛV) - 2 tr(V'target).

        M (k, k) positive definite. Conjugate gradients on all columns of V P at once, P the eigenvectors of M, which
        part the problem into k of their own; each of the turns goes down.
        """
        values, P = np.linalg.eigh(M)
        Z, goal = V @ P, target @ P

        def applied(rows: Array) -> Array:
            return np.asarray(rows * values + strength * self.laplacian(rows))

        scale = 1 / (values + strength * self.degrees)
        residual = goal - applied(Z)
        way = scaled = scale * residual
        height = (residual * scaled).sum(axis=0)
        for _ in range(turns):
            moved = applied(way)
            step = height / np.maximum((way * moved).sum(axis=0), np.finfo(np.float64).tiny)
            Z, residual = Z + step * way, residual - step * moved
            scaled = scale * residual
            before, height = height, (residual * scaled).sum(axis=0)
            way = scaled + way * (height / np.maximum(before, np.finfo(np.float64).tiny))
        return np.asarray(Z @ P.T)


def neighbours(rows: Array, k: int) -> Any:
    """(n, n) sparse and symmetric: 1 where one of two rows is among the k nearest of the other, itself left out."""
    from scipy.sparse import csr_matrix
    from sklearn.neighbors import NearestNeighbors

    n = len(rows)
    k = min(k, n - 1)
    near = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors(return_distance=False)
    one_way = csr_matrix((np.ones(n * k), near.ravel(), np.arange(0, n * k + 1, k)), (n, n))
    return one_way.maximum(one_way.T)


def shared(near: Any, groups: int, seed: int, turns: int = 30) -> Array:
    """H (n, groups) >= 0 towards min ||near - H H'||²: what neighbours have in common, from a start drawn by `seed`.

    Symmetric non-negative factorisation by multiplication (Ding, He & Simon, SDM 2005), each turn of which goes down.
    """
    H = np.random.default_rng(seed).random((near.shape[0], groups))
    for _ in range(turns):
        H = H * (0.5 + 0.5 * (near @ H) / np.maximum(H @ (H.T @ H), np.finfo(np.float64).tiny))
    return H


def assigned(near: Any, B: Array, strength: float, pull: Array) -> Array:
    """B (n, k) in {-1, 1} after one pass over its rows:  min -tr B'(strength near B + 2 pull), each with others held.

    near (n, n) CSR, symmetric, with nothing on its diagonal; pull (n, k).
    """
    B = B.copy()
    for row, (start, stop) in enumerate(zip(near.indptr[:-1], near.indptr[1:], strict=True)):
        told = near.data[start:stop] @ B[near.indices[start:stop]]
        B[row] = signs(strength * told + pull[row])
    return B


def to_anchors(rows: Array, anchors: int, seed: int) -> Array:
    """(n, m) squared distances of rows (n, d) from m of them drawn by `seed`, at most `anchors`."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:anchors])
    return squared_distance(rows, rows[chosen])


def told_by(distance: Array, near: int, farthest: bool = False) -> Array:
    """(n, m) shares by which the `near` nearest, or farthest, of m anchors tell a row; each row sums to 1.

    distance (n, m) squared, of rows from anchors; the shares of an anchor fall with it exponentially.
    """
    near = min(near, distance.shape[1])
    told = np.argpartition(-distance if farthest else distance, near - 1, axis=1)[:, :near]
    away = np.take_along_axis(distance, told, axis=1)
    close = np.exp(-away / max(away.mean(), np.finfo(np.float64).tiny))
    shares = np.zeros_like(distance)
    np.put_along_axis(shares, told, close / close.sum(axis=1, keepdims=True), axis=1)
    return shares


def anchored(distance: Array, near: int) -> Array:
    """F (n, m) of the anchor graph F F' of rows, whose rows sum to 1 (Liu, Wang, Kumar & Chang, ICML 2011).

    Rows are neighbours as far as the same anchors tell them (`told_by`), and no two of them are ever compared.
    """
    shares = told_by(distance, near)
    return np.asarray(shares / np.sqrt(np.maximum(shares.sum(axis=0), np.finfo(np.float64).tiny)))


def spread(near: Any, Y: Array, across: float, turns: int = 30) -> Array:
    """(n, C) towards F = (1 - across) (I - across D^{-1/2} near D^{-1/2})^{-1} Y: labels spread over a graph.

    near (n, n) sparse, symmetric and not negative; Y (n, C) what is told at first (Zhou, Bousquet, Lal, Weston &
    Schölkopf, NIPS 2003).
    """
    scale = 1 / np.sqrt(np.maximum(np.asarray(near.sum(axis=1)), np.finfo(np.float64).tiny))
    F = Y
    for _ in range(turns):
        F = across * scale * (near @ (scale * F)) + (1 - across) * Y
    return np.asarray(F)
