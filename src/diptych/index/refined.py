"""Approximate search in two steps: something short proposes candidates, and their rows are scored exactly.

A ranking is the same however many of its answers are asked for: it is made in steps that are the same for every page.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from diptych.index.index import Index, best
from diptych.kinds import Array, Floats, Ints, Space

FEW = 2000
"""Up to this many rows are scored one by one when a search is restricted to them."""

TUNED_K = 10
"""Recall is measured at this many answers."""

FIRST, SECOND = 16, 100
"""Answers after the first step of a ranking, which are a page and what it leaves out, and after the second; each of the
next doubles them."""


@dataclass(frozen=True)
class Recall:
    """What `tune` measured: the share of the true best `k` that was found, on `queries` queries of `rows` rows."""

    value: float
    k: int
    queries: int
    rows: int


@dataclass(frozen=True)
class Drift:
    """How far the index is from the one that was tuned, or, never tuned, from its first `add`.

    added, removed   rows added and removed since, as shares of the rows there were
    imbalance        how much less even the cells have become; 1 is as even as then
    """

    added: float
    removed: float
    imbalance: float

    @property
    def stale(self) -> bool:
        """Whether to train anew: the rows have doubled or halved, or the cells are half as uneven again."""
        return self.added > 1.0 or self.removed > 0.5 or self.imbalance > 1.5


class Refined(Index):
    """An index that proposes `candidates` rows for each of ten answers, and scores them exactly.

    recall   the last measurement of `tune`, kept with the index; None before
    """

    def __init__(self, space: Space, dims: int) -> None:
        super().__init__(space, dims)
        self.recall: Recall | None = None
        self.candidates = 0
        self._reference: tuple[int, float] = (0, 1.0)
        self._added = self._removed = 0

    @abstractmethod
    def tune(self, queries: Array, recall: float = 0.95) -> Recall:
        """Find the least work that reaches this recall@10 on queries as users will ask them, and keep what it reached.

        queries   (n_q, dims) normalised, a few hundred to some thousands, and not those of `train`
        recall    to reach by two standard errors. Where no setting does, the most thorough one is kept: see
                  `Recall.value`

        The truth is an exact search over the rows as they are kept.
        """

    def drift(self) -> Drift:
        """How far the rows have moved from those that were tuned for."""
        rows, imbalance = self._reference
        return Drift(self._added / max(rows, 1), self._removed / max(rows, 1), self._imbalance() / imbalance)

    def _imbalance(self) -> float:
        """How uneven the parts are that a search chooses from."""
        return 1.0

    def _refer(self) -> None:
        self._reference = len(self), float(self._imbalance())
        self._added = self._removed = 0

    def _search(self, queries: Array, k: int, places: Ints | None) -> tuple[Floats, Ints]:
        if places is not None and len(places) <= FEW:
            return self._exactly(queries, k, places)
        scores = np.empty((len(queries), k), dtype=np.float32)
        ids = np.empty((len(queries), k), dtype=np.int64)
        among = None if places is None else self._among(places)
        for row, here in enumerate(self._near(self._asked(queries), k, places, among)):
            scores[row], ids[row] = self._exactly(queries[row : row + 1], k, here)
        return scores, ids

    def _ranked(self, queries: Array, k: int, places: Ints | None) -> tuple[Floats, Ints]:
        """In steps, each with a search of its own for more answers; what was scored before is not scored again."""
        allowed = len(self) if places is None else len(places)
        if places is not None and allowed <= FEW:
            return self._exactly(queries, k, places)
        scores = np.empty((len(queries), k), dtype=np.float32)
        ids = np.empty((len(queries), k), dtype=np.int64)
        among = None if places is None else self._among(places)
        asked = self._asked(queries)
        first = min(allowed, self._first(places))
        for row, here in enumerate(self._near(asked, first, places, among)):
            query = slice(row, row + 1)
            values, names = self._scored(queries[query], here), self._rows.ids[here]
            scored = np.zeros(len(self), dtype=bool)
            given, reach = 0, first
            while True:
                best_scores, best_ids = best(values, names, reach - given)
                step = slice(given, min(reach, k))
                scores[row, step], ids[row, step] = best_scores[0, : k - given], best_ids[0, : k - given]
                if reach >= k:
                    break
                left = (values[0] < best_scores[0, -1]) | (values[0] == best_scores[0, -1]) & (names > best_ids[0, -1])
                values, names = values[:, left], names[left]
                scored[here] = True
                given, reach = reach, min(allowed, max(SECOND, 2 * reach))
                here = next(self._near(asked[query], reach, places, among))
                here = here[~scored[here]]
                values = np.hstack([values, self._scored(queries[query], here)])
                names = np.append(names, self._rows.ids[here])
        return scores, ids

    @abstractmethod
    def _asked(self, queries: Array) -> Array:
        """(n_q, …) queries as candidates are sought by."""

    @abstractmethod
    def _near(self, asked: Array, k: int, places: Ints | None, among: Any) -> Iterator[Ints]:
        """For each query where the rows stand that are worth scoring for k answers, among those at these places.

        among   what `_among` made of the places
        """

    def _among(self, places: Ints) -> Any:
        """What a restricted search looks at, made once for all of its steps."""
        return None

    def _first(self, places: Ints | None) -> int:
        """Answers after the first step of a ranking."""
        return FIRST

    def _depth(self, k: int) -> int:
        """How many candidates to score for k answers, as `tune` found them for TUNED_K.

        Codes err by so much of a score at any depth, but scores lie closer together further down. By the tail of a
        normal distribution, the row of rank r of n has a score of sqrt(2 ln(n / r)) deviations.
        """
        n, tuned = len(self), self.candidates * TUNED_K
        if k <= TUNED_K or tuned >= n:
            return tuned
        first, last, here = (math.sqrt(2 * math.log(n / rank)) for rank in (TUNED_K, tuned, k))
        return max(k, math.ceil(n * math.exp(-(max(0.0, here - (first - last)) ** 2) / 2)))


def standing(found: Ints, truth: Ints) -> Ints:
    """(n_q, k) at which place of `found` each true answer stands; beyond the last where it does not."""
    places = np.full(truth.shape, np.iinfo(np.int64).max)
    for column in range(truth.shape[1]):
        hit = found == truth[:, column : column + 1]
        here = hit.any(axis=1)
        places[here, column] = hit[here].argmax(axis=1)
    return places
