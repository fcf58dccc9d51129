"""Rows on the disk, each where its id says, to be read a few at a time: for an index that keeps none in memory.

The file holds nothing but rows of float16, each with a sum of its own, which is compared whenever it is read. Ids that
are not there are holes, which take no room on most disks, and whose sums do not match either.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from diptych.index import files
from diptych.kinds import Array, BadInput, Ints

LARGEST = float(np.finfo(np.float16).max)
"""What a number of a row may be."""


class Shelf:
    """The rows of `dims` numbers that `write` wrote. Raises BadInput for a file that is not there or not mapped."""

    def __init__(self, path: str | Path, dims: int) -> None:
        if os.name == "nt":  # which replaces and removes no file that is mapped
            raise BadInput(f"{path}: rows are not mapped on Windows")
        self._records: Array
        try:
            size = Path(path).stat().st_size // _record(dims).itemsize
            self._records = np.memmap(path, _record(dims), "r", shape=(size,)) if size else np.empty(0, _record(dims))
        except OSError as error:
            raise BadInput(f"{path}: not readable ({error.strerror})") from None

    @staticmethod
    def size(dims: int) -> int:
        """Bytes of a row."""
        return int(_record(dims).itemsize)

    def read(self, ids: Ints) -> tuple[Array, Array]:
        """(n, dims) float32 rows of these ids; (n,) whether each is what was written, where anything may stand else."""
        there = ids < len(self._records)
        records = np.zeros(len(ids), self._records.dtype)
        records[there] = self._records[ids[there]]
        return records["row"].astype(np.float32), there & (records["sum"] == _sums(ids, records["row"]))

    @staticmethod
    def write(path: str | Path, dims: int, blocks: Iterable[tuple[Ints, Array]]) -> None:
        """Write (ids, rows) block by block, in the place of what is at `path` once all are on the disk.

        Raises BadInput for a number beyond 65,504, which no float16 holds.
        """
        with files.replacing(Path(path)) as file:
            for ids, rows in blocks:
                if len(rows) and max(rows.max(), -rows.min()) > LARGEST:
                    raise BadInput("rows: values beyond 65,504 do not fit float16")
                records = np.empty(len(ids), _record(dims))
                records["row"] = rows
                records["sum"] = _sums(ids, records["row"])
                for run in np.split(np.arange(len(ids)), np.flatnonzero(np.diff(ids) != 1) + 1):
                    if len(run):
                        file.seek(int(ids[run[0]]) * records.itemsize)
                        file.write(records[run].tobytes())


def _record(dims: int) -> Any:
    return np.dtype([("row", "<f2", (dims,)), ("sum", "<u4")])


def _sums(ids: Ints, rows: Array) -> Ints:
    """(n,) CRC-32 of each row, begun with its id, so that none passes for another's."""
    begun = ((ids + 1) & 0xFFFFFFFF).tolist()
    return np.fromiter(map(zlib.crc32, np.ascontiguousarray(rows).view(np.uint8), begun), np.uint32, len(ids))
