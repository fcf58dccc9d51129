"""Exact search over bits packed eight to a byte."""

from __future__ import annotations

import numpy as np

from diptych.index.index import Index
from diptych.kinds import Array, Floats, Ints


class Hamming(Index):
    """Packed codes, `dims` bytes each; the score is minus the number of bits that differ, as `kinds.hamming` says.

    Distance rising and ties by id is the order in which the measures rank too; Faiss's `IndexBinaryFlat` gives the
    same distances but breaks ties as its heap falls.

    Measured at 64 bits on two shared cores, one query: 0.9 ms at 100,000 codes, 1.6 ms at 500,000, 2.3 ms at a million.
    """

    kind = "hamming"
    spaces = ("hamming",)

    @property
    def _dtype(self) -> type[np.generic]:
        return np.uint8

    def _search(self, queries: Array, k: int, places: Ints | None) -> tuple[Floats, Ints]:
        return self._exactly(queries, k, places)
