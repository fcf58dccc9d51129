"""What readers of composed retrieval and dialogues share: JSON of others read, names made rows, answers judgements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diptych.datasets._checked import present
from diptych.kinds import BadInput, Card, Ints, Listed, Pairs


def told(card: Card, file: Path, kind: type = list) -> Any:
    """What a JSON file holds. Raises BadInput where it is missing, no JSON, or of another kind."""
    data = present(card, file).read_bytes()
    try:
        found = json.loads(data)
    except ValueError as error:
        raise BadInput(f"{file}: it does not read as JSON ({error}); fetch it anew. {card.get}") from None
    if not isinstance(found, kind):
        raise BadInput(f"{file}: it holds no {'list' if kind is list else 'object'}; it is not the published file")
    return found


def field(row: Any, name: str, file: Path) -> Any:
    """A field of a row. Raises BadInput naming both where it is not there."""
    try:
        return row[name]
    except (KeyError, TypeError, IndexError):
        raise BadInput(f"{file}: a row has no {name!r}; it is not the published file, or of a test split") from None


def counted(card: Card, split: str, names: Sequence[str]) -> dict[str, int]:
    """Name -> row of the pictures of a split, if they are as many as the card says."""
    if len(names) != card.splits[split]:
        raise BadInput(
            f"{card.name}, {split}: found {len(names)} pictures, expected {card.splits[split]}; "
            f"the copy is not the published one. {card.get}"
        )
    return {name: row for row, name in enumerate(names)}


def row_of(rows: Mapping[str, int], name: Any, file: Path) -> int:
    """The row of a picture. Raises BadInput for one that is not among those that are searched."""
    try:
        return rows[name]
    except (KeyError, TypeError):
        raise BadInput(
            f"{file}: {name!r} is not among the pictures of the split; both files are of one release"
        ) from None


def judged(answers: Sequence[Sequence[int]], query_ids: Sequence[str], names: Sequence[str]) -> Listed:
    """Rows that answer each query, the first of them first."""
    queries = np.repeat(np.arange(len(answers)), [len(rows) for rows in answers])
    items: Ints = np.array([row for rows in answers for row in rows], dtype=np.int64)
    return Listed(queries, items, tuple(query_ids), tuple(names))


def unpaired(card: Card, split: str, needed: Path) -> Pairs:
    """For `read`: no text is of a picture. Where what is needed is not there either, says what to get."""
    present(card, needed)
    raise BadInput(
        f"{card.name} pairs no pictures with texts, so there is no split {split!r} to fit on; schemes ask it"
    )
