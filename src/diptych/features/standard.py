"""Z-scores: every column with mean 0 and standard deviation 1 over the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from diptych.features.feature import Step, rows_of, with_values
from diptych.kinds import BadInput, Progress


@dataclass
class Standard(Step):
    """x -> (x - mean) / deviation, column by column; a column that never varies is only centred.

    Sparse rows are divided and not centred: to centre them would fill every zero.
    """

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        from sklearn.preprocessing import StandardScaler

        rows = rows_of(self.paper_name(), items)
        centred = not hasattr(rows, "tocsr")
        scaler = StandardScaler(with_mean=centred).fit(rows)
        self.mean_ = scaler.mean_ if centred else np.zeros(rows.shape[1])
        self.scale_ = scaler.scale_
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        rows = rows_of(self.paper_name(), items)
        if rows.shape[1] != len(self.mean_):
            raise BadInput(f"standard was fitted on {len(self.mean_)} columns and was given {rows.shape[1]}")
        if hasattr(rows, "tocsr"):
            return with_values(rows, rows.data / self.scale_.astype(np.float32)[rows.indices])
        return ((rows - self.mean_) / self.scale_).astype(np.float32)
