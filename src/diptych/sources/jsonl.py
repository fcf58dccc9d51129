"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diptych.kinds import BadInput
from diptych.sources.rows import Row, row


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line that is not blank.

    Raises BadInput, naming file and line, where a line is not a JSON object.
    """
    with open(path, encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except json.JSONDecodeError as error:
                    raise BadInput(
                        f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}); give one object a line"
                    ) from None
                if not isinstance(value, dict):
                    raise BadInput(f"{path}, line {number}: expected an object {{…}}, found {line.strip()[:60]!r}")
                yield number, value
        except UnicodeDecodeError as error:
            raise BadInput(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def rows(path: Path) -> list[Row]:
    """The pictures of a file of `{"image", "captions" | "caption" | "text", "labels"?, "split"?}` lines."""
    return [row(fields, f"{path}, line {number}") for number, fields in objects(path)]
