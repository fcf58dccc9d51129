"""Work that takes longer than a request: it tells how far it is, may be stopped, and goes on where it was."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from diptych.collection import Collection
from diptych.kinds import BadInput, Progress

if TYPE_CHECKING:
    from diptych.app.server.library import Writer

State = Literal["waiting", "running", "done", "failed", "stopped"]

ENDED: frozenset[State] = frozenset({"done", "failed", "stopped"})

KEPT = 100
"""Jobs that are remembered after their end."""

Work = Callable[[Collection, Progress], Mapping[str, Any]]


class Stopped(Exception):
    """Somebody asked for the end; what was done is kept."""


@dataclass
class Job:
    """One piece of work.

    done, of   what is finished of how many; `step` says of what
    report     what came of it
    version    grows with every change, for those who follow it
    """

    kind: str
    work: Work = field(repr=False)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "waiting"
    step: str = ""
    done: int = 0
    of: int = 0
    error: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    version: int = 0
    stopping: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Jobs:
    """The jobs of one collection, which its writer does in turn."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._jobs: dict[str, Job] = {}
        self._lock = threading.RLock()

    def start(self, kind: str, work: Work) -> Job:
        job = Job(kind, work)
        with self._lock:
            ended = [id for id, one in self._jobs.items() if one.ended]
            for id in ended[: max(0, len(ended) - KEPT)]:
                del self._jobs[id]
            self._jobs[job.id] = job
        self._writer.submit(lambda collection: self._run(job, collection), long=True).add_done_callback(
            lambda future: self._failed(job, future.exception())
        )
        return job

    def resume(self, job: Job) -> Job:
        """Do it again: what is done is found done, so that it goes on behind it."""
        return self.start(job.kind, job.work)

    def stop(self, job: Job) -> None:
        with self._lock:
            job.stopping = True
            if job.state == "waiting":
                self._tell(job, state="stopped")

    def get(self, id: str) -> Job | None:
        return self._jobs.get(id)

    def all(self) -> list[Job]:
        """The latest first."""
        return sorted(self._jobs.values(), key=lambda job: -job.created)

    def close(self) -> None:
        for job in list(self._jobs.values()):
            self.stop(job)

    def _run(self, job: Job, collection: Collection) -> None:
        if job.stopping:
            return
        self._tell(job, state="running")

        def progress(what: str, done: int, of: int) -> None:
            self._tell(job, step=what, done=done, of=of)
            self._writer.between(collection)
            if job.stopping:
                raise Stopped

        self._tell(job, report=job.work(collection, progress), state="done")

    def _failed(self, job: Job, error: BaseException | None) -> None:
        if isinstance(error, Stopped):
            self._tell(job, state="stopped")
        elif error is not None:
            told = (
                str(error) if isinstance(error, BadInput) else "the server met a fault of its own; its log tells more"
            )
            self._tell(job, state="failed", error=told)

    def _tell(self, job: Job, **facts: Any) -> None:
        with self._lock:
            for name, value in facts.items():
                setattr(job, name, value)
            job.version += 1
