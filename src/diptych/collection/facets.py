"""What the items that pass a filter hold in one field: how often each value, and how many in each step of a range."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from diptych.collection import arguments
from diptych.collection.query import COLUMNS, Field
from diptych.collection.query.tokens import unquoted
from diptych.collection.store import Store
from diptych.kinds import BadInput, Ints, shown

STEPS = {"year": 4, "month": 7, "day": 10}
"""How much of a date tells its year, its month and its day."""


@dataclass(frozen=True)
class Bin:
    """A step of a histogram, from `low` to below `high` (of the last one, to `high` itself); a date is both."""

    low: float | str
    high: float | str
    count: int


def field(name: str) -> Field:
    """A column of the query language by its name in any case; else a metadata key, as one in quotes always is."""
    if len(name) > 2 and name[0] == name[-1] == '"':
        return Field(unquoted(name), metadata=True)
    return Field(name.lower()) if name.lower() in COLUMNS else Field(name, metadata=True)


def counts(store: Store, of: Field, among: Ints | None) -> dict[Any, int]:
    """How many of these items (None: of all) have each value, the most frequent first. Of a list each value counts.

    What is equal in Python is one key: 1, 1.0 and True count as one value, and come as a truth where all are one.
    """
    value, source, values = _source(of, among)
    is_bool = "0"
    if of.metadata:
        is_bool = "kind LIKE '%bool'"
        value = f"CASE WHEN {is_bool} THEN {value} = 'true' ELSE {value} END"
    sql = f"SELECT {value}, min({is_bool}), count(DISTINCT items.id) AS n {source} GROUP BY 1 ORDER BY n DESC, 1"
    return {(bool(found) if all_bool else found): n for found, all_bool, n in store.rows(sql, values)}


def histogram(store: Store, of: Field, bins: int | str, among: Ints | None) -> list[Bin]:
    """How many values of these items (None: of all) lie in each equal step, or of a date in each year, month or day.

    Numbers too near to each other for so many steps are one.

    Raises BadInput for a field that holds neither.
    """
    value, source, values = _source(of, among)
    if of.holds == "date":
        step = STEPS.get(str(bins))
        if step is None:
            raise BadInput(f"bins: {shown(bins)}; {of.name} is a date: count it by year, month or day")
        date = f"substr({value}, 1, {step})"
        sql = f"SELECT {date}, count(*) {source} AND length({value}) >= {step} GROUP BY 1 ORDER BY 1"
        return [Bin(found, found, n) for found, n in store.rows(sql, values)]
    if of.holds == "text":
        raise BadInput(f"{of.name} is a text, which has no histogram; counts({of.name!r}) tells how often each stands")
    steps = arguments.whole(bins, "bins", 1, 1000, f"{of.name} is a number: give 1 to 1,000 steps")
    number = f"diptych_number({value})" if of.metadata else value
    found = np.array([n for (n,) in store.rows(f"SELECT {number} {source} AND {number} IS NOT NULL", values)], float)
    if not len(found):
        return []
    low, high = float(found.min()), float(found.max())
    scale = 4.0 if max(high, -low) > 1e307 else 1.0  # exact, and the range of what is that large is a number, too
    try:
        held, edges = np.histogram(found / scale, steps)
    except ValueError:  # no number lies between its steps
        return [Bin(low, high, len(found))]
    edges *= scale
    return [Bin(float(low), float(high), int(n)) for low, high, n in zip(edges, edges[1:], held, strict=False)]


def _source(of: Field, among: Ints | None) -> tuple[str, str, list[Any]]:
    """(the value, FROM and WHERE, parameters) of all values of a field that are known."""
    condition = "1" if among is None else "items.id IN (SELECT value FROM json_each(?))"
    parameters = [] if among is None else [json.dumps(among.tolist())]
    column = None if of.metadata else COLUMNS[of.name]
    table = "metadata" if column is None else column.table
    value = "metadata.value" if column is None else column.value
    joined = "" if table == "items" else f" JOIN {table} ON {table}.item = items.id"
    key = "metadata.key = ? AND " if of.metadata else ""
    source = f"FROM items{joined} WHERE items.status = 'ok' AND {key}{value} IS NOT NULL AND ({condition})"
    return value, source, [*([of.name] if of.metadata else []), *parameters]
