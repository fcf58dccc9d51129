"""Browsers that are signed in: a cookie that only this server can have written, and a token against forged requests.

The cookie is a Fernet token (AES-CBC with HMAC-SHA256, of the library cryptography). It names the key that was shown
when signing in, so that a session ends with its key. Nothing is kept of a session that runs; of one that was signed out
before its time its id is kept, until that time.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from http.cookies import SimpleCookie

from diptych.app.server.access import files
from diptych.app.server.access.caller import Caller, Unauthorised
from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys

IDLE, LIFETIME = 7 * 86_400, 30 * 86_400

_AGAIN = "sign in again"


@dataclass(frozen=True)
class Session:
    """One browser. key: the id of the key it signed in with, "" of the owner; began, seen: seconds since 1970."""

    id: str
    key: str
    epoch: int
    began: int
    seen: int


class Sessions:
    """The sessions of a server.

    idle       seconds without a request after which a session is over
    lifetime   seconds after which it is over in any case
    owner      whether the owner of the machine may have one, without a key
    """

    def __init__(
        self,
        database: Database,
        secret: bytes,
        idle: float = IDLE,
        lifetime: float = LIFETIME,
        owner: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        import base64

        from cryptography.fernet import Fernet

        self._database, self._keys = database, Keys(database, clock)
        self._fernet = Fernet(base64.urlsafe_b64encode(files.derived(secret, "sessions")))
        self._csrf = files.derived(secret, "csrf")
        self._idle, self._lifetime, self._owner, self._clock = idle, lifetime, owner, clock

    def begin(self, caller: Caller) -> str:
        """The value of the cookie of a new session."""
        now = int(self._clock())
        return self._sealed(Session(secrets.token_hex(16), caller.key, self._epoch(caller.key), now, now))

    def check(self, value: str) -> tuple[Caller, Session]:
        """Who shows this cookie. Raises Unauthorised."""
        session = self._opened(value)
        now = self._clock()
        if now >= min(session.seen + self._idle, session.began + self._lifetime):
            raise Unauthorised(f"this session is over; {_AGAIN}")
        if session.epoch != self._epoch(session.key) or self._ended(session.id):
            raise Unauthorised(f"this session was signed out; {_AGAIN}")
        if session.key:
            return self._keys.caller(session.key), session
        if not self._owner:
            raise Unauthorised(f"this server wants a key; {_AGAIN}")
        return Caller.OWNER, session

    def renewed(self, session: Session) -> str | None:
        """A later cookie of the same session, once a tenth of the idle time has gone by since the last."""
        now = int(self._clock())
        if now - session.seen < self._idle / 10:
            return None
        return self._sealed(Session(session.id, session.key, session.epoch, session.began, now))

    def csrf(self, session: Session) -> str:
        """What a form or script of this session sends along with everything that changes something."""
        return hmac.new(self._csrf, session.id.encode(), sha256).hexdigest()

    def check_csrf(self, session: Session, token: str) -> None:
        """Raises Unauthorised for a token that is not of this session: another site made the browser call."""
        if not hmac.compare_digest(self.csrf(session).encode(), token.encode(errors="replace")):
            raise Unauthorised("this request did not come from the page; load the page again")

    def end(self, session: Session) -> None:
        """Sign this browser out: copies of its cookie are refused, too."""
        self._database.change("DELETE FROM ended WHERE until < ?", self._clock())
        until = int(session.began + self._lifetime) + 1
        self._database.change("INSERT OR REPLACE INTO ended VALUES (?, ?)", session.id, until)

    def end_all(self, key: str) -> None:
        """Sign out every browser that signed in with this key; "" for those of the owner."""
        self._database.change("INSERT INTO epochs VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET epoch = epoch + 1", key)

    def _sealed(self, session: Session) -> str:
        return self._fernet.encrypt_at_time(json.dumps(asdict(session)).encode(), session.seen).decode()

    def _opened(self, value: str) -> Session:
        from cryptography.fernet import InvalidToken

        try:
            return Session(**json.loads(self._fernet.decrypt(value.encode())))
        except (InvalidToken, UnicodeEncodeError):
            raise Unauthorised(f"this cookie is not of this server; {_AGAIN}") from None

    def _epoch(self, key: str) -> int:
        found = self._database.rows("SELECT epoch FROM epochs WHERE key = ?", key)
        return int(found[0]["epoch"]) if found else 0

    def _ended(self, session: str) -> bool:
        return bool(self._database.rows("SELECT 1 FROM ended WHERE session = ?", session))


def cookie_name(secure: bool) -> str:
    """Under `__Host-` no other host of the domain can set it; browsers take that over TLS only."""
    return "__Host-diptych" if secure else "diptych"


def set_cookie(value: str, seconds: float, secure: bool) -> str:
    """The `Set-Cookie` header: no script reads it, no other site sends it. An empty value takes it away."""
    cookie: SimpleCookie = SimpleCookie()
    cookie[cookie_name(secure)] = value
    morsel = cookie[cookie_name(secure)]
    morsel.update({"path": "/", "max-age": str(int(seconds if value else 0)), "samesite": "Strict"})
    morsel["httponly"] = True
    if secure:
        morsel["secure"] = True
    return morsel.OutputString()
