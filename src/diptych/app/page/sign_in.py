"""Sign in with a key and out again. A browser keeps a cookie that no script can read, and never the key itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from diptych.app.page.drawn import drawn
from diptych.app.server.access.caller import Unauthorised
from diptych.app.server.access.limits import TooMany
from diptych.app.server.admission import Admission

open_routes = APIRouter(tags=["page"])

ADDRESS = "/sign-in"


@open_routes.get(ADDRESS, response_class=Response, include_in_schema=False)
def form(request: Request, next: str = "/") -> Response:
    """The form; a server that asks nobody for a key shows its page instead."""
    return drawn(request, "sign_in.html", why="", next=_own(next)) if _asks(request) else RedirectResponse("/", 303)


@open_routes.post(ADDRESS, response_class=Response, include_in_schema=False)
def sign_in(
    request: Request, key: Annotated[str, Form(max_length=200)], next: Annotated[str, Form(max_length=8_000)] = "/"
) -> Response:
    """A session for whoever shows a key."""
    if (admission := _asks(request)) is None:
        return RedirectResponse("/", 303)
    try:
        cookie = admission.sign_in(request, key.strip())
    except Unauthorised as error:
        return drawn(request, "sign_in.html", 401, why=str(error), next=_own(next))
    except TooMany as error:
        answer = drawn(request, "sign_in.html", 429, why=str(error), next=_own(next))
        answer.headers["Retry-After"] = str(error.seconds)
        return answer
    return RedirectResponse(_own(next), 303, {"Set-Cookie": cookie})


@open_routes.post("/sign-out", response_class=Response, include_in_schema=False)
def sign_out(request: Request, csrf: Annotated[str, Form(max_length=200)] = "") -> Response:
    """End the session of this browser. Only the page itself may do so, as its token shows."""
    if (admission := _asks(request)) is None:
        return RedirectResponse("/", 303)
    try:
        return RedirectResponse(ADDRESS, 303, {"Set-Cookie": admission.sign_out(request, csrf)})
    except Unauthorised:
        return RedirectResponse(ADDRESS, 303)


def _asks(request: Request) -> Admission | None:
    """What lets people in; None where the owner of the machine is in already."""
    admission: Admission | None = request.app.state.admission
    return admission if admission is not None and admission.wants_key else None


def _own(address: str) -> str:
    """An address of this server, or its first page: nobody is sent elsewhere after signing in."""
    is_own = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_own else "/"
