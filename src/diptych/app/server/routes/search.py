"""Ask: with words, with pictures, with both; and what an answer holds of dates, cameras, folders and tags."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import Query, Request, Response, UploadFile

from diptych import kinds
from diptych.app.server import shapes
from diptych.app.server.access import opaque
from diptych.app.server.experiment import Against, drafted, running
from diptych.app.server.guard import caller_of, needs, router, served
from diptych.app.server.library import Served
from diptych.app.server.problems import Problem
from diptych.app.server.routes import shown
from diptych.app.server.settings import Settings
from diptych.app.server.uploads import Uploads
from diptych.collection import Allowed, Answer, Collection, Hit, Marks, Term, query
from diptych.kinds import BadInput
from diptych.sources.fetch import Fetcher

routes = router("/v1/collections/{collection}", "search")

FACETS = ("year", "camera", "folder", "tag")
"""Fields that are counted unless others are named."""

MOST = 100
"""Values of a field that are counted."""

_ITEM = re.compile(rf"#([\w-]{{{opaque.LENGTH}}})(?![\w-])")


@routes.post("/search", response_model=shapes.Answer, **needs("read"))
def search(request: Request, collection: str, asked: shapes.Search) -> Response:
    """The best answers to a query, after the first `offset`."""
    settings: Settings = request.app.state.settings
    found, user = served(request, collection), caller_of(request).user
    if asked.k > settings.max_k or asked.offset > settings.max_offset:
        raise Problem(422, f"k, offset: at most {settings.max_k:,} answers after the first {settings.max_offset:,}")
    with found.reader() as reader:
        terms = [_term(request, found, reader, part) for part in asked.parts]
        marks = _marks(found, reader, asked.marks)
        said: Any = asked.query
        if asked.language == "query" and said.strip():
            said = read(found, reader, said)
        if not (asked.query.strip() or terms):  # what was marked first is looked for, and the others move it
            terms = [Term.of(id) for id in marks.yes[:1]]
        whole: Any = [said, *terms] if asked.query.strip() or not terms else terms

        def page(collection: Collection, k: int, offset: int, given: Mapping[str, Any]) -> Answer:
            named: dict[str, Any] = {"keywords": asked.keywords, "diverse": asked.diverse, "where": asked.where or None}
            named |= {"fields": True, "marks": marks, "user": user, **given}
            told: Answer = collection.search(whole, k, offset, language="plain", pictures=Allowed(), **named)
            return told

        against, word = running(found, reader), ""
        if against is not None and _is_compared(against, whole, asked, marks):
            written = numbered(found, reader, asked.query)[0] if asked.language == "query" else asked.query
            answer, draft = drafted(against, reader, page, asked.k, asked.offset, user, written)
            answer = _with_regions(reader, answer, said) if asked.regions else answer
            word = found.drafts.keep(user, reader.feedback.asked(written), draft)
        else:
            answer = page(reader, asked.k, asked.offset, {"regions": asked.regions})
        told = shapes.Answer(
            query=asked.query,
            written=_written(asked),
            verdict=answer.verdict,
            results=shown.hits(request, found, answer.results),
            seconds=answer.seconds,
            total=answer.total,
            offset=asked.offset,
            hints=list(answer.hints),
            ranked_by=answer.ranked_by,
            answer=word,
        )
    # Written here: FastAPI would look at it once more in another thread, and write it in the one that serves everybody.
    return Response(told.model_dump_json(), media_type="application/json")


@routes.post("/pictures", **needs("read"))
def upload_to_ask(request: Request, collection: str, file: UploadFile) -> shapes.Uploaded:
    """Hand over a picture to ask with. It is not put into the collection, and forgotten after a while."""
    found = served(request, collection)
    uploads: Uploads = request.app.state.uploads
    name, upload = uploads.take(file.file, (found.tenant, found.name))
    return shapes.Uploaded(picture=name, width=upload.width, height=upload.height)


@routes.post("/pictures/fetch", **needs("read"))
def fetch_to_ask(request: Request, collection: str, at: shapes.Address) -> shapes.Uploaded:
    """The same, of a picture that the server fetches from the public web; refused unless it was told that it may."""
    found = served(request, collection)
    uploads: Uploads = request.app.state.uploads
    fetcher: Fetcher = request.app.state.fetcher
    name, upload = uploads.take(io.BytesIO(fetcher.get(at.url)), (found.tenant, found.name))
    return shapes.Uploaded(picture=name, width=upload.width, height=upload.height)


@routes.get("/facets", **needs("read"))
def facets(
    request: Request,
    collection: str,
    where: Annotated[str | None, Query(max_length=4_000)] = None,
    field: Annotated[list[str], Query(max_length=20)] = list(FACETS),  # noqa: B006 - FastAPI copies it
) -> shapes.Facets:
    """How many items that pass a filter have each value of some fields."""
    found, caller = served(request, collection), caller_of(request)
    with found.reader() as reader:
        counted = {name: reader.counts(name, where or None) for name in field}
        return shapes.Facets(
            total=_total(reader, where),
            fields={
                name: [
                    shapes.Count(value=value, count=n)
                    for value, n in values.items()
                    if caller.may("admin") or not _is_place(name, value)
                ][:MOST]
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


def _is_place(field: str, value: Any) -> bool:
    """Whether a value tells where on the machine the pictures lie, and not only where in the collection."""
    return field.lower() in ("folder", "path") and PurePath(value).is_absolute()


def _total(reader: Collection, where: str | None) -> int:
    return len(reader) if not where else reader.search(where, 1).total


def _term(request: Request, found: Served, reader: Collection, part: shapes.Part) -> Term:
    given = [name for name in ("text", "item", "picture") if getattr(part, name) is not None]
    if len(given) != 1:
        raise Problem(422, "parts: each has one of text, item and picture")
    if part.text is not None:
        return Term.of(part.text, part.weight)
    if part.item is not None:
        return Term.of(found.opened(reader, part.item), part.weight)
    uploads: Uploads = request.app.state.uploads
    return Term.of(uploads.get(part.picture or "", (found.tenant, found.name)).pixels, part.weight)


def _marks(found: Served, reader: Collection, given: shapes.Marks) -> Marks:
    """Marks with the items' own numbers. Raises Problem naming those that are gone, or one of both sides."""
    if both := set(given.yes) & set(given.no):
        raise Problem(400, f"marks: {kinds.shown(min(both))} is marked yes and no; give its latest mark")
    ids = (*given.yes, *given.no)
    numbers = {id: n for id in ids if (n := found.opaque.find(id)) is not None and reader.ids(n)}
    if gone := [kinds.shown(id) for id in ids if id not in numbers]:
        raise Problem(404, f"marks: there is no such item as {', '.join(gone)}; leave it out")
    return Marks(*([numbers[id] for id in side] for side in (given.yes, given.no)))


