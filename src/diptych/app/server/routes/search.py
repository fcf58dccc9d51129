"""Ask: with words, with pictures, with both; and what an answer holds of dates, cameras, folders and tags."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Query, Request, UploadFile

from diptych.app.server import shapes
from diptych.app.server.guard import needs, router, served
from diptych.app.server.library import Served
from diptych.app.server.problems import Problem
from diptych.app.server.routes import shown
from diptych.app.server.settings import Settings
from diptych.app.server.uploads import Uploads
from diptych.collection import Allowed, Collection, Term, query
from diptych.kinds import BadInput

routes = router("/v1/collections/{collection}", "search")

FACETS = ("year", "camera", "folder", "tag")
"""Fields that are counted unless others are named."""

MOST = 100
"""Values of a field that are counted."""

_ITEM = re.compile(r"#([\w-]+)")


@routes.post("/search", **needs("read"))
def search(request: Request, collection: str, asked: shapes.Search) -> shapes.Answer:
    """The best answers to a query, after the first `offset`."""
    settings: Settings = request.app.state.settings
    found = served(request, collection)
    if asked.k > settings.max_k or asked.offset > settings.max_offset:
        raise Problem(422, f"k, offset: at most {settings.max_k:,} answers after the first {settings.max_offset:,}")
    with found.reader() as reader:
        terms = [_term(request, found, part) for part in asked.parts] + _marked(found, asked.marks)
        written = with_ids(found, asked.query)
        whole: Any = [written, *terms] if written.strip() or not terms else terms
        answer = reader.search(
            whole,
            asked.k,
            asked.offset,
            asked.diverse,
            asked.keywords,
            asked.regions,
            where=asked.where or None,
            language=asked.language,
            pictures=Allowed(),
        )
        return shapes.Answer(
            query=asked.query,
            written=_written(asked),
            verdict=answer.verdict,
            results=shown.hits(request, found, reader, answer.results),
            seconds=answer.seconds,
            total=answer.total,
            offset=asked.offset,
            hints=list(answer.hints),
        )


@routes.post("/pictures", **needs("read"))
def upload_to_ask(request: Request, collection: str, file: UploadFile) -> shapes.Uploaded:
    """Hand over a picture to ask with. It is not put into the collection, and forgotten after a while."""
    found = served(request, collection)
    uploads: Uploads = request.app.state.uploads
    name, upload = uploads.take(file.file, (found.tenant, found.name))
    return shapes.Uploaded(picture=name, width=upload.width, height=upload.height)


@routes.get("/facets", **needs("read"))
def facets(
    request: Request,
    collection: str,
    where: Annotated[str | None, Query(max_length=4_000)] = None,
    field: Annotated[list[str], Query(max_length=20)] = list(FACETS),  # noqa: B006 - FastAPI copies it
) -> shapes.Facets:
    """How many items that pass a filter have each value of some fields."""
    found = served(request, collection)
    with found.reader() as reader:
        counted = {name: reader.counts(name, where or None) for name in field}
        return shapes.Facets(
            total=_total(reader, where),
            fields={
                name: [shapes.Count(value=value, count=n) for value, n in list(values.items())[:MOST]]
                for name, values in counted.items()
            },
        )


@routes.get("/histogram", **needs("read"))
def histogram(
    request: Request,
    collection: str,
    field: Annotated[str, Query(max_length=4_000)] = "taken",
    bins: Annotated[str | None, Query(max_length=10, description="year, month or day; of a number, how many")] = None,
    where: Annotated[str | None, Query(max_length=4_000)] = None,
) -> shapes.Histogram:
    """How many items that pass a filter lie in each month, or in each equal step of a number."""
    steps = int(bins) if bins and bins.isdecimal() else bins
    with served(request, collection).reader() as reader:
        found = reader.histogram(field, steps, where or None)
    return shapes.Histogram(bins=[shapes.Bin(**vars(one)) for one in found])


def _total(reader: Collection, where: str | None) -> int:
    return len(reader) if not where else reader.search(where, 1).total


def _term(request: Request, found: Served, part: shapes.Part) -> Term:
    given = [name for name in ("text", "item", "picture") if getattr(part, name) is not None]
    if len(given) != 1:
        raise Problem(422, "parts: each has one of text, item and picture")
    if part.text is not None:
        return Term(part.weight, "text", part.text)
    if part.item is not None:
        return Term(part.weight, "item", str(found.opened(part.item)))
    uploads: Uploads = request.app.state.uploads
    return Term.of(uploads.get(part.picture or "", (found.tenant, found.name)).pixels, part.weight)


def _marked(found: Served, marks: shapes.Marks) -> list[Term]:
    """Rocchio's: towards the middle of what is meant, and a little away from that of what is not."""
    return [
        Term(weight / len(ids), "item", str(found.opened(id)))
        for weight, ids in ((0.75, marks.yes), (-0.15, marks.no))
        for id in ids
    ]


def with_ids(found: Served, text: str) -> str:
    """A query with the items' own numbers in the place of opaque ids."""
    return _ITEM.sub(lambda match: f"#{found.opened(match[1])}", text)


def _written(asked: shapes.Search) -> str:
    """The query as the language writes it."""
    if asked.language == "plain":
        return asked.query
    try:
        return str(query.parse(asked.query)) if "#" not in asked.query else asked.query
    except BadInput:
        return asked.query
