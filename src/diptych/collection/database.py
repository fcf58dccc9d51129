"""The way to the file of a collection: plain SQLite, or SQLite of which every page is encrypted under a key.

SQLCipher (https://www.zetetic.net/sqlcipher/) encrypts with AES-256 and signs with HMAC-SHA512, the log beside the file
as well. The key is 256 random bits, so no password is stretched.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

from diptych.collection import query
from diptych.kinds import BadInput

_PLAIN = b"SQLite format 3\0"

PAGE = 16384
"""Bytes: rows of 1 to 4 kB fill small pages badly."""


def errors() -> tuple[type[Exception], ...]:
    """What a connection raises, of whichever kind it is."""
    cipher = sys.modules.get("sqlcipher3.dbapi2")
    return (sqlite3.Error, cipher.Error) if cipher else (sqlite3.Error,)


def is_encrypted(file: Path) -> bool:
    """Whether a file is there, holds something, and is no plain SQLite."""
    try:
        with open(file, "rb") as opened:
            start = opened.read(len(_PLAIN))
    except OSError:
        return False
    return bool(start) and start != _PLAIN


def connected(address: str | Path, key: bytes | None, uri: bool = False) -> sqlite3.Connection:
    """A connection that commits by itself. key: 32 bytes; None for a plain file.

    Raises BadInput where encrypted files cannot be read here.
    """
    named: dict[str, Any] = {"timeout": 30, "isolation_level": None, "check_same_thread": False, "uri": uri}
    connection: sqlite3.Connection
    if key is None:
        connection = sqlite3.connect(address, **named)
        return connection
    connection = _cipher().connect(str(address), **named)
    connection.execute("PRAGMA cipher_log_level = NONE")  # what goes wrong is raised; it would be printed as well
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    connection.execute(f"PRAGMA cipher_page_size = {PAGE}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def encrypt(plain: Path, key: bytes) -> None:
    """Put an encrypted file in the place of a plain one, of which nothing stays. Nobody may have it open."""
    part = plain.with_name(f"{plain.name}.encrypted")
    part.unlink(missing_ok=True)
    connection = _cipher().connect(str(plain), isolation_level=None)
    query.register(connection)  # indices are made with its functions
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute(f"ATTACH DATABASE ? AS encrypted KEY \"x'{key.hex()}'\"", (str(part),))
        connection.execute(f"PRAGMA encrypted.cipher_page_size = {PAGE}")
        connection.execute("SELECT sqlcipher_export('encrypted')")
        connection.execute(f"PRAGMA encrypted.user_version = {version}")
        connection.execute(f"PRAGMA encrypted.application_id = {application}")
    finally:
        connection.close()
    with open(plain, "r+b") as old:  # what is unlinked only can be read from the disk for a long time
        size = old.seek(0, 2)
        old.seek(0)
        for start in range(0, size, 1 << 20):
            old.write(bytes(min(1 << 20, size - start)))
        old.flush()
    part.replace(plain)


def _cipher() -> Any:
    try:
        from sqlcipher3 import dbapi2
    except ImportError:
        raise BadInput("an encrypted collection needs sqlcipher3: pip install 'diptych[encrypt]'") from None
    return dbapi2
