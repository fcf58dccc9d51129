"""API keys: 256 random bits behind a readable prefix, shown once and kept as SHA-256 alone.

    dpt_0123456789ab_<64 hexadecimal digits>

The first part is the key's public id, by which people, logs and the database name it. No salt and no slow hash: those
are for secrets that people think up, and 256 random bits cannot be tried out.
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
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

from diptych.app.server.access.caller import Caller, Unauthorised, including
from diptych.app.server.access.database import Database
from diptych.kinds import BadInput, listed, shown

_SHAPE = re.compile(r"dpt_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)
_NAME = re.compile(r"[^\W_][\w .@+-]{0,63}")
_COARSE = 3600
"""Seconds: `used` is not more exact, so that calls seldom write."""


@dataclass(frozen=True)
class Key:
    """What is kept of a key. Times are seconds since 1970; None for never.

    collections   where those lie that it may see, as `Served.place` tells it; None for all of its tenant
    takes_all     hours of the day (from, to), in UTC, in which it takes all there is, as a backup does: the detector of
                  unusual use lets it
    """

    id: str
    name: str
    tenant: str
    scope: str
    collections: tuple[str, ...] | None
    created: int
    expires: int | None
    used: int | None
    revoked: int | None
    takes_all: tuple[int, int] | None = None

    @property
    def caller(self) -> Caller:
        collections = None if self.collections is None else frozenset(self.collections)
        return Caller(self.name, self.tenant, including(self.scope), collections, self.id)

    def state(self, now: float) -> str:
        """`active`, `revoked` or `expired`."""
        if self.revoked is not None:
            return "revoked"
        return "active" if self.expires is None or now < self.expires else "expired"


@dataclass(frozen=True)
class NewKey:
    """A key in the one moment in which it can be read."""

    key: Key
    token: str = field(repr=False)


class Keys:
    """The keys of a server. clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def create(
        self,
        name: str,
        scope: str = "read",
        tenant: str = "",
        collections: Iterable[str] | None = None,
        seconds: float | None = None,
        takes_all: tuple[int, int] | None = None,
    ) -> NewKey:
        """A new key. Raises BadInput for the name of another that is not revoked.

        collections   see `Key`
        seconds       how long it lasts; None for ever
        takes_all     see `Key`
        """
        _check_name("name", name)
        if tenant:
            _check_name("tenant", tenant)
        including(scope)
        if seconds is not None and not 1 <= seconds < 1e10:
            raise BadInput(f"expiry: {shown(seconds)}; give a time that lies ahead")
        if takes_all is not None and not all(0 <= hour <= 24 for hour in takes_all):
            raise BadInput(f"hours: {shown(takes_all)}; give two of 0 to 24, such as 1 and 5")
        some = None if collections is None else sorted(set(listed(collections, "collections", "places")))
        now = int(self._clock())
        expires = None if seconds is None else int(now + seconds)
        id, secret = secrets.token_hex(6), secrets.token_hex(32)
        lists = (None if given is None else json.dumps(given) for given in (some, takes_all))
        row = (id, name, tenant, scope, _digest(secret), now, expires, *lists)
        with self._database.changing() as connection:
            taken = connection.execute(
                "SELECT 1 FROM keys WHERE name = ? AND tenant = ? AND revoked IS NULL", (name, tenant)
            ).fetchone()
            if taken:
                raise BadInput(f"name: there is a key {name!r} already; revoke it, or choose another name")
            connection.execute(
                "INSERT INTO keys (id, name, tenant, scope, digest, created, expires, collections, takes_all) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return NewKey(_key(self._row(id)), f"dpt_{id}_{secret}")

    def check(self, token: str) -> Caller:
        """Who shows this key. Raises Unauthorised, and tells only who has the secret that it expired or was revoked."""
        match = _SHAPE.fullmatch(token) if isinstance(token, str) else None
        id, secret = match.groups() if match else ("", "")
        row = self._row(id)
        kept = row["digest"] if row else bytes(32)  # what is not there is compared too: it takes as long
        if not hmac.compare_digest(kept, _digest(secret)) or row is None:
            raise Unauthorised("this API key is not known; who runs the server makes one: diptych keys create NAME")
        return self._admitted(_key(row)).caller

    def caller(self, id: str) -> Caller:
        """Who has the key with this public id, for who signed in with it earlier. Raises Unauthorised."""
        row = self._row(id)
        if row is None:
            raise Unauthorised("the API key of this session is not known any more; sign in again")
        return self._admitted(_key(row)).caller

    def takes_all(self, id: str) -> tuple[int, int] | None:
        """Of the key with this public id, see `Key`."""
        row = self._row(id)
        return None if row is None else _key(row).takes_all

    def all(self) -> list[Key]:
        """Every key there was, the oldest first."""
        return [_key(row) for row in self._database.rows("SELECT * FROM keys ORDER BY created, rowid")]

    def any(self) -> bool:
        """Whether some key is active: without one, nobody but the owner of the machine can get in."""
        return bool(self.active())

    def active(self) -> list[Key]:
        """Those that let in."""
        now = self._clock()
        return [key for key in self.all() if key.state(now) == "active"]

    def revoke(self, which: str, tenant: str = "") -> Key:
        """Refuse a key from now on, here and in every process. which: its id, or the name of one in use."""
        with self._database.changing() as connection:
            found = connection.execute(
                "SELECT id FROM keys WHERE id = ? OR (name = ? AND tenant = ? AND revoked IS NULL)",
                (which, which, tenant),
            ).fetchall()
            if len(found) != 1:
                raise BadInput(f"{shown(which)} names {'several keys' if found else 'no key'}; see: diptych keys list")
            id = found[0]["id"]
            now = int(self._clock())
            connection.execute("UPDATE keys SET revoked = coalesce(revoked, ?) WHERE id = ?", (now, id))
        return _key(self._row(id))

    def let_go(self, tenant: str, place: str) -> None:
        """Of a collection that was deleted: what is made there anew is nobody's to see who was let into that one."""
        with self._database.changing() as connection:
            for id, places in connection.execute(
                "SELECT id, collections FROM keys WHERE tenant = ? AND collections IS NOT NULL", (tenant,)
            ).fetchall():
                others = [one for one in json.loads(places) if one != place]
                connection.execute("UPDATE keys SET collections = ? WHERE id = ?", (json.dumps(others), id))

    def _admitted(self, key: Key) -> Key:
        now = self._clock()
        if (state := key.state(now)) != "active":
            at = key.revoked if state == "revoked" else key.expires
            raise Unauthorised(f"this API key {'was ' * (state == 'revoked')}{state} on {_day(at)}; ask for a new one")
        if key.used is None or now - key.used >= _COARSE:
            hour = int(now) - int(now) % _COARSE
            with suppress(sqlite3.OperationalError):  # a disk that is full keeps nobody out
                self._database.change("UPDATE keys SET used = max(coalesce(used, 0), ?) WHERE id = ?", hour, key.id)
        return key

    def _row(self, id: str) -> sqlite3.Row | None:
        return next(iter(self._database.rows("SELECT * FROM keys WHERE id = ?", id)), None)


def _key(row: sqlite3.Row | None) -> Key:
    assert row is not None
    facts = {field.name: row[field.name] for field in fields(Key)}
    lists = {name: tuple(json.loads(row[name])) for name in ("collections", "takes_all") if row[name] is not None}
    return Key(**facts | lists)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _day(seconds: int | None) -> str:
    return datetime.fromtimestamp(seconds or 0, UTC).strftime("%Y-%m-%d")


def _check_name(what: str, name: str) -> None:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise BadInput(
            f"{what}: {shown(name)}; give up to 64 letters, digits, blanks and . @ + - _; a letter or digit first"
        )
