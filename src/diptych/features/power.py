"""Power normalisation: it tames the few large values that would rule every inner product.

Perronnin, Sánchez & Mensink, "Improving the Fisher kernel for large-scale image classification", ECCV 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych.features.feature import Step, rows_of, with_values
from diptych.kinds import Array, Progress
from diptych.parts.fitted import AtLeast


@dataclass
class Power(Step):
    """x -> sign(x) |x|^power, then unit length, of rows or of tokens (n, t, d). A row of zeros stays zero."""

    power: Annotated[float, AtLeast(0)] = 0.5

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        rows = rows_of(self.paper_name(), items, tokens=True)
        if hasattr(rows, "tocsr"):
            return unit(with_values(rows, self._raise(rows.data)))
        return unit(self._raise(rows))

    def _raise(self, values: Array) -> Array:
        return np.asarray(np.sign(values) * np.abs(values) ** np.float32(self.power))


def unit(rows: Any) -> Any:
    """Rows of length 1, dense or CSR; a row of zeros stays zero."""
    if not hasattr(rows, "tocsr"):
        return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-12))
    norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = (1.0 / np.maximum(norms, 1e-12)).astype(np.float32)
    return with_values(rows, rows.data * np.repeat(scale, np.diff(rows.indptr)))
