"""The truth of a collection: one SQLite file, one writer, many readers.

What was committed is durable: the write-ahead log is flushed to the disk at every commit (`synchronous = FULL`; under
NORMAL a power cut may take the last commits with it). A commit holds a whole batch of pictures, so the flush costs a
few milliseconds a batch and nothing a picture. Everything a row says is covered by a checksum, because SQLite notices a
broken page but not a changed letter.
"""

from __future__ import annotations

import errno
import os
import shlex
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, compress, count, islice, repeat
from operator import is_
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Self

import numpy as np

from diptych.collection import database, query, secret
from diptych.collection.items import COLUMNS, Item, Records, Value, folded, unfold
from diptych.collection.query.sql import folding
from diptych.kinds import BadInput, Ints, batches
from diptych.sources.metadata.about import Words

FILE, LOCK = "diptych.db", "diptych.lock"

HIDDEN = ".diptych"
"""Name of a collection that lies in the folder of its pictures, and moves with it."""

WORDS = (
    "CREATE VIRTUAL TABLE words USING fts5 (name, captions, tags, tokenize = 'porter unicode61 remove_diacritics 2')"
)

SUMMED = {
    "roots": ("path",),
    "mounts": ("path", "disk"),
    "removed": ("item", "generation"),
    "barred": ("path", "digest", "size", "mtime_ns"),
    "credits": ("event", "team"),
}
"""Tables of which each row ends with the checksum of these columns, which SQLite computes; `verify` compares it."""

