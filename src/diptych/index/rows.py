"""Rows under int64 ids: the one table that every index keeps.

A table that is mapped from a file is proved row by row: each has a sum that was proved with the rest of the file, and
is compared when the row is first used. So an answer costs the rows it looks at, not all there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diptych.index import files
from diptych.kinds import Array, BadInput, Ints, batches


class Rows:
    """A table of `width` columns that grows by appending and shrinks by moving its last rows into the holes."""

    def __init__(self, width: int, dtype: Any) -> None:
        self._ids: Array = np.empty(0, dtype=np.int64)
        self._values: Array = np.empty((0, width), dtype=dtype)
        self._count = 0
        self._order: tuple[Array | None, Array] | None = None
        self._sums: Array | None = None
        self._proved: Array = np.empty(0, dtype=bool)

    @classmethod
    def of(cls, ids: Ints, values: Array, sums: Ints | None = None) -> Rows:
        """A table of these arrays, which it takes over without a copy.

        sums   `files.row_sums` of what the values must be; None where they are known to be it
        """
        table = cls(values.shape[1], values.dtype)
        table._ids, table._values, table._count = ids, values, len(ids)
        table._sums, table._proved = sums, np.zeros(0 if sums is None else len(sums), dtype=bool)
        return table

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> Ints:
        """(n,) the ids, in the order of `values`."""
        return self._ids[: self._count]

    @property
    def values(self) -> Array:
        """(n, width) the rows. Raises DamagedIndex as `at` does."""
        return self.at(slice(0, self._count))

    def at(self, places: Ints | slice) -> Array:
        """(n, width) the rows at these places. Raises DamagedIndex where one is not what was written."""
        if self._sums is not None:
            asked = np.arange(*places.indices(self._count)) if isinstance(places, slice) else places
            for fresh in batches(asked[~self._proved[asked]], 4096):
                if (files.row_sums(self._values[fresh]) != self._sums[fresh]).any():
                    raise files.DamagedIndex("a row of the index is not what was written; build the index again")
                self._proved[fresh] = True
        return self._values[: self._count][places]

    def find(self, ids: Ints) -> Ints:
        """Where each id stands in `values`; -1 for one that is not there."""
        if not self._count:
            return np.full(np.shape(ids), -1)
        if self._order is None:
            rising = bool((self.ids[1:] > self.ids[:-1]).all())  # as they come from a store: nothing more is kept
            order = None if rising else np.argsort(self.ids, kind="stable")
            self._order = order, self.ids if order is None else self.ids[order]
        order, names = self._order
        place = np.minimum(np.searchsorted(names, ids), self._count - 1)
        return np.where(names[place] == ids, place if order is None else order[place], -1)

    def append(self, ids: Ints, values: Array) -> None:
        """Put rows under new ids. Raises BadInput for an id that is negative, given twice or already there."""
        names, first = np.unique(ids, return_index=True)
        if len(names) < len(ids):
            twice = ids[np.setdiff1d(np.arange(len(ids)), first)[0]]
            raise BadInput(f"ids: {twice} is given twice; give every row an id of its own")
        if len(names) and names[0] < 0:
            raise BadInput(f"ids: {names[0]} is negative; ids count from 0, and -1 means no answer")
        known = names[self.find(names) >= 0]
        if len(known):
            raise BadInput(f"ids: {known[0]} is already in the index; remove it first")
        total = self._count + len(ids)
        self._own()
        if total > len(self._ids):
            room = total if not self._count else max(total, len(self._ids) * 3 // 2)
            self._ids, self._values = (_roomier(array, self._count, room) for array in (self._ids, self._values))
        self._ids[self._count : total] = ids
        self._values[self._count : total] = values
        self._count = total
        self._order = None

    def discard(self, places: Ints) -> None:
        """Take out the rows that stand at these distinct places."""
        self._own()
        left = self._count - len(places)
        holes = places[places < left]
        movers = np.setdiff1d(np.arange(left, self._count), places)
        self._ids[holes] = self._ids[movers]
        self._values[holes] = self._values[movers]
        self._count = left
        self._order = None

    def _own(self) -> None:
        """Before a change: the rows in memory of their own, and all of them proved."""
        if self._sums is not None:
            self._values, self._sums = self.values.copy(), None


def _roomier(array: Array, count: int, room: int) -> Array:
    larger = np.empty((room, *array.shape[1:]), dtype=array.dtype)
    larger[:count] = array[:count]
    return larger
