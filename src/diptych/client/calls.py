"""What can be asked of a server: each call as a value that says what to send and how to read the answer.

Nothing here sends anything. The names are those of the published description of the API.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import numpy as np

from diptych.client import answers
from diptych.client.answers import (
    Alert,
    Answer,
    Bin,
    Caption,
    Collection,
    Facets,
    Failures,
    Health,
    Item,
    Items,
    Job,
    Link,
    Marks,
    Model,
    Page,
    Ranked,
    Stored,
    Uploaded,
)
from diptych.kinds import BadInput, Floats, listed, shown

T = TypeVar("T")
Said = TypeVar("Said", covariant=True)
APage = TypeVar("APage", bound=Page[Any])


@dataclass(frozen=True)
class Call(Generic[Said]):
    """One request.

    path      below the address of the server, quoted
    read      from the bytes of the answer to what they say
    params    of the address; json: the body; files: (field, file) in the place of a body
    """

    method: str
    path: str
    read: Callable[[bytes], Said] = field(repr=False)
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    files: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class Part:
    """One thing to look for: a text, an item, or a picture that was uploaded; a negative weight pushes away.

    Raises BadInput unless it is one of the three.
    """

    text: str | None = None
    item: str | None = None
    picture: str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if [self.text, self.item, self.picture].count(None) != 2:
            raise BadInput(f"{self}: give one of text, item and picture")


def following(call: Call[APage], page: APage) -> Call[APage] | None:
    """The call for what stands behind a page; None behind the last."""
    asked = call.params if call.json is None else call.json
    if len(page.entries) < asked["k" if "k" in asked else "limit"]:
        return None
    later = {**asked, "offset": page.offset + len(page.entries)}
    return replace(call, params=later) if call.json is None else replace(call, json=later)


# ----------------------------------------------------------------------------------------------------------- the server


def healthz() -> Call[Health]:
    """Whether the server lives."""
    return _get("/healthz", _as(Health))


def readyz() -> Call[Health]:
    """Whether every collection can be read; where one cannot, APIError with status 503."""
    return _get("/readyz", _as(Health))


def list_collections() -> Call[tuple[Collection, ...]]:
    """The collections that the key may see."""
    return _get("/v1/collections", _each(Collection, "collections"))


def get_collection(collection: str) -> Call[Collection]:
    """One of them, with its numbers."""
    return _get(_path("/v1/collections/{}", collection), _as(Collection))


def list_failures(collection: str, limit: int = 100, offset: int = 0) -> Call[Failures]:
    """Files that could not be read, and why."""
    return _get(_path("/v1/collections/{}/failures", collection), _as(Failures), limit=limit, offset=offset)


def make_collection(name: str) -> Call[Collection]:
    """Make an empty collection of the key's tenant, to upload pictures into."""
    return _post("/v1/collections", _as(Collection), {"name": name})


def delete_collection(collection: str) -> Call[None]:
    """Delete one that `make_collection` made, with everything that was uploaded into it."""
    return Call("DELETE", _path("/v1/collections/{}", collection), _nothing)


def list_alerts() -> Call[tuple[Alert, ...]]:
    """Unusual use of the tenant's collections since the server was started, the latest first."""
    return _get("/v1/alerts", _each(Alert, "alerts"))


def list_models() -> Call[tuple[Model, ...]]:
    """The encoders there are."""
    return _get("/v1/models", _each(Model, "models"))


# ------------------------------------------------------------------------------------------------------------ searching


