"""Sign in with a key and out again. A browser keeps a cookie that no script can read, and never the key itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from diptych.app.page.drawn import drawn
from diptych.app.server.access.caller import Unauthorised
from diptych.app.server.access.keys import Keys
from diptych.app.server.access.sessions import Sessions, cookie_name, set_cookie
from diptych.app.server.settings import Settings

open_routes = APIRouter(tags=["page"])

ADDRESS = "/sign-in"


@open_routes.get(ADDRESS, response_class=Response, include_in_schema=False)
def form(request: Request, next: str = "/") -> Response:
    """The form; a server that asks nobody for a key shows its page instead."""
    if request.app.state.sessions is None:
        return RedirectResponse("/", 303)
    return drawn(request, "sign_in.html", why="", next=_own(next))


@open_routes.post(ADDRESS, response_class=Response, include_in_schema=False)
def sign_in(
    request: Request, key: Annotated[str, Form(max_length=200)], next: Annotated[str, Form(max_length=8_000)] = "/"
) -> Response:
    """A session for whoever shows a key."""
    sessions: Sessions | None = request.app.state.sessions
    keys: Keys | None = request.app.state.keys
    if sessions is None or keys is None:
        return RedirectResponse("/", 303)
    try:
        caller = keys.check(key.strip())
    except Unauthorised as error:
        return drawn(request, "sign_in.html", 401, why=str(error), next=_own(next))
    settings: Settings = request.app.state.settings
    answer = RedirectResponse(_own(next), 303)
    answer.headers["Set-Cookie"] = set_cookie(sessions.begin(caller), settings.session_seconds, _secure(request))
    return answer


@open_routes.post("/sign-out", response_class=Response, include_in_schema=False)
def sign_out(request: Request, csrf: Annotated[str, Form(max_length=200)] = "") -> Response:
    """End the session of this browser. Only the page itself may do so, as its token shows."""
    sessions: Sessions | None = request.app.state.sessions
    if sessions is None:
        return RedirectResponse("/", 303)
    answer = RedirectResponse(ADDRESS, 303)
    try:
        _, session = sessions.check(request.cookies.get(cookie_name(_secure(request)), ""))
        sessions.check_csrf(session, csrf)
    except Unauthorised:
        return answer
    sessions.end(session)
    answer.headers["Set-Cookie"] = set_cookie("", 0, _secure(request))
    return answer


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _own(address: str) -> str:
    """An address of this server, or its first page: nobody is sent elsewhere after signing in."""
    is_own = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_own else "/"
