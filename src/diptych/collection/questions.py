"""From what a caller asks with - words, a vector, a picture, several of them - to one query, or to many vectors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from diptych.collection import query as language
from diptych.collection.query import LENGTH, PARTS, AllOf, Filter, Query, Term
from diptych.collection.query.parser import hint
from diptych.kinds import Array, BadInput, shown

LANGUAGES = ("query", "plain")
"""The query language; and text that a stranger typed, in which nothing is an operator, a path or an id."""


def plain(text: str) -> Query:
    """Any text at all as words to look for: what is no Unicode is replaced, and what is too long cut off.

    Without a word in it nothing ranks: all that passes the filters is listed.
    """
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)[:LENGTH]
    words = " ".join(text.split())
    return Query((Term(1.0, "text", words),) if words else (), (), None, text)


def read(asked: Any, plainly: bool, metadata: Iterable[str], where: str | Filter | None = None) -> Query:
    """One query of a text, a `Query`, a `Term`, what `Term.of` takes, or several of these in a list.

    plainly    read texts by `plain`, and not as the query language
    metadata   the names of metadata that items have
    where      a filter besides

    Raises BadInput for anything else.
    """
    parts = list(asked) if isinstance(asked, list | tuple) and not _is_vector(asked) else [asked]
    queries = [_part(part, plainly, metadata) for part in parts]
    if not queries:
        raise BadInput("query: the list is empty; ask for a text, a picture, an id or a vector")
    extra = condition(where, metadata)
    if len(queries) == 1 and extra is None:
        return queries[0]
    terms = tuple(term for query in queries for term in query.terms)
    never = tuple(term for query in queries for term in query.never)
    conditions = [where for where in (*(query.where for query in queries), extra) if where is not None]
    if len(terms) + len(never) > PARTS:
        raise BadInput(f"query: {len(terms) + len(never)} terms; at most {PARTS} can be asked for at once")
    joined = Query(terms, never, language.flat(AllOf, conditions) if conditions else None, queries[0].text)
    return joined if len(queries) == 1 else replace(joined, text=str(joined))


def condition(where: str | Filter | None, metadata: Iterable[str]) -> Filter | None:
    """A filter of the query language. Raises BadInput where words stand in it. metadata: as in `read`."""
    if where is None or isinstance(where, Filter):
        return where
    if not isinstance(where, str):
        raise BadInput(f"where: {shown(where)} is no filter; give one of the query language, such as 'year >= 2020'")
    query = language.parse(where, metadata, refuse=False)
    if query.terms or query.never or query.where is None:
        raise BadInput(f"where: {shown(where)} holds words to look for; give filters alone, such as 'year >= 2020'")
    return query.where


def vectors(asked: Any) -> list[Array] | None:
    """The rows of what is several vectors: an array (n, d), or a list of vectors; None of anything else."""
    if isinstance(asked, np.ndarray):
        return list(asked) if asked.ndim == 2 else None
    if isinstance(asked, list | tuple) and asked and all(_is_vector(part) for part in asked):
        return [np.asarray(part) for part in asked]
    return None


def hints(where: Filter, metadata: Iterable[str]) -> tuple[str, ...]:
    """What a filter asks about that no item has."""
    known = set(metadata)
    unknown = dict.fromkeys(field.name for field in language.fields(where) if field.metadata)
    return tuple(f"no item has the metadata {name!r}{hint(name, known)}" for name in unknown if name not in known)


def _part(part: Any, plainly: bool, metadata: Iterable[str]) -> Query:
    if isinstance(part, Query):
        return part
    if isinstance(part, str):
        return plain(part) if plainly else language.parse(part, metadata, refuse=False)
    term = part if isinstance(part, Term) else Term.of(part)
    return Query((term,), (), None, str(term))


def _is_vector(part: Any) -> bool:
    """Whether it is numbers in a row: an array (d,), or a list of numbers."""
    if isinstance(part, np.ndarray):
        return part.ndim == 1
    return (
        isinstance(part, Sequence)
        and not isinstance(part, str | bytes | PurePath)
        and len(part) > 0
        and all(isinstance(one, int | float | np.number) and not isinstance(one, bool) for one in part)
    )
