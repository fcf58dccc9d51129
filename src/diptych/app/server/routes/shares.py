"""Links for guests: made, listed and taken back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import Field

from diptych.app.server import shapes
from diptych.app.server.access.shares import Share, Shares
from diptych.app.server.guard import caller_of, needs, router, served
from diptych.app.server.problems import Problem
from diptych.app.server.routes.search import read

routes = router("/v1/collections/{collection}/shares", "shares")

DAY = 86_400


class NewLink(shapes.Shape):
    """What to show to guests: what a query finds, or some items; and for how long."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    query: shapes.Text | None = None
    items: Annotated[list[str], Field(min_length=1, max_length=10_000)] | None = None
    days: Annotated[float, Field(gt=0, le=366)] = 7


class Link(shapes.Shape):
    """`address` is told once, to who made it. Times are seconds since 1970."""

    id: str
    name: str
    query: str | None
    items: int | None
    created: int
    expires: int
    address: str | None = None


class Links(shapes.Shape):
    shares: list[Link]


@routes.get("", **needs("write"))
def list_shares(request: Request, collection: str) -> Links:
    """The links that open something of this collection."""
    found = served(request, collection)
    return Links(shares=[_told(one) for one in _shares(request).of(found.tenant) if one.place == found.place])


@routes.post("", status_code=201, **needs("write"))
def share(request: Request, collection: str, link: NewLink) -> Link:
    """Make a link. Who has it sees these pictures, without their names, places and what is written in them."""
    found = served(request, collection)
    with found.reader() as reader:
        items = None if link.items is None else [found.opened(reader, id) for id in link.items]
        # What cannot be asked is told to who makes the link, and not to guests.
        query = None if link.query is None else str(read(found, reader, link.query))
    made = _shares(request).create(caller_of(request), found.place, link.name, link.days * DAY, query, items)
    return _told(made.share).model_copy(update={"address": f"/shared/{made.token}"})


@routes.delete("/{share}", status_code=204, **needs("write"))
def take_back(request: Request, collection: str, share: str) -> None:
    """From now on it opens nothing."""
    found = served(request, collection)
    if share not in {one.id for one in _shares(request).of(found.tenant) if one.place == found.place}:
        raise Problem(404, f"there is no link {share!r}; GET …/shares lists them")
    _shares(request).revoke(found.tenant, share)


def _shares(request: Request) -> Shares:
    admission = request.app.state.admission
    if admission is None:
        raise Problem(404, "this server makes no links")
    shares: Shares = admission.shares
    return shares


def _told(share: Share) -> Link:
    items = None if share.items is None else len(share.items)
    query = share.query and "…" if share.query and "#" in share.query else share.query
    return Link(id=share.id, name=share.name, query=query, items=items, created=share.created, expires=share.expires)
