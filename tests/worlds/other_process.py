"""What another process does at the same time. A process that is spawned finds it: this folder is on its path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from diptych.app.server.access.audit import Audit, Call
from diptych.app.server.access.caller import Unauthorised
from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys


def write(folder: Path, call: Call, who: str, n: int) -> None:
    """So many lines of an audit log."""
    audit = Audit(folder, clock=lambda: 1_800_000_000.0)
    for number in range(n):
        audit.write(replace(call, who=who, status=number))


def check(folder: Path, questions: Any, answers: Any) -> None:
    """Whom each key is of, until there is none."""
    with Database(folder) as database:
        keys = Keys(database)
        for token in iter(questions.get, None):
            try:
                answers.put(keys.check(token).name)
            except Unauthorised as error:
                answers.put(str(error))
