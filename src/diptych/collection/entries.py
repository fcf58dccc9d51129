"""Items that are given rather than read from files: each entry becomes an item, or takes the place of one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diptych.collection import arguments
from diptych.collection.identity import EncoderProtocol
from diptych.collection.items import Item, Records, Value
from diptych.collection.store import Store, full
from diptych.collection.vectors import Vectors
from diptych.collection.writing import Written, begin, encoded_texts, write
from diptych.kinds import Array, BadInput, shown
from diptych.sources.metadata.about import Words
from diptych.sources.metadata.reading import moment


@dataclass(frozen=True)
class Entry:
    """One item that is given rather than read from a file.

    key     what it is called: any text that no other item has, kept as it is; or the Path of a picture that is there
    row     its vector, in the collection's space; None leaves the one it has
    captions, tags, metadata   in the place of those given before; None leaves them
    taken   local time, as far as it is known: `2020`, `2020-05-01`, `2020-05-01T12:30:15`; a zone is left away

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
        for name, most in (("lat", 90), ("lon", 360)):
            if (value := getattr(self, name)) is not None:
                so = f"give degrees from -{most} to {most}"
                settled[name] = arguments.number(value, name, -most, most, so) + 0.0
        for name in ("taken", "camera"):
            if not isinstance(getattr(self, name), str | None):
                raise BadInput(f"{name}: {shown(getattr(self, name))} is no text")
        if self.taken is not None and (time := moment(self.taken)) != self.taken:
            if time is None:
                raise BadInput(f"taken: {shown(self.taken)}; give a local time, such as 2020, 2020-05-01T12:30:15")
            settled["taken"] = time
        for name, value in settled.items():
            object.__setattr__(self, name, value)


class Given(NamedTuple):
    """What `give` wrote: the ids, how many of the items are new or other than before, how many rows were normalised."""

    ids: list[int]
    changes: int
    normalised: int


_FACTS = ("width", "height", "taken", "camera", "lat", "lon")


def give(vectors: Vectors, encoder: Callable[[], EncoderProtocol], entries: Sequence[Entry]) -> Given:
    """Write items that are given, in one commit.

    What is given to one picture file is given to all files of its content.

    Raises BadInput naming the entry that has no row and no item, has a row that cannot be kept, or stands there twice.
    """
    store = vectors.store
    with _uncollected():
        rows, normalised = _rows(vectors, [entry for entry in entries if entry.row is not None])
        ids = _ids(store, entries)
        is_new = np.array([id is None for entry, id in zip(entries, ids, strict=True) if entry.row is not None], bool)
        new = _records([entry for entry, id in zip(entries, ids, strict=True) if id is None])
        known = [(entry, id) for entry, id in zip(entries, ids, strict=True) if id is not None]
        work = _changed(store, known, rows[~is_new]) if known else []
    said = {place: [text for text, _ in some] for place, some in enumerate(new.captions) if some}
    texts = encoded_texts(vectors, encoder, said)
    others = {item.id: item.captions for item, _, before in work if item.captions != before.captions}
    other_texts = encoded_texts(vectors, encoder, others)
    with _uncollected(), store.transaction():
        write(vectors, [Written(item, row, other_texts.get(item.id), keeps=row is None) for item, row, _ in work])
        begun = iter(begin(vectors, new, rows[is_new], texts))
    return Given([next(begun) if id is None else id for id in ids], len(new.kept) + len(work), normalised)


@contextmanager
def _uncollected() -> Iterator[None]:
    """While a batch is made into many objects, none in a cycle: the collector would look at all there are each time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _rows(vectors: Vectors, entries: Sequence[Entry]) -> tuple[Array, int]:
    """(n, d) their rows as they are kept, and how many were normalised."""
    width = vectors.identity.width
    for entry in entries:
        if (shape := _shape(entry.row)) != (width,):
            raise BadInput(f"{entry.key}: its row is {shape}; rows of this collection are {(width,)}")
    if not entries:
        return np.empty((0, width), vectors.identity.dtype), 0
    try:
        rows, refused, normalised = vectors.settled([entry.row for entry in entries], len(entries))
    except BadInput:
        _find_odd(vectors, entries)
        raise
    if len({entry.row.dtype.kind for entry in entries if isinstance(entry.row, np.ndarray)}) > 1:
        _find_odd(vectors, entries)  # in one array all of them pass for the widest kind
    for place, why in refused.items():
        raise BadInput(f"{entries[place].key}: {why}")
    return rows, normalised


def _find_odd(vectors: Vectors, entries: Sequence[Entry]) -> None:
    """Raises BadInput naming the first entry whose row is of another kind than the collection's."""
    for entry in entries:
        try:
            vectors.settled([entry.row], 1)
        except BadInput as error:
            raise BadInput(f"{entry.key}: {error}") from None


