"""The items of a collection: list, look at, say something of, add, take out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, UploadFile

from diptych.app.server import inbox, shapes
from diptych.app.server.guard import needs, router, served
from diptych.app.server.problems import Problem
from diptych.app.server.routes import shown

routes = router("/v1/collections/{collection}/items", "items")


@routes.get("", **needs("read"))
def list_items(
    request: Request,
    collection: str,
    where: Annotated[str | None, Query(max_length=4_000)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> shapes.Items:
    """Those that pass a filter of the query language, the latest first."""
    found = served(request, collection)
    with found.reader() as reader:
        answer = reader.search("", limit, offset, where=where or None, fields=True, language="plain")
    items = shown.items(request, found, shown.items_of(answer.results))
    return shapes.Items(total=answer.total, offset=offset, items=items)


@routes.post("", status_code=201, **needs("write"))
def upload(request: Request, collection: str, files: list[UploadFile]) -> shapes.Stored:
    """Add picture files. Those that are no pictures are refused one by one, with the reason; the others are kept."""
    found = served(request, collection)
    taken, refused = [], []
    for file in files:
        try:
            taken.append(inbox.take(found.inbox, file.filename or "", file.file))
        except Problem as problem:
            refused.append(shapes.Refused(name=file.filename or "", why=problem.detail))
    if not taken:
        raise Problem(415, f"files: {refused[0].why}" if refused else "files: there is none")
    try:
        report = found.write(lambda writer: writer.add(*taken))
    except Exception:
        for path in taken:
            inbox.discarded(str(path))
        raise
    why = dict(report.failures)
    with found.reader() as reader:
        added = [path for path in taken if reader.ids(path)]
        for path in taken:
            if path not in added:
                said = why.get(str(path), "this picture was deleted from the collection for good")
                refused.append(shapes.Refused(name=inbox.discarded(str(path)), why=said))
        items = [reader.get(path) for path in added]
        return shapes.Stored(items=shown.items(request, found, items, "brought"), refused=refused)


@routes.get("/{item}", **needs("read"))
def get_item(request: Request, collection: str, item: str) -> shapes.Item:
    """One of them."""
    found = served(request, collection)
    with found.reader() as reader:
        return shown.items(request, found, [reader.get(found.opened(reader, item))], "opened")[0]


@routes.patch("/{item}", **needs("write"))
def annotate(request: Request, collection: str, item: str, words: shapes.Words) -> shapes.Item:
    """Say something of an item, in the place of what was given before or, with `merge`, besides."""
    found = served(request, collection)
    with found.reader() as reader:
        id = found.opened(reader, item)
    given = found.write(
        lambda writer: writer.annotate(id, words.captions, words.tags, words.metadata, merge=words.merge)
    )
    return shown.items(request, found, [given])[0]


@routes.delete("/{item}", status_code=204, **needs("write"))
def delete(request: Request, collection: str, item: str, erase: bool = False) -> None:
    """Take an item out, with its thumbnails. An uploaded file is deleted, and nothing of it is left on the disk.

    A file in a person's own folder stays where it is, is left out from now on, and what was said of it waits. With
    `erase` nothing of it is left in the collection either, and it comes back as new when its folder is looked at.
    """
    found = served(request, collection)
    with found.reader() as reader:
        gone = reader.get(found.opened(reader, item))
    was_uploaded = gone.path is not None and inbox.has(found.inbox, gone.path)
    if was_uploaded:
        inbox.discarded(str(gone.path))
    if was_uploaded or erase:
        found.write(lambda writer: writer.erase([gone.id]))
    else:
        found.write(lambda writer: writer.remove([gone.id], forever=True))
    found.thumbnails.forget([gone.digest])


@routes.get("/{item}/similar", **needs("read"))
def similar(
    request: Request,
    collection: str,
    item: str,
    k: Annotated[int, Query(ge=1, le=1_000)] = 20,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
    diverse: Annotated[float, Query(ge=0, le=1)] = 0.0,
    where: Annotated[str | None, Query(max_length=4_000)] = None,
) -> shapes.Answer:
    """What is most like an item."""
    found = served(request, collection)
    with found.reader() as reader:
        answer = reader.similar(found.opened(reader, item), k, offset, diverse, where=where or None, fields=True)
        return shapes.Answer(
            query=f"#{item}",
            written=f"#{item}",
            verdict=answer.verdict,
            results=shown.hits(request, found, answer.results),
            seconds=answer.seconds,
            total=answer.total,
            offset=offset,
            hints=list(answer.hints),
            ranked_by=answer.ranked_by,
        )


@routes.get("/{item}/captions", **needs("read"))
def captions(
    request: Request, collection: str, item: str, k: Annotated[int, Query(ge=1, le=100)] = 5
) -> shapes.Captions:
    """The texts of the collection that say most nearly what the picture shows."""
    found = served(request, collection)
    with found.reader() as reader:
        near = reader.captions(found.opened(reader, item), k)
    return shapes.Captions(captions=[shapes.Caption(text=text, score=score) for text, score in near])
