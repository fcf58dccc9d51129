"""Exact search over bits packed eight to a byte."""

from __future__ import annotations

import numpy as np

from diptych.index.index import Index, best
from diptych.kinds import Array, Floats, Ints, hamming

_MORE = 100
"""Answers asked of Faiss beyond twice as many as are wanted: those of a million random codes end their tie in them."""


class Hamming(Index):
    """Packed codes, `dims` bytes each; the score is minus the number of bits that differ, as `kinds.hamming` says."""

    kind = "hamming"
    spaces = ("hamming",)

    @property
    def _dtype(self) -> type[np.generic]:
        return np.uint8

    def _search(self, queries: Array, k: int, places: Ints | None) -> tuple[Floats, Ints]:
        names = self._rows.ids if places is None else self._rows.ids[places]
        codes = self._rows.values if places is None else self._rows.at(places)
        return nearest_codes(queries, codes, names, k)


def nearest_codes(queries: Array, codes: Array, ids: Ints, k: int) -> tuple[Floats, Ints]:
    """The k codes nearest to each query, distance rising and ties by id, which is how the measures rank, too.

    queries (n_q, bytes), codes (n, bytes) of these ids (n,); scores (n_q, k) are minus the number of bits that differ,
    and ids (n_q, k). 1 <= k <= n.

    Faiss scans the codes, and breaks ties as its heap falls: so a few more than the k nearest are asked of it, and
    where the ties of the last go on behind them, all codes are counted. `bench/codes.py` measures it.
    """
    import faiss

    codes = np.ascontiguousarray(codes)
    depth = min(2 * k + _MORE, len(codes))
    distances, near = faiss.knn_hamming(queries, codes, depth)
    scores, found = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
    for row, query in enumerate(queries):
        here, values = near[row], distances[row]
        if depth < len(codes) and values[-1] == values[k - 1]:
            every = -hamming.score(query[None], codes)[0]
            here = np.flatnonzero(every <= values[k - 1])
            values = every[here]
        top = best(-values[None].astype(np.int32), ids[here], k)
        scores[row], found[row] = top[0][0], top[1][0]
    return scores, found
