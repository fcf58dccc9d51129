"""Marks as training pairs: a picture, and the words it was found right, or wrong, for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diptych.collection.exchange import write_lines
from diptych.collection.feedback import log
from diptych.collection.query import Query
from diptych.collection.store import Store
from diptych.kinds import BadInput, batches


def export(store: Store, read: Callable[[str], Query], path: Path, user: str | None) -> int:
    """Write the marks that stand to a `.jsonl` file, as `datasets.local` reads it; how many pictures.

    What one person marks yes and another no for the same words is in both fields.
    """
    return write_lines(path, lambda: _lines(store, read, user))


def _lines(store: Store, read: Callable[[str], Query], user: str | None) -> list[dict[str, Any]]:
    said: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
    asked = "SELECT DISTINCT user, query FROM events WHERE kind IN ('yes', 'no') AND ? IN ('', user)"
    for who, query in sorted(store.rows(asked, (user or "",))):
        words = _words(read, query)
        for side, ids in enumerate(log.marks(store, who, query) if words else ()):
            for id in ids:
                said.setdefault(id, ({}, {}))[side][words] = None
    lines = []
    for some in batches(sorted(said), 500):
        for item in store.items(some):
            if item.size is not None:
                yes, no = said[item.id]
                lines.append({"image": store.full_path(item.kept), "captions": list(yes), "not": list(no)})
    return lines


def _words(read: Callable[[str], Query], query: str) -> str:
    """The words that a query looks for; "" where it has none, or is none any more."""
    try:
        return " ".join(term.value for term in read(query).terms if term.kind == "text" and term.weight > 0)
    except BadInput:
        return ""
