"""Small pictures for people, made by the processes that read hostile files, and kept beside the collection.

They are pixels written anew, so nothing of a file's EXIF, place or name is in them. The file that keeps them may be
deleted at any time; one that cannot be written is done without.
"""

from __future__ import annotations

import io
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diptych.app.server.problems import Problem
from diptych.collection import Item
from diptych.kinds import Array
from diptych.sources.decoders import Decoders

SIZES = {"small": 320, "medium": 960, "large": 2048}
"""Pixels of the longer side."""

FILE = "thumbnails.db"

IN_MEMORY = 1_000
"""Thumbnails that are kept where nothing may be written; then all are made anew."""


@dataclass(frozen=True)
class Thumbnail:
    """data: of a JPEG. etag: changes with the content of the picture."""

    data: bytes
    etag: str


def etag(digest: str | None, size: str) -> str:
    """What a thumbnail of a file is known again by, without a look at either; "" of no file."""
    return f'"{digest[:32]}-{SIZES[size]}"' if digest else ""


class Thumbnails:
    """Those of one collection. folder: where they are kept; None keeps them in memory, as of one that is encrypted."""

    def __init__(self, folder: Path | None, workers: int = 2) -> None:
        self._decoders = Decoders(workers)
        self._lock = threading.Lock()
        self._bounded = folder is None
        self._kept = self._connected(folder and folder / FILE)

    def get(self, digest: str | None, size: str, item: Callable[[], Item]) -> Thumbnail:
        """The picture of an item. Raises Problem where the file cannot be seen any more.

        digest   that the item has; size: one of SIZES
        item     reads it, which is done where its picture was not made yet
        """
        side = SIZES[size]
        for (data,) in self._rows("SELECT data FROM thumbnails WHERE digest = ? AND side = ?", (digest, side)):
            return Thumbnail(data, etag(digest, size))
        picture = item()
        if picture.path is None:
            raise Problem(404, "this item has no picture")
        look = self._decoders.small(picture.path, side)
        if look.pixels is None:
            raise Problem(404, f"the picture cannot be seen: {look.reason}")
        data = jpeg(look.pixels)
        if look.digest == picture.digest:
            kept = (look.digest, side, _colour(look.pixels), data)
            if self._bounded and self._rows("SELECT count(*) FROM thumbnails")[0][0] >= IN_MEMORY:
                self._rows("DELETE FROM thumbnails")
            self._rows("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?, ?)", kept)
        return Thumbnail(data, etag(look.digest, size))

    def colours(self, digests: list[str | None]) -> dict[str, str]:
        """The middle colour of pictures of which a thumbnail was made, by the sha256 of their files."""
        marks = ",".join("?" * len(digests))
        return dict(self._rows(f"SELECT digest, colour FROM thumbnails WHERE digest IN ({marks})", digests))

    def forget(self, digests: list[str | None]) -> None:
        """Leave nothing of these on the disk."""
        self._rows(f"DELETE FROM thumbnails WHERE digest IN ({','.join('?' * len(digests))})", digests)

    def close(self) -> None:
        self._decoders.__exit__()
        if self._kept is not None:
            self._kept.close()

    def _rows(self, sql: str, values: object = ()) -> list[tuple[Any, ...]]:
        with self._lock, suppress(sqlite3.Error):
            if self._kept is not None:
                return self._kept.execute(sql, values).fetchall()  # type: ignore[arg-type]
        return []

    @staticmethod
    def _connected(file: Path | None) -> sqlite3.Connection | None:
        for _ in range(2):
            try:
                connection = sqlite3.connect(
                    file or ":memory:", timeout=5, isolation_level=None, check_same_thread=False
                )
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("PRAGMA synchronous = OFF")  # what is lost is made again
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS thumbnails (digest TEXT, side INTEGER, colour TEXT NOT NULL, "
                    "data BLOB NOT NULL, PRIMARY KEY (digest, side)) WITHOUT ROWID"
                )
                return connection
            except sqlite3.DatabaseError:
                if file is None:
                    break
                with suppress(OSError):
                    file.unlink()
        return None


def jpeg(pixels: Array) -> bytes:
    """Pixels, (height, width, 3) uint8, as a file without a word in it."""
    from PIL import Image

    kept = io.BytesIO()
    Image.fromarray(pixels).save(kept, "JPEG", quality=85, optimize=False)
    return kept.getvalue()


def _colour(pixels: Array) -> str:
    """The middle one."""
    from PIL import Image

    return "#" + bytes(Image.fromarray(pixels).resize((1, 1), Image.Resampling.BOX).tobytes()).hex()
