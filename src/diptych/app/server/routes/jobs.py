"""Work that takes longer than a request: indexing, looking for duplicates, learning; how far it is, stop, go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse

from diptych.app.server import shapes
from diptych.app.server.guard import needs, router, served
from diptych.app.server.jobs import ENDED, Job
from diptych.app.server.library import Served
from diptych.app.server.problems import Problem
from diptych.app.server.routes import shown
from diptych.collection import Collection
from diptych.collection.duplicates import Picture
from diptych.kinds import Progress

routes = router("/v1/collections/{collection}/jobs", "jobs")

HEARTBEAT = 15.0
"""Seconds between two signs of life, so that proxies do not take a quiet job for a dead one."""

TICK = 0.1
"""Seconds between two looks at a job that is followed."""

GROUPS = 500
"""Groups of duplicates that a report lists."""

_EVENT = {"data": {"type": "string", "contentMediaType": "application/json", "description": "a Job"}}
_EVENTS = {"content": {"text/event-stream": {"schema": {"type": "object", "properties": _EVENT}}}}


@routes.get("", **needs("read"))
def list_jobs(request: Request, collection: str) -> shapes.JobList:
    """Those that run and those that ended since the server was started, the latest first."""
    return shapes.JobList(jobs=[_told(job) for job in served(request, collection).jobs.all()])


@routes.post("", status_code=202, **needs("write"))
def start_job(request: Request, collection: str, index: shapes.Index) -> shapes.Job:
    """Bring the collection up to date, look for duplicates (the report has `groups`), or learn from feedback.

    What is learned orders answers where it is better on feedback that was held out; the report says so.
    """
    found = served(request, collection)
    if index.kind == "learn":
        return _told(found.jobs.start("learn", _learned))
    if index.kind == "duplicates":
        return _told(found.jobs.start("duplicates", lambda writer, progress: _groups(request, found, writer, progress)))

    def work(writer: Collection, progress: Progress) -> dict[str, Any]:
        report = writer.add(retry=index.retry, contents=index.contents, progress=progress)
        numbers = {name: value for name, value in asdict(report).items() if isinstance(value, int | float)}
        return numbers | {"failed": len(report.failures), "away": len(report.away), "passed": len(report.passed)}

    return _told(found.jobs.start("index", work))


@routes.get("/{job}", **needs("read"))
def get_job(request: Request, collection: str, job: str) -> shapes.Job:
    """How far it is."""
    return _told(_job(served(request, collection), job))


@routes.get("/{job}/events", response_class=StreamingResponse, responses={200: _EVENTS}, **needs("read"))
def follow_job(request: Request, collection: str, job: str) -> StreamingResponse:
    """The job after each change, as server-sent events, until it ends."""
    found = served(request, collection)
    return StreamingResponse(
        _events(_job(found, job)), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


@routes.delete("/{job}", **needs("write"))
def stop_job(request: Request, collection: str, job: str) -> shapes.Job:
    """Ask for its end. What is done is kept."""
    found = served(request, collection)
    one = _job(found, job)
    found.jobs.stop(one)
    return _told(one)


@routes.post("/{job}/resume", status_code=202, **needs("write"))
def resume_job(request: Request, collection: str, job: str) -> shapes.Job:
    """Go on with a job that ended, behind what is done."""
    found = served(request, collection)
    one = _job(found, job)
    if not one.ended:
        raise Problem(409, "the job runs; stop it first, or wait for its end")
    return _told(found.jobs.resume(one))


async def _events(job: Job) -> AsyncIterator[str]:
    """In no thread: who follows is many and stays long, and those who ask would wait for theirs."""
    version, quiet = -1, 0.0
    while True:
        if job.version != version:
            version, told, quiet = job.version, _told(job), 0.0
            yield f"data: {told.model_dump_json()}\n\n"
            if told.state in ENDED:  # as it was told: the job may have ended since
                return
        elif quiet >= HEARTBEAT:
            quiet = 0.0
            yield ": still here\n\n"
        await anyio.sleep(TICK)
        quiet += TICK


def _groups(request: Request, found: Served, writer: Collection, progress: Progress) -> dict[str, Any]:
    """The largest groups of each kind, and how many there are."""
    duplicates = writer.duplicates(progress=progress)
    some = duplicates.groups[:GROUPS]

    def twins(pictures: tuple[Picture, ...]) -> list[shapes.Twin]:
        items = shown.items(request, found, [writer.get(picture.id) for picture in pictures])
        return [
            shapes.Twin(item=item, why=list(picture.why), words=list(picture.words))
            for item, picture in zip(items, pictures, strict=True)
        ]

    groups = [shapes.Group(kind=group.kind, keep=twins((group.keep,))[0], others=twins(group.others)) for group in some]
    return {
        "groups": [group.model_dump() for group in groups],
        "total": len(duplicates.groups),
        "unread": len(duplicates.unread),
    }


def _learned(writer: Collection, progress: Progress) -> dict[str, Any]:
    """What was learned for all, and for how many people something of their own. It names nobody."""
    people = writer.feedback.users()
    progress("learned", 0, 1 + len(people))
    for_all = writer.feedback.learn()
    own = 0
    for done, user in enumerate(people, 1):
        progress("learned", done, 1 + len(people))
        own += writer.feedback.learn(user).on
    numbers = ("on", "sessions", "held_out", "before", "after", "low", "high")
    said = {name: getattr(for_all, name) for name in numbers}
    return said | {"said": str(for_all), "people": len(people), "people_on": own}


def _job(found: Served, id: str) -> Job:
    job = found.jobs.get(id)
    if job is None:
        raise Problem(404, f"there is no job {id!r}; GET …/jobs lists them")
    return job


def _told(job: Job) -> shapes.Job:
    names = ("id", "kind", "state", "step", "done", "of", "error", "created")
    return shapes.Job(**{name: getattr(job, name) for name in names}, report=dict(job.report))
