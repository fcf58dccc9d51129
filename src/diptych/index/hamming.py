"""Exact search over bits packed eight to a byte."""

from __future__ import annotations

import numpy as np

from diptych.index.index import Index, best
from diptych.kinds import Array, Floats, Ints, hamming

_MORE = 100
"""Answers asked of Faiss beyond twice as many as are wanted: those of a million random codes end their tie in them."""


class Hamming(Index):
    """Packed codes, `dims` bytes each; the score is minus the number of bits that differ, as `kinds.hamming` says.

    Distance rising and ties by id is the order in which the measures rank too. Faiss scans the codes, and breaks ties
    as its heap falls: so a few more than the k nearest are asked of it, and where the ties of the last go on behind
    them, all codes are counted. `bench/codes.py` measures it.
    """

    kind = "hamming"
    spaces = ("hamming",)

    @property
    def _dtype(self) -> type[np.generic]:
        return np.uint8

    def _search(self, queries: Array, k: int, places: Ints | None) -> tuple[Floats, Ints]:
        import faiss

        names = self._rows.ids if places is None else self._rows.ids[places]
        codes = np.ascontiguousarray(self._rows.values if places is None else self._rows.at(places))
        depth = min(2 * k + _MORE, len(codes))
        distances, near = faiss.knn_hamming(queries, codes, depth)
        scores, ids = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
        for row, query in enumerate(queries):
            here, values = near[row], distances[row]
            if depth < len(codes) and values[-1] == values[k - 1]:
                every = -hamming.score(query[None], codes)[0]
                here = np.flatnonzero(every <= values[k - 1])
                values = every[here]
            found = best(-values[None].astype(np.int32), names[here], k)
            scores[row], ids[row] = found[0][0], found[1][0]
        return scores, ids