def search(
    collection: str,
    query: str = "",
    parts: Iterable[Part] = (),
    where: str | None = None,
    yes: Iterable[str] = (),
    no: Iterable[str] = (),
    k: int = 50,
    offset: int = 0,
    diverse: float = 0.0,
    keywords: float | None = None,
    regions: bool = False,
    language: Literal["query", "plain"] = "query",
) -> Call[Answer]:
    """The k best answers, after the first `offset`.

    query      in the query language; with language="plain", words in which nothing is an operator
    parts      other things to look for, which are added up
    where      a filter of the query language besides
    yes, no    ids of earlier answers to the same query: what is meant, and what is not; none of them is an answer again
    diverse    0 to 1: how much a picture like those before it is held back
    keywords   0 to 1: what words in captions, tags and names weigh against the vectors; None: what was learned, or 0.5
    regions    say of each hit which part of it answers best
    """
    asked = {
        "query": query,
        "language": language,
        "parts": [asdict(part) for part in listed(parts, "parts", "of Part")],
        "where": where,
        "marks": {"yes": listed(yes, "yes", "ids"), "no": listed(no, "no", "ids")},
        "k": k,
        "offset": offset,
        "diverse": diverse,
        "keywords": keywords,
        "regions": regions,
    }
    return _post(_path("/v1/collections/{}/search", collection), _as(Answer), asked)


def upload_to_ask(collection: str, file: str | Path) -> Call[Uploaded]:
    """Hand over a picture to ask with. It is not put into the collection."""
    path = _path("/v1/collections/{}/pictures", collection)
    return Call("POST", path, _as(Uploaded), files=(("file", _file(file)),))


def fetch_to_ask(collection: str, url: str) -> Call[Uploaded]:
    """The same, of a picture that the server fetches from the public web, if it may."""
    return _post(_path("/v1/collections/{}/pictures/fetch", collection), _as(Uploaded), {"url": url})


def similar(
    collection: str, item: str, k: int = 20, offset: int = 0, diverse: float = 0.0, where: str | None = None
) -> Call[Answer]:
    """What is most like an item. diverse, where: as in `search`."""
    path = _path("/v1/collections/{}/items/{}/similar", collection, item)
    return _get(path, _as(Answer), k=k, offset=offset, diverse=diverse, where=where)


def captions(collection: str, item: str, k: int = 5) -> Call[tuple[Caption, ...]]:
    """The texts of the collection that say most nearly what the picture shows."""
    return _get(_path("/v1/collections/{}/items/{}/captions", collection, item), _each(Caption, "captions"), k=k)


def facets(collection: str, where: str | None = None, fields: Iterable[str] = ()) -> Call[Facets]:
    """How many items that pass a filter have each value of some fields; of year, camera, folder and tag without any."""
    path = _path("/v1/collections/{}/facets", collection)
    return _get(path, _as(Facets), where=where, field=listed(fields, "fields", "names of fields"))


def histogram(
    collection: str, field: str = "taken", bins: str | int | None = None, where: str | None = None
) -> Call[tuple[Bin, ...]]:
    """How many items that pass a filter lie in each step: of a number so many, of a date "year", "month" or "day"."""
    path = _path("/v1/collections/{}/histogram", collection)
    return _get(path, _each(Bin, "bins"), field=field, bins=bins, where=where)


# ------------------------------------------------------------------------------------------------------------- feedback


def give_feedback(
    collection: str,
    query: str,
    item: str,
    kind: Literal["yes", "no", "unmarked", "click", "dwell"],
    seconds: float | None = None,
    rank: int | None = None,
    shown: Iterable[str] = (),
    answer: str = "",
) -> Call[None]:
    """Have it kept what whoever has the key did with an answer to a query.

    kind      marked it "yes" or "no", took the mark back, opened it ("click"), looked at it for `seconds` ("dwell")
    rank      the place of the answer, from 1
    shown     ids of the answers that stood above it
    answer    that of the answer it stood in
    """
    is_mark = kind in ("yes", "no", "unmarked")
    said = {"kind": "mark", "mark": None if kind == "unmarked" else kind} if is_mark else {"kind": kind}
    more = {"seconds": seconds, "rank": rank, "shown": listed(shown, "shown", "ids"), "answer": answer}
    path = _path("/v1/collections/{}/feedback", collection)
    return _post(path, _nothing, {"query": query, "item": item, **said, **more})


def standing_marks(collection: str, query: str) -> Call[Marks]:
    """The marks that whoever has the key gave to answers of a query and did not take back."""
    return _get(_path("/v1/collections/{}/feedback", collection), _as(Marks), query=query)


