"""What a guest sees who was sent a link: pictures, and nothing of what is known of them."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response

from diptych.app.page.drawn import drawn
from diptych.app.server.access.caller import Unauthorised
from diptych.app.server.access.opaque import OpaqueIds
from diptych.app.server.access.shares import Share
from diptych.app.server.admission import Admission
from diptych.app.server.library import Library, Served
from diptych.app.server.problems import Problem
from diptych.app.server.recorded import hand
from diptych.collection import Allowed, Collection, Item
from diptych.kinds import BadInput

open_routes = APIRouter(prefix="/shared/{token}", tags=["page"])

MOST = 500
"""Pictures that a link to a query shows."""

CACHE = "private, max-age=600"


@open_routes.get("", response_class=Response, include_in_schema=False)
def page(request: Request, token: str) -> Response:
    """All of them on one page, which needs no script."""
    try:
        share, found, ids = _opened(request, token)
    except Problem as problem:
        return drawn(request, "shared.html", problem.status_code, name="", why=problem.detail, pictures=[], token="")
    with found.reader() as reader:
        items = [reader.get(id) for id in _items(reader, share)]
    names = ids.hide([item.id for item in items])
    pictures = [(name, item.width or 4, item.height or 3) for name, item in zip(names, items, strict=True)]
    hand(request, "told", (item.id for item in items))
    return drawn(request, "shared.html", name=share.name, why="", pictures=pictures, token=token)


@open_routes.get("/{picture}/{size}.jpg", response_class=Response, include_in_schema=False)
def picture(request: Request, token: str, picture: str, size: Literal["small", "medium", "large"]) -> Response:
    """One of them, drawn anew: without EXIF, place or name, and turned upright."""
    _, found, ids = _opened(request, token)
    id = ids.find(picture)  # whoever has such an id was given it by the page of this link
    if id is None:
        raise Problem(404, "there is no such picture")

    def item() -> Item:
        with found.reader() as reader:
            return reader.get(id)

    with found.reader() as reader:
        digest = reader.digest(id)
    made = found.thumbnails.get(digest, size, item)
    hand(request, "opened" if size == "large" else "shown", [id], len(made.data))
    headers = {"Cache-Control": CACHE, "Content-Disposition": 'inline; filename="picture.jpg"'}
    return Response(made.data, media_type="image/jpeg", headers=headers)


def _opened(request: Request, token: str) -> tuple[Share, Served, OpaqueIds]:
    """What a link opens, with ids that mean nothing outside of it."""
    admission: Admission | None = request.app.state.admission
    library: Library = request.app.state.library
    if admission is None:
        raise Problem(404, "this server makes no links")
    try:
        share = admission.guest(request, token)
    except Unauthorised as error:
        raise Problem(404, str(error)) from None
    found = library.at(share.tenant, share.place)
    if found is None:
        raise Problem(404, "what this link opened is not here any more")
    return share, found, library.opaque("share", share.id)


def _items(reader: Collection, share: Share) -> list[int]:
    """The ids of what a link shows, those that are still there."""
    if share.items is not None:
        there = set(reader.ids())
        return [id for id in share.items if id in there]
    try:
        answer = reader.search(share.query or "", MOST, pictures=Allowed())
    except BadInput:
        return []
    # An answer ranks all there is, to the last; what nobody judged to be a match is no guest's to see.
    return [hit.id for hit in answer.results if hit.verdict in ("match", "weak")]
