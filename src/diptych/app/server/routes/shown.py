"""Items as they go over the wire: opaque ids, no folders, and a path only for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from fastapi import Request

from diptych.app.server import shapes
from diptych.app.server.access.audit import Handed
from diptych.app.server.access.caller import Caller
from diptych.app.server.guard import caller_of
from diptych.app.server.library import Served
from diptych.app.server.recorded import hand
from diptych.collection import Collection, Hit, Item


def facts(served: Served, caller: Caller, item: Item, colours: Mapping[str, str]) -> dict[str, Any]:
    """What is told of every item."""
    return {
        "id": served.opaque.hide([item.id])[0],
        "name": PurePath(item.path).name if item.path is not None else item.key,
        "width": item.width,
        "height": item.height,
        "taken": item.taken,
        "camera": item.camera,
        "lat": item.lat,
        "lon": item.lon,
        "bytes": item.size,
        "captions": list(item.captions),
        "tags": list(item.tags),
        "metadata": dict(item.metadata),
        "colour": colours.get(item.digest or ""),
        "path": item.path if caller.may("admin") else None,
    }


def items(request: Request, served: Served, some: list[Item], handed: Handed = "told") -> list[shapes.Item]:
    """Items, and how they were handed over."""
    hand(request, handed, (item.id for item in some))
    caller = caller_of(request)
    colours = served.thumbnails.colours([item.digest for item in some])
    return [shapes.Item(**facts(served, caller, item, colours)) for item in some]


def hits(request: Request, served: Served, collection: Collection, some: tuple[Hit, ...]) -> list[shapes.Hit]:
    """Answers, with what is known of their items."""
    hand(request, "told", (hit.id for hit in some))
    caller = caller_of(request)
    found = [collection.get(hit.id) for hit in some]
    colours = served.thumbnails.colours([item.digest for item in found])
    return [
        shapes.Hit(
            **facts(served, caller, item, colours),
            score=hit.score,
            verdict=hit.verdict,
            why=list(hit.why),
            region=None if hit.region is None else shapes.Region(**vars(hit.region)),
        )
        for hit, item in zip(some, found, strict=True)
    ]
