"""What callers hand over, looked at once, at the door: taken on purpose, or refused in one line with the way out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from diptych.collection.items import Scalar, Value
from diptych.kinds import BadInput, listed, shown
from diptych.kinds import place as place


@dataclass(frozen=True)
class Allowed:
    """Which picture files a query may open: those in these folders, at any depth and by whatever link. None by default.

    ANYTHING   every file that this process may read: for who asks on a machine of their own
    """

    folders: Sequence[str | Path] | None = ()

    ANYTHING: ClassVar[Allowed]

    def __post_init__(self) -> None:
        if self.folders is not None:
            places = tuple(place(folder) for folder in listed(self.folders, "Allowed", "folders"))
            object.__setattr__(self, "folders", places)


Allowed.ANYTHING = Allowed(None)


def check_may_open(allowed: Allowed, path: str, asked: str) -> None:
    """Raises BadInput for a file that may not be opened, in the same words whether it is there or not.

    asked   the path as it was written, which alone is told: a home is nobody's business
    """
    if allowed.folders is None:
        return
    try:
        full = Path(os.path.realpath(path))
        may = any(full.is_relative_to(os.path.realpath(folder)) for folder in allowed.folders)
    except ValueError:  # it holds a zero byte
        may = False
    if not may:
        raise BadInput(f"query: {shown(asked)} may not be opened here; a text goes in quotes with a weight, 1:")


class Ids(list[int]):
    """The ids of what was written, in its order.

    normalised   how many rows were not of unit length, in the space `cosine`, and were brought to it
    """

    normalised: int = 0


class Number(int):
    """How many were written. normalised: as of `Ids`."""

    normalised: int = 0

    @classmethod
    def of(cls, n: int, normalised: int) -> Self:
        number = cls(n)
        number.normalised = normalised
        return number


def name(thing: Any) -> int | str | Path:
    """What an item is called by: its id, its key, or the path of its file."""
    if isinstance(thing, int | np.integer) and not isinstance(thing, bool) and abs(int(thing)) < 2**63:
        return int(thing)
    if isinstance(thing, str | Path) and str(thing):
        return thing
    raise BadInput(f"{shown(thing)} is no item; give an id (a whole number) or a key (a text, or the path of a file)")


def names(things: Any) -> list[int | str | Path]:
    """Several items; BadInput for one alone, whose letters would be taken for many."""
    if isinstance(things, int | np.integer | Path):
        raise BadInput(f"{shown(things)} is one item; put it in a list")
    return [name(thing) for thing in listed(things, "a call for several items", "ids or keys")]


def ids(things: Any, what: str) -> tuple[int, ...]:
    """Ids of items, as they are called when nobody looks them up."""
    found = listed(things, what, "ids")
    for id in found:
        if not isinstance(id, int | np.integer) or isinstance(id, bool) or not 0 <= id < 2**63:
            raise BadInput(f"{what}: {shown(id)} is no id of an item; give whole numbers")
    return tuple(map(int, found))


def strings(values: Any, what: str) -> tuple[str, ...]:
    """Texts; BadInput for one alone and for anything else."""
    texts = tuple(listed(values, what, "texts"))
    for text in texts:
        if not isinstance(text, str):
            raise BadInput(f"{what}: {shown(text)} is no text")
    return texts


def whole(value: Any, what: str, least: int, most: int, so: str) -> int:
    """A whole number in its bounds. so: what to give."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise BadInput(f"{what}: {shown(value)}; {so}")
    return int(value)


def number(value: Any, what: str, least: float, most: float, so: str) -> float:
    """A number in its bounds, which are never NaN."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise BadInput(f"{what}: {shown(value)}; {so}")
    return float(value)


def one_of(value: Any, what: str, choices: Iterable[str]) -> str:
    if not (isinstance(value, str) and value in choices):
        raise BadInput(f"{what}: {shown(value)}; there are: {', '.join(choices)}")
    return value


def flags(**values: Any) -> None:
    """Raises BadInput for what is neither True nor False."""
    for what, value in values.items():
        if not isinstance(value, bool | np.bool_):
            raise BadInput(f"{what}: {shown(value)}; give True or False")


def called(value: Any, what: str) -> None:
    """Raises BadInput for what is neither None nor can be called."""
    if value is not None and not callable(value):
        raise BadInput(f"{what}: {shown(value)} cannot be called; give a function, or leave it out")


def metadata(values: Any) -> dict[str, Value]:
    """Metadata as it is kept: texts, finite numbers, True and False, and lists of them."""
    if not isinstance(values, Mapping):
        raise BadInput(f"metadata: {shown(values)} is no mapping; give a dict of names and values")
    for key in values:
        if not (isinstance(key, str) and key):
            raise BadInput(f"metadata: {shown(key)} is no name of a value; give a text")
    return {str(key): _value(key, value) for key, value in values.items()}


def _value(key: str, value: Any) -> Value:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_scalar(key, one) for one in value]
    return _scalar(key, value)


def _scalar(key: str, value: Any) -> Scalar:
    """A value as the database gives it back."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise BadInput(f"metadata {key!r}: {str(value)[:40]!r} is neither a text nor a finite number, nor a list of them")
