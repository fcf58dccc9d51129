"""The index over the pictures of a collection: a cache of what the store holds, in memory and beside it on the disk.

A file of it is named after the encoder and the generation it is of, so one that is behind is caught up with what
changed since, and one that is damaged, or ahead of a store that was put back, is thrown away and built anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from diptych.collection import codes
from diptych.collection.store import command
from diptych.collection.vectors import Vectors
from diptych.index import choice, files
from diptych.index.codes import Codes
from diptych.index.flat import Flat
from diptych.index.hamming import Hamming
from diptych.index.index import Index
from diptych.index.ivf import IVF
from diptych.index.refined import Refined
from diptych.index.shelf import Shelf
from diptych.kinds import Array, BadInput, Ints

_BEHIND, _FEW = 0.02, 1000
"""The part of the rows, and their number, that may have changed before the file is written again: catching up costs
less than that."""


_QUERIES = 4000
"""Captions that stand for the queries to come."""

_INDEX, _ROWS = ".index", ".rows"

_THERE = "item IN (SELECT id FROM items WHERE status = 'ok')"

_TOLD = ("kind", "count", "recall", "bits", "rescored", "milliseconds", "bytes")
"""Facts of an index that `status` tells."""


class Nearest:
    """The index of one encoder's pictures, at the generation it was last brought to.

    asking   rows of queries as they will be asked, where there are no captions to take them from
    """

    def __init__(self, vectors: Vectors, asking: Callable[[], Array]) -> None:
        self.vectors, self.store, self.asking = vectors, vectors.store, asking
        self.folder = self.store.folder / "index"
        self.generation = -1
        self._changes = 0
        self._index: Index | None = None
        self._shelf: Shelf | None = None
        self._fresh: Ints = np.empty(0, dtype=np.int64)
        if self.store.write:
            for path, generation in self._files() + self._files(ending=_ROWS):
                if generation > self.store.generation:
                    _delete(path)

    def current(self) -> Index:
        """The index at the generation of the store; inside a snapshot, at that of the snapshot."""
        generation = self.store.generation
        if self._index is None:
            self._index = self._loaded(generation) or self._empty()
        if self.generation != generation:
            if not self._floor() <= self.generation <= generation:
                self._index, self.generation = self._empty(), -1
            self._catch_up(self._index)
            self.generation = generation
        return self._index

    def forget(self) -> None:
        """Go on with an index built from the store: the one from the disk does not hold what was written to it."""
        self._index, self.generation = self._empty(), -1

    def save(self) -> None:
        """After writing: keep the index, where it is far enough from the one on the disk to be worth it.

        Where the collection has outgrown the kind of index it has, or another is wished, it gets that.
        """
        index = self.current()
        stale = isinstance(index, Refined) and index.drift().stale
        if stale or not _alike(index, self._chosen(len(index))):
            self.rebuild()
        elif self._changes > max(_FEW, _BEHIND * len(index)):
            self._write(index)

    def renew(self) -> None:
        """Where an index is kept on the disk, write it anew: one that was caught up may hold old rows still."""
        if self._files(every=True) or self._files(every=True, ending=_ROWS):
            self.rebuild()

    def delete(self) -> None:
        """Leave none on the disk."""
        for path, _ in self._files(every=True) + self._files(every=True, ending=_ROWS):
            _delete(path)

    def rebuild(self) -> Index:
        """The index built anew from the store, of the kind that its size and the wishes ask for, and kept."""
        index = self._chosen(self.store.rows("SELECT count(*) FROM items WHERE status = 'ok'")[0][0])
        # Queries lie in another part of the space than pictures: an index for them learns from them.
        queries = self._queries() if isinstance(index, Refined) else np.empty((0, index.dims))
        if isinstance(index, Codes):
            self._code(index, queries[::2])
        else:
            ids, rows = self.vectors.all("image", _THERE)
            if isinstance(index, IVF):
                index.train(rows, queries[::2])
            index.add(ids, rows)
        if isinstance(index, Refined):
            index.tune(queries[1::2])
        self._index, self.generation = index, self.store.generation
        self._write(index)
        return index

    def _code(self, index: Codes, asked: Array) -> None:
        """Fill an index of codes, with few rows in memory at a time."""
        wish, identity = self._wish(), self.vectors.identity
        assert wish is not None
        ids = self.store.ids("SELECT id FROM items WHERE status = 'ok'")
        some = np.sort(np.random.default_rng(0).permutation(ids)[: codes.SAMPLE])
        rows = self.vectors.of(some)
        coder = wish.coder(identity) if wish.learned else codes.own(rows, index.bits)
        index.reads(self._rows_of).train(rows, asked, coder)

        def blocks() -> Iterator[tuple[Ints, Array]]:
            for items, _, block in self.vectors.blocks("image", _THERE):
                index.add(items, block)
                yield items, block

        self._shelf = None
        shelf = self._path(self.store.generation, _ROWS)
        try:
            self.folder.mkdir(exist_ok=True)
            Shelf.write(shelf, index.dims, blocks())
        except (OSError, BadInput):  # no room, or numbers that are too large: the database has them all
            index.remove(index.ids)
            for _ in blocks():
                pass
        for path, _ in self._files(every=True, ending=_ROWS):
            if path != shelf:
                _delete(path)
        self._take_shelf(self.store.generation)

    def _take_shelf(self, generation: int) -> None:
        """Use the newest rows on the disk that are not newer than this; of items that changed since, the store's."""
        self._shelf = None
        for path, of in sorted(self._files(ending=_ROWS), key=lambda file: -file[1]):
            if of <= generation and self._shelf is None:
                with suppress(BadInput):
                    self._shelf = Shelf(path, self.vectors.identity.width)
                    self._fresh = self.store.ids("SELECT id FROM items WHERE changed > ? ORDER BY id", (of,))

    def _rows_of(self, ids: Ints) -> Array:
        """(n, d) rows of pictures, for an index that has none."""
        if self._shelf is None:
            return self.vectors.of(ids)
        rows, sound = self._shelf.read(ids)
        if len(self._fresh):
            place = np.searchsorted(self._fresh, ids).clip(max=len(self._fresh) - 1)
            sound &= self._fresh[place] != ids
        if not sound.all():
            rows[~sound] = self.vectors.of(ids[~sound])
        return rows

    def _wish(self) -> codes.Wish | None:
        # What is encrypted leaves no rows on a disk.
        return None if self.store.is_encrypted else codes.Wish.read(self.store.meta("codes", "null"))

    def _chosen(self, n: int) -> Index:
        wish = self._wish()
        if wish is not None and n >= codes.LEAST:
            return Codes(self.vectors.space, self.vectors.identity.width, wish.bits, wish.learned)
        wishes = json.loads(self.store.meta("wishes", "{}"))
        return choice.choose(n, self.vectors.identity.width, self.vectors.space, **wishes).index

    def _queries(self) -> Array:
        sql = "SELECT id FROM vectors INDEXED BY vectors_item WHERE side = 'text' AND encoder = ?"
        captions = sorted(number for (number,) in self.store.rows(sql, (self.vectors.encoder,)))
        if len(captions) < _QUERIES // 10:
            return self.asking()
        some = np.random.default_rng(0).choice(captions, min(_QUERIES, len(captions)), replace=False)
        marks = ",".join("?" * len(some))
        return self.vectors.all("text", f"vectors.id IN ({marks})", some.tolist())[1]

    def _write(self, index: Index) -> None:
        if self.store.is_encrypted:  # it holds vectors as they are: it stays in memory
            return
        try:
            self.folder.mkdir(exist_ok=True)
            index.save(self._path(self.generation))
        except OSError as error:
            raise BadInput(
                f"{self.folder}: the index was not kept ({error.strerror}); the collection is whole"
            ) from None
        self._changes = 0
        for path, generation in self._files(every=True):
            if path != self._path(generation) or generation != self.generation:
                _delete(path)
        for path, _ in [] if isinstance(index, Codes) else self._files(every=True, ending=_ROWS):
            _delete(path)

    def mending(self) -> str:
        """The command that builds it anew, with codes where these are wished."""
        wish = self._wish()
        words = [] if wish is None else ["--codes", wish.of]
        words += [] if wish is None or wish.learned else ["--bits", str(wish.bits)]
        return command(self.store.folder, "reindex", *words)

    def kept(self) -> dict[str, Any] | None:
        """What the index on the disk says of itself: kind, count, recall; of codes also bits, rows that are scored for
        ten answers, milliseconds of a query, and bytes a picture. None where there is none.
        """
        for path, _ in sorted(self._files(), key=lambda file: -file[1]):
            with suppress(BadInput):
                facts = files.read_facts(path)
                if self._files(ending=_ROWS) and "bytes" in facts:
                    facts["bytes"]["disk"] += Shelf.size(self.vectors.identity.width)
                return {name: facts[name] for name in _TOLD if name in facts}
        return None

    def _empty(self) -> Index:
        """An exact index: it takes no time to build, so that a reader who finds none on the disk need not wait."""
        kind = Hamming if self.vectors.space.name == "hamming" else Flat
        return kind(self.vectors.space, self.vectors.identity.width)

    def _catch_up(self, index: Index) -> None:
        behind = (self.generation,)
        changed = [id for (id,) in self.store.rows("SELECT id FROM items WHERE changed > ?", behind)]
        removed = [id for (id,) in self.store.rows("SELECT item FROM removed WHERE generation > ?", behind)]
        if len(index) and (changed or removed):
            index.remove(changed + removed)
        if changed and self._shelf is not None:
            self._fresh = np.union1d(self._fresh, changed)
        for items, _, rows in self.vectors.blocks("image", "item IN (SELECT id FROM items WHERE changed > ?)", behind):
            index.add(items, rows)
        self._changes += len(changed) + len(removed)

    def _floor(self) -> int:
        """What is removed before this generation is no longer known."""
        return int(self.store.meta("floor", "-1"))

    def _loaded(self, generation: int) -> Index | None:
        """The newest index on the disk that can be caught up to this generation."""
        for path, of in sorted(self._files(), key=lambda file: -file[1]):
            if self._floor() <= of <= generation:
                with suppress(BadInput):
                    # Who only reads wants an answer; who writes proves the file, and mends it.
                    index = choice.load(path, mapped=not self.store.write)
                    if isinstance(index, Codes):
                        wish = self._wish() if index.learned else None
                        index.reads(self._rows_of, None if wish is None else wish.coder(self.vectors.identity))
                        self._take_shelf(generation)
                    if (index.dims, index.space.name) == (self.vectors.identity.width, self.vectors.space.name):
                        self.generation = of
                        return index
        return None

    def _path(self, generation: int, ending: str = _INDEX) -> Path:
        return self.folder / f"{self.vectors.identity.digest[:16]}-{generation}{ending}"

    def _files(self, every: bool = False, ending: str = _INDEX) -> list[tuple[Path, int]]:
        """(file, generation) of the indexes of this encoder; of every encoder. ending: or of their rows."""
        mark = "*" if every else self.vectors.identity.digest[:16]
        found = []
        for path in self.folder.glob(f"{mark}-*{ending}"):
            number = path.stem.rpartition("-")[2]
            if number.isdigit():
                found.append((path, int(number)))
        return found


def _alike(index: Index, wanted: Index) -> bool:
    """Whether two are of one kind, and of codes made alike."""
    if not (isinstance(index, Codes) and isinstance(wanted, Codes)):
        return type(index) is type(wanted)
    return (index.bits, index.learned) == (wanted.bits, wanted.learned)


def _delete(path: Path) -> None:
    for file in (path, Path(f"{path}.json")):
        with suppress(OSError):
            file.unlink()