SCHEMA = (
    f"""
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE roots (path TEXT PRIMARY KEY);
    CREATE TABLE items (
        id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, name TEXT NOT NULL, folder TEXT NOT NULL,
        status TEXT NOT NULL, reason TEXT NOT NULL, digest TEXT, size INTEGER, mtime_ns INTEGER, beside_at TEXT,
        width INTEGER, height INTEGER, taken TEXT, camera TEXT, lat REAL, lon REAL,
        changed INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE INDEX items_digest ON items (digest);
    CREATE INDEX items_changed ON items (changed);
    CREATE TABLE captions (item INTEGER NOT NULL, row INTEGER NOT NULL, text TEXT NOT NULL, given INTEGER NOT NULL,
        PRIMARY KEY (item, row)) WITHOUT ROWID;
    CREATE TABLE tags (item INTEGER NOT NULL, tag TEXT NOT NULL, given INTEGER NOT NULL,
        PRIMARY KEY (item, tag)) WITHOUT ROWID;
    CREATE INDEX tags_tag ON tags (tag);
    CREATE TABLE metadata (item INTEGER NOT NULL, key TEXT NOT NULL, value, PRIMARY KEY (item, key)) WITHOUT ROWID;
    CREATE INDEX metadata_key ON metadata (key, value);
    CREATE TABLE vectors (id INTEGER PRIMARY KEY, encoder INTEGER NOT NULL, side TEXT NOT NULL, item INTEGER NOT NULL,
        row INTEGER NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE UNIQUE INDEX vectors_item ON vectors (item, side, encoder, row);
    CREATE TABLE removed (item INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
    {WORDS};
    """,
    """
    CREATE TABLE waiting (digest TEXT PRIMARY KEY, path TEXT NOT NULL, why TEXT NOT NULL, words TEXT NOT NULL,
        crc INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE mounts (path TEXT PRIMARY KEY, disk INTEGER NOT NULL) WITHOUT ROWID;
    """,
    # `path` is where a file lies, or the key of an item without one: the same text may be both. Metadata may be lists.
    """
    CREATE TABLE items_3 (
        id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, name TEXT NOT NULL, folder TEXT NOT NULL,
        status TEXT NOT NULL, reason TEXT NOT NULL, digest TEXT, size INTEGER, mtime_ns INTEGER, beside_at TEXT,
        width INTEGER, height INTEGER, taken TEXT, camera TEXT, lat REAL, lon REAL,
        changed INTEGER NOT NULL, crc INTEGER NOT NULL);
    INSERT INTO sqlite_sequence SELECT 'items_3', seq FROM sqlite_sequence WHERE name = 'items';
    INSERT INTO items_3 SELECT id, path, name, folder, status, reason, digest, size, mtime_ns, beside_at, width, height,
        taken, camera, lat, lon, changed, crc FROM items;
    DROP TABLE items;
    ALTER TABLE items_3 RENAME TO items;
    CREATE UNIQUE INDEX items_path ON items (path, size IS NULL);
    CREATE INDEX items_digest ON items (digest);
    CREATE INDEX items_changed ON items (changed);
    CREATE TABLE metadata_3 (item INTEGER NOT NULL, key TEXT NOT NULL, row INTEGER NOT NULL, value,
        kind TEXT NOT NULL, PRIMARY KEY (item, key, row)) WITHOUT ROWID;
    INSERT INTO metadata_3 SELECT item, key, 0, value, '' FROM metadata;
    DROP TABLE metadata;
    ALTER TABLE metadata_3 RENAME TO metadata;
    CREATE INDEX metadata_key ON metadata (key, value);
    CREATE TABLE barred (path TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX barred_digest ON barred (digest);
    """,
    f"""
    CREATE INDEX items_taken ON items (taken);
    CREATE INDEX items_width ON items (width) WHERE width IS NOT NULL;
    CREATE INDEX items_height ON items (height) WHERE height IS NOT NULL;
    CREATE INDEX items_size ON items (size) WHERE size IS NOT NULL;
    CREATE INDEX items_lat ON items (lat, lon) WHERE lat IS NOT NULL;
    CREATE INDEX items_lon ON items (lon) WHERE lon IS NOT NULL;
    CREATE INDEX items_camera ON items ({folding("camera")}, camera) WHERE camera IS NOT NULL;
    DROP INDEX tags_tag;
    CREATE INDEX tags_tag ON tags ({folding("tag")}, tag);
    CREATE INDEX metadata_text ON metadata (key, {folding("value")}, value) WHERE typeof(value) = 'text';
    """,
    ";".join(
        f"ALTER TABLE {table} ADD COLUMN crc INTEGER; UPDATE {table} SET crc = diptych_crc({', '.join(SUMMED[table])})"
        for table in ("roots", "mounts", "removed", "barred")
    ),
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, query TEXT NOT NULL, item INTEGER NOT NULL,
        kind TEXT NOT NULL, value REAL NOT NULL, rank INTEGER, shown TEXT NOT NULL, at REAL NOT NULL,
        crc INTEGER NOT NULL);
    CREATE INDEX events_user ON events (user, query);
    CREATE INDEX events_item ON events (item);
    CREATE TABLE learned (user TEXT PRIMARY KEY, facts TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
    """,
    # Which of two interleaved rankers an event speaks for; it goes with the event, whatever that goes for.
    """
    CREATE TABLE credits (event INTEGER PRIMARY KEY, team TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TRIGGER credits_go AFTER DELETE ON events BEGIN DELETE FROM credits WHERE event = old.id; END;
    """,
)
"""What brings an empty file to version 1, that to version 2, and so on.

Most comparisons of a filter are a range of an index that holds all they ask for, so that no row is read: the column as
it is besides what is made of it, which SQLite before 3.41 would fetch.
"""

_APPLICATION = 0x44697074  # "Dipt", by which `file` and other programs know the format
_TOGETHER, _VALUES = (6000, 1500, 50), 32_766  # rows of one statement; values that SQLite takes in one
_LOOKS = 2000  # steps of a statement, some tens of microseconds, between two looks at the clock
_OF_ITEMS = {"items": "id", "captions": "item", "tags": "item", "metadata": "item", "words": "rowid"}


class Damaged(BadInput):
    """The file of a collection does not hold what was written to it."""


class Locked(BadInput):
    """Another process is writing to the collection."""


class TooLong(BadInput):
    """What was asked for took longer than it may."""


class OtherEncoder(BadInput):
    """The vectors of a collection come from another encoder than the one that was brought."""


class Store:
    """The file of a collection, open to read, or to write by this process alone.

    home   what the paths of items and folders are relative to, where they can be: the folder that holds the
           collection's folder, by its own name and not by that of a link to it; a backup keeps that of its
           collection until it is put in its place
    was    the version of the file before it was opened
    key    of an encrypted file; where it is not given, `secret.found` looks for it
    """

    def __init__(self, folder: Path, write: bool, key: bytes | None = None) -> None:
        self.folder, self.write = folder, write
        self.file = folder / FILE
        self._key = self._checked(key)
        self._lock: IO[str] | None = None
        self._depth = self._writing = 0
        self._seen: int | None = None  # the generation of the block we are in, once it was asked for
        if write:
            if folder.name == HIDDEN and not folder.parent.is_dir():
                missing = "no such folder; is it misspelt, or its disk not mounted?"
                raise BadInput(f"{folder.parent}: {'not a folder' if folder.parent.exists() else missing}")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(folder / LOCK)
            except OSError as error:
                raise BadInput(f"{folder}: not writable ({error.strerror}); name another folder") from None
        elif not self.file.is_file():
            raise BadInput(f"{folder}: no collection in it; make one with `{command(folder, 'index', 'FOLDER')}`")
        try:
            with self._typed():
                self._connection = self._connected()
                self._prepared()
            beside = folder.name == HIDDEN
            home = "" if beside else self.meta("home", "")  # of a backup that was not put in the collection's place
            self.home = Path(home or os.path.realpath(folder.parent))
            self._relative = beside or bool(home and self.rows("SELECT 1 FROM roots WHERE path NOT LIKE '/%'"))
            if self.was == 1 and write:
                self._roots_of_version_1()
        except BaseException:
            self.close()
            raise

    @property
    def is_encrypted(self) -> bool:
        """Whether everything of the collection that is written to a disk is encrypted."""
        return self._key is not None

    def _checked(self, key: bytes | None) -> bytes | None:
        """The key to open the file with. Raises BadInput where there is nothing to decrypt."""
        if database.is_encrypted(self.file):
            return key or secret.found(self.folder)
        if key is not None and self.file.is_file():
            raise BadInput(f"{self.folder} is not encrypted; make it so: diptych encrypt --collection {self.folder}")
        return key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name == "_connection":
            raise BadInput(f"{self.folder} is closed; open it again: Collection.open")
        raise AttributeError(name)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The file is let go of, and others are still kept from writing; the store is closed behind the block.

        Raises BadInput where another program reads.
        """
        if not self.empty_log():
            raise BadInput(f"{self.folder}: another program reads from it; end it first")
        self.__dict__.pop("_connection").close()
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Put everything into the one file, and let others write."""
        connection = self.__dict__.pop("_connection", None)
        if connection is not None:
            with suppress(*database.errors()):  # a reader may hold the log back; it stays beside the file then
                if self.write:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _connected(self) -> sqlite3.Connection:
        if self.write:
            connection = database.connected(self.file, self._key)
            connection.execute(f"PRAGMA page_size = {database.PAGE}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")  # what is deleted is not left lying in the file
            connection.execute("PRAGMA cache_size = -65536")  # kB: indices are written to all over
        else:
            address = self.file.resolve().as_uri() + "?mode=ro"
            connection = database.connected(address, self._key, uri=True)
            try:
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            except database.errors() as error:
                connection.close()
                if "unable to open" not in str(error):
                    raise
                # A disk that is read-only has no room for the log's index; and nobody writes there.
                connection = database.connected(address + "&immutable=1", self._key, uri=True)
        connection.execute("PRAGMA cell_size_check = ON")
        query.register(connection)
        return connection

    def _prepared(self) -> None:
        """Bring an older file up to date. Raises BadInput for a newer one, and for one of another program."""
        version = self.was = self._connection.execute("PRAGMA user_version").fetchone()[0]
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        if application not in (0, _APPLICATION) or (version and not application):
            raise BadInput(f"{self.file} is a file of another program; name another folder")
        if version > len(SCHEMA):
            raise BadInput(
                f"{self.file} has version {version}, and this Diptych knows versions up to {len(SCHEMA)}; "
                "update it: pip install -U diptych"
            )
        if version == len(SCHEMA):
            return
        if not self.write:
            if not version:
                raise BadInput(f"{self.file} holds no collection yet; index something into it first")
            raise BadInput(f"{self.file} has version {version}; update it: {command(self.folder, 'reindex')}")
        if not version and self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise BadInput(f"{self.file} is a file of another program; name another folder")
        script = ";\n".join(SCHEMA[version:])
        self._connection.executescript(
            f"BEGIN IMMEDIATE;\n{script};\nPRAGMA application_id = {_APPLICATION};"
            f"\nPRAGMA user_version = {len(SCHEMA)};\nCOMMIT;"
        )

    def _roots_of_version_1(self) -> None:
        """Version 1 kept folders by the names they were given by, links and all; they move with the collection now."""
        given = [path for (path,) in self.rows("SELECT path FROM roots")]
        relative = self.rows("SELECT 1 FROM items WHERE size IS NOT NULL AND path NOT LIKE '/%' LIMIT 1")
        roots = set()
        for path in given:
            moved = not Path(path).is_dir() and relative and len(given) == 1  # only what lay below home has such paths
            roots.add("." if moved else self.kept_path(os.path.realpath(path)))
        with self.transaction():
            self._connection.execute("DELETE FROM roots")
            self.put_rows("roots", [(path,) for path in sorted(roots)])

    # ----------------------------------------------------------------------------------------------------- transactions

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A statement of the block that is still at work after so many seconds is stopped, and raises TooLong."""
        end = time.monotonic() + seconds
        self._connection.set_progress_handler(lambda: time.monotonic() > end, _LOOKS)
        try:
            yield
        finally:
            if (connection := self.__dict__.get("_connection")) is not None:
                connection.set_progress_handler(None, 0)

    @contextmanager
    def _typed(self, where: str = "") -> Iterator[None]:
        """Errors of SQLite as BadInput that names the file and the way out; where: what else may be full."""
        try:
            yield
        except database.errors() as error:
            text = str(error)
            if "disk is full" in text or "disk I/O" in text:
                reason = f"no room on the disk{f' {where}' * bool(where)}; what was acknowledged is kept. "
                reason += "Make room and run it again"
            elif "readonly" in text or "unable to open" in text or "read-only" in text:
                reason = "not writable; name another folder with --collection"
            elif "not a database" in text and self._key is not None:
                raise BadInput(f"{self.file}: the key is not that of this collection, or the file is damaged") from None
            elif "not a database" in text:
                raise self.damaged(f"{text}; if it is encrypted, {secret.FILE_VARIABLE} has to name its key") from None
            elif "interrupted" in text:
                raise TooLong("the answer takes too long; ask for less, or with fewer conditions") from None
            elif "locked" in text or "busy" in text:
                raise Locked(f"{self.file}: another process is writing to it; try again when it is done") from None
            else:
                raise self.damaged(text) from None
            raise BadInput(f"{self.file}: {reason} ({text})") from None
        except UnicodeDecodeError as error:
            raise self.damaged(str(error)) from None
        except UnicodeEncodeError as error:
            raise BadInput(f"{error.object[:60]!r} holds half of a character; give Unicode") from None

    @contextmanager
    def transaction(self, heard: bool = True) -> Iterator[None]:
        """All of the block or nothing of it; durable when the outermost block is left.

        heard   whether the generation grows, so that indexes and readers look again at what they keep of items
        """
        if not self.write:
            raise BadInput(f"{self.folder} is open for reading; Collection.open(folder, write=True) writes")
        with self._within("BEGIN IMMEDIATE"):
            if self._depth == 1 and heard:
                self._writing = self.generation + 1
                self.set_meta("generation", str(self._writing))
                self._seen = self._writing
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One state of the collection for as long as the block lasts, whatever is written meanwhile."""
        with self._within("BEGIN"):
            yield

    @contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        with self._typed():
            if not self._depth:
                self._connection.execute(begin)
                self._seen = None
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if not self._depth and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if not self._depth:
                try:
                    self._connection.execute("COMMIT")
                except database.errors():
                    with suppress(*database.errors()):
                        self._connection.execute("ROLLBACK")
                    raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a SELECT gives."""
        with self._typed():
            return self._connection.execute(sql, values).fetchall()

    def blocks(self, sql: str, values: Sequence[Any] = (), size: int = 4096) -> Iterator[list[tuple[Any, ...]]]:
        """What a SELECT gives, `size` rows at a time."""
        with self._typed():
            cursor = self._connection.execute(sql, values)
            while block := cursor.fetchmany(size):
                yield block

    def ids(self, sql: str, values: Sequence[Any] = ()) -> Ints:
        """(n,) the column `id` of a SELECT, in its order; as one text, which costs a quarter of what n rows cost."""
        ((text, n),) = self.rows(f"SELECT group_concat(CAST(id AS INTEGER)), count(*) FROM ({sql})", values)
        return np.fromstring(text, dtype=np.int64, sep=",", count=n) if n else np.empty(0, dtype=np.int64)

    def pairs(self, columns: str, table: str, key: str, values: Sequence[Any], also: str = "") -> list[tuple[Any, Any]]:
        """Two columns of the rows of a table whose key is among the values. also: a condition besides."""
        return [
            (one, other)
            for some in batches(list(values), 500)
            for one, other in self.rows(
                f"SELECT {columns} FROM {table} WHERE {key} IN ({','.join('?' * len(some))}) {also}", some
            )
        ]

    def insert(
        self, table: str, columns: Mapping[str, Sequence[Any]], same: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """Write new rows, inside a transaction; thousands by one statement, since to begin one costs more than a row.

        columns   name -> its value in each row
        same      name -> the value that it has in all rows
        """
        if not (n := len(next(iter(columns.values())))):
            return
        same = {**same, **{name: some[0] for name, some in columns.items() if all(map(is_, some, repeat(some[0])))}}
        each = [name for name in columns if name not in same] or [next(iter(columns))]
        said = [value for name, value in same.items() if name not in each]
        names = ", ".join([*(name for name in same if name not in each), *each])
        into, row, start = f"INSERT INTO {table} ({names})", f"({', '.join('?' * len(each))})", 0
        most = (_VALUES - len(said)) // len(each)
        for together in [size for size in _TOGETHER if size <= min(n, most)]:
            sql = f"{into} SELECT {'?, ' * len(said)}* FROM (VALUES {', '.join([row] * together)})"
            while n - start >= together:
                some = zip(*(columns[name][start : start + together] for name in each), strict=True)
                self._connection.execute(sql, said + list(chain.from_iterable(some)))
                start += together
        # A SELECT may fail half-way, so SQLite copies all pages first that it changes; for a single row it need not.
        rest = zip(*(columns[name][start:] for name in each), strict=True)
        self.change(f"{into} VALUES ({', '.join('?' * (len(said) + len(each)))})", [(*said, *one) for one in rest])

    def change(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of the values, inside a transaction."""
        if values:
            self._connection.executemany(sql, values)

    def put_rows(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of a table of `SUMMED`, in the place of those with the same key, inside a transaction."""
        values = ", ".join(f"?{number}" for number in range(1, len(SUMMED[table]) + 1))
        self.change(f"INSERT OR REPLACE INTO {table} VALUES ({values}, diptych_crc({values}))", rows)

    def run(self, sql: str) -> None:
        """Run a statement, inside a transaction."""
        self._connection.execute(sql)

    def beside(self, file: Path) -> sqlite3.Connection:
        """Another file, encrypted under the same key where this one is."""
        return database.connected(file, self._key)

    def copy_to(self, other: sqlite3.Connection) -> None:
        """Copy everything that is committed into an empty database; others may write meanwhile."""
        with self._typed("where it is copied to"):
            self._connection.backup(other, pages=-1)

    def damaged(self, what: str) -> Damaged:
        """The error to raise where something does not hold what was written to it."""
        return Damaged(f"{self.file} is damaged ({what}); put a backup in its place, or delete it and index again")

    @contextmanager
    def believing(self, what: str) -> Iterator[None]:
        """A value of another type than was written, which SQLite gives out as it stands, is damage, too."""
        try:
            yield
        except BadInput:
            raise
        except (AttributeError, TypeError, ValueError) as error:
            raise self.damaged(f"{what}: {error}") from None

    def texts(self, sql: str) -> list[str]:
        """What a SELECT of one column of text gives."""
        found = [text for (text,) in self.rows(sql)]
        if not all(isinstance(text, str) for text in found):
            raise self.damaged(f"what should be text is not: {sql}")
        return found

    # ------------------------------------------------------------------------------------------------------------ facts

    @property
    def generation(self) -> int:
        """Grows by one with every commit. Inside a snapshot or a transaction it is read once."""
        if self._depth and self._seen is not None:
            return self._seen
        self._seen = int(self.meta("generation", "0"))
        return self._seen

    def meta(self, key: str, default: str) -> str:
        found = self.rows("SELECT value, crc FROM meta WHERE key = ?", (key,))
        if not found:
            return default
        if not isinstance(found[0][0], str) or zlib.crc32(f"{key}={found[0][0]}".encode()) != found[0][1]:
            raise self.damaged(f"meta {key}: checksum differs")
        return found[0][0]

    def set_meta(self, key: str, value: str) -> None:
        crc = zlib.crc32(f"{key}={value}".encode())
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", (key, value, crc))

    def kept_path(self, full: str) -> str:
        """An absolute path as it is kept: relative to `home` below it, so that a folder moves with its collection."""
        home = str(self.home).rstrip(os.sep) + os.sep
        if self._relative and (full + os.sep).startswith(home):
            full = full[len(home) :] or "."
        return full.replace(os.sep, "/")

    def full_path(self, kept: str) -> str:
        """Where the file of an item, or a folder, lies."""
        if os.path.isabs(kept):  # noqa: PTH117 - ten times as fast
            return kept
        return str(self.home) if kept == "." else f"{self.home}{os.sep}{kept}"

    def key(self, kept: str, has_file: bool) -> str:
        """What an item is called outside."""
        return self.full_path(kept) if has_file else kept

    def named(self, item: Item) -> Item:
        """The item with its key and its path.

        One that was given as a row, an import say, has the file that lies where its key says, if there is one.
        """
        key = self.key(item.kept, item.size is not None)
        has_path = item.size is not None or (os.path.isabs(key) and os.path.isfile(key))  # noqa: PTH113, PTH117
        return replace(item, key=key, path=key if has_path else None)

    def find(self, names: Sequence[str | Path], exactly: bool = False) -> list[int | None]:
        """The id of each item that is called so, whatever its status; None where there is none.

        A text is a key, and only where no item has it the path of a file, as a Path always is: from the working
        directory, and through links to the folder it is in; a link to a file that is no item itself is the file.
        exactly: a text is a key and nothing else
        """
        found: dict[str | Path, int] = dict(self._keyed([name for name in names if isinstance(name, str)]).items())
        paths = [name for name in names if name not in found and not (exactly and isinstance(name, str))]
        for place in (full, _real):
            places = {name: place(name) for name in paths if name not in found}
            files = self._keyed(list(places.values()))
            found.update((name, files[path]) for name, path in places.items() if path in files)
        return [found.get(name) for name in names]

    def _keyed(self, keys: Sequence[str]) -> dict[str, int]:
        """key -> id of those that are there; a file before an item that was given under its path."""
        paths = [key for key in keys if os.sep in key and os.path.isabs(key)]  # noqa: PTH117 - "" and "." stay as they are
        kept = {key: self.kept_path(key) for key in paths}
        found: dict[tuple[str, int], int] = {}
        for some in batches(list({*keys, *kept.values()}), 500):
            marks = ",".join("?" * len(some))
            sql = f"SELECT path, size IS NULL, id FROM items WHERE path IN ({marks})"
            found.update(((path, row), id) for path, row, id in self.rows(sql, some))
        ids = {}
        for key in keys if found else ():
            file = found.get((kept[key], 0)) if key in kept and self.full_path(kept[key]) == key else None
            if (id := file or found.get((key, 1))) is not None:
                ids[key] = id
        return ids

    def roots(self) -> list[str]:
        """The folders that it was given, in full."""
        return sorted(self.full_path(path) for path in self.texts("SELECT path FROM roots"))

    def mounts(self) -> dict[str, int]:
        """The mount points among the folders, as they are kept -> the number of the disk that was there."""
        self.texts("SELECT path FROM mounts")
        return dict(self.rows("SELECT path, disk FROM mounts"))

    # ------------------------------------------------------------------------------------------------------------ items

    def items(self, ids: Sequence[int]) -> list[Item]:
        """These items, in this order, without those that are not there. Raises Damaged where a checksum differs."""
        found: dict[int, Item] = {}
        for some in batches(list(ids), 500):
            with self.believing("an item"):
                found |= self._items(some)
        return [found[id] for id in ids if id in found]

    def _items(self, ids: Sequence[int]) -> dict[int, Item]:
        marks, found = ",".join("?" * len(ids)), {}
        words: dict[int, tuple[list[str], list[str], list[str], list[str]]] = {}
        for item, text, given in self.rows(
            f"SELECT item, text, given FROM captions WHERE item IN ({marks}) ORDER BY item, row", ids
        ):
            words.setdefault(item, ([], [], [], []))[0 if given else 1].append(text)
        for item, tag, given in self.rows(f"SELECT item, tag, given FROM tags WHERE item IN ({marks})", ids):
            words.setdefault(item, ([], [], [], []))[2 if given else 3].append(tag)
        metadata: dict[int, dict[str, Value]] = {}
        sql = f"SELECT item, key, value, kind FROM metadata WHERE item IN ({marks}) ORDER BY item, key, row"
        for item, key, value, kind in self.rows(sql, ids):
            unfold(metadata.setdefault(item, {}), key, value, kind)
        columns = ("id", "kept", "status", "reason", *COLUMNS)
        for crc, folder, name, *row in self.rows(
            f"SELECT crc, folder, name, {', '.join(columns).replace('kept', 'path')} FROM items WHERE id IN ({marks})",
            ids,
        ):
            given_captions, found_captions, given_tags, found_tags = words.get(row[0], ([], [], [], []))
            item = Item(
                **dict(zip(columns, row, strict=True)),
                found=Words(tuple(found_captions), tuple(sorted(found_tags))),
                given=Words(tuple(given_captions), tuple(sorted(given_tags))),
                metadata=metadata.get(row[0], {}),
            )
            if item.crc() != crc or _parted(item.kept) != (folder, name):
                raise self.damaged(f"item {item.id}: checksum differs")
            found[item.id] = item
        return found

    def put(self, items: Sequence[Item], changed: Sequence[bool]) -> list[int]:
        """Write items, new ones or in the place of those with their ids, inside a transaction; their ids.

        changed   of each, whether its vector is another than before, so that indexes have to hear of it
        """
        old = [item.id for item in items if item.id]
        before = dict(self.pairs("id, changed", "items", "id", old))
        for table, key in _OF_ITEMS.items():
            self.change(f"DELETE FROM {table} WHERE {key} = ?", [(id,) for id in old])
        new, now = self._new_ids(), self._writing
        ids = [item.id or next(new) for item in items]
        heard = [now if anew else before.get(id, now) for id, anew in zip(ids, changed, strict=True)]
        self._fill(ids, heard, Records.of(items))
        return ids

    def begin(self, records: Records) -> list[int]:
        """Write new items, inside a transaction; their ids."""
        ids = list(islice(self._new_ids(), len(records.kept)))
        self._fill(ids, [self._writing] * len(ids), records)
        return ids

    def _new_ids(self) -> Iterator[int]:
        """Those that no item has or ever had."""
        last = self.rows("SELECT seq FROM sqlite_sequence WHERE name = 'items'")
        return count((last[0][0] if last else 0) + 1)

    def _fill(self, ids: Sequence[int], changed: Sequence[int], records: Records) -> None:
        places = [kept.rpartition("/") for kept in records.kept]
        names, folders = [name for _, _, name in places], [folder for folder, _, _ in places]
        own = {"id": ids, "changed": changed, "path": records.kept, "name": names, "folder": folders}
        self.insert("items", {**own, "crc": records.crcs(), **records.facts}, records.same)
        captions = [
            (id, row, *one) for id, said in zip(ids, records.captions, strict=True) for row, one in enumerate(said)
        ]
        self.insert("captions", _by_name(captions, "item", "row", "text", "given"))
        tags = [(id, *one) for id, said in zip(ids, records.tags, strict=True) for one in said]
        self.insert("tags", _by_name(tags, "item", "tag", "given"))
        metadata = [
            (id, key, *row)
            for id, some in zip(ids, records.metadata, strict=True)
            for key, value in some.items()
            for row in folded(value)
        ]
        self.insert("metadata", _by_name(metadata, "item", "key", "row", "value", "kind"))
        words = {"rowid": ids, **records.searchable()}
        if statuses := records.facts.get("status"):
            can_be_found = [status == "ok" for status in statuses]
            words = {name: list(compress(some, can_be_found)) for name, some in words.items()}
        self.insert("words", words)

    def delete(self, ids: Iterable[int]) -> int:
        """Remove items with everything that belongs to them; the number of those that were there."""
        gone: list[int] = []
        run = self._connection.execute
        for id in ids:
            here = run("DELETE FROM items WHERE id = ?", (id,)).rowcount
            if here:
                for table in ("captions", "tags", "metadata", "vectors", "events"):
                    run(f"DELETE FROM {table} WHERE item = ?", (id,))
                run("DELETE FROM words WHERE rowid = ?", (id,))
                gone.append(id)
        self.put_rows("removed", [(id, self._writing) for id in gone])
        return len(gone)

    def merge_words(self) -> None:
        """Write the index of words anew, inside a transaction: until then it holds the words of what was deleted."""
        self._connection.execute("INSERT INTO words (words) VALUES ('optimize')")

    def empty_log(self) -> bool:
        """Bring everything into the one file and leave nothing beside it; False where a reader needs the log."""
        with self._typed():
            ((busy, _, _),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return not busy


def _by_name(rows: Sequence[Sequence[Any]], *names: str) -> dict[str, Sequence[Any]]:
    """Rows as columns."""
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())


def _parted(kept: str) -> tuple[str, str]:
    """Folder and name of what an item is called."""
    folder, _, name = kept.rpartition("/")
    return folder, name


def command(folder: Path, *words: str) -> str:
    """A command of `diptych` about the collection in a folder, to be pasted into a shell wherever one is."""
    return shlex.join(["diptych", *words, "--collection", str(folder)])


def full(name: str | Path) -> str:
    """The path of a file under the one name that its folder has; a link to a file keeps its own."""
    place, file = os.path.split(os.path.abspath(name))  # noqa: PTH100
    try:
        return os.path.join(os.path.realpath(place), file)  # noqa: PTH118
    except ValueError:  # a zero byte, or half of a character: it is no path
        return str(name)


def _real(name: str | Path) -> str:
    """The path of a file under its own name, whatever links lead to it."""
    try:
        return os.path.realpath(name)
    except ValueError:  # as in `full`
        return str(name)


def _locked(path: Path) -> IO[str]:
    """The lock file, held by this process until it is closed or the process ends, however it ends."""
    file = open(path, "a+", encoding="ascii")  # noqa: SIM115 - it stays open as long as the lock is held
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 20)  # beyond the text, which others must be able to read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            file.close()
            raise BadInput(
                f"{path.parent}: its file system has no locks ({error.strerror}), and two who write would spoil it; "
                "keep the collection on a local disk: --collection FOLDER"
            ) from None
        file.seek(0)
        owner = file.read(20).strip() or "unknown"
        file.close()
        raise Locked(f"{path.parent}: process {owner} is writing to it; wait until it is done, or stop it") from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file
