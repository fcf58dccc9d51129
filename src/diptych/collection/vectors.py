"""The vectors of a collection under one encoder: one row a picture, one a caption, each with its checksum."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from diptych import kinds
from diptych.collection.identity import Identity
from diptych.collection.store import Store
from diptych.kinds import Array, BadInput, Ints, Space, batches

LENGTH = 1e-4
"""How far from 1 the length of a row may be: about what is left of it in float16."""

_ZEROS = "its row is all zeros, which is like nothing; the encoder, or what was given in its place, saw nothing in it"
_MOST = 1e18
_LARGE = f"its row holds numbers above {_MOST:g}, whose squares no float32 holds; scale the rows down"
_NAN = "its row holds NaN or infinity; the encoder, or what was given in its place, is broken"

Side = Literal["image", "text", "absent", "unknown", "usual"]
"""A picture, one of its captions; and of item 0, which there is not, what `verdict.Background` holds."""

SPACES: dict[str, Space] = {space.name: space for space in (kinds.cosine, kinds.dot, kinds.l2, kinds.hamming)}


@dataclass(frozen=True)
class Vectors:
    """encoder   its number in this collection; vectors of a second one stand beside it while it takes over"""

    store: Store
    encoder: int
    identity: Identity

    @property
    def space(self) -> Space:
        return SPACES[self.identity.space]

    @classmethod
    def remembered(cls, store: Store) -> tuple[Vectors, str] | None:
        """Those of the encoder that a collection remembers, and what finds it; None in a new collection."""
        kept = json.loads(store.meta("encoder", "null"))
        return kept and (cls(store, kept["number"], Identity(**kept["identity"])), kept["at"])

    def remember(self, at: str) -> None:
        """Make this encoder the one of the collection, inside a transaction. at: what finds it, or ""."""
        self.store.set_meta(
            "encoder", json.dumps({"number": self.encoder, "identity": asdict(self.identity), "at": at})
        )

    def checked(self, rows: Any, n: int) -> Array:
        """Rows of texts as they are kept. Raises BadInput for another number, width or kind, and what is not finite.

        One of zeros stays: the encoder knows no word of its text.
        """
        rows = self._cast(rows, n)
        if not np.isfinite(rows).all():
            raise BadInput("rows hold NaN or infinity; the encoder, or what was given in its place, is broken")
        return self.unit(rows)[0]

    def settled(self, rows: Any, n: int) -> tuple[Array, dict[int, str], int]:
        """Of pictures, (n, d) the rows as they are kept; place -> why one cannot be; and how many were normalised.

        Raises BadInput for another number, width or kind.
        """
        rows = self._cast(rows, n)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            rows = np.where(finite[:, None], rows, 0)
        refused = dict.fromkeys(np.flatnonzero(~finite).tolist(), _NAN)
        if self.space.name == "cosine":
            refused = dict.fromkeys(np.flatnonzero(~rows.any(axis=1)).tolist(), _ZEROS) | refused
        elif rows.dtype.kind == "f":
            refused |= dict.fromkeys(np.flatnonzero(~(np.abs(rows).max(axis=1) < _MOST)).tolist(), _LARGE)
        unit, off = self.unit(rows)
        return unit, refused, int(off.sum())

    def judged(self, rows: Any, n: int) -> tuple[list[Array | str], int]:
        """As `settled`, with the reason in the place of a row that cannot be kept."""
        kept, refused, normalised = self.settled(rows, n)
        return [refused.get(place, row) for place, row in enumerate(kept)], normalised

    def unit(self, rows: Array) -> tuple[Array, Array]:
        """In the space `cosine`, rows of length 1, but for those of zeros; and which of them had another length."""
        if self.space.name != "cosine":
            return rows, np.zeros(len(rows), dtype=bool)
        with np.errstate(over="ignore"):  # of float32, which tells all that are clearly well
            squares = np.einsum("ij,ij->i", rows, rows)
        doubtful = np.flatnonzero(~(np.abs(squares - 1) < LENGTH))
        lengths = np.linalg.norm(rows[doubtful].astype(np.float64), axis=1)
        wrong = (np.abs(lengths - 1) > LENGTH) & (lengths > 0)
        off = np.zeros(len(rows), dtype=bool)
        off[doubtful] = wrong
        if wrong.any():
            rows = rows.copy()
            rows[off] = rows[off] / lengths[wrong, None]
        return rows, off

    def mend(self) -> None:
        """Bring rows to unit length that were kept when nobody looked, inside a transaction; indexes hear of it."""
        sides: tuple[Side, ...] = ("image", "text")
        for side in sides:
            for items, numbers, rows in self.blocks(side):
                rows, off = self.unit(rows)
                mended = [
                    (blob, zlib.crc32(blob), self.encoder, side, item, number)
                    for blob, item, number in zip(
                        map(bytes, rows[off]), items[off].tolist(), numbers[off].tolist(), strict=True
                    )
                ]
                where = "encoder = ? AND side = ? AND item = ? AND row = ?"
                self.store.change(f"UPDATE vectors SET data = ?, crc = ? WHERE {where}", mended)

    def _cast(self, rows: Any, n: int) -> Array:
        try:
            rows = np.asarray(rows)
        except ValueError:
            raise BadInput("rows are of different lengths; give as many numbers in each") from None
        except (TypeError, RuntimeError) as error:  # a tensor that still learns, or lies on a GPU
            raise BadInput(f"a row is no array ({error})") from None
        shape = (n, self.identity.width)
        is_float = self.identity.dtype.kind == "f"
        if rows.shape != shape or not (rows.dtype.kind in "fi" if is_float else rows.dtype == self.identity.dtype):
            kind = self.identity.dtype.name if is_float else f"packed bits, {self.identity.dtype.name}"
            raise BadInput(f"rows are {rows.dtype} {rows.shape}; this collection holds {kind} {shape}")
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as such
            return np.ascontiguousarray(rows, dtype=self.identity.dtype)

    def put(self, side: Side, items: Sequence[int], numbers: Sequence[int], rows: Array | Sequence[Array]) -> None:
        """Write rows: `numbers` count the rows within an item. The item's old ones must be gone; see `drop`."""
        bytes_each = self.identity.width * self.identity.dtype.itemsize
        every = bytearray(np.ascontiguousarray(rows, dtype=self.identity.dtype))  # what sqlite3 takes as it is
        data = [every[start : start + bytes_each] for start in range(0, len(every), bytes_each)]
        columns = {"item": items, "row": numbers, "data": data, "crc": list(map(zlib.crc32, data))}
        self.store.insert("vectors", columns, {"encoder": self.encoder, "side": side})

    def drop(self, side: Side, items: Sequence[int]) -> None:
        """Forget the rows of one side of these items, whichever encoder made them."""
        self.store.change("DELETE FROM vectors WHERE item = ? AND side = ?", [(item, side) for item in items])

    def blocks(self, side: Side, where: str = "", values: Sequence[Any] = ()) -> Iterator[tuple[Ints, Ints, Array]]:
        """(items, numbers within them, rows) in order, a few thousand at a time.

        where   a condition on `item`, with its values
        Raises Damaged where a checksum differs.
        """
        # The index is named because it holds the order: without it SQLite may sort all vectors on the disk.
        sql = "SELECT item, row, data, crc FROM vectors INDEXED BY vectors_item WHERE side = ? AND encoder = ?"
        sql += f" AND {where}" * bool(where) + " ORDER BY item, row"
        kind, width = self.identity.dtype, self.identity.width
        for block in self.store.blocks(sql, (side, self.encoder, *values)):
            items, numbers, blobs, crcs = zip(*block, strict=True)
            if not all(isinstance(number, int) for number in (*items, *numbers)):
                raise self.store.damaged("the place of a vector is no number")
            for item, blob, crc in zip(items, blobs, crcs, strict=True):
                if not isinstance(blob, bytes) or len(blob) != kind.itemsize * width or zlib.crc32(blob) != crc:
                    raise self.store.damaged(f"a vector of item {item}: checksum differs")
            rows = np.frombuffer(b"".join(blobs), dtype=kind).reshape(len(blobs), width)
            yield np.array(items, dtype=np.int64), np.array(numbers, dtype=np.int64), rows

    def all(self, side: Side, where: str = "", values: Sequence[Any] = ()) -> tuple[Ints, Array]:
        """(items, rows) of everything `blocks` gives."""
        items: list[Ints] = [np.empty(0, np.int64)]
        rows: list[Array] = [np.empty((0, self.identity.width), self.identity.dtype)]
        for block_items, _, block in self.blocks(side, where, values):
            items.append(block_items)
            rows.append(block)
        return np.concatenate(items), np.concatenate(rows)

    def of(self, ids: Sequence[int] | Ints) -> Array:
        """The picture's row of each item, in this order. Raises Damaged where one has none."""
        names = np.asarray(ids, dtype=np.int64)
        blocks = [
            self.all("image", f"item IN ({','.join('?' * len(some))})", some.tolist())
            for some in batches(np.unique(names), 500)
        ]
        if not blocks:
            return np.empty((0, self.identity.width))
        items, rows = map(np.concatenate, zip(*blocks, strict=True))  # in rising order of items
        places = np.searchsorted(items, names).clip(max=max(len(items) - 1, 0))
        missing = names != items[places] if len(items) else np.ones(len(names), dtype=bool)
        if missing.any():
            raise self.store.damaged(f"item {names[missing][0]} has no vector")
        return np.asarray(rows[places])
