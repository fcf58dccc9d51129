"""At the door: who calls, and whether they may. Nothing of a request's body is read before."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diptych.app.server.access.caller import Caller, Forbidden, Unauthorised
from diptych.app.server.library import Library, Served
from diptych.app.server.problems import FAULT, RESPONSES, Problem
from diptych.app.server.settings import LOOPBACK, Settings

OPEN = frozenset({"/healthz", "/readyz"})
"""Answered to anybody: whether the server lives, and nothing else."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
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

    def __init__(self, app: ASGIApp, settings: Settings, who: Callable[[Request], Caller]) -> None:
        self._app, self._settings, self._who = app, settings, who
        self._names = LOOPBACK | {settings.host} | {name.strip() for name in settings.hosts.split(",") if name.strip()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, begun = Request(scope), False

        async def told(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                said = {name.lower() for name, _ in message["headers"]}
                more = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items() if k.lower().encode() not in said]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        try:
            self._named(request)
            if scope["path"] not in OPEN:
                request.state.caller = self._who(request)
            bounded = self._bounded(request, receive)
        except Unauthorised as error:
            await Problem(401, str(error), WWW_Authenticate="Bearer").response()(scope, receive, told)
            return
        except Problem as problem:
            await problem.response()(scope, receive, told)
            return
        try:
            await self._app(scope, bounded, told)
        except Exception:
            if not begun:
                await Problem(500, FAULT).response()(scope, receive, told)
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


class GuardedRoute(APIRoute):
    """A route that says which scope it needs; one that does not say cannot be made."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.scope: str = (self.openapi_extra or {})["x-scope"]

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
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
    if found is None or not caller.sees(found.tenant, found.name):
        raise Problem(404, f"there is no collection {collection!r}; GET /v1/collections lists them")
    return found


def let_in(settings: Settings, owner: Caller | None) -> Callable[[Request], Caller]:
    """Who may come in without a key: the owner of this machine, where it listens to nobody else."""

    def who(_: Request) -> Caller:
        if owner is None:
            raise Unauthorised("show an API key: Authorization: Bearer dpt_…")
        return owner

    return who
