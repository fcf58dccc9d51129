"""The audit log: one line of JSON a call, one file a day, the last days kept.

The day stands in the name of its file, so that nothing is renamed while other processes write; and a line is written
whole or not at all, under a lock of the file. Queries, captions and names of files are not in it.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from diptych.app.server.access import files
from diptych.kinds import BadInput

LETTERS = 200
"""Of a text in a line: what a stranger sends must not fill the disk."""

_NAME = re.compile(r"audit-\d{4}-\d\d-\d\d\.jsonl")


Handed = Literal["", "told", "shown", "opened", "original", "vector", "brought"]
"""told: in a list or an answer. shown: a small picture. opened: its record or a large picture. brought: uploaded."""


class NotWritten(BadInput):
    """The audit log cannot be written, and the server refuses to answer without it (HTTP 503)."""


@dataclass(frozen=True)
class Call:
    """One call that was checked, granted or not.

    who          the public id of the key, "" of the owner or of nobody
    name         what the caller is called
    what         the route: method and template, never the address with what stands in it
    status       of HTTP
    handed       what of items was handed over (see `Handed`); "" where nothing was
    items        of how many; `ids` are theirs, for the detector, and are not written down
    sent         bytes of pictures in the answer
    address      who is connected
    """

    time: float
    who: str
    name: str
    tenant: str
    what: str
    collection: str
    status: int
    address: str
    handed: Handed = ""
    items: int = 0
    sent: int = 0
    ids: tuple[int, ...] = field(default=(), repr=False)

    def line(self) -> bytes:
        """JSON in ASCII on one line, whatever the texts hold."""
        at = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds")
        facts: dict[str, Any] = {"time": at, "who": self.who, "name": self.name, "tenant": self.tenant}
        facts |= {"what": self.what, "collection": self.collection, "status": self.status, "address": self.address}
        facts |= {"handed": self.handed, "items": self.items, "sent": self.sent}
        short = {key: value[:LETTERS] if isinstance(value, str) else value for key, value in facts.items()}
        return json.dumps(short).encode("ascii") + b"\n"


class Audit:
    """The log of a server; any thread may write, and any number of processes.

    days     files that are kept, today's included
    strict   what to do while it cannot be written: True refuses every call, False answers, and `trouble` tells of it
    clock    seconds since 1970
    """

    def __init__(
        self, folder: Path, days: int = 7, strict: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        if days < 1:
            raise BadInput(f"days: {days}; the audit log keeps one file at least, today's")
        self.folder = files.made(folder)
        self.trouble = ""
        """Why the last line was not written; "" when it was. For /readyz."""
        self._days, self._strict, self._clock = days, strict, clock
        self._file, self._day = -1, ""
        self._lock = threading.Lock()

    def write(self, call: Call) -> None:
        """Add a line. Raises NotWritten where that fails, if the log is strict."""
        with self._lock:
            try:
                self._append(call.line())
                self.trouble = ""
            except (OSError, BadInput) as error:
                self._close()
                why = getattr(error, "strerror", None) or error
                self.trouble = f"the audit log in {self.folder} cannot be written: {why}"
        if self.trouble and self._strict:
            raise NotWritten("the audit log cannot be written, and nothing is answered without it; see the server log")

    def close(self) -> None:
        with self._lock:
            self._close()

    def _append(self, line: bytes) -> None:
        day = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%d")
        if day != self._day or os.fstat(self._file).st_nlink == 0:  # somebody deleted it
            self._close()
            path = self.folder / f"audit-{day}.jsonl"
            self._file = os.open(files.private(path), os.O_WRONLY | os.O_APPEND)
            self._day = day
            self._drop()
        with _locked(self._file):
            before = os.fstat(self._file).st_size
            if os.write(self._file, line) != len(line):
                os.ftruncate(self._file, before)
                raise OSError("the disk is full")

    def _drop(self) -> None:
        """Delete what is older than the days that are kept."""
        kept = sorted(file for file in self.folder.iterdir() if _NAME.fullmatch(file.name))
        for file in kept[: -self._days]:
            with suppress(FileNotFoundError):  # another process was first
                file.unlink()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = -1, ""


@contextmanager
def _locked(file: int) -> Iterator[None]:
    """Other processes wait; on Windows, where one process serves, nobody has to."""
    if os.name == "nt":
        yield
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
