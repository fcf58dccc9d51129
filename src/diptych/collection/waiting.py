"""Words that people gave to pictures that are not there now: kept by content until it returns.

Words belong to a picture and not to its file, so all files of one content share them, and they outlive the last one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from diptych.collection.items import Item, Value
from diptych.collection.store import Store
from diptych.kinds import batches
from diptych.sources.metadata.about import Words


@dataclass(frozen=True)
class Waiting:
    """The words of one content that is not there.

    digest   sha256 of the content
    path     where it was last
    why      "gone": nothing has them now; "edited": its file has other content now, which has the words as well
    """

    digest: str
    path: str
    why: Literal["gone", "edited"] = "gone"
    given: Words = field(default_factory=Words)
    metadata: dict[str, Value] = field(default_factory=dict)

    @property
    def says_anything(self) -> bool:
        return bool(self.given.captions or self.given.tags or self.metadata)

    def joined(self, other: Waiting) -> Waiting:
        """With the words of another, for which these make way where they contradict."""
        captions = tuple(dict.fromkeys((*self.given.captions, *other.given.captions)))
        tags = tuple(sorted({*self.given.tags, *other.given.tags}))
        return Waiting(other.digest, other.path, other.why, Words(captions, tags), self.metadata | other.metadata)


def keep(store: Store, item: Item, why: Literal["gone", "edited"]) -> None:
    """Keep what was given to an item for the day its content returns, inside a transaction.

    Nothing is kept where another item has this content and the words with it. That nothing was given is kept, too: so a
    picture that comes back under the name of another is known to be none of its edits.
    """
    if item.digest is None:
        return
    twin = shared(store, [item.digest]).get(item.digest)
    if twin is not None and covers(twin, item):
        return
    new = Waiting(item.digest, item.kept, why, item.given, dict(item.metadata))
    for old in of(store, [item.digest]).values():
        new = old.joined(new)
    words = json.dumps([new.given.captions, new.given.tags, new.metadata])
    row = (new.digest, new.path, new.why, words)
    store.change("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?)", [(*row, _crc(*row))])


def of(store: Store, digests: Sequence[str]) -> dict[str, Waiting]:
    """digest -> the words that wait for it. Raises Damaged where a checksum differs."""
    found = {}
    for some in batches(list(digests), 500):
        marks = ",".join("?" * len(some))
        for row in store.rows(f"SELECT digest, path, why, words, crc FROM waiting WHERE digest IN ({marks})", some):
            found[row[0]] = _read(store, *row)
    return found


def listed(store: Store) -> list[Waiting]:
    """All that is kept, in the order of the paths."""
    return [_read(store, *row) for row in store.rows("SELECT digest, path, why, words, crc FROM waiting ORDER BY path")]


def gone(store: Store) -> list[Waiting]:
    """What was given to pictures that are not there."""
    return [some for some in listed(store) if some.why == "gone" and some.says_anything]


def drop(store: Store, digests: Iterable[str]) -> None:
    """Forget them, inside a transaction."""
    store.change("DELETE FROM waiting WHERE digest = ?", [(digest,) for digest in digests])


def delete(store: Store, ids: Iterable[int]) -> int:
    """Remove items, inside a transaction; the number of those that were there. What was given to them waits."""
    gone = 0
    for some in batches(list(ids), 500):
        for item in store.items(some):
            gone += store.delete([item.id])
            keep(store, item, "gone")
    return gone


def shared(store: Store, digests: Sequence[str]) -> dict[str, Item]:
    """digest -> an item of this content that can be found, and has the words of all of them."""
    found = {}
    for some in batches(list(digests), 500):
        marks = ",".join("?" * len(some))
        sql = f"SELECT min(id) FROM items WHERE digest IN ({marks}) AND status = 'ok' GROUP BY digest"
        for item in store.items([id for (id,) in store.rows(sql, some)]):
            found[str(item.digest)] = item
    return found


def covers(twin: Item, item: Item) -> bool:
    """Whether an item has all the words of another."""
    captions, tags, metadata = set(twin.given.captions), set(twin.given.tags), twin.metadata.items()
    has_words = captions >= {*item.given.captions} and tags >= {*item.given.tags}
    return has_words and all(entry in metadata for entry in item.metadata.items())


def with_words(item: Item, source: Item | Waiting) -> Item:
    """The item with the words given to another of its content, besides its own."""
    own = Waiting(str(item.digest), item.kept, "gone", item.given, dict(item.metadata))
    other = Waiting(own.digest, own.path, "gone", source.given, dict(source.metadata))
    both = other.joined(own)
    return replace(item, given=both.given, metadata=both.metadata)


def _crc(*facts: str) -> int:
    return zlib.crc32(json.dumps(facts).encode())


def _read(store: Store, digest: str, path: str, why: Literal["gone", "edited"], words: str, crc: int) -> Waiting:
    with store.believing(f"words that wait for {path!r}"):
        if _crc(digest, path, why, words) != crc:
            raise store.damaged(f"words that wait for {path}: checksum differs")
        captions, tags, metadata = json.loads(words)
        return Waiting(digest, path, why, Words(tuple(captions), tuple(tags)), metadata)
