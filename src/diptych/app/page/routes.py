"""The page itself, and the few files it is made of."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from diptych.app.page.drawn import FILES, drawn
from diptych.app.server.guard import caller_of, needs, router

routes = router("", "page")
open_routes = APIRouter(tags=["page"])

FOREVER = "public, max-age=31536000, immutable"


@routes.get("/", response_class=Response, include_in_schema=False, **needs("read"))
def find(request: Request) -> Response:
    """The page to search on; who may only read is offered nothing else."""
    caller = caller_of(request)
    return drawn(request, "find.html", writes=caller.may("write"), user=caller.user)


@open_routes.get("/page/{name}", response_class=Response, include_in_schema=False)
def file(request: Request, name: str) -> Response:
    """The script, the stylesheet, the icon and the manifest: anybody may have them, they tell nothing."""
    found = FILES.get(name)
    if found is None:
        return Response(status_code=404)
    headers = {"ETag": f'"{found.version}"', "Cache-Control": "no-cache"}
    if request.query_params.get("v") == found.version:
        headers["Cache-Control"] = FOREVER
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.kind, headers=headers)
