"""Marks of the answers to one query, and the query moved by them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.collection import arguments
from diptych.kinds import Array, BadInput, Floats, Space

MOST = 1000
"""Marks of one query."""


@dataclass(frozen=True)
class Marks:
    """What a person says of answers to one query: `yes`, such ones; `no`, not these. Each by its id or its key.

    Raises BadInput for what is no list of items, and for more than 1,000.
    """

    yes: Sequence[int | str | Path] = ()
    no: Sequence[int | str | Path] = ()

    def __post_init__(self) -> None:
        for side in ("yes", "no"):
            object.__setattr__(self, side, tuple(dict.fromkeys(arguments.names(getattr(self, side)))))
        if len(self.yes) + len(self.no) > MOST:
            raise BadInput(f"marks: {len(self.yes) + len(self.no):,} of one query; give {MOST:,} at most")

    def __bool__(self) -> bool:
        return bool(self.yes or self.no)


@dataclass(frozen=True)
class Moved:
    """vector   (1, d) the query as it is asked now
    by       in plain words what moved it
    """

    vector: Array
    by: str


def moved(space: Space, query: Array, yes: Array, no: Array, background: Array) -> Moved:
    """A query (1, d) moved towards the rows marked yes and away from those marked no.

    background   (n, d) rows that stand for the collection

    Raises BadInput in the space `hamming`.
    """
    if space.name not in ("cosine", "dot", "l2"):
        raise BadInput(f"marks: rows of the space {space!r} have no sum, so marks cannot move a query; search without")
    return Moved(_placed(space, query, _rocchio(yes, no)), "marks (Rocchio)")


def _rocchio(yes: Array, no: Array) -> Floats:
    sides = ((0.75, yes), (-0.15, no))
    return np.asarray(np.sum([weight * rows.mean(axis=0) for weight, rows in sides if len(rows)], axis=0))


def _placed(space: Space, query: Array, step: Floats) -> Array:
    """The query whose score is that of the old one and `step` · row, but for a constant."""
    return space.normalise(query + (step / 2 if space.name == "l2" else step)[None])
