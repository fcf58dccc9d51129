"""What may be told of a collection to strangers: no names, coarse times and places, and nothing that few items share.

k-anonymity (Sweeney, IJUFKS 2002): whoever knows the month, the place, the camera and the tags of a picture is left
with k records or more that look the same. Captions and metadata are free text, so they are not told at all.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from diptych.collection.items import Item
from diptych.kinds import BadInput

PLACE = 1
"""Decimals of a degree: about 11 kilometres."""


@dataclass(frozen=True)
class Record:
    """What is told of an item. when: a month, a year or ""; where: (lat, lon), or None."""

    when: str = ""
    where: tuple[float, float] | None = None
    camera: str = ""
    tags: frozenset[str] = frozenset()

    def fields(self) -> dict[str, Any]:
        lat, lon = self.where or (None, None)
        return {
            "key": secrets.token_hex(16),
            "taken": self.when or None,
            "lat": lat,
            "lon": lon,
            "camera": self.camera or None,
            "tags": sorted(self.tags),
        }


def records(items: Sequence[Item], k: int) -> list[Record]:
    """One record an item, in the order of the items; each is told of k items at least.

    What would single an item out goes, the least of it first: its rarest tag, then its camera, the month, the place,
    the year. Raises BadInput where there are fewer items than k.
    """
    if not 2 <= k <= len(items):
        raise BadInput(f"k: {k}; at least 2, and no more than the {len(items)} items there are")
    found = [_coarse(item) for item in items]
    usual = Counter(tag for record in found for tag in record.tags)
    found = [replace(one, tags=frozenset(tag for tag in one.tags if usual[tag] >= k)) for one in found]
    while True:
        alike = Counter(found)
        if not (few := {record for record, n in alike.items() if n < k}):
            return found
        less = {record: _less(record, usual) for record in few}
        if all(record == told for record, told in less.items()):
            # Those that tell nothing are too few to hide among: the next larger group tells as little.
            told = min((record for record in alike if record not in few), key=lambda record: alike[record])
            less[told] = _less(told, usual)
        found = [less.get(record, record) for record in found]


def _coarse(item: Item) -> Record:
    where = None if item.lat is None or item.lon is None else (round(item.lat, PLACE), round(item.lon, PLACE))
    return Record((item.taken or "")[:7], where, item.camera or "", frozenset(item.tags))


def _less(record: Record, usual: Counter[str]) -> Record:
    """The record with one thing less in it."""
    if record.tags:
        rarest = min(record.tags, key=lambda tag: (usual[tag], tag))
        return replace(record, tags=record.tags - {rarest})
    if record.camera:
        return replace(record, camera="")
    if len(record.when) > 4:
        return replace(record, when=record.when[:4])
    if record.where is not None:
        return replace(record, where=None)
    return replace(record, when="")


def lines(items: Sequence[Item], k: int) -> Iterator[dict[str, Any]]:
    """The records in a random order, which would tell how the files follow each other, under random keys."""
    told = records(items, k)
    secrets.SystemRandom().shuffle(told)
    return (record.fields() for record in told)
