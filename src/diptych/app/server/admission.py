"""Who calls: by an API key, by the cookie of a browser that signed in, or because it is their machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from diptych.app.server.access import files
from diptych.app.server.access.caller import Caller, Unauthorised
from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys
from diptych.app.server.access.limits import Rates, SignIn, TooMany, client
from diptych.app.server.access.sessions import Session, Sessions, cookie_name, set_cookie
from diptych.app.server.access.shares import Share, Shares
from diptych.app.server.problems import Problem
from diptych.app.server.settings import Settings
from diptych.kinds import BadInput

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Admission:
    """The one place that says who a request is of; its body is not read yet."""

    def __init__(self, settings: Settings, keys: Keys, sessions: Sessions, shares: Shares) -> None:
        self.settings, self.keys, self.sessions, self.shares = settings, keys, sessions, shares
        self._rates = Rates(settings.rate, settings.rate)
        self._sign_in = SignIn()

    @property
    def wants_key(self) -> bool:
        """Whether nobody is let in without one; else whoever is on this machine owns it."""
        return self.settings.keys or not self.settings.local

    def __call__(self, request: Request) -> Caller:
        """Raises Unauthorised for nobody, and Problem for too many calls, and for one that another site made."""
        request.state.address = self.address(request)
        try:
            if self.wants_key:
                self._rates.check("", request.state.address)
            caller = self._caller(request)
            if caller.key:
                self._rates.check(caller.key, "")
        except TooMany as error:
            raise Problem(429, str(error), Retry_After=str(error.seconds)) from None
        request.state.cookie = self._renewed(request)
        return caller

    def address(self, request: Request) -> str:
        """Where a request comes from, behind our own proxies."""
        peer = request.client.host if request.client else ""
        return client(peer, request.headers.getlist("x-forwarded-for"), self.settings.proxies)

    def is_secure(self, request: Request) -> bool:
        """Whether the browser speaks TLS, with this server or with a proxy before it."""
        said = request.headers.get("x-forwarded-proto", "") if self.settings.proxies else ""
        return (said or request.scope["scheme"]) == "https"

    def guest(self, request: Request, token: str) -> Share:
        """What a link opens. Raises Unauthorised where it opens nothing, and Problem for too many calls."""
        request.state.address = self.address(request)
        try:
            self._rates.check("", request.state.address)
        except TooMany as error:
            raise Problem(429, str(error), Retry_After=str(error.seconds)) from None
        share = self.shares.check(token)
        request.state.caller = share.caller
        return share

    def sign_in(self, request: Request, key: str) -> str:
        """The cookie header of a new session. Raises Unauthorised, and TooMany after some wrong keys."""
        with self._sign_in.trying(self.address(request)):
            caller = self.keys.check(key)
        return set_cookie(self.sessions.begin(caller), self.settings.session_seconds, self.is_secure(request))

    def sign_out(self, request: Request, csrf: str) -> str:
        """The cookie header that ends the session of this browser. Raises Unauthorised where it has none."""
        _, session = self.sessions.check(self._cookie(request))
        self.sessions.check_csrf(session, csrf)
        self.sessions.end(session)
        return set_cookie("", 0, self.is_secure(request))

    def _caller(self, request: Request) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else request.headers.get("api-key", "")
        if key:
            return self.keys.check(key)
        if cookie := self._cookie(request):
            caller, session = self.sessions.check(cookie)
            if request.method not in SAFE:
                try:
                    self.sessions.check_csrf(session, request.headers.get("x-csrf-token", ""))
                except Unauthorised as error:
                    raise Problem(403, str(error)) from None
            request.state.session, request.state.csrf = session, self.sessions.csrf(session)
            return caller
        if not self.wants_key:
            return Caller.OWNER
        raise Unauthorised("show an API key: Authorization: Bearer dpt_…, or sign in at /sign-in")

    def _renewed(self, request: Request) -> str | None:
        """The cookie header by which a browser that is in use stays signed in; None where it need not be said yet."""
        session: Session | None = getattr(request.state, "session", None)
        value = self.sessions.renewed(session) if session is not None else None
        return value and set_cookie(value, self.settings.session_seconds, self.is_secure(request))

    def _cookie(self, request: Request) -> str:
        return request.cookies.get(cookie_name(self.is_secure(request)), "")


@contextmanager
def admitting(settings: Settings) -> Iterator[Admission]:
    """Who may call, as the files in the server's home say. Raises BadInput where nobody could."""
    secret = files.secret(settings.home)
    with Database(settings.home) as database:
        keys = Keys(database)
        if not settings.local and not keys.any():
            raise BadInput(
                f"{settings.host} can be reached by others, and there is no key yet; make one: diptych keys create NAME"
            )
        yield Admission(settings, keys, Sessions(database, secret, settings.session_seconds), Shares(database))
