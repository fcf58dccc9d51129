"""Links for guests: some items of one collection, read-only, for a time, and to be taken back at any moment.

A link is 256 random bits, kept as SHA-256 alone. What it opens stands in the database: a query, or the items.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields

from diptych.app.server.access.caller import Caller, Unauthorised
from diptych.app.server.access.database import Database
from diptych.kinds import BadInput, listed, shown

LONGEST = 366 * 86_400
MOST = 10_000
"""Items that a link may name."""

_OPEN = """revoked IS NULL AND expires > ?
    AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.id = shares.by AND keys.revoked IS NOT NULL)"""
"""Whoever got hold of a key cannot keep a door open behind it."""

_SHAPE = re.compile(r"([0-9a-f]{12})-([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class Share:
    """What a link opens: the answer of `query`, or `items` by their ids; the other is None. Times: seconds since 1970.

    by      the id of the key that made it; "" of the owner
    place   where the collection lies: under its name another one may be served some day
    """

    id: str
    name: str
    tenant: str
    query: str | None
    items: tuple[int, ...] | None
    by: str
    created: int
    expires: int
    revoked: int | None
    place: str

    @property
    def caller(self) -> Caller:
        """The guest: may read this collection, and of it what the link opens."""
        return Caller(f"guest of {self.name}", self.tenant, collections=frozenset({self.place}))


@dataclass(frozen=True)
class NewShare:
    """A link in the one moment in which it can be read. token: the last part of its address."""

    share: Share
    token: str = field(repr=False)


class Shares:
    """The links of a server. clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def create(
        self,
        by: Caller,
        place: str,
        name: str,
        seconds: float,
        query: str | None = None,
        items: Iterable[int] | None = None,
    ) -> NewShare:
        """A new link to what a query finds, or to these items. seconds: how long it lasts, and no longer than its key.

        Raises Forbidden where the caller may not write, and Unauthorised where they do not see the collection.
        """
        by.check("write")
        if not by.sees(by.tenant, place):
            raise Unauthorised("there is no such collection")
        if (query is None) == (items is None):
            raise BadInput("a link opens a query or items; give one of the two")
        if not 60 <= seconds <= LONGEST:
            raise BadInput(f"expiry: {shown(seconds)}; a link lasts between a minute and {LONGEST // 86_400} days")
        ids = None if items is None else list(dict.fromkeys(listed(items, "items", "ids")))
        if ids is not None and not (0 < len(ids) <= MOST and all(type(id) is int for id in ids)):
            raise BadInput(f"items: give 1 to {MOST} ids")
        now = int(self._clock())
        key = self._database.rows("SELECT expires FROM keys WHERE id = ? AND expires IS NOT NULL", by.key)
        expires = min([int(now + seconds), *(row["expires"] for row in key)])
        id, secret = secrets.token_hex(6), secrets.token_hex(32)
        self._database.change(
            "INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
            *(id, name, by.tenant, query, ids and json.dumps(ids)),
            *(_digest(secret), by.key, now, expires, place),
        )
        return NewShare(_share(self._row(id)), f"{id}-{secret}")

    def check(self, token: str) -> Share:
        """What this link opens. Raises Unauthorised, in the same words whether it never was, is over or was revoked."""
        match = _SHAPE.fullmatch(token) if isinstance(token, str) else None
        id, secret = match.groups() if match else ("", "")
        row = next(iter(self._database.rows(f"SELECT * FROM shares WHERE id = ? AND {_OPEN}", id, self._clock())), None)
        if hmac.compare_digest(row["digest"] if row else bytes(32), _digest(secret)) and row:
            return _share(row)
        raise Unauthorised("this link does not open anything any more; ask whoever sent it for a new one")

    def of(self, tenant: str) -> list[Share]:
        """The links of a tenant that open something, the oldest first."""
        rows = self._database.rows(
            f"SELECT * FROM shares WHERE tenant = ? AND {_OPEN} ORDER BY created, rowid",
            tenant,
            self._clock(),
        )
        return [_share(row) for row in rows]

    def revoke(self, tenant: str, id: str) -> None:
        """Take a link back, here and in every process. Raises BadInput for one that the tenant does not have."""
        statement = "UPDATE shares SET revoked = coalesce(revoked, ?) WHERE id = ? AND tenant = ?"
        if not self._database.change(statement, int(self._clock()), id, tenant):
            raise BadInput(f"there is no link {shown(id)}")

    def revoke_all(self, tenant: str, place: str) -> None:
        """Take back every link to a collection that is deleted."""
        statement = "UPDATE shares SET revoked = coalesce(revoked, ?) WHERE tenant = ? AND place = ?"
        self._database.change(statement, int(self._clock()), tenant, place)

    def _row(self, id: str) -> sqlite3.Row | None:
        return next(iter(self._database.rows("SELECT * FROM shares WHERE id = ?", id)), None)


def _share(row: sqlite3.Row | None) -> Share:
    assert row is not None
    facts = {field.name: row[field.name] for field in fields(Share)}
    if row["items"] is not None:
        facts["items"] = tuple(json.loads(row["items"]))
    return Share(**facts)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
