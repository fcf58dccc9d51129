"""What people do with answers: kept, told to themselves, forgotten, and handed out as training pairs.

Each caller is one user of the collection's feedback, by the id of their key, or "owner" on one's own machine. What one
of them marked is nobody else's to see, and moves nobody else's answers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import Query, Request, Response

from diptych.app.server import shapes
from diptych.app.server.guard import caller_of, needs, router, served
from diptych.app.server.library import Served
from diptych.app.server.problems import Problem
from diptych.app.server.routes.search import numbered
from diptych.app.server.settings import Settings
from diptych.collection import Collection

routes = router("/v1/collections/{collection}/feedback", "feedback")

JSONL = "application/jsonl"

_LINES = {"content": {JSONL: {"schema": {"type": "string"}}}}

User = Annotated[str | None, Query(min_length=1, max_length=200)]
Written = Annotated[str, Query(min_length=1, max_length=4_000)]


@routes.post("", status_code=204, **needs("read"))
def give_feedback(request: Request, collection: str, given: shapes.Feedback) -> None:
    """Keep what the caller did with an answer. It is on the disk when this is answered."""
    found, user = served(request, collection), caller_of(request).user
    settings: Settings = request.app.state.settings
    _check_kept(request, found)
    kind, value = _said(given)
    with found.reader() as reader:
        item = found.opened(reader, given.item)
        query, _ = numbered(found, reader, given.query)
        team = found.drafts.team(given.answer, user, reader.feedback.asked(query), item)
    shown = [found.opaque.find(id) for id in given.shown]
    if None in shown:
        raise Problem(404, "shown: there is no such item")

    above = [id for id in shown if id is not None]

    def kept(writer: Collection) -> None:
        if writer.feedback.count(user) >= settings.max_feedback:
            raise Problem(
                409, f"{settings.max_feedback:,} events are kept of you, and no more; DELETE …/feedback forgets them"
            )
        if team is not None and kind in ("click", "yes"):
            writer.experiment.record(team, user, query, item, kind, given.rank, above)
        else:
            writer.feedback.record(user, query, item, kind, value, given.rank, above)

    found.write(kept)


@routes.get("", **needs("read"))
def standing_marks(request: Request, collection: str, query: Written) -> shapes.Marks:
    """The latest 1,000 marks that the caller gave to answers of a query, as it was written, and did not take back."""
    found, user = served(request, collection), caller_of(request).user
    with found.reader() as reader:
        marks = reader.feedback.marks(user, numbered(found, reader, query)[0])
        yes, no = ([id for one in side for id in reader.ids(one)] for side in (marks.yes, marks.no))
    return shapes.Marks(yes=found.opaque.hide(yes), no=found.opaque.hide(no))


@routes.delete("", **needs("read"))
def forget_feedback(request: Request, collection: str, user: User = None) -> shapes.Forgotten:
    """Delete all that is kept of the caller, and what was learned from it; for administrators, of any user."""
    found, caller = served(request, collection), caller_of(request)
    if user not in (None, caller.user) and not caller.may("admin"):
        raise Problem(403, "user: what is kept of others an administrator deletes; leave it out for your own")
    _check_writable(found)

    return shapes.Forgotten(events=found.write(lambda writer: writer.feedback.forget(user or caller.user)))


@routes.get("/export", response_class=Response, responses={200: _LINES}, **needs("admin"))
def export_feedback(request: Request, collection: str, user: User = None) -> Response:
    """Marks as training pairs, one picture a line, of all users or of one; who marked it is not told."""
    found = served(request, collection)
    with tempfile.TemporaryDirectory() as folder, found.reader() as reader:
        if reader.is_encrypted:  # nothing of it is written to a disk as it is
            raise Problem(409, f"{found.name} is encrypted; where it lies: diptych feedback FOLDER --export FILE.jsonl")
        file = Path(folder) / "feedback.jsonl"
        reader.feedback.export(file, user)
        lines = file.read_bytes()
    headers = {"Content-Disposition": 'attachment; filename="feedback.jsonl"', "Cache-Control": "no-store"}
    return Response(lines, media_type=JSONL, headers=headers)


def _said(given: shapes.Feedback) -> tuple[str, float]:
    """The kind of the event, and its value."""
    if given.mark is not None and given.kind != "mark":
        raise Problem(422, f"mark: a {given.kind} has none; send the mark by itself")
    if (given.seconds is None) == (given.kind == "dwell"):
        raise Problem(422, "seconds: a dwell has them, and nothing else; say for how long it was looked at")
    kind = (given.mark or "unmarked") if given.kind == "mark" else given.kind
    return kind, 1.0 if given.seconds is None else given.seconds


def _check_kept(request: Request, found: Served) -> None:
    settings: Settings = request.app.state.settings
    if not settings.feedback:
        raise Problem(409, "this server keeps no feedback; who runs it sets DIPTYCH_FEEDBACK")
    _check_writable(found)


def _check_writable(found: Served) -> None:
    if not found.is_writable:
        raise Problem(409, f"{found.name} can be read and not written here, so nothing is kept and nothing deleted")
