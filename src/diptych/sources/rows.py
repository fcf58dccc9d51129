"""One row of somebody's data, whatever file it came from, and the way from rows to `Pairs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diptych.kinds import BadInput, Pairs, nearest

TEXTS = ("captions", "caption", "text")
"""The names a field with texts may have."""


@dataclass(frozen=True)
class Row:
    """One picture with its texts.

    image    its path below the folder of pictures; also its id
    labels   names of classes; None where the file has no word on labels
    split    the split that the row itself names; "" where it names none
    where    the file and line it was read from, for messages
    """

    image: str
    texts: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    split: str = ""
    where: str = ""


def row(fields: Mapping[str, Any], where: str, between: str = "") -> Row:
    """A row from the fields `image`, one of `captions`, `caption`, `text`, and perhaps `labels` and `split`.

    Texts and labels are one string or a list of strings. `between` is the mark that separates several in one string of
    `captions` or `labels`; files that have lists need none. Other fields are left alone.

    Raises BadInput, naming `where`, for a field that is missing or of another kind.
    """
    image = fields.get("image")
    if not isinstance(image, str) or not image:
        hint = nearest("image", fields) if "image" not in fields and fields else ""
        raise BadInput(f"{where}: `image` must be the path of a picture, found {image!r}{hint}")
    name = next((name for name in TEXTS if name in fields), None)
    if name is None:
        raise BadInput(f"{where}: no texts; give `captions`, `caption` or `text`{nearest('caption', fields)}")
    texts = _strings(fields[name], f"{where}: `{name}`", between if name == "captions" else "")
    labels = _strings(fields["labels"], f"{where}: `labels`", between) if "labels" in fields else None
    return Row(image, texts, labels, str(fields.get("split") or ""), where)


def merged(rows: Iterable[Row]) -> list[Row]:
    """Rows of the same picture as one: their texts in the order they stand in, their labels together.

    Raises BadInput where two rows put one picture in two splits.
    """
    found: dict[str, Row] = {}
    for new in rows:
        old = found.get(new.image)
        if old is None:
            found[new.image] = new
            continue
        if old.split != new.split:
            raise BadInput(
                f"{new.where}: {new.image} is in split {new.split!r} here and in {old.split!r} at {old.where}"
            )
        labels = old.labels
        if new.labels is not None:
            labels = tuple(dict.fromkeys((*(old.labels or ()), *new.labels)))
        found[new.image] = replace(old, texts=(*old.texts, *new.texts), labels=labels)
    return list(found.values())


def classes(rows: Iterable[Row]) -> tuple[str, ...] | None:
    """Every label that occurs, sorted; None when no row says anything about labels."""
    said = [row.labels for row in rows if row.labels is not None]
    return tuple(sorted({label for labels in said for label in labels})) if said else None


def pairs(rows: Sequence[Row], pictures: Path, classes: Sequence[str] | None = None) -> Pairs:
    """Rows as `Pairs`: images are paths below `pictures`, labels are 0/1 over `classes` (None: no labels).

    A picture's id is its `image`, and its texts are `image#0`, `image#1`, …
    """
    labels = None
    if classes is not None:
        column = {name: c for c, name in enumerate(classes)}
        labels = np.zeros((len(rows), len(classes)), dtype=bool)
        for i, row in enumerate(rows):
            labels[i, [column[name] for name in row.labels or ()]] = True
    return Pairs(
        [str(pictures / row.image) for row in rows],
        [text for row in rows for text in row.texts],
        np.repeat(np.arange(len(rows)), [len(row.texts) for row in rows]),
        labels,
        tuple(row.image for row in rows),
        tuple(f"{row.image}#{k}" for row in rows for k in range(len(row.texts))),
    )


def _strings(value: Any, where: str, between: str) -> tuple[str, ...]:
    """One string or several as a tuple, without blanks at the ends and without empty ones."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split(between) if between else [value]
    if not isinstance(value, list | tuple | np.ndarray) or not all(isinstance(text, str) for text in value):
        raise BadInput(f"{where} must be a string or a list of strings, found {str(value)[:60]!r}")
    return tuple(text.strip() for text in value if text.strip())
