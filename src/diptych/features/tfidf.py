"""Words weighed by how much they tell: frequent in the text, rare among the texts.

Salton & Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing & Management 24, 1988.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from diptych.features.bag_of_words import BagOfWords
from diptych.features.feature import texts_of, with_values
from diptych.features.power import unit
from diptych.kinds import Array, Progress


@dataclass
class TfIdf(BagOfWords):
    """(n, words) CSR in unit rows: (1 + log count) idf, with idf = 1 + log((1 + texts) / (1 + texts with the word))."""

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        counts = self._learn_words(texts_of(self.paper_name(), items))
        self.idf_ = inverse_document_frequency(counts)
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        counts = super().transform(items, progress)
        return unit(with_values(counts, (1 + np.log(counts.data)) * self.idf_[counts.indices]))


def inverse_document_frequency(counts: Any) -> Array:
    """(words,) float32 idf of (n, words) CSR counts, smoothed as if one more text held every word."""
    held = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.asarray(1 + np.log((1 + counts.shape[0]) / (1 + held)), dtype=np.float32)