def forget_feedback(collection: str, user: str | None = None) -> Call[int]:
    """Delete all that is kept of whoever has the key, or of another user by the id of theirs; how many events."""
    path = _path("/v1/collections/{}/feedback", collection)
    return Call("DELETE", path, lambda body: int(json.loads(body)["events"]), {} if user is None else {"user": user})


def export_feedback(collection: str, user: str | None = None) -> Call[bytes]:
    """Marks as training pairs for `diptych fit`, as JSON Lines, of all users or of one."""
    return _get(_path("/v1/collections/{}/feedback/export", collection), bytes, user=user)


# ---------------------------------------------------------------------------------------------------------------- items


def list_items(collection: str, where: str | None = None, limit: int = 50, offset: int = 0) -> Call[Items]:
    """Items that pass a filter of the query language, the latest first."""
    path = _path("/v1/collections/{}/items", collection)
    return _get(path, _as(Items), where=where, limit=limit, offset=offset)


def get_item(collection: str, item: str) -> Call[Item]:
    """One of them."""
    return _get(_path("/v1/collections/{}/items/{}", collection, item), _as(Item))


def upload(collection: str, files: Iterable[str | Path]) -> Call[Stored]:
    """Add picture files. Each that is none is refused with the reason, and the others are kept."""
    some = tuple(("files", _file(file)) for file in listed(files, "files", "paths"))
    return Call("POST", _path("/v1/collections/{}/items", collection), _as(Stored), files=some)


def annotate(
    collection: str,
    item: str,
    captions: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    merge: bool = False,
) -> Call[Item]:
    """Say something of an item in the place of what was given before or, with `merge`, besides; None leaves it."""
    path = _path("/v1/collections/{}/items/{}", collection, item)
    words = {"captions": captions, "tags": tags, "metadata": metadata, "merge": merge}
    return Call("PATCH", path, _as(Item), json=words)


def delete(collection: str, item: str, erase: bool = False) -> Call[None]:
    """Take an item out for good. An uploaded file is deleted; one of a person's folders stays.

    erase   leave nothing of it in the collection either, so that a file that stays comes back as new
    """
    path = _path("/v1/collections/{}/items/{}", collection, item)
    return Call("DELETE", path, _nothing, {"erase": "true"} if erase else {})


def thumbnail(collection: str, item: str, size: Literal["small", "medium", "large"] = "small") -> Call[bytes]:
    """A JPEG of at most 320, 960 or 2048 pixels a side: pixels alone, without EXIF, place or name."""
    return _get(_path("/v1/collections/{}/items/{}/thumbnails/{}", collection, item, size), bytes)


def original(collection: str, item: str) -> Call[bytes]:
    """The file as it lies on the server's disk, with everything that is written in it."""
    return _get(_path("/v1/collections/{}/items/{}/original", collection, item), bytes)


def export(collection: str, items: Iterable[str], format: Literal["zip", "list"] = "zip") -> Call[bytes]:
    """The files of some items in one ZIP, or their names in a text, one a line."""
    asked = {"ids": listed(items, "items", "ids"), "format": format}
    return _post(_path("/v1/collections/{}/export", collection), bytes, asked)


# --------------------------------------------------------------------------------------------------------------- shares


def list_shares(collection: str) -> Call[tuple[Link, ...]]:
    """The links for guests that open something of this collection."""
    return _get(_path("/v1/collections/{}/shares", collection), _each(Link, "shares"))


def share(
    collection: str, name: str, query: str | None = None, items: Iterable[str] | None = None, days: float = 7.0
) -> Call[Link]:
    """Make a link to what a query finds, or to some items; its `address` is told this once."""
    ids = None if items is None else listed(items, "items", "ids")
    asked = {"name": name, "query": query, "items": ids, "days": days}
    return _post(_path("/v1/collections/{}/shares", collection), _as(Link), asked)


