"""Items as they go over the wire: opaque ids, no folders, and a path only for administrators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from fastapi import Request

from diptych.app.server import shapes
from diptych.app.server.access.audit import Handed
from diptych.app.server.access.caller import Caller
from diptych.app.server.guard import caller_of
from diptych.app.server.library import Served
from diptych.app.server.recorded import hand
from diptych.collection import Hit, Item


def items(request: Request, served: Served, some: Sequence[Item], handed: Handed = "told") -> list[shapes.Item]:
    """Items, and how they were handed over."""
    hand(request, handed, (item.id for item in some))
    return [shapes.Item(**facts) for facts in _facts(served, caller_of(request), some)]


def hits(request: Request, served: Served, some: Sequence[Hit]) -> list[shapes.Hit]:
    """Answers that were asked for with their `fields`."""
    hand(request, "told", (hit.id for hit in some))
    caller = caller_of(request)
    return [
        shapes.Hit(
            **facts,
            score=hit.score,
            verdict=hit.verdict,
            why=list(hit.why),
            region=None if hit.region is None else shapes.Region(**vars(hit.region)),
        )
        for hit, facts in zip(some, _facts(served, caller, items_of(some)), strict=True)
    ]


def items_of(some: Sequence[Hit]) -> list[Item]:
    """What was found, of answers that were asked for with their `fields`."""
    return [hit.item for hit in some if hit.item is not None]


def _facts(served: Served, caller: Caller, some: Sequence[Item]) -> Iterator[dict[str, Any]]:
    """What is told of every item."""
    colours = served.thumbnails.colours([item.digest for item in some])
    for id, item in zip(served.opaque.hide([item.id for item in some]), some, strict=True):
        yield {
            "id": id,
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