def _shape(row: Any) -> tuple[int, ...]:
    try:
        return row.shape if isinstance(row, np.ndarray) else np.shape(row)
    except ValueError:  # numbers beside lists, or lists of different lengths
        return ()


def _ids(store: Store, entries: Sequence[Entry]) -> list[int | None]:
    """The id of the item that is called as each entry says; None of a new one, which has a row."""
    # A text with a row is a new key, though a file of this name may lie where the program runs.
    with_row = iter(store.find([entry.key for entry in entries if entry.row is not None], exactly=True))
    others = iter(store.find([entry.key for entry in entries if entry.row is None]))
    ids = [next(others if entry.row is None else with_row) for entry in entries]
    if len({_kept(entry) if id is None else id for entry, id in zip(entries, ids, strict=True)}) < len(ids):
        raise BadInput("one item stands twice among the entries; join them into one")
    missing = next((entry for entry, id in zip(entries, ids, strict=True) if id is None and entry.row is None), None)
    if missing is not None:
        raise BadInput(f"{missing.key}: not in the collection, so it needs a row; or add its file")
    return ids


def _records(entries: Sequence[Entry]) -> Records:
    """New items."""
    facts = {name: list(map(attrgetter(name), entries)) for name in _FACTS}
    return Records.new(
        [_kept(entry) for entry in entries],
        {name: column for name, column in facts.items() if column.count(None) < len(column)},
        [[(text, True) for text in _plain(entry.captions)] if entry.captions else [] for entry in entries],
        [[(tag, True) for tag in _once(entry.tags)] if entry.tags else [] for entry in entries],
        [entry.metadata or {} for entry in entries],
    )


class _Met(NamedTuple):
    """An entry, its row as it is kept, and the item that is called so."""

    entry: Entry
    row: Array | None
    before: Item


def _changed(store: Store, known: Sequence[tuple[Entry, int]], rows: Array) -> list[tuple[Item, Array | None, Item]]:
    """Items that are other than before, each with its new row, and with what it was; rows: of the entries with one."""
    of_rows = iter(rows)
    before = {item.id: item for item in store.items([id for _, id in known])}
    met = [_Met(entry, None if entry.row is None else next(of_rows), before[id]) for entry, id in known]
    work = [(_given(entry, before), row, before) for entry, row, before in _shared(store, met)]
    return [(item, row, before) for item, row, before in work if row is not None or item != before]


def _kept(entry: Entry) -> str:
    return entry.key if isinstance(entry.key, str) else full(entry.key)


def _shared(store: Store, met: Sequence[_Met]) -> list[_Met]:
    """The same, and for every other file of the same content an entry that gives it the same words."""
    # Two lines of a table may speak of two files of one content: both are right.
    said: dict[str, Entry] = {}
    for entry, _, before in met:
        if digest := before.digest:
            said[digest] = _joined(said[digest], entry) if digest in said else entry
    copies = store.pairs("digest, id", "items", "digest", sorted(said), "AND status = 'ok'")
    here, live = {some.before.id for some in met}, {digest for digest, _ in copies}
    found = []
    for entry, row, before in met:
        if before.digest:
            if before.status != "ok" and row is None and before.digest in live:
                continue  # its copies have the words; its own file cannot be read
            entry = _as_said(entry, said[before.digest])
        if row is None and before.status != "ok":
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


def _given(entry: Entry, before: Item) -> Item:
    """The item that an entry makes of the one there was."""
    captions = before.given.captions if entry.captions is None else _plain(entry.captions)
    tags = before.given.tags if entry.tags is None else _once(entry.tags)
    metadata = before.metadata if entry.metadata is None else dict(entry.metadata)
    facts: dict[str, Any] = {name: fact for name in _FACTS if (fact := getattr(entry, name)) is not None}
    return replace(before, status="ok", given=Words(captions, tags), metadata=metadata, **facts)


def _plain(captions: Sequence[str]) -> tuple[str, ...]:
    """Each of them once, on one line."""
    return tuple(dict.fromkeys([" ".join(text.split()) for text in captions if text.strip()]))


def _once(tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({tag.strip() for tag in tags if tag.strip()}))
