"""Items that are given rather than read from files: each entry becomes an item, or takes the place of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diptych.collection import arguments
from diptych.collection.identity import EncoderProtocol
from diptych.collection.store import Item, Store, Value, full
from diptych.collection.vectors import Vectors
from diptych.collection.writing import Written, encoded_texts, write
from diptych.kinds import Array, BadInput, shown
from diptych.sources.metadata.about import Words


@dataclass(frozen=True)
class Entry:
    """One item that is given rather than read from a file.

    key     what it is called: any text that no other item has, kept as it is; or the Path of a picture that is there
    row     its vector, in the collection's space; None leaves the one it has
    captions, tags, metadata   in the place of those given before; None leaves them

    Raises BadInput for what can be told to be wrong without a collection.
    """

    key: str | Path
    row: Array | Sequence[float] | None = None
    captions: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    metadata: Mapping[str, Value] | None = None
    width: int | None = None
    height: int | None = None
    taken: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.key, str | Path) or not str(self.key):
            raise BadInput(f"Entry: {shown(self.key)} is no key; give a text, or the Path of a picture that is there")
        settled: dict[str, Any] = {}
        for name in ("captions", "tags"):
            if (values := getattr(self, name)) is not None:
                settled[name] = arguments.strings(values, name)
        if self.metadata is not None:
            settled["metadata"] = arguments.metadata(self.metadata)
        for name in ("width", "height"):
            if (value := getattr(self, name)) is not None:
                settled[name] = arguments.whole(value, name, 0, 2**31, "give pixels")
        for name in ("lat", "lon"):
            if (value := getattr(self, name)) is not None:
                settled[name] = arguments.number(value, name, -360, 360, "give degrees") + 0.0
        for name in ("taken", "camera"):
            if not isinstance(getattr(self, name), str | None):
                raise BadInput(f"{name}: {shown(getattr(self, name))} is no text")
        for name, value in settled.items():
            object.__setattr__(self, name, value)


class Given(NamedTuple):
    """What `give` wrote: the ids, how many of the items are new or other than before, how many rows were normalised."""

    ids: list[int]
    changes: int
    normalised: int


_FACTS = tuple(place.name for place in fields(Entry)[5:])


class _Met(NamedTuple):
    """An entry, its row as it is kept, and the item that is called so."""

    entry: Entry
    row: Array | None
    before: Item | None


def give(vectors: Vectors, encoder: Callable[[], EncoderProtocol], entries: Sequence[Entry]) -> Given:
    """Write items that are given, in one commit.

    What is given to one picture file is given to all files of its content.
    """
    store = vectors.store
    met, normalised = _met(vectors, entries)
    work = [(_given(some.entry, some.before), some) for some in _shared(store, met)]
    work = [(item, some) for item, some in work if some.row is not None or item != some.before]
    said = {
        str(place): item.captions
        for place, (item, (_, _, before)) in enumerate(work)
        if before is None or before.captions != item.captions
    }
    texts = encoded_texts(vectors, encoder, said)
    with store.transaction():
        written = write(
            vectors,
            [
                Written(item, row, texts.get(str(place)), keeps=row is None)
                for place, (item, (_, row, _)) in enumerate(work)
            ],
        )
    ids = {item.kept: id for (item, some), id in zip(work, written, strict=True) if some.before is None}
    return Given([before.id if before else ids[_kept(entry)] for entry, _, before in met], len(work), normalised)


def _met(vectors: Vectors, entries: Sequence[Entry]) -> tuple[list[_Met], int]:
    """The entries with the items there are, and how many rows were normalised.

    Raises BadInput naming the entry that has no row and no item, a row that cannot be kept, or stands there twice.
    """
    store, width = vectors.store, vectors.identity.width
    with_row = [entry for entry in entries if entry.row is not None]
    for entry in with_row:
        if np.shape(entry.row) != (width,):  # type: ignore[arg-type]
            raise BadInput(f"{entry.key}: its row is {np.shape(entry.row)}; rows of this collection are {(width,)}")  # type: ignore[arg-type]
    kept, normalised = vectors.judged([entry.row for entry in with_row], len(with_row)) if with_row else ([], 0)
    rows = {}
    for entry, made in zip(with_row, kept, strict=True):
        if isinstance(made, str):
            raise BadInput(f"{entry.key}: {made}")
        rows[id(entry)] = made
    # A text with a row is a new key, though a file of this name may lie where the program runs.
    new = dict(zip(map(id, with_row), store.find([entry.key for entry in with_row], exactly=True), strict=True))
    rest = [entry for entry in entries if entry.row is None]
    new |= zip(map(id, rest), store.find([entry.key for entry in rest]), strict=True)
    old = {item.id: item for item in store.items([number for number in new.values() if number is not None])}
    met = [_Met(entry, rows.get(id(entry)), old.get(new[id(entry)] or 0)) for entry in entries]
    if len({before.id if before else _kept(entry) for entry, _, before in met}) < len(met):
        raise BadInput("one item stands twice among the entries; join them into one")
    for entry, row, before in met:
        if row is None and before is None:
            raise BadInput(f"{entry.key}: not in the collection, so it needs a row; or add its file")
    return met, normalised


def _kept(entry: Entry) -> str:
    return entry.key if isinstance(entry.key, str) else full(entry.key)


def _shared(store: Store, met: Sequence[_Met]) -> list[_Met]:
    """The same, and for every other file of the same content an entry that gives it the same words."""
    # Two lines of a table may speak of two files of one content: both are right.
    said: dict[str, Entry] = {}
    for entry, _, before in met:
        if before is not None and before.digest:
            digest = before.digest
            said[digest] = _joined(said[digest], entry) if digest in said else entry
    copies = store.pairs("digest, id", "items", "digest", sorted(said), "AND status = 'ok'")
    here, live = {some.before.id for some in met if some.before}, {digest for digest, _ in copies}
    found = []
    for entry, row, before in met:
        if before is not None and before.digest:
            if before.status != "ok" and row is None and before.digest in live:
                continue  # its copies have the words; its own file cannot be read
            entry = _as_said(entry, said[before.digest])
        if row is None and before is not None and before.status != "ok":
            raise BadInput(f"{entry.key}: cannot be found ({before.reason}), so it needs a row; or mend its file")
        found.append(_Met(entry, row, before))
    others = store.items([number for _, number in copies if number not in here])
    return found + [_Met(_as_said(Entry(item.kept), said[str(item.digest)]), None, item) for item in others]


def _as_said(entry: Entry, other: Entry) -> Entry:
    return replace(entry, captions=other.captions, tags=other.tags, metadata=other.metadata)


def _joined(one: Entry, other: Entry) -> Entry:
    captions = [*(one.captions or ()), *(other.captions or ())] if one.captions or other.captions else other.captions
    tags = [*(one.tags or ()), *(other.tags or ())] if one.tags or other.tags else other.tags
    metadata = {**(one.metadata or {}), **(other.metadata or {})} if one.metadata or other.metadata else other.metadata
    return replace(one, captions=captions, tags=tags, metadata=metadata)


def _given(entry: Entry, before: Item | None) -> Item:
    """The item that an entry makes of the one there was."""
    captions, tags = (before.given.captions, before.given.tags) if before else ((), ())
    if entry.captions is not None:
        captions = tuple(dict.fromkeys(" ".join(text.split()) for text in entry.captions if text.strip()))
    if entry.tags is not None:
        tags = tuple(sorted({tag.strip() for tag in entry.tags if tag.strip()}))
    metadata: Mapping[str, Value] = before.metadata if before else {}
    if entry.metadata is not None:
        metadata = dict(entry.metadata)
    facts: dict[str, Any] = {name: fact for name in _FACTS if (fact := getattr(entry, name)) is not None}
    given = Words(captions, tags)
    if before is None:  # `replace` takes three times as long
        return Item(_kept(entry), given=given, metadata=metadata, **facts)
    return replace(before, status="ok", given=given, metadata=metadata, **facts)
