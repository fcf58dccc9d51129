"""Which test calls which function of the package, and how long each test takes: for `mutants.py`.

A pytest plugin, and begun in every process by a `sitecustomize`, so that children tell of themselves as well. What is
seen for the first time under a test is appended to the file `$TRACED` at once: a child may be killed. The file is
opened before any test begins, since some watch what is opened, and some put another in the place of `os.write`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType

SOURCE = os.environ.get("TRACED_SOURCE", "")
_TEST = b"PYTEST_CURRENT_TEST"


@cache
def _log() -> tuple[Callable[[int, bytes], int], int]:
    return os.write, os.open(os.environ["TRACED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def begin() -> None:
    write, log = _log()
    now = os.environ._data  # type: ignore[attr-defined]  # the bytes themselves: this is asked at every call
    seen: set[tuple[bytes | None, CodeType]] = set()

    def called(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code.co_filename.startswith(SOURCE) and (now.get(_TEST), code) not in seen:
            seen.add((now.get(_TEST), code))
            test = os.environ.get("PYTEST_CURRENT_TEST", "")
            place = [test, os.path.relpath(code.co_filename, SOURCE), code.co_firstlineno]
            write(log, json.dumps(place).encode() + b"\n")

    threading.settrace(called)
    sys.settrace(called)


def pytest_runtest_logreport(report: object) -> None:
    write, log = _log()
    line = json.dumps([report.nodeid, report.duration, report.outcome])  # type: ignore[attr-defined]
    write(log, line.encode() + b"\n")
