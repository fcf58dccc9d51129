"""Items: one as it is read, and many as they are written, column by column."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Self

from diptych.sources.metadata.about import Words

Scalar = str | int | float | bool
Value = Scalar | Sequence[Scalar]
"""Of metadata: one value, or several in their order."""

Said = list[tuple[str, bool]]
"""Captions or tags of an item, each with whether it was given; what was given and found counts as given."""

COLUMNS = ("digest", "size", "mtime_ns", "beside_at", "width", "height", "taken", "camera", "lat", "lon")
_FACTS = ("status", "reason", *COLUMNS)
_facts = attrgetter("kept", *_FACTS)
_json = json.JSONEncoder(check_circular=False).encode  # `json.dumps`, without looking for settings each time
_json_lines = json.JSONEncoder(check_circular=False, separators=("\n", ": ")).encode


@dataclass(frozen=True)
class Item:
    """One picture of a collection.

    kept        what it is called in the database: `Store.kept_path` of its file, or the key of an item without one
    key         what it is called outside, and no other is: the path of its file in full, or what it was given as
    path        where its file lies; None where it has none. Both are known of what `Collection.get` gives
    status      "ok": it can be found; "failed": it cannot, and `reason` says why
    digest      sha256 of the file, of one that failed when it could last be read; None for an item that was given as a
                row and has no file
    found       captions and tags that stand in the file and in the files beside it
    given       those that a person or a program gave
    taken       local time, ISO 8601, as far as it is known: `2020`, `2020-05-01`, `2020-05-01T12:30:15`
    """

    kept: str
    id: int = 0
    key: str = field(default="", compare=False)
    path: str | None = field(default=None, compare=False)
    status: str = "ok"
    reason: str = ""
    digest: str | None = None
    size: int | None = None
    mtime_ns: int | None = None
    beside_at: str = ""
    width: int | None = None
    height: int | None = None
    taken: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None
    found: Words = field(default_factory=Words)
    given: Words = field(default_factory=Words)
    metadata: Mapping[str, Value] = field(default_factory=dict)

    @property
    def captions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.given.captions, *self.found.captions)))

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted({*self.given.tags, *self.found.tags}))

    def said(self) -> tuple[Said, Said]:
        """Captions in their order, and tags in that of the alphabet."""
        captions, tags = set(self.given.captions), set(self.given.tags)
        return [(text, text in captions) for text in self.captions], [(tag, tag in tags) for tag in self.tags]

    def searchable(self) -> tuple[str, str, str]:
        """What full-text search sees of it: its name, its captions, its tags."""
        captions, tags = self.said()
        return _searched_name(self.kept), _lines(captions), _lines(tags)

    def crc(self) -> int:
        """A checksum of everything that is kept of it besides its vectors."""
        return _checksum(_facts(self), *self.said(), self.metadata)


@dataclass(frozen=True)
class Records:
    """Items as they are written: to make an object of each of thousands would take as long as to write them.

    kept       (n,) what each is called in the database
    facts      name -> (n,) whatever else is a column of the table of items
    same       name -> what such a column holds in all of them
    captions   (n,) as of `Item.said`; so are `tags`
    """

    kept: Sequence[str]
    facts: Mapping[str, Sequence[Any]]
    same: Mapping[str, Any]
    captions: Sequence[Said]
    tags: Sequence[Said]
    metadata: Sequence[Mapping[str, Value]]

    @classmethod
    def of(cls, items: Sequence[Item]) -> Self:
        said = [item.said() for item in items]
        return cls(
            [item.kept for item in items],
            {name: [getattr(item, name) for item in items] for name in _FACTS},
            {},
            [captions for captions, _ in said],
            [tags for _, tags in said],
            [item.metadata for item in items],
        )

    @classmethod
    def new(
        cls,
        kept: Sequence[str],
        facts: Mapping[str, Sequence[Any]],
        captions: Sequence[Said],
        tags: Sequence[Said],
        metadata: Sequence[Mapping[str, Value]],
    ) -> Self:
        """facts: those that are known; the others are as in an `Item` of which nothing is."""
        same = {name: getattr(Item, name) for name in _FACTS if name not in facts}
        return cls(kept, facts, same, captions, tags, metadata)

    def crcs(self) -> list[int]:
        """That of each item, as `Item.crc`: what is the same in all of them is written once."""
        if not self.kept:
            return []
        facts = ["%s" if name in self.facts else _json(self.same[name]).replace("%", "%%") for name in _FACTS]
        form = f"[{', '.join(['%s', *facts, '%s', '%s', '%s'])}]"
        columns = [self.kept, *(self.facts[name] for name in _FACTS if name in self.facts)]
        lists: list[Sequence[list[Any]]] = [self.captions, self.tags, [sorted(some.items()) for some in self.metadata]]
        each = [*map(_scalars_as_json, columns), *map(_lists_as_json, lists)]
        return [zlib.crc32((form % texts).encode()) for texts in zip(*each, strict=True)]

    def searchable(self) -> dict[str, list[str]]:
        """column -> what full-text search sees of each item, as `Item.searchable`."""
        names = [_searched_name(kept) for kept in self.kept]
        said = {"captions": self.captions, "tags": self.tags}
        lines = {name: list(map(_lines, some)) if any(some) else [""] * len(names) for name, some in said.items()}
        return {"name": names, **lines}


def _searched_name(kept: str) -> str:
    """The name of a file without its ending."""
    name = kept.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _lines(said: Said) -> str:
    return "\n".join([text for text, _ in said]) if said else ""


def _scalars_as_json(column: Sequence[Scalar | None]) -> list[str]:
    """As `_json` of each: a text in JSON holds no end of a line."""
    return _json_lines(column)[1:-1].split("\n")


def _lists_as_json(column: Sequence[list[Any]]) -> list[str]:
    """As `_json` of each: nothing that holds no mapping has this between two of its signs."""
    if not any(column):
        return ["[]"] * len(column)
    return _json([{"": one} for one in column])[len('[{"": ') : -len("}]")].split('}, {"": ')


def folded(value: Value) -> list[tuple[int, Scalar | None, str]]:
    """A metadata value as rows (number, value, kind): one, or those of a list, of which an empty one has a NULL.

    kind   "list" of what is in a list, and "bool" of what is one, which is kept as the word that a filter asks for
    """
    if isinstance(value, (str, int, float)):  # a union of them takes five times as long
        return [(0, *_plain(value, ""))] if isinstance(value, bool) else [(0, value, "")]
    return [(row, *_plain(one, "list ")) for row, one in enumerate(value)] or [(0, None, "list")]


def _plain(value: Scalar, kind: str) -> tuple[Scalar, str]:
    return (str(value).lower(), f"{kind}bool") if isinstance(value, bool) else (value, kind.strip())


def unfold(metadata: dict[str, Any], key: str, value: Scalar | None, kind: str) -> None:
    """Put a row of `folded` back."""
    if kind.endswith("bool"):
        value = value == "true"
    if not kind.startswith("list"):
        metadata[key] = value
    else:
        metadata.setdefault(key, []).extend([] if value is None else [value])


def _checksum(facts: Iterable[Any], captions: Said, tags: Said, metadata: Mapping[str, Value]) -> int:
    return zlib.crc32(_json([*facts, captions, tags, sorted(metadata.items())]).encode())
