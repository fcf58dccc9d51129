"""Codes of items in {-1, 1}: found by discrete steps, and those that were learned found again by the features."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from diptych.kinds import Array, Ints, count, hamming, take
from diptych.parts.algebra import bilinear, ridged


def signs(rows: Array) -> Array:
    """-1 or 1 a number, 1 for 0."""
    return np.where(np.asarray(rows) >= 0, 1.0, -1.0)


def rotation(target: Array, rows: Array) -> Array:
    """(k, m) the R with orthonormal rows, or columns, that maximises tr R'(rows' target): Procrustes (Schönemann 1966).

    target (n, m), rows (n, k). Where rows R has the same length for every R, as for square R, it is also the nearest
    to the target: argmin ||target - rows R||².
    """
    U, _, Vt = np.linalg.svd(rows.T @ target, full_matrices=False)
    return np.asarray(U @ Vt)


def orthogonal(rows: Array) -> Array:
    """(n, k) the nearest with orthonormal columns: rows (rows'rows)^{-1/2}. n at least k, and rows of full rank."""
    values, V = np.linalg.eigh(rows.T @ rows)
    values = np.maximum(values, values[-1] * np.finfo(np.float64).eps)
    return np.asarray(rows @ (V / np.sqrt(values)) @ V.T)


def correlated(X: Array, Y: Array, bits: int, ridge: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """A (d_x, bits), B (d_y, bits): canonical directions as far as they correlate, turned together at random.

    X (n, d_x), Y (n, d_y) centred rows, one a pair; ridge as in `algebra.ridged`. Of fewer directions, as many bits.
    """
    M_x, M_y = (ridged(rows.T @ rows / len(rows), ridge) for rows in (X, Y))
    A, B, s = bilinear(X.T @ Y / len(X), M_x, M_y, bits)
    turn = rotation(rng.standard_normal((len(s), bits)), np.eye(len(s)))
    return A * s @ turn, B * s @ turn


def bitwise(B: Array, gram: Array, target: Array) -> Array:
    """B (n, k) in {-1, 1} after one pass over its bits: min tr(B gram B') - 2 tr(B' target), each with all others held.

    Discrete cyclic coordinate descent (Shen, Shen, Liu & Shen, CVPR 2015). gram (k, k) symmetric, target (n, k).
    """
    B = B.copy()
    for bit in range(B.shape[1]):
        others = B @ gram[:, bit] - B[:, bit] * gram[bit, bit]
        B[:, bit] = signs(target[:, bit] - others)
    return B


def names(rows: Any) -> Ints:
    """(n,) a number for each feature row, the same for the same row: 64 bits of its hash."""
    rows = rows.tocsr() if hasattr(rows, "tocsr") else rows
    found = np.empty(count(rows), dtype=np.int64)
    for place in range(len(found)):
        values = take(rows, np.array([place]))
        values = np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=np.float32) + np.float32(
            0
        )  # -0 is 0
        found[place] = np.frombuffer(hashlib.blake2b(values.tobytes(), digest_size=8).digest(), dtype=np.int64)[0]
    return found


def voted(names: Ints, codes: Array) -> tuple[Ints, Array]:
    """Each name once, rising, and its packed code: of several rows with one name the signs of their sum."""
    known, row = np.unique(names, return_inverse=True)
    summed = np.zeros((len(known), codes.shape[1]), dtype=np.float32)
    np.add.at(summed, row, codes)
    return known, hamming.normalise(summed)


def instead(packed: Array, asked: Ints, known: Ints, stored: Array) -> Array:
    """The packed codes of items named `asked`, those that are stored for a known name in their place."""
    place = np.searchsorted(known, asked).clip(max=len(known) - 1)
    return np.where((known[place] == asked)[:, None], stored[place], packed)
