"""Kernels, and the explicit map that makes a kernel method a linear one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np

from diptych.kinds import Array, BadInput, batches, count, take
from diptych.parts.fitted import Above, AtLeast, Fitted


def squared_distance(X: Array, Z: Array) -> Array:
    """(n, m) squared Euclidean distances; the radial basis kernel is their negative exponential."""
    squared = np.square(X).sum(axis=1)[:, None] + np.square(Z).sum(axis=1)[None, :] - 2.0 * (X @ Z.T)
    return np.asarray(np.maximum(squared, 0.0))


def chi2_distance(X: Array, Z: Array) -> Array:
    """(n, m) χ² distances Σ (x - z)² / (x + z) of rows that are histograms. Raises BadInput for negative values."""
    from sklearn.metrics.pairwise import additive_chi2_kernel

    if min(X.min(initial=0.0), Z.min(initial=0.0)) < 0:
        raise BadInput("the chi2 kernel wants histograms and the features hold negative values; use kernel=rbf")
    return -np.asarray(additive_chi2_kernel(X, Z))


@dataclass
class KernelMap(Fitted):
    """φ with φ(x)'φ(z) = k(x, z) = exp(-distance(x, z) / width) on the span of the landmarks (Williams & Seeger 2000).

    kernel      rbf or chi2
    scale       width as a multiple of the mean distance between landmarks
    landmarks   how many training rows, drawn by `seed`; None is all of them, which makes the map exact on them
    """

    kernel: Literal["rbf", "chi2"] = "rbf"
    scale: Annotated[float, Above(0)] = 1.0
    landmarks: Annotated[int | None, AtLeast(2)] = None
    seed: Annotated[int, AtLeast(0)] = 0

    def fit(self, rows: Any) -> Self:
        from scipy.linalg import eigh

        n = count(rows)
        m = n if self.landmarks is None else min(self.landmarks, n)
        chosen = np.sort(np.random.default_rng(self.seed).permutation(n)[:m])
        self.landmarks_ = _dense(take(rows, chosen))
        distance = self._distance(self.landmarks_)
        if not distance.any():
            raise BadInput(f"the {m} landmarks drawn from {n} rows are all the same; set landmarks higher")
        self.width_ = np.float64(self.scale * distance.mean())
        values, vectors = eigh(np.exp(-distance / self.width_))
        # Directions that the kernel hardly sees are noise: whitening would blow them up.
        kept = values > values[-1] * 1e-10
        self.whiten_ = vectors[:, kept] / np.sqrt(values[kept])
        return self

    def transform(self, rows: Any) -> Array:
        """(n, r) the map of each row, r the rank of the kernel on the landmarks; rows go through in blocks.

        Raises BadInput for rows of another width than that fitted on.
        """
        if rows.shape[1] != self.landmarks_.shape[1]:
            raise BadInput(f"rows are {rows.shape[1]} wide; this kernel map was fitted on {self.landmarks_.shape[1]}")
        parts = [np.exp(-self._distance(_dense(block)) / self.width_) @ self.whiten_ for block in batches(rows, 1024)]
        return np.concatenate(parts) if parts else np.empty((0, self.whiten_.shape[1]))

    def _distance(self, rows: Array) -> Array:
        return squared_distance(rows, self.landmarks_) if self.kernel == "rbf" else chi2_distance(rows, self.landmarks_)


def _dense(rows: Any) -> Array:
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)
