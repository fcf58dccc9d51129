"""IPTC-IIM 4.2 (the "legacy IPTC" of JPEG and TIFF), and the Photoshop resources that it is wrapped in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from diptych.sources.metadata.about import About
from diptych.sources.metadata.reading import by_people, decoded, moment, undated

MAX_BYTES = 16_000_000
MAX_DATASETS = 100_000

_CAPTIONS = (120, 105, 5)  # caption, headline, object name
_TAGS = 25
_CREATED, _DIGITISED = (55, 60), (62, 63)  # day, time


def read(block: bytes) -> About:
    """Keywords, captions and dates.

    Text is UTF-8 where its bytes are, and Windows-1252 elsewhere. The set of characters that 1:90 names is not asked:
    programs that write UTF-8 forget it, and programs that do not copy it.
    """
    found: dict[int, list[str]] = defaultdict(list)
    notes = []
    try:
        for record, dataset, value in _datasets(block):
            if record == 2:
                found[dataset].append(decoded(value))
    except ValueError as error:
        notes.append(f"IPTC left out in part: {error}")
    days = ((found[day], found[time]) for day, time in (_CREATED, _DIGITISED))
    dates = [" ".join(day[:1] + time[:1]) if day else "" for day, time in days]
    taken, digitised = map(moment, dates)
    captions = by_people(text for dataset in _CAPTIONS for text in found[dataset])
    return About(captions, tuple(found[_TAGS]), taken, digitised, notes=(*notes, *undated(dates)))


def in_photoshop(resources: bytes) -> bytes:
    """The IPTC block among Photoshop's image resources; b"" where there is none."""
    blocks, at = [], 0
    while (at := resources.find(b"8BIM", at)) >= 0:
        name = at + 6
        size = name + 1 + resources[name] if name < len(resources) else name
        size += (size - name) % 2
        data, length = size + 4, int.from_bytes(resources[size : size + 4], "big")
        if resources[at + 4 : name] == b"\x04\x04":
            blocks.append(resources[data : data + length])
        at = data + length
    return b"".join(blocks)


def _datasets(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(record, number, value), until the block ends or does not read any more. Raises ValueError for that."""
    if len(block) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes")
    at = n = 0
    while block[at : at + 1] == b"\x1c" and at + 5 <= len(block):
        if (n := n + 1) > MAX_DATASETS:
            raise ValueError(f"more than {MAX_DATASETS:,} data sets")
        record, dataset, length = block[at + 1], block[at + 2], int.from_bytes(block[at + 3 : at + 5], "big")
        at += 5
        if length & 0x8000:  # the length of the length
            at, length = at + (length & 0x7FFF), int.from_bytes(block[at : at + min(length & 0x7FFF, 8)], "big")
        yield record, dataset, block[at : at + length]
        at += length
    if at > len(block) or block[at:].strip(b"\0"):
        raise ValueError(f"damaged at byte {min(at, len(block)):,} of {len(block):,}")
