"""What a query is: terms that rank the items, and filters that decide which items may appear.

`str` writes each in its canonical form, which parses back to an equal one. `Filter.passing` asks for the items by
parameterised SELECTs over the tables of a collection:

    items(id, path, name, folder, size, width, height, taken, camera, lat, lon)   taken: local time, ISO 8601 with T
    captions(item, text)   tags(item, tag)   metadata(item, key, value)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Literal, Self

import numpy as np

from diptych.collection.query.sql import EARTH, folded, folding
from diptych.collection.query.tokens import PICTURE, PLAIN_KEY, PLAIN_PATH, PLAIN_TEXT, QUOTED_WEIGHT
from diptych.kinds import Array, BadInput, shown

Value = str | float
Sql = tuple[str, tuple[Value, ...]]
Select = Callable[[str, tuple[Value, ...]], Array]


@dataclass(frozen=True)
class Term:
    """One thing to look for.

    value   the text, the path of the picture as it was written, or the digits of an id
    data    a vector, or a picture that is open: what a program asks with and nobody can write
    """

    weight: float
    kind: Literal["text", "picture", "item", "vector", "open picture"]
    value: str = ""
    data: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, thing: Any, weight: float = 1.0) -> Self:
        """A text as it stands, a Path of a picture, an id, a vector (d,), or a picture: PIL's or (h, w, 3) uint8.

        weight   not 0; below it pushes away
        Raises BadInput for anything else.
        """
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < abs(weight) < math.inf:
            raise BadInput(f"weight: {shown(weight)}; give a number that is not 0")
        weight = float(weight)
        if isinstance(thing, str):
            return cls(weight, "text", thing)
        if isinstance(thing, PurePath):
            return cls(weight, "picture", str(thing))
        if isinstance(thing, int | np.integer) and not isinstance(thing, bool) and 0 <= int(thing) < 2**63:
            return cls(weight, "item", str(int(thing)))
        if hasattr(thing, "getexif") and hasattr(thing, "convert"):  # PIL's, which need not be loaded to be known
            return cls(weight, "open picture", data=thing)
        if isinstance(thing, np.ndarray | list | tuple):
            try:
                numbers = np.asarray(thing)
            except ValueError:
                numbers = np.empty(0, dtype=object)
            if numbers.ndim == 1 and numbers.dtype.kind in "fiu" and len(numbers):
                return cls(weight, "vector", data=numbers)
            if numbers.ndim == 3 and numbers.shape[2] == 3 and numbers.dtype == np.uint8 and numbers.size:
                return cls(weight, "open picture", data=numbers)
            what = f"an array of shape {numbers.shape} of {numbers.dtype}"
            raise BadInput(f"{what} is nothing to look for; give a vector (d,) or pixels (height, width, 3) of uint8")
        raise BadInput(f"{shown(thing)} is nothing to look for; give a text, a picture, an id or a vector")

    def __str__(self) -> str:
        """The term with the size of its weight; the sign is what joins it to the others."""
        weight = "" if abs(self.weight) == 1 else f"{number(abs(self.weight))}:"
        if self.data is not None:
            return f"{weight}<{self.kind}>"
        if self.kind == "item":
            return f"{weight}#{self.value}"
        if (PLAIN_PATH if self.kind == "picture" else PLAIN_TEXT).fullmatch(self.value):
            return weight + self.value
        weighty = QUOTED_WEIGHT.match(self.value)
        if self.kind == "picture":
            return _quoted((weight or "1:" * bool(weighty)) + self.value)
        # A weight before the quotes makes what is inside them literal.
        return (weight or "1:" * bool(weighty or PICTURE.fullmatch(self.value))) + _quoted(self.value)


@dataclass(frozen=True)
class Query:
    """What a person asked for. `str` writes it in the canonical form, which parses back to an equal query.

    terms   what to rank by; a negative weight pushes away
    never   what no answer may show
    where   which items may appear at all, or None
    text    the query as it was written
    """

    terms: tuple[Term, ...]
    never: tuple[Term, ...]
    where: Filter | None
    text: str = field(compare=False)

    def __str__(self) -> str:
        signed = "".join(f" {'-' if term.weight < 0 else '+'} {term}" for term in self.terms)
        parts = [signed.removeprefix(" + ").removeprefix(" ")] if signed else []
        parts += [f"NOT {term}" for term in self.never]
        if self.where is not None:
            parts.append(_grouped(self.where, AnyOf) if parts else str(self.where))
        return " AND ".join(parts)


class Filter(ABC):
    """A condition on items. `str` writes it in the query language."""

    @abstractmethod
    def passing(self, select: Select) -> Array:
        """(n,) bool, whether each item passes.

        select   runs a SELECT of ids with its values, and gives (n,) bool, which of the items it named

        Each comparison is a SELECT of its own, so that an index answers it; AND, OR and NOT join masks. One condition
        for all would have SQLite look every item up again for each part of it.
        """


class Leaf(Filter):
    """A filter that is one SELECT."""

    @abstractmethod
    def sql(self) -> Sql:
        """(SELECT of one column `id`, parameters). The connection must be known to `register`.

        The SELECT holds constants of this module and `?` alone, whatever the query was.
        """

    def passing(self, select: Select) -> Array:
        return select(*self.sql())


@dataclass(frozen=True)
class Column:
    """A field every collection knows: what it holds, and where SQL finds it."""

    holds: Literal["number", "text", "date"]
    value: str
    table: str = "items"


COLUMNS = {
    "year": Column("number", "CAST(substr(items.taken, 1, 4) AS INTEGER)"),
    "month": Column("number", "CAST(NULLIF(substr(items.taken, 6, 2), '') AS INTEGER)"),
    "taken": Column("date", "items.taken"),
    "width": Column("number", "items.width"),
    "height": Column("number", "items.height"),
    "size": Column("number", "items.size"),
    "lat": Column("number", "items.lat"),
    "lon": Column("number", "items.lon"),
    "path": Column("text", "items.path"),
    "name": Column("text", "items.name"),
    "folder": Column("text", "items.folder"),
    "camera": Column("text", "items.camera"),
    "caption": Column("text", "captions.text", "captions"),
    "tag": Column("text", "tags.tag", "tags"),
}


@dataclass(frozen=True)
class Field:
    """A column of COLUMNS, or a metadata key. Captions, tags and metadata may have many values an item."""

    name: str
    metadata: bool = False

    def __str__(self) -> str:
        plain = PLAIN_KEY.fullmatch(self.name) and (self.name.lower() in COLUMNS) != self.metadata
        return self.name if plain else _quoted(self.name)

    @property
    def holds(self) -> str:
        return "anything" if self.metadata else COLUMNS[self.name].holds

    def some(self, test: str, *values: Value) -> Sql:
        """The items of which some value passes `test`, in which {} stands for the value."""
        if self.metadata:
            test = test.format("metadata.value")
            return f"SELECT metadata.item AS id FROM metadata WHERE metadata.key = ? AND {test}", (self.name, *values)
        column = COLUMNS[self.name]
        item = "items.id" if column.table == "items" else f"{column.table}.item"
        return f"SELECT {item} AS id FROM {column.table} WHERE {test.format(column.value)}", values

    def text(self, test: str, value: str) -> Sql:
        """The items of which some value passes `test`, in which {} stands for the value folded."""
        if not self.metadata:
            return self.some(f"{{0}} IS NOT NULL AND {test.format(folding('{0}'))}", value)
        texts = self.some(f"typeof({{0}}) = 'text' AND {test.format(folding('{0}'))}", value)
        return _either(texts, self.some(f"typeof({{0}}) != 'text' AND {test.format('diptych_fold({0})')}", value))

    def number(self, operator: str, value: float) -> Sql:
        """The items of which some value is a number, or a text that reads as one, and compares so."""
        if not self.metadata:
            if self.name == "year" and operator in ("=", ">", ">=") and 1000 <= value < 10_000:
                # Such a year is four digits, so that dates in it and after it are a range of an index.
                first, beyond = str(int(value)), _beyond(str(int(value))) if operator == "=" else ":"
                return self.some(f"items.taken >= ? AND items.taken < ? AND {{}} {operator} ?", first, beyond, value)
            return self.some(f"{{}} {operator} ?", value)
        test = f"diptych_number({{0}}) {operator} ?"
        if abs(value) >= 2**53:  # SQLite would tell apart what is one number as a float
            return self.some(test, value)
        # To SQLite every number is less than any text.
        numbers = self.some(f"{{0}} {operator} ?" + " AND {0} < ''" * (operator in (">", ">=")), value)
        return _either(numbers, self.some(f"{{0}} >= '' AND {test}", value))


def _beyond(text: str) -> str:
    """What all texts that begin so are less than."""
    return text[:-1] + chr(ord(text[-1]) + 1)


def _either(one: Sql, other: Sql) -> Sql:
    return f"{one[0]} UNION ALL {other[0]}", (*one[1], *other[1])


@dataclass(frozen=True)
class Has(Leaf):
    """The item has the field."""

    field: Field

    def __str__(self) -> str:
        return f"has({self.field})"

    def sql(self) -> Sql:
        return self.field.some("{} IS NOT NULL")


@dataclass(frozen=True)
class Comparison(Leaf):
    """Some value of the field compares so, by = != < <= > >= or ~.

    `!=` means that the item has the field and no value of it is equal.

    Text is compared without regard to case, and `~` is "contains". A number is compared with numbers alone. A date is
    compared as far as it is written: `taken = 2020-05` is any time in that May.
    """

    field: Field
    operator: str
    value: Value

    def __str__(self) -> str:
        value = _quoted(self.value) if isinstance(self.value, str) else number(self.value)
        return f"{self.field} {self.operator} {value}"

    def passing(self, select: Select) -> Array:
        if self.operator == "!=":
            return Has(self.field).passing(select) & ~replace(self, operator="=").passing(select)
        return super().passing(select)

    def sql(self) -> Sql:
        """Not of `!=`, which is two."""
        if isinstance(self.value, float):
            return self.field.number(self.operator, self.value)
        if self.field.holds == "date":
            return self._of_date(self.value)
        test = "instr({}, ?) > 0" if self.operator == "~" else f"{{}} {self.operator} ?"
        return self.field.text(test, folded(self.value))

    def _of_date(self, written: str) -> Sql:
        """What begins with a date lies from the date itself to the next text of its length: a range of an index.

        `2020`, which is all that is known of some pictures, is neither before nor behind `2020-05`.
        """
        beyond = _beyond(written)
        if self.operator == "=":
            return self.field.some("{0} >= ? AND {0} < ?", written, beyond)
        operator, bound = {"<": ("<", written), ">=": (">=", written), "<=": ("<", beyond), ">": (">=", beyond)}[
            self.operator
        ]
        coarser = [written[:length] for length in (4, 7, 10, 16) if length < len(written)] if operator == "<" else []
        unknown = f" AND {{0}} NOT IN ({', '.join('?' * len(coarser))})" if coarser else ""
        return self.field.some(f"{{0}} {operator} ?{unknown}", bound, *coarser)


@dataclass(frozen=True)
class Near(Leaf):
    """Taken at most `km` from a place, along the great circle; latitude and longitude in degrees."""

    lat: float
    lon: float
    km: float

    def __str__(self) -> str:
        return f"near({number(self.lat)}, {number(self.lon)}, {number(self.km)}km)"

    def sql(self) -> Sql:
        # The box that holds the circle (J. P. Matuschek, "Finding points within a distance of a latitude/longitude
        # using bounding coordinates") spares the arithmetic on most items. It is a little too large, so that rounding
        # never cuts off what the exact distance lets in.
        reach = math.degrees(self.km / EARTH) + 1e-6
        box, bounds = "items.lat BETWEEN ? AND ?", [self.lat - reach, self.lat + reach]
        if abs(self.lat) + reach < 90:  # else a pole is inside, and with it every longitude
            sideways = math.degrees(
                math.asin(min(1.0, math.sin(math.radians(reach)) / math.cos(math.radians(self.lat))))
            )
            west, east = self.lon - sideways, self.lon + sideways
            if west < -180 or east > 180:  # across the date line
                box += " AND (items.lon >= ? OR items.lon <= ?)"
                west, east = (west + 360 if west < -180 else west), (east - 360 if east > 180 else east)
            else:
                box += " AND items.lon BETWEEN ? AND ?"
            bounds += [west, east]
        circle = "diptych_km(items.lat, items.lon, ?, ?) <= ?"
        return f"SELECT items.id AS id FROM items WHERE {box} AND {circle}", (*bounds, self.lat, self.lon, self.km)


@dataclass(frozen=True)
class Not(Filter):
    """Every item that `part` does not hold of, those that lack the field among them."""

    part: Filter

    def __str__(self) -> str:
        return f"NOT {_grouped(self.part, AllOf, AnyOf)}"

    def passing(self, select: Select) -> Array:
        return ~self.part.passing(select)


@dataclass(frozen=True)
class AllOf(Filter):
    """Every part holds."""

    parts: tuple[Filter, ...]

    def __str__(self) -> str:
        return " AND ".join(_grouped(part, AnyOf) for part in self.parts)

    def passing(self, select: Select) -> Array:
        return np.asarray(np.all([part.passing(select) for part in self.parts], axis=0))


@dataclass(frozen=True)
class AnyOf(Filter):
    """At least one part holds."""

    parts: tuple[Filter, ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.parts))

    def passing(self, select: Select) -> Array:
        return np.asarray(np.any([part.passing(select) for part in self.parts], axis=0))


def fields(condition: Filter | None) -> Iterator[Field]:
    """Every field that a filter asks about."""
    if isinstance(condition, Has | Comparison):
        yield condition.field
    elif isinstance(condition, Not):
        yield from fields(condition.part)
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from fields(part)


def flat(kind: type[AllOf] | type[AnyOf], parts: list[Filter]) -> Filter:
    """The parts under one AND or OR: groups of the same kind dissolve, and one part stands alone."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, kind) else (part,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _grouped(part: Filter, *kinds: type[Filter]) -> str:
    return f"({part})" if isinstance(part, kinds) else str(part)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number(value: float) -> str:
    """The shortest digits that read back as this number, without an exponent."""
    return format(Decimal(repr(value).removesuffix(".0")), "f")
