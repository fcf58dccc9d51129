"""Arrays as they are: features that were computed elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from diptych.features.feature import Feature, rows_of
from diptych.kinds import BadInput, Floats, Progress
from diptych.sources import cache


@dataclass
class Given(Feature):
    """(n, d) float32: the rows that were given, or those that a file has for pictures and texts.

    file    *.npz with `features` (m, d) and `names` (m,) strings: a picture's file name, or the end of its path where
            two folders hold the same name; of a text, the text itself. Rows may stand in any order, and more may be
            there than are asked for. "" takes items that are rows already

    Where a protocol joins the captions of a picture, the text is these with a blank between them.
    The file is read where it lies; a fitted folder names it and does not hold it. Raises BadInput for what has no row,
    and for a file that does not read, holds NaN, or has more names than rows or fewer.
    """

    file: str = ""

    def outside(self) -> Any:
        return cache.file_fingerprint(self._path()) if self.file else None

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        if not self.file:
            return rows_of(self.paper_name(), items)
        if hasattr(items, "shape") and items.ndim == 2:
            raise BadInput(f"given: {self.file} has rows for names, and these are rows already; leave out @file=")
        path = self._path()
        features, row_of = _read(path, path.stat().st_mtime_ns)
        rows = [_row(path, str(item), row_of) for item in items]
        _apart(path, list(map(str, items)), rows)
        return features[rows]

    def _path(self) -> Path:
        path = Path(self.file)
        if not path.is_file():
            raise BadInput(f"given: no file {path}; write `names` and `features` into it with numpy.savez")
        return path


def _row(path: Path, item: str, row_of: dict[str, int]) -> int:
    """The row of an item: by its whole name, else, where it is a file, by the longest end of its path that is known."""
    if item in row_of:
        return row_of[item]
    if re.search(r"\.\w{2,5}$", item):
        parts = Path(item).as_posix().split("/")
        for start in range(len(parts)):
            if (end := "/".join(parts[start:])) in row_of:
                return row_of[end]
    known = next(iter(row_of), "")
    raise BadInput(f"{path}: no row for {item[-80:]!r} among {len(row_of)} names, such as {known[:80]!r}")


def _apart(path: Path, items: list[str], rows: list[int]) -> None:
    """Two pictures with one row means that their names say too little."""
    item_of: dict[int, str] = {}
    for item, row in zip(items, rows, strict=True):
        if (other := item_of.setdefault(row, item)) != item:
            raise BadInput(f"{path}: {other[-80:]!r} and {item[-80:]!r} share one name; write names with their folders")


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> tuple[Floats, dict[str, int]]:
    """Rows, and the row of each name; read once for as long as the file does not change."""
    try:
        with np.load(path, allow_pickle=False) as data:
            found = {name: data[name] for name in data.files}
    except Exception as error:  # zip, zlib and numpy each have their own
        line = str(error).partition("\n")[0][:120]
        raise BadInput(f"{path}: not an .npz file of strings and numbers ({line})") from None
    if missing := [name for name in ("names", "features") if name not in found]:
        raise BadInput(f"{path}: no array {', '.join(missing)}; it needs `names` and `features`")
    names, features = found["names"], found["features"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise BadInput(f"{path}: `names` must be a row of strings, found {names.dtype} of shape {names.shape}")
    if features.ndim != 2 or features.dtype.kind not in "fiub":
        raise BadInput(f"{path}: `features` must be (n, d) numbers, found {features.dtype} of shape {features.shape}")
    if len(names) != len(features):
        raise BadInput(f"{path}: {len(names)} names for {len(features)} rows of features; give each row one name")
    with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, and is told below
        rows = features.astype(np.float32)
    if not (finite := np.isfinite(rows).all(axis=1)).all():
        raise BadInput(f"{path}: the row of {str(names[int(np.argmin(finite))])[:80]!r} holds NaN or infinity; fill it")
    row_of: dict[str, int] = {}
    for row, name in enumerate(names.tolist()):
        if (first := row_of.setdefault(name, row)) != row and not np.array_equal(rows[first], rows[row]):
            raise BadInput(f"{path}: {name[:80]!r} has two different rows, {first} and {row}; keep one")
    return rows, row_of