def _is_compared(against: Against, whole: Any, asked: shapes.Search, marks: Marks) -> bool:
    """Whether an answer is of two rankers: not where marks move it, nor where the other collection knows less."""
    if marks or not asked.query.strip():
        return False
    parts = whole if isinstance(whole, list) else [whole]
    queries = [part for part in parts if isinstance(part, query.Query)]
    terms = [*(part for part in parts if isinstance(part, Term)), *(term for one in queries for term in one.terms)]
    if against.other is None:
        return True
    return not asked.where and all(one.where is None for one in queries) and all(term.kind != "item" for term in terms)


def _with_regions(reader: Collection, answer: Answer, said: str | query.Query) -> Answer:
    """Each hit with the part of it that answers best what was written."""
    asked = said if isinstance(said, query.Query) else Term.of(said)

    def seen(hit: Hit) -> Hit:
        with suppress(BadInput):  # it has no file, or nothing is asked for that could be seen
            return replace(hit, region=reader.region(hit.id, asked, Allowed()))
        return hit

    return replace(answer, results=tuple(map(seen, answer.results)))


def read(found: Served, reader: Collection, text: str) -> query.Query:
    """A query with the items' own numbers in the place of opaque ids. Raises Problem for a number that was made up."""
    told, known = numbered(found, reader, text)
    parsed = query.parse(told)
    if any(term.kind == "item" and term.value not in known for term in (*parsed.terms, *parsed.never)):
        raise Problem(404, "there is no such item")
    return parsed


def numbered(found: Served, reader: Collection, text: str) -> tuple[str, set[str]]:
    """A query as it was written, with the items' own numbers in the place of opaque ids; and these numbers."""
    known: set[str] = set()

    def number(match: re.Match[str]) -> str:
        known.add(id := str(found.opened(reader, match[1])))
        return f"#{id}"

    return _ITEM.sub(number, text), known


def _written(asked: shapes.Search) -> str:
    """The query as the language writes it."""
    if asked.language == "plain":
        return asked.query
    try:
        return str(query.parse(asked.query)) if "#" not in asked.query else asked.query
    except BadInput:
        return asked.query
