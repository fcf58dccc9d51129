"""One row of a set of tokens: their mean, which forgets their order and which of them belong together.

It is what a bag of words and an average over a picture are; methods that learn from one row an item read tokens so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diptych.features.feature import Step, rows_of
from diptych.kinds import Progress


@dataclass
class Pooled(Step):
    """(n, d) the means of (n, t, d) tokens; rows of zeros, which are padding, do not count. Rows stay as they are."""

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        tokens = rows_of(self.paper_name(), items, tokens=True)
        if tokens.ndim == 2:
            return tokens
        number = (tokens != 0).any(axis=2).sum(axis=1)
        return tokens.sum(axis=1) / np.maximum(number, 1).astype(np.float32)[:, None]