def take_back(collection: str, share: str) -> Call[None]:
    """From now on the link with this id opens nothing."""
    return Call("DELETE", _path("/v1/collections/{}/shares/{}", collection, share), _nothing)


# ----------------------------------------------------------------------------------------------------------------- jobs


def list_jobs(collection: str) -> Call[tuple[Job, ...]]:
    """Jobs that run, and those that ended since the server was started; the latest first."""
    return _get(_path("/v1/collections/{}/jobs", collection), _each(Job, "jobs"))


def start_job(
    collection: str,
    kind: Literal["index", "duplicates", "learn"] = "index",
    retry: bool = False,
    contents: bool = False,
) -> Call[Job]:
    """Bring the collection up to date, look for pictures of which one is enough, or learn an order from feedback.

    retry      look again at files that failed and did not change since
    contents   read every file again, for those that changed behind an unchanged size and time
    """
    path = _path("/v1/collections/{}/jobs", collection)
    return _post(path, _as(Job), {"kind": kind, "retry": retry, "contents": contents})


def get_job(collection: str, job: str) -> Call[Job]:
    """How far it is."""
    return _get(_path("/v1/collections/{}/jobs/{}", collection, job), _as(Job))


def follow_job(collection: str, job: str) -> Call[Job]:
    """The job after each change, until it ends; `read` takes one event."""
    return _get(_path("/v1/collections/{}/jobs/{}/events", collection, job), _as(Job))


def stop_job(collection: str, job: str) -> Call[Job]:
    """Ask for its end. What is done is kept."""
    return Call("DELETE", _path("/v1/collections/{}/jobs/{}", collection, job), _as(Job))


def resume_job(collection: str, job: str) -> Call[Job]:
    """Go on with a job that ended, behind what is done."""
    return _post(_path("/v1/collections/{}/jobs/{}/resume", collection, job), _as(Job))


# -------------------------------------------------------------------------------------------------------------- vectors


def embeddings(collection: str, texts: Iterable[str]) -> Call[Floats]:
    """The rows of some texts, (n, d) float32, under the encoder of a collection."""
    asked = {"model": collection, "input": listed(texts, "texts", "texts"), "encoding_format": "base64"}
    return _post("/v1/embeddings", _rows, asked)


def rerank(collection: str, query: str, documents: Iterable[str], top_n: int | None = None) -> Call[tuple[Ranked, ...]]:
    """Texts by their likeness to a query, under the encoder of a collection, the best first."""
    asked = {"model": collection, "query": query, "documents": listed(documents, "documents", "texts"), "top_n": top_n}
    return _post("/v1/rerank", _each(Ranked, "results"), asked)


# --------------------------------------------------------------------------------------------------------------- inside


def _get(path: str, read: Callable[[bytes], T], **params: Any) -> Call[T]:
    return Call("GET", path, read, {name: value for name, value in params.items() if value not in (None, [])})


def _post(path: str, read: Callable[[bytes], T], json: Mapping[str, Any] | None = None) -> Call[T]:
    return Call("POST", path, read, json=json)


def _path(template: str, *names: str) -> str:
    for name in names:
        if not isinstance(name, str) or name in ("", ".", ".."):
            raise BadInput(f"{shown(name)} names neither a collection nor anything in one; give its name or id")
    return template.format(*(quote(name, safe="") for name in names))


def _file(path: str | Path) -> Path:
    if not Path(path).is_file():
        raise BadInput(f"{path}: there is no such file")
    return Path(path)


def _as(kind: type[T]) -> Callable[[bytes], T]:
    return lambda body: answers.read(kind, json.loads(body))


def _each(kind: type[T], name: str) -> Callable[[bytes], tuple[T, ...]]:
    """The things in a list of the answer."""
    return lambda body: tuple(answers.read(kind, one) for one in json.loads(body)[name])


def _rows(body: bytes) -> Floats:
    rows = [base64.b64decode(one["embedding"]) for one in json.loads(body)["data"]]
    return np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1)


def _nothing(body: bytes) -> None:
    return None
