"""What a server answers, as plain values.

Fields that this version does not know are passed over: an older client reads what a newer server says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
Entry = TypeVar("Entry", covariant=True)

Verdict = Literal["match", "weak", "none", "unrated"]


@dataclass(frozen=True)
class Collection:
    """One collection with its numbers.

    waiting    pictures that are gone and whose words wait for them
    feedback   whether it is kept there what people do with answers
    experiment   whether answers are those of two orders, to see which is chosen
    """

    name: str
    items: int
    failed: int
    captions: int
    tags: int
    waiting: int
    encoder: str
    indexing: bool
    feedback: bool = False
    experiment: bool = False


@dataclass(frozen=True)
class Region:
    """A part of a picture, from its left and upper edge, in parts of its width and height."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    score: float


@dataclass(frozen=True)
class Item:
    """One picture, or one row without a picture.

    id       what other calls name it by
    name     of its file without folders, or its key
    taken    when, in ISO 8601
    colour   its middle colour, "#rrggbb", once a thumbnail was made
    path     where its file lies on the server; told to administrators alone
    """

    id: str
    name: str
    width: int | None = None
    height: int | None = None
    taken: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None
    bytes: int | None = None
    captions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    colour: str | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Hit(Item):
    """An answer: an item with its score in the measure of the encoder, and what a person can check."""

    score: float
    verdict: Verdict
    why: tuple[str, ...] = ()
    region: Region | None = None


class Page(ABC, Generic[Entry]):
    """Some of what was asked for, the first `offset` of which stand on earlier pages."""

    offset: int

    @property
    @abstractmethod
    def entries(self) -> tuple[Entry, ...]:
        """What stands on this page."""


@dataclass(frozen=True)
class Answer(Page[Hit]):
    """A page of answers, the best first.

    written   the query in the query language
    verdict   that of the best answer there is
    total     items that pass the filters
    hints     what is odd about the query
    ranked_by   what ordered the results, in plain words: the query, marks, what was learned
    answer    to be named with feedback on it, while an experiment runs
    """

    query: str
    written: str
    verdict: Verdict
    results: tuple[Hit, ...]
    seconds: float
    total: int
    offset: int
    hints: tuple[str, ...] = ()
    ranked_by: str = "query"
    answer: str = ""

    @property
    def entries(self) -> tuple[Hit, ...]:
        return self.results


@dataclass(frozen=True)
class Marks:
    """Ids of answers to a query that the caller marked: what is meant, and what is not."""

    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()


@dataclass(frozen=True)
class Items(Page[Item]):
    """A page of items, the latest first. total: of those that pass the filter."""

    total: int
    offset: int
    items: tuple[Item, ...]

    @property
    def entries(self) -> tuple[Item, ...]:
        return self.items


@dataclass(frozen=True)
class Count:
    value: Any
    count: int


@dataclass(frozen=True)
class Facets:
    """How many of `total` items have each value of each field, the most frequent first."""

    total: int
    fields: Mapping[str, tuple[Count, ...]]


@dataclass(frozen=True)
class Bin:
    """A step of a histogram, from `low` to below `high`; a month of a date is both."""

    low: float | str
    high: float | str
    count: int


@dataclass(frozen=True)
class Link:
    """A link for guests. items: how many it names; None where it opens a query. Times are seconds since 1970.

    address   told once, to who made it: the path on the server
    """

    id: str
    name: str
    query: str | None
    items: int | None
    created: int
    expires: int
    address: str | None = None


@dataclass(frozen=True)
class Caption:
    text: str
    score: float


@dataclass(frozen=True)
class Uploaded:
    """A picture to ask with: `Part(picture=uploaded.picture)`. The server forgets it after a while."""

    picture: str
    width: int
    height: int


@dataclass(frozen=True)
class Refused:
    name: str
    why: str


@dataclass(frozen=True)
class Alert:
    """Use that people do not make of a collection. pause: seconds that the key has to wait between two pictures."""

    kind: Literal["volume", "enumeration", "vectors", "off-hours", "refusals"]
    who: str
    tenant: str
    collection: str
    why: str
    time: float
    pause: float


@dataclass(frozen=True)
class Failures:
    """Files that could not be read, a page of `total`."""

    total: int
    offset: int
    files: tuple[Refused, ...]


@dataclass(frozen=True)
class Stored:
    """What became of uploaded files: the items that were made, and why others were not."""

    items: tuple[Item, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class Job:
    """Work that takes longer than a request.

    step       what is being counted; `done` of `of` are finished
    report     what came of it
    created    seconds since 1970
    """

    id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    step: str
    done: int
    of: int
    error: str
    report: Mapping[str, Any]
    created: float

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "stopped")


@dataclass(frozen=True)
class Model:
    """An encoder. here: whether it can be used at once; bytes: of its files."""

    name: str
    what: str
    here: bool
    bytes: int
    terms: str


@dataclass(frozen=True)
class Ranked:
    """A text by its place in what was given, and its likeness to the query."""

    index: int
    relevance_score: float


@dataclass(frozen=True)
class Health:
    status: str
    version: str


def read(kind: type[T], data: Any) -> T:
    """JSON as a value of this kind. Raises KeyError, TypeError or ValueError for what is none."""
    value: T = _read(kind, data)
    return value


def _read(kind: Any, data: Any) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{name: _read(of, data[name]) for name, of in _kinds(kind).items() if name in data})
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:  # X | None
        return None if data is None else _read(inner[0], data)
    if origin is tuple:
        return tuple(_read(inner[0], one) for one in data)
    if origin is Mapping:
        return {key: _read(inner[1], value) for key, value in data.items()}
    return data


@cache
def _kinds(of: type) -> dict[str, Any]:
    hints = get_type_hints(of)
    return {one.name: hints[one.name] for one in fields(of)}
