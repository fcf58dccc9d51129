"""At the door: who calls, and whether they may. Nothing of a request's body is read before."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.params import Form
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diptych.app.server.access.audit import NotWritten
from diptych.app.server.access.caller import Caller, Forbidden, Unauthorised
from diptych.app.server.library import Library, Served
from diptych.app.server.problems import FAULT, RESPONSES, Problem
from diptych.app.server.recorded import Watch, record
from diptych.app.server.settings import LOOPBACK, Settings

PAGE = ("/sign-in", "/sign-out", "/page/page.js", "/page/page.css", "/page/icon.svg", "/page/manifest.webmanifest")
"""What a browser needs before anybody is signed in: it tells nothing."""

OPEN = frozenset({"/healthz", "/readyz", *PAGE})
"""Answered to anybody: whether the server lives, and how to sign in."""

SHARED = "/shared/"
"""Links for guests: who has one is let in by it."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers send forms as if from elsewhere: Origin: null
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' blob: data:; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
"""Headers by which a proxy tells that it asks for somebody else, who is not at this machine."""

_NAME = re.compile(r"(?:\[([^\]]+)\]|([^:]+))(?::\d*)?")
"""Of the server, as the header Host has it: with a port, and an IPv6 address in brackets."""


class Door:
    """The outermost layer: names of the server, who calls, how large a body may be, and what every answer says."""

    def __init__(
        self, app: ASGIApp, settings: Settings, who: Callable[[Request], Caller], watch: Watch | None = None
    ) -> None:
        self._app, self._settings, self._who, self._watch = app, settings, who, watch
        own = (settings.host, *settings.hosts.split(","))
        self._names = LOOPBACK | {name.strip().lower() for name in own if name.strip()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        answer = _Answer(request, send, self._watch)
        try:
            self._named(request)
            if scope["path"] not in OPEN and not scope["path"].startswith(SHARED):
                request.state.caller = self._who(request)
            bounded = self._bounded(request, receive)
        except Unauthorised as error:
            nobody = Problem(401, str(error), WWW_Authenticate="Bearer").response()
            await (_to_sign_in(request) or nobody)(scope, receive, answer.send)
            return
        except Problem as problem:
            await problem.response()(scope, receive, answer.send)
            return
        try:
            await self._app(scope, bounded, answer.send)
        except Exception:
            if not answer.begun:
                await Problem(500, FAULT).response()(scope, receive, answer.send)
            raise  # for the log

    def _named(self, request: Request) -> None:
        """A page elsewhere may make a browser call this machine under a name of its own, which then is not ours."""
        host = request.headers.get("host", "")
        name = _NAME.fullmatch(host)
        if self._settings.local and (name is None or (name[1] or name[2]).lower() not in self._names):
            raise Problem(421, f"this server is not called {host!r}; name it in DIPTYCH_HOSTS if it is")
        if self._settings.local and not self._settings.keys and not FORWARDED.isdisjoint(request.headers):
            raise Problem(403, "a proxy passes on what others ask; set DIPTYCH_PROXIES to how many there are in a row")
        origin = request.headers.get("origin")
        if origin is not None and request.method not in SAFE and origin.partition("://")[2].lower() != host.lower():
            raise Problem(403, "another site may not change anything here")

    def _bounded(self, request: Request, receive: Receive) -> Receive:
        is_files = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
        most = self._settings.max_upload if is_files else self._settings.max_request
        problem = Problem(413, f"the request is larger than {most:,} bytes")
        stated = request.headers.get("content-length", "0")
        if not stated.isdigit() or int(stated) > most:
            raise problem
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise problem
            return message

        return bounded


class _Answer:
    """On its way out an answer is recorded, and says to browsers what they must not do with it."""

    def __init__(self, request: Request, send: Send, watch: Watch | None) -> None:
        self._request, self._send, self._watch = request, send, watch
        self._withheld = self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            try:
                if self._watch is not None:
                    record(self._watch, self._request, message["status"])
            except NotWritten as error:
                self._withheld = True
                await Problem(503, str(error), Retry_After="60").response()(
                    self._request.scope, self._request.receive, self._send
                )
            said = {name.lower() for name, _ in message["headers"]}
            more = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items() if k.lower().encode() not in said]
            if (cookie := getattr(self._request.state, "cookie", None)) is not None and b"set-cookie" not in said:
                more.append((b"set-cookie", cookie.encode()))
            message["headers"] = [*message["headers"], *more]
        if not self._withheld:
            await self._send(message)


def _to_sign_in(request: Request) -> Response | None:
    """Who opens a page in a browser and is nobody is asked who they are."""
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return None
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?{urlencode({'next': asked})}", 303)


class GuardedRoute(APIRoute):
    """A route that says which scope it needs; one that does not say cannot be made."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.scope: str = (self.openapi_extra or {})["x-scope"]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_files = self.body_field is not None and isinstance(self.body_field.field_info, Form)

        async def guarded(request: Request) -> Response:
            caller = caller_of(request)
            try:
                caller.check(self.scope)
            except Forbidden as error:
                raise Problem(403, str(error)) from None
            if takes_files:
                await _counted(request)
            return await handler(request)

        return guarded


async def _counted(request: Request) -> None:
    """Read a form, which the request keeps, and no more files of it than are allowed."""
    settings: Settings = request.app.state.settings
    try:
        await request.form(max_files=settings.max_files)
    except HTTPException as error:
        if not error.detail.startswith("Too many files"):
            raise
        raise Problem(413, f"files: at most {settings.max_files:,} at a time") from None


def router(prefix: str, tag: str) -> APIRouter:
    return APIRouter(prefix=prefix, tags=[tag], route_class=GuardedRoute, responses=RESPONSES)


def needs(scope: str) -> dict[str, Any]:
    """Says the scope of a route: `@routes.get("/items", **needs("read"))`."""
    return {"openapi_extra": {"x-scope": scope}}


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def served(request: Request, collection: str) -> Served:
    """The collection of a request. One that the caller may not see is told of as one that is not there."""
    library: Library = request.app.state.library
    caller = caller_of(request)
    found = library.get(caller.tenant, collection)
    if found is not None and caller.sees(found.tenant, found.place):
        return found
    if not seen(request):
        raise Problem(404, "no collection is served that you may see; ask who runs the server")
    raise Problem(404, f"there is no collection {collection!r}; GET /v1/collections lists them")


def seen(request: Request) -> Sequence[Served]:
    """The collections that the caller may see."""
    library: Library = request.app.state.library
    caller = caller_of(request)
    return [found for found in library.of(caller.tenant) if caller.sees(found.tenant, found.place)]
