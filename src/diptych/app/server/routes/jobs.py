"""Work that takes longer than a request: indexing, and looking for duplicates; how far it is, stop, go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from diptych.app.server import shapes
from diptych.app.server.guard import needs, router, served
from diptych.app.server.jobs import Job
from diptych.app.server.library import Served
from diptych.app.server.problems import Problem
from diptych.collection import Collection
from diptych.kinds import Progress

routes = router("/v1/collections/{collection}/jobs", "jobs")

HEARTBEAT = 15.0
"""Seconds between two signs of life, so that proxies do not take a quiet job for a dead one."""

_EVENT = {"data": {"type": "string", "contentMediaType": "application/json", "description": "a Job"}}
_EVENTS = {"content": {"text/event-stream": {"schema": {"type": "object", "properties": _EVENT}}}}


@routes.get("", **needs("read"))
def list_jobs(request: Request, collection: str) -> shapes.JobList:
    """Those that run and those that ended since the server was started, the latest first."""
    return shapes.JobList(jobs=[_told(job) for job in served(request, collection).jobs.all()])


@routes.post("", status_code=202, **needs("write"))
def start_indexing(request: Request, collection: str, index: shapes.Index) -> shapes.Job:
    """Bring the collection up to date with its folders."""

    def work(writer: Collection, progress: Progress) -> dict[str, Any]:
        report = writer.add(retry=index.retry, contents=index.contents, progress=progress)
        numbers = {name: value for name, value in asdict(report).items() if isinstance(value, int | float)}
        return numbers | {"failed": len(report.failures), "away": len(report.away), "passed": len(report.passed)}

    return _told(served(request, collection).jobs.start("index", work))


@routes.get("/{job}", **needs("read"))
def get_job(request: Request, collection: str, job: str) -> shapes.Job:
    """How far it is."""
    return _told(_job(served(request, collection), job))


@routes.get("/{job}/events", response_class=StreamingResponse, responses={200: _EVENTS}, **needs("read"))
def follow_job(request: Request, collection: str, job: str) -> StreamingResponse:
    """The job after each change, as server-sent events, until it ends."""
    found = served(request, collection)
    return StreamingResponse(
        _events(found, _job(found, job)), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
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


def _events(found: Served, job: Job) -> Iterator[str]:
    version = -1
    while True:
        changed = found.jobs.wait(job, version, HEARTBEAT)
        version = job.version
        yield f"data: {_told(job).model_dump_json()}\n\n" if changed else ": still here\n\n"
        if job.ended:
            return


def _job(found: Served, id: str) -> Job:
    job = found.jobs.get(id)
    if job is None:
        raise Problem(404, f"there is no job {id!r}; GET …/jobs lists them")
    return job


def _told(job: Job) -> shapes.Job:
    names = ("id", "kind", "state", "step", "done", "of", "error", "created")
    return shapes.Job(**{name: getattr(job, name) for name in names}, report=dict(job.report))
