"""Keys, sessions and share links in one SQLite file that every process of the server opens for itself.

It holds no secret: of what was handed out it keeps SHA-256 sums. Nothing is cached, because a look at it takes some
microseconds; so what one process revokes, every other refuses from the next call on.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from diptych.app.server.access import files
from diptych.kinds import BadInput

FILE = "access.db"

_APPLICATION = 0x44697041  # "DipA"
_SCHEMA = (
    """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, tenant TEXT NOT NULL, scope TEXT NOT NULL, collections TEXT,
    digest BLOB NOT NULL, created INTEGER NOT NULL, expires INTEGER, used INTEGER, revoked INTEGER, takes_all TEXT);
CREATE UNIQUE INDEX keys_name ON keys (tenant, name) WHERE revoked IS NULL;
CREATE TABLE epochs (key TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ended (session TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE shares (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, tenant TEXT NOT NULL, collection TEXT NOT NULL, query TEXT, items TEXT,
    digest BLOB NOT NULL, by TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER);
""",
    # Where the collection of a link lies. Of an older link nobody knows it, so that it opens nothing.
    "ALTER TABLE shares ADD COLUMN place TEXT NOT NULL DEFAULT ''",
    # It was a name, which tells nothing of another day. So are those that older keys are for, which see nothing now.
    "ALTER TABLE shares DROP COLUMN collection",
)
"""What each version adds to the one before."""
# In `epochs` and `shares.by`, "" stands for the owner of the machine, as in `Caller.key`.


class Database:
    """The file, made on the first call; any thread may use it."""

    def __init__(self, folder: Path) -> None:
        self.file = files.private(files.made(folder) / FILE)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(self.file, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")  # its files have the mode of this one
            self._connection.execute("PRAGMA synchronous = FULL")  # a key that was revoked stays revoked
            self._connection.execute("PRAGMA secure_delete = ON")
            self._prepare()
        except sqlite3.DatabaseError as error:
            self.close()
            raise BadInput(f"{self.file} cannot be read ({error}); delete it and make new keys") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, *values: Any) -> int:
        """Run one statement; the number of rows that it changed."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Statements that are committed together, or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _prepare(self) -> None:
        with self.changing() as connection:
            version, application = (
                connection.execute(f"PRAGMA {what}").fetchone()[0] for what in ("user_version", "application_id")
            )
            is_new = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            if application != (0 if is_new else _APPLICATION) or (is_new and version):
                raise BadInput(f"{self.file} is a file of another program; name another folder for the server")
            if version > len(_SCHEMA):
                raise BadInput(f"{self.file} has version {version}, this Diptych knows {len(_SCHEMA)}; update it")
            for step in _SCHEMA[version:]:
                for statement in step.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {len(_SCHEMA)}")
