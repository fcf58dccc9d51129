"""What goes over the wire. The names of fields are a promise, as those of the command line are."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["match", "weak", "none", "unrated"]
Value = str | int | float | bool | list[str | int | float | bool]
Text = Annotated[str, Field(max_length=8_000)]


class Shape(BaseModel):
    """Nothing that is not known is taken: a misspelt field is told, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Region(Shape):
    """A part of a picture, from its left and upper edge, in parts of its width and height."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    score: float


class Item(Shape):
    """One picture, or one row without a picture. `name` is that of its file without folders, or its key."""

    id: str
    name: str
    width: int | None = None
    height: int | None = None
    taken: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None
    bytes: int | None = None
    captions: list[str] = []
    tags: list[str] = []
    metadata: dict[str, Value] = {}
    colour: str | None = Field(None, description="the middle colour, once a thumbnail was made")
    path: str | None = Field(None, description="where its file lies; told to administrators")


class Hit(Item):
    """An answer, with its score in the measure of the encoder and what a person can check."""

    score: float
    verdict: Verdict
    why: list[str] = []
    region: Region | None = None


class Answer(Shape):
    """`total` counts the items that pass the filters; `written` is the query in the query language.

    `ranked_by` says in plain words what ordered the results.
    """

    query: str
    written: str
    verdict: Verdict
    results: list[Hit]
    seconds: float
    total: int
    offset: int
    hints: list[str] = []
    ranked_by: str = "query"
    answer: Annotated[str, Field(description="to be named with feedback on it, while an experiment runs")] = ""


class Part(Shape):
    """One thing to look for: a text, an item, or a picture that was uploaded. A negative weight pushes away."""

    text: Text | None = None
    item: str | None = None
    picture: str | None = None
    weight: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 1.0


class Marks(Shape):
    """Items of earlier answers to the same query: those that are what is meant, and those that are not.

    A search moves towards the one and away from the other, and answers with none of either: they have been seen.
    """

    yes: Annotated[list[str], Field(max_length=1_000)] = []
    no: Annotated[list[str], Field(max_length=1_000)] = []


class Feedback(Shape):
    """What the caller did with an answer to a query: a mark, with null to take it back; a click; a stay of `seconds`.

    `rank` is its place, from 1, and `shown` are the ids that stood above it: what was passed over is learned from, too.
    """

    query: Annotated[str, Field(min_length=1, max_length=4_000)]
    item: str
    kind: Literal["mark", "click", "dwell"] = "mark"
    mark: Literal["yes", "no"] | None = None
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] | None = None
    rank: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    shown: Annotated[list[str], Field(max_length=1_000)] = []
    answer: Annotated[str, Field(max_length=100)] = ""


class Forgotten(Shape):
    """How many events were deleted."""

    events: int


class Search(Shape):
    """A query: written in the query language or plain words, and other parts besides, which are added up."""

    query: Text = ""
    language: Literal["query", "plain"] = "query"
    parts: Annotated[list[Part], Field(max_length=100)] = []
    where: Text | None = None
    marks: Marks = Marks()
    k: Annotated[int, Field(ge=1)] = 50
    offset: Annotated[int, Field(ge=0)] = 0
    diverse: Annotated[float, Field(ge=0, le=1)] = 0.0
    keywords: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="0.5, or what was learned")
    regions: bool = False


class Facets(Shape):
    """How many items that pass a filter have each value of each field, the most frequent first."""

    total: int
    fields: dict[str, list[Count]]


class Count(Shape):
    value: Any
    count: int


class Bin(Shape):
    """A step of a histogram, from `low` to below `high`; a month of a date is both."""

    low: float | str
    high: float | str
    count: int


class Histogram(Shape):
    bins: list[Bin]


class Export(Shape):
    """Which pictures, and as what: their files in one ZIP, or their names in a text, one a line."""

    ids: Annotated[list[str], Field(min_length=1, max_length=10_000)]
    format: Literal["zip", "list"] = "zip"


class Items(Shape):
    total: int
    offset: int
    items: list[Item]


class Words(Shape):
    """What is said of an item in the place of what was given before; what is left out stays."""

    captions: Annotated[list[Text], Field(max_length=100)] | None = None
    tags: Annotated[list[Text], Field(max_length=1_000)] | None = None
    metadata: dict[str, Value] | None = None
    merge: bool = False


class Caption(Shape):
    text: str
    score: float


class Captions(Shape):
    captions: list[Caption]


class Collection(Shape):
    name: str
    items: int
    failed: int
    captions: int
    tags: int
    waiting: int
    encoder: str
    indexing: bool
    feedback: bool = Field(description="whether it is kept here what people do with answers")
    experiment: bool = Field(description="whether answers are those of two orders, to see which is chosen")


class NewCollection(Shape):
    """A collection to upload pictures into. Its name stands in addresses."""

    name: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Collections(Shape):
    collections: list[Collection]


class Index(Shape):
    """What to do: bring the collection up to date with its folders, look for pictures of which one is enough, or learn
    a better order from what people did with answers.
    """

    kind: Literal["index", "duplicates", "learn"] = "index"
    retry: bool = False
    contents: bool = False


class Job(Shape):
    id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    step: str
    done: int
    of: int
    error: str
    report: dict[str, Any]
    created: float


class JobList(Shape):
    jobs: list[Job]


class Address(Shape):
    """Of a picture on the public web."""

    url: Annotated[str, Field(min_length=1, max_length=2_000)]


class Uploaded(Shape):
    """A picture to ask with: `picture` is what a part of a search names."""

    picture: str
    width: int
    height: int


class Stored(Shape):
    """What became of uploaded files: the items that were made, and why others were not."""

    items: list[Item]
    refused: list[Refused]


class Refused(Shape):
    name: str
    why: str


class Twin(Shape):
    """A member of a group. why: to keep it, or what it is beside the one to keep; words: said of it and not of that."""

    item: Item
    why: list[str]
    words: list[str] = []


class Failures(Shape):
    """Files of a collection that cannot be found, and why; by name, for administrators by path."""

    total: int
    offset: int
    files: list[Refused]


class Group(Shape):
    """Pictures of which one is enough; `keep` is the best of them."""

    kind: Literal["exact", "near", "burst"]
    keep: Twin
    others: list[Twin]


class Model(Shape):
    name: str
    what: str
    here: bool
    bytes: int
    terms: str


class Models(Shape):
    models: list[Model]


class Alert(Shape):
    """Use that people do not make of a collection. `pause`: seconds that the key has to wait between two pictures."""

    kind: Literal["volume", "enumeration", "vectors", "off-hours", "refusals"]
    who: str
    tenant: str
    collection: str
    why: str
    time: float
    pause: float


class Alerts(Shape):
    alerts: list[Alert]


class Health(Shape):
    status: Literal["ok"]
    version: str
