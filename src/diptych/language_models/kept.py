"""What was answered is kept by model, prompt and form, so that nothing is asked and paid for twice."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from diptych.language_models.forms import Form, Unanswered
from diptych.language_models.model import LanguageModel, Prompt
from diptych.sources import cache


class Kept(LanguageModel):
    """A model whose answers are kept in one SQLite file, `answers.sqlite` of the cache where none is named.

    It keeps what was said, not what was asked: prompts and pictures are known by their digest alone. The file may be
    deleted at any time. One that is damaged or cannot be written is done without.
    """

    def __init__(self, model: LanguageModel, file: str | Path | None = None) -> None:
        self.model = model
        self.name, self.sends, self.at_once, self.spent = model.name, model.sends, model.at_once, model.spent
        self._file = Path(file) if file is not None else cache.home() / "answers.sqlite"
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None

    def answer(self, prompt: Prompt, form: Form, until: float | None = None) -> Any:
        key = prompt.digest(self.name, form.field, json.dumps(form.schema()))
        with suppress(Unanswered):  # of another version of the form
            if text := self._found(key):
                value = form.read(text)
                self.spent.add(kept=1)
                return value
        value = self._answer(prompt, form, until)
        self._keep(key, json.dumps({form.field: value}))
        return value

    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        return self.model.answer(prompt, form, until)

    def _found(self, key: str) -> str:
        with self._lock, suppress(sqlite3.Error, OSError):
            row = self._open().execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
            return row[0] if row and isinstance(row[0], str) else ""
        return ""

    def _keep(self, key: str, text: str) -> None:
        with self._lock, suppress(sqlite3.Error, OSError), self._open() as database:
            database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, text))

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._file, timeout=5, check_same_thread=False)
            try:
                database.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT) WITHOUT ROWID")
            except sqlite3.DatabaseError as error:
                database.close()
                if not isinstance(error, sqlite3.OperationalError):  # which is one that is locked, or has no room
                    self._file.unlink(missing_ok=True)
                raise
            self._database = database
        return self._database
