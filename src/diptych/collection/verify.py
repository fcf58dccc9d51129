"""Whether a collection holds together: the file, every row of it, the files it tells of, and the index."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import get_args

import numpy as np

from diptych.collection import waiting
from diptych.collection.feedback import learning, log
from diptych.collection.nearest import Nearest
from diptych.collection.store import SUMMED, WORDS, Damaged, Store, command
from diptych.collection.vectors import Side, Vectors
from diptych.index.refined import Refined
from diptych.kinds import Progress, batches


def problems(vectors: Vectors, nearest: Nearest, contents: bool, progress: Progress | None = None) -> list[str]:
    """One line for everything that is wrong."""
    store = vectors.store
    found: list[str] = []
    checks = (
        _file(store),
        _words(store),
        _items(store, contents, progress),
        _waiting(store),
        _sums(store),
        _feedback(store),
        _vectors(vectors),
        _index(vectors, nearest),
    )
    for check in checks:
        try:
            with store.snapshot():
                found += check
        except Damaged as error:
            found.append(str(error))
    return found


def _file(store: Store) -> Iterator[str]:
    for (line,) in store.rows("PRAGMA integrity_check"):
        if line != "ok":
            yield f"{store.file}: {line}"


def _words(store: Store) -> Iterator[str]:
    """The full-text index against the texts it is of, and those against the captions."""
    if not all(same for same in _instances(store)):
        yield f"{store.file}: the index of words holds other words than the texts; put a backup in its place"
    for (id,) in store.rows("SELECT rowid FROM words WHERE rowid NOT IN (SELECT id FROM items WHERE status = 'ok')"):
        yield f"item {id}: words of an item that is not there"


def _instances(store: Store) -> Iterator[bool]:
    """Whether the index has each word where a new index of the same texts has it, read in a row and looked up.

    FTS5 has a check of its own, but only for who may write.
    """
    listing = "SELECT term, doc, col, offset FROM temp.said"
    vocabulary = "CREATE VIRTUAL TABLE temp.said USING fts5vocab ('main', 'words', 'instance')"
    with closing(sqlite3.connect(":memory:")) as new:
        new.execute(WORDS)
        for block in store.blocks("SELECT rowid, name, captions, tags FROM words"):
            new.executemany("INSERT INTO words (rowid, name, captions, tags) VALUES (?, ?, ?, ?)", block)
        new.execute(vocabulary)
        store.rows("DROP TABLE IF EXISTS temp.said")
        store.rows(vocabulary)
        kept = (row for block in store.blocks(listing) for row in block)
        yield from (one == other for one, other in zip_longest(kept, new.execute(listing)))
        for word in new.execute("SELECT DISTINCT term FROM temp.said").fetchall():
            yield (
                store.rows(f"{listing} WHERE term = ?", word)
                == new.execute(f"{listing} WHERE term = ?", word).fetchall()
            )
        # What ranks them: the lengths of the texts, and the mean of those, which is zeros once all of them are removed.
        mean = "SELECT block FROM words_data WHERE id = 1 AND EXISTS (SELECT 1 FROM words_docsize)"
        for sizes in ("SELECT id, sz FROM words_docsize ORDER BY id", mean):
            yield store.rows(sizes) == new.execute(sizes).fetchall()
        store.rows("DROP TABLE temp.said")


def _items(store: Store, contents: bool, progress: Progress | None) -> Iterator[str]:
    ids = [id for (id,) in store.rows("SELECT id FROM items ORDER BY id")]
    done = 0
    for some in batches(ids, 500):
        sql = f"SELECT rowid, name, captions, tags FROM words WHERE rowid IN ({','.join('?' * len(some))})"
        said = {id: tuple(words) for id, *words in store.rows(sql, some)}
        for item in store.items(some):
            if item.status == "ok" and said.get(item.id) != item.searchable():
                yield f"item {item.id}: the words that are searched are not its own; put a backup in its place"
            if item.status != "ok" or item.size is None:
                continue
            path = Path(store.full_path(item.kept))
            try:
                at = path.stat()
                if contents and (at.st_size, at.st_mtime_ns) == (item.size, item.mtime_ns):
                    with open(path, "rb") as file:
                        if hashlib.file_digest(file, "sha256").hexdigest() != item.digest:
                            why = "its content changed, though its size and time did not"
                            yield f"{path}: {why}; {command(store.folder, 'index', '--contents')} mends it"
                elif (at.st_size, at.st_mtime_ns) != (item.size, item.mtime_ns):
                    yield f"{path}: changed since it was indexed; {command(store.folder, 'index')} mends it"
            except OSError as error:
                yield f"{path}: not readable ({error.strerror}); {command(store.folder, 'index')} mends it"
        done += len(some)
        if progress:
            progress("verify", done, len(ids))


def _waiting(store: Store) -> Iterator[str]:
    waiting.listed(store)  # reading checks every row
    yield from ()


def _sums(store: Store) -> Iterator[str]:
    """Of the small tables: where pictures come from, and which are left out."""
    for table, columns in SUMMED.items():
        sql = f"SELECT {columns[0]} FROM {table} WHERE crc IS NOT diptych_crc({', '.join(columns)})"
        for (row,) in store.rows(sql):
            yield f"{store.file}: {table} {row}: checksum differs; put a backup in its place"


def _feedback(store: Store) -> Iterator[str]:
    for _ in log.events(store):  # reading checks every row
        pass
    learning.check(store)
    yield from ()


def _vectors(vectors: Vectors) -> Iterator[str]:
    store = vectors.store
    for side in get_args(Side):
        for items, _, rows in vectors.blocks(side):  # reading checks every row
            if side == "image" and vectors.space.name == "cosine":
                lengths = np.linalg.norm(rows, axis=1)
                for place in np.flatnonzero(vectors.unit(rows)[1] | (lengths == 0)).tolist():
                    mends = f"{command(store.folder, 'reindex')} mends it"
                    way = mends if lengths[place] else "it is like nothing; remove it"
                    yield f"item {items[place]}: its vector has the length {lengths[place]:.3g} and not 1; {way}"
    has = "(SELECT count(*) FROM vectors WHERE vectors.item = items.id AND side = ? AND encoder = ?)"
    for id, n in store.rows(f"SELECT id, {has} FROM items WHERE status = 'ok'", ("image", vectors.encoder)):
        if n != 1:
            yield f"item {id}: {n} vectors where it must have one"
    said = "(SELECT count(*) FROM captions WHERE captions.item = items.id)"
    sql = f"SELECT id, {has} AS n, {said} AS of FROM items WHERE status = 'ok' AND n != of"
    for id, n, of in store.rows(sql, ("text", vectors.encoder)) if not vectors.identity.is_given else ():
        yield f"item {id}: {n} vectors for {of} captions"
    for table in ("vectors", "captions", "tags", "metadata", "events"):
        sql = f"SELECT DISTINCT item FROM {table} WHERE item != 0 AND item NOT IN (SELECT id FROM items)"
        for (id,) in store.rows(sql):
            yield f"item {id}: {table} of an item that is not there"


def _index(vectors: Vectors, nearest: Nearest) -> Iterator[str]:
    try:
        index = nearest.current()
    except sqlite3.Error as error:
        raise vectors.store.damaged(str(error)) from None
    ids, rows = vectors.all("image", "item IN (SELECT id FROM items WHERE status = 'ok')")
    if not np.array_equal(np.sort(index.ids), ids):
        yield f"the index holds other items than the collection; {nearest.mending()} mends it"
        return
    if isinstance(index, Refined):
        return  # it may miss one, and says how often
    some = slice(None, None, max(1, len(ids) // 200))
    scores, _ = index.search(rows[some], 1)
    own = np.array([vectors.space.score(row[None], row[None])[0, 0] for row in rows[some]])
    # A distance is a small difference of large numbers, and as exact as they are.
    rounding = 1e-6 * np.maximum(1, np.square(rows[some].astype(np.float64)).sum(axis=1))
    for id, score, mine, slack in zip(ids[some].tolist(), scores[:, 0], own, rounding, strict=True):
        if score < mine - 1e-3 * abs(mine) - slack:
            why = "the index does not find it by its own vector"
            yield f"item {id}: {why}; {command(vectors.store.folder, 'reindex')} mends it"
