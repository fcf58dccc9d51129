"""What was computed from a picture is kept by the content of the picture, so that it is computed once.

One SQLite file, in `$DIPTYCH_CACHE` or the user's cache folder. A row is found by the fingerprint of its extractor and
the sha256 of the file it describes: a renamed picture costs nothing, a changed one is described anew. The
file can be deleted at any time; a damaged one is thrown away, and one that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from diptych.kinds import Array, BadInput, Progress, batches
from diptych.sources import pictures

Result = TypeVar("Result")

_CHUNK = 64
"""Pictures between two commits: what an interruption costs, and how many encoded files are in memory at once."""

_LARGE = 32 << 20
"""Bytes of a file that takes longer to read than to look up."""

_COARSE = 2_000_000_000
"""Nanoseconds in which a change may not show in the times of a file, on the coarsest of file systems."""


def per_picture(
    paths: Sequence[Path],
    fingerprint: str,
    describe: Callable[[list[Image.Image]], Sequence[Array]],
    *,
    what: str,
    enough: int = 0,
    size: int = 16,
    progress: Progress | None = None,
) -> list[Array]:
    """One array a picture: from the cache, else from `describe`, which gets decoded pictures `size` at a time.

    fingerprint   names everything the rows depend on besides the pixels (see `fingerprint`)
    what          said to `progress`
    enough        pixels a side that suffice (see `pictures.decode`)

    Files are read and decoded in threads; `describe` runs in the calling thread. Raises BadInput naming every picture
    that does not decode, once all others are described and kept.
    """

    def decode(file: tuple[bytes, Path]) -> Image.Image:
        return pictures.decode(*file, enough=enough)

    cache = RowCache()
    fingerprint += f", decoding {pictures.DECODING}"
    rows: list[Array] = []
    failures: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in batches(list(paths), _CHUNK):
            files = list(pool.map(_or_failure(pictures.read), chunk))
            keys = [hashlib.sha256(file).digest() if isinstance(file, bytes) else b"" for file in files]
            known = cache.get(fingerprint, keys)
            missing = {
                key: (file, path)
                for key, file, path in zip(keys, files, chunk, strict=True)
                if isinstance(file, bytes) and key not in known
            }
            new: dict[bytes, Array] = {}
            done = len(rows) + len(chunk) - len(missing)
            for batch in batches(list(missing), size):
                decoded = list(pool.map(_or_failure(decode), [missing[key] for key in batch]))
                good = {key: image for key, image in zip(batch, decoded, strict=True) if isinstance(image, Image.Image)}
                if good:
                    new.update(zip(good, map(np.asarray, describe(list(good.values()))), strict=True))
                failures += [image for image in decoded if isinstance(image, str)]
                done += len(batch)
                if progress:
                    progress(what, done, len(paths))
            cache.put(fingerprint, new)
            failures += [file for file in files if isinstance(file, str)]
            rows += [new[key] if key in new else known.get(key, np.empty(0)) for key in keys]
            if progress and not missing:
                progress(what, len(rows), len(paths))
    if failures:
        more = f"; and {len(failures) - 3} more of {len(rows)} pictures" if len(failures) > 3 else ""
        raise BadInput("; ".join(failures[:3]) + more)
    return rows


def fingerprint(**facts: Any) -> str:
    """One string for everything the rows of an extractor depend on, given as plain JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def file_fingerprint(path: str | Path) -> str:
    """sha256 of a file. That of a large one is remembered until its size, its times or its place on the disk change."""
    with open(path, "rb") as file:
        at = os.fstat(file.fileno())
        latest = max(at.st_mtime_ns, at.st_ctime_ns)
        known = json.dumps([at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns]).encode()
        large = at.st_size >= _LARGE
        if large and (kept := RowCache().get("sha256", [known])):
            return kept[known].tobytes().hex()
        digest = hashlib.file_digest(file, "sha256")
        # A file as young as the clock is coarse may change again and look the same.
        if large and time.time_ns() - latest > _COARSE and os.fstat(file.fileno()).st_ctime_ns == at.st_ctime_ns:
            RowCache().put("sha256", {known: np.frombuffer(digest.digest(), dtype=np.uint8)})
        return digest.hexdigest()


def home() -> Path:
    """`$DIPTYCH_CACHE`, else the folder this platform keeps caches in."""
    if named := os.environ.get("DIPTYCH_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "diptych"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "diptych" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diptych"


_USED = ContextVar("_USED", default=True)


@contextlib.contextmanager
def without() -> Iterator[None]:
    """Nothing is kept of what is computed inside, and nothing is looked up."""
    token = _USED.set(False)
    try:
        yield
    finally:
        _USED.reset(token)


class RowCache:
    """Arrays under (fingerprint, key). Several processes may use one file at the same time. It never raises."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.file = Path(folder or home()) / "features.sqlite"

    def get(self, fingerprint: str, keys: Sequence[bytes]) -> dict[bytes, Array]:
        """Those of the keys that are kept."""

        def read(database: sqlite3.Connection) -> dict[bytes, Array]:
            found = {}
            for some in batches(list(dict.fromkeys(keys)), 500):
                marks = ",".join("?" * len(some))
                query = f"SELECT key, kind, shape, bytes, crc FROM rows WHERE fingerprint = ? AND key IN ({marks})"
                for key, kind, shape, data, crc in database.execute(query, (fingerprint, *some)):
                    if zlib.crc32(data) == crc:
                        found[key] = np.frombuffer(data, dtype=kind).reshape(json.loads(shape))
            return found

        return self._attempt(read) or {}

    def put(self, fingerprint: str, rows: Mapping[bytes, Array]) -> None:
        """Keep these, all in one commit."""
        entries = [
            (fingerprint, key, row.dtype.str, json.dumps(row.shape), data := row.tobytes(), zlib.crc32(data))
            for key, row in rows.items()
        ]

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?)", entries)

        if entries:
            self._attempt(write)

    def forget(self, keys: Sequence[bytes]) -> None:
        """Leave nothing of these on the disk, under whatever fingerprint."""

        def delete(database: sqlite3.Connection) -> None:
            database.execute("PRAGMA secure_delete = ON")
            with database:
                database.executemany("DELETE FROM rows WHERE key = ?", [(key,) for key in keys])
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        if keys and self.file.exists():
            self._attempt(delete)

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """What `work` returns; None where the cache cannot be used. A damaged file is thrown away and begun anew."""
        for _ in range(2 if _USED.get() else 0):
            try:
                with contextlib.closing(self._open()) as database:
                    return work(database)
            except (sqlite3.Error, OSError) as error:
                if type(error) is not sqlite3.DatabaseError:  # locked, full or not writable: those are its subclasses
                    return None
                for ending in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        self.file.with_name(self.file.name + ending).unlink()
        return None

    def _open(self) -> sqlite3.Connection:
        """A connection of its own for each call: nothing to share between threads, nothing to inherit by a fork."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.file, timeout=30)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(
                "CREATE TABLE IF NOT EXISTS rows (fingerprint TEXT, key BLOB, kind TEXT, shape TEXT, bytes BLOB, "
                "crc INTEGER, PRIMARY KEY (fingerprint, key)) WITHOUT ROWID"
            )
        except sqlite3.Error:
            database.close()
            raise
        return database


def _or_failure(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`work`, whose BadInput becomes a string, so that one bad picture does not hide the others."""

    def guarded(item: Any) -> Any:
        try:
            return work(item)
        except BadInput as error:
            return str(error)

    return guarded
