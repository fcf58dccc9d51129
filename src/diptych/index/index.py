"""What every index is: normalised rows of one space under int64 ids, searched for the nearest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from diptych import kinds
from diptych.index import files
from diptych.index.rows import Rows
from diptych.kinds import Array, BadInput, Floats, Ints, Space, nearest

_SCORES = 4_000_000
"""Scores held at a time: 16 MB of float32."""

_ITEM_BYTES = 1 << 20
"""Bytes of items held at a time where scoring makes arrays of their size: what a core has near at hand."""

_QUERIES = 128
"""Queries scored at a time."""


class Index(ABC):
    """An index of rows with `dims` columns, as `space.normalise` gives them (packed bytes in the space `hamming`).

    Ids are distinct and not negative. Raises BadInput for a space that the index does not know.
    """

    kind: ClassVar[str]
    spaces: ClassVar[tuple[str, ...]]
    maps: ClassVar[bool] = False
    """Whether a search uses few of the rows, so that `load` may leave them on the disk."""

    def __init__(self, space: Space, dims: int) -> None:
        if space.name not in self.spaces:
            raise BadInput(f"space: {self.kind} does not compare by {space.name!r}{nearest(space.name, self.spaces)}")
        if dims < 1:
            raise BadInput(f"dims: {dims}; rows have at least one column")
        self.space = space
        self.dims = dims
        self._rows = Rows(self._columns, self._dtype)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.space}, {self.dims} columns, {len(self):,} rows)"

    @property
    def ids(self) -> Ints:
        """(n,) the ids there are, in no particular order."""
        return self._rows.ids.copy()

    def train(self, rows: Array) -> None:
        """Learn from (n, dims) rows like those to come, before the first `add`. An exact index learns nothing."""
        self._normalised(rows, "rows")

    def add(self, ids: npt.ArrayLike, rows: Array) -> None:
        """Put (n, dims) rows under n new ids: all of them, or none when one is refused with BadInput."""
        rows = self._normalised(rows, "rows")
        names = checked_ids(ids, "ids")
        if len(names) != len(rows):
            raise BadInput(f"ids: {len(names)} for {len(rows)} rows; give every row one id")
        self._rows.append(names, self._kept(rows))

    def remove(self, ids: npt.ArrayLike) -> int:
        """Take out these ids and say how many there were; those that are not there are passed over."""
        places = self._rows.find(np.unique(checked_ids(ids, "ids")))
        places = places[places >= 0]
        self._rows.discard(places)
        return len(places)

    def search(self, queries: Array, k: int, among: npt.ArrayLike | None = None) -> tuple[Floats, Ints]:
        """The k nearest to each of (n_q, dims) normalised queries, score falling, ties by rising id.

        among   ids to choose from; those that are not in the index are passed over. Where they are many, a mask is
                quicker: (m,) bool, whether each id from 0 to m - 1 may be an answer

        Returns scores (n_q, k) float32, higher is nearer, and ids (n_q, k) int64; -inf and -1 where answers run out.
        """
        return self._answers(self._search, queries, k, among)

    def ranked(self, queries: Array, k: int, among: npt.ArrayLike | None = None) -> tuple[Floats, Ints]:
        """The first k of a ranking that is the same however many are asked for; so pages of it share nothing.

        As `search`, but that an approximate index may put what only a longer search brings to light behind what it
        found before, of a lower score.
        """
        return self._answers(self._ranked, queries, k, among)

    def _answers(
        self, search: Callable[[Array, int, Ints | None], tuple[Floats, Ints]], queries: Array, k: int, among: Any
    ) -> tuple[Floats, Ints]:
        queries = self._normalised(queries, "queries")
        if k < 1:
            raise BadInput(f"k: {k}; ask for at least one answer")
        places = None
        if among is not None:
            places = self._places(np.asarray(among))
        depth = min(k, len(self) if places is None else len(places))
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        if depth:
            scores[:, :depth], ids[:, :depth] = search(queries, depth, places)
        return scores, ids

    def rows(self, ids: npt.ArrayLike) -> Array:
        """(n, dims) the rows of these ids as the index has them, float32 or bytes. Raises BadInput for a strange id."""
        names = checked_ids(ids, "ids")
        places = self._rows.find(names)
        if (places < 0).any():
            raise BadInput(f"ids: {names[places < 0][0]} is not in the index")
        found = self._rows.at(places)
        return found.astype(np.float32) if found.dtype == np.float16 else found

    def save(self, path: str | Path) -> None:
        """Write the index to `path`, and its facts and checksum to `path`.json."""
        facts, arrays = self._state()
        facts |= {"kind": self.kind, "space": self.space.name, "dims": self.dims, "count": len(self)}
        rows = self._rows.values
        if self.maps:
            arrays["sums"] = files.row_sums(rows)
        files.write(path, facts, {"ids": self._rows.ids, **arrays, "rows": rows})

    @classmethod
    def load(cls, path: str | Path, mapped: bool = False) -> Self:
        """Read what `save` wrote. Raises BadInput for a file that is missing, damaged or of another kind of index.

        mapped   leave rows on the disk until they are used, where the index uses few of them. One that is damaged
                 raises DamagedIndex when it is used
        """
        mapped = mapped and cls.maps
        facts, arrays = files.read(path, mapped)
        if facts.get("kind") != cls.kind:
            raise BadInput(f"{path}: holds an index of kind {facts.get('kind')!r}, not {cls.kind!r}")
        try:
            index = cls._restored(facts, arrays)
            ids, rows = arrays["ids"], arrays["rows"]
            if ids.shape != (facts["count"],) or rows.shape != (facts["count"], index._columns):
                raise ValueError(f"{ids.shape} ids and {rows.shape} rows for a count of {facts['count']}")
            if ids.dtype != np.int64 or rows.dtype != index._dtype:
                raise ValueError(f"ids of {ids.dtype} and rows of {rows.dtype}")
            sums = arrays["sums"] if cls.maps else None
            if sums is not None and (sums.dtype != np.uint32 or sums.shape != ids.shape):
                raise ValueError(f"{sums.shape} sums of {sums.dtype} for a count of {facts['count']}")
        # What Faiss throws is a RuntimeError.
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadInput(f"{path} does not hold together: {why}; build the index again") from None
        index._rows = Rows.of(ids, rows, sums if mapped else None)
        return index

    @property
    @abstractmethod
    def _dtype(self) -> type[np.generic]:
        """How rows are kept."""

    @property
    def _columns(self) -> int:
        """How many of those a row is kept in."""
        return self.dims

    def _kept(self, rows: Array) -> Array:
        """(n, columns) what is kept of rows."""
        return rows

    @abstractmethod
    def _search(self, queries: Array, k: int, places: Ints | None) -> tuple[Floats, Ints]:
        """`search` with everything checked: k answers there are, among the rows that stand at these places."""

    def _ranked(self, queries: Array, k: int, places: Ints | None) -> tuple[Floats, Ints]:
        """As `_search`, the same at any k."""
        return self._search(queries, k, places)

    def _state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Facts and arrays to keep besides ids and rows."""
        return {}, {}

    @classmethod
    def _restored(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """An index of the state that `_state` told; ids and rows are put in by `load`."""
        return cls(space_named(facts["space"]), facts["dims"])

    def _places(self, among: Array) -> Ints:
        """Where the rows stand that a search is restricted to, by their ids or by a mask over ids."""
        if among.dtype == bool and among.ndim == 1:
            names = self._rows.ids
            inside = names < len(among)
            return np.flatnonzero(among[names] if inside.all() else inside & among[np.where(inside, names, 0)])
        places = self._rows.find(np.unique(checked_ids(among, "among")))
        return places[places >= 0]

    def _exactly(self, queries: Array, k: int, places: Ints | None = None) -> tuple[Floats, Ints]:
        """The k best of all rows, or of those at these places, by `Space.score`."""
        names = self._rows.ids
        total = len(names) if places is None else len(places)
        answers = []
        for first in range(0, len(queries), _QUERIES):
            asked = queries[first : first + _QUERIES]
            scores, ids = [], []
            step = max(k, _SCORES // len(asked))
            for start in range(0, total, step):
                some = slice(start, min(start + step, total)) if places is None else places[start : start + step]
                best_scores, best_ids = best(self._scored(asked, some), names[some], k)
                scores.append(best_scores)
                ids.append(best_ids)
            merged = scores[0], ids[0]
            if len(scores) > 1:
                merged = best(np.concatenate(scores, axis=1), np.concatenate(ids, axis=1), k)
            answers.append(merged)
        if not answers:
            return np.empty((0, k), dtype=np.float32), np.empty((0, k), dtype=np.int64)
        return np.concatenate([scores for scores, _ in answers]), np.concatenate([ids for _, ids in answers])

    def _scored(self, queries: Array, places: Ints | slice) -> Floats:
        """(n_q, n) the score of each row that stands at these places."""
        half = self._dtype == np.float16
        if not (half or self.space.name == "l2"):
            return self.space.score(queries, self._rows.at(places))
        # They make a float32 array of the items' size.
        total = places.stop - places.start if isinstance(places, slice) else len(places)
        scores = np.empty((len(queries), total), dtype=np.float32)
        step = max(1, _ITEM_BYTES // (4 * self.dims))
        for start in range(0, total, step):
            end = min(start + step, total)
            some = slice(places.start + start, places.start + end) if isinstance(places, slice) else places[start:end]
            scores[:, start:end] = self.space.score(queries, self._rows.at(some).astype(np.float32, copy=False))
        return scores

    def _normalised(self, rows: Array, what: str) -> Array:
        """The rows as the space settles them: checked for width, and for numbers that compare."""
        rows = np.asarray(rows)
        packed = self.space.name == "hamming"
        if rows.ndim != 2 or rows.shape[1] != self.dims:
            raise BadInput(
                f"{what}: shape {rows.shape}; this index compares rows of {self.dims} columns, (n, {self.dims})"
            )
        if packed:
            if rows.dtype != np.uint8:
                raise BadInput(f"{what}: {rows.dtype}; bits are packed eight to a byte, see `hamming.normalise`")
            return np.ascontiguousarray(rows)
        if rows.dtype.kind not in "fiu":
            raise BadInput(f"{what}: {rows.dtype}; this index compares real numbers")
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        # One sum tells for all rows, and makes no array of their size.
        if not np.isfinite(rows.sum(dtype=np.float64)) and not np.isfinite(rows).all():
            wrong = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise BadInput(f"{what}: row {wrong} holds NaN or infinity; drop it")
        return rows


def best(scores: Array, ids: Ints, k: int) -> tuple[Floats, Ints]:
    """The k best of each row of (n_q, n) scores, score falling, ties by rising id; -inf and -1 where n < k.

    ids   (n,) the same for every row, or (n_q, n); an id of -1 stands for none
    """
    top_scores = np.full((len(scores), k), -np.inf, dtype=np.float32)
    top_ids = np.full((len(scores), k), -1, dtype=np.int64)
    for row, values in enumerate(scores):
        names = ids if ids.ndim == 1 else ids[row]
        if len(values) > k:
            edge = np.partition(values, len(values) - k)[len(values) - k]
            above, level = np.flatnonzero(values > edge), np.flatnonzero(values == edge)
            missing = k - len(above)
            if missing < len(level):
                level = level[np.argpartition(names[level], missing - 1)[:missing]]
            chosen = np.concatenate([above, level])
            values, names = values[chosen], names[chosen]
        order = np.lexsort((names, -values))
        top_scores[row, : len(order)] = values[order]
        top_ids[row, : len(order)] = names[order]
    return top_scores, top_ids


def space_named(name: str) -> Space:
    """The space that a file names."""
    known: Sequence[Space] = (kinds.cosine, kinds.dot, kinds.l2, kinds.hamming)
    for space in known:
        if space.name == name:
            return space
    raise ValueError(f"a space named {name!r}")


def checked_ids(ids: npt.ArrayLike, what: str) -> Ints:
    """(n,) int64; BadInput names `what` when they are no list of whole numbers."""
    names = np.asarray(ids)
    if names.ndim != 1 or (names.size and names.dtype.kind not in "iu"):
        raise BadInput(f"{what}: {names.dtype} of shape {names.shape}; ids are one row of whole numbers")
    return names.astype(np.int64)
