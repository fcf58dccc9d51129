"""The nouns: what a block or a file says about a picture, and how several that speak of the same one become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from diptych.sources.metadata.reading import plain

MAX_WORDS = 10_000
"""Captions of one picture, and tags of it; more are left out, with a note."""


@dataclass(frozen=True)
class Words:
    """Sentences about a picture, and single words that mark it."""

    captions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class About:
    """What one source says about a picture; None and () where it is silent.

    captions, tags  as they stand there; `joined` makes them plain
    taken           when the picture was taken, `digitised` when it was scanned or its file was made: local time,
                    ISO 8601, as far as it is known (`2020`, `2020-05-01`, `2020-05-01T12:30:15`)
    camera          its model
    lat, lon        degrees, north and east positive
    notes           what could not be read, a line each
    """

    captions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    taken: str | None = None
    digitised: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None
    notes: tuple[str, ...] = ()


def joined(sources: Iterable[About]) -> About:
    """Every word of every source, once; of each fact what the first source says that knows it.

    A date of taking goes before a date of digitising, whichever source knows it. Where a later source has the same date
    with a time of day, the time is taken along.
    """
    sources = list(sources)
    captions = [text for source in sources for text in source.captions]
    tags = [text for source in sources for text in source.tags]
    notes = [note for source in sources for note in source.notes]
    if max(len(captions), len(tags)) > MAX_WORDS:
        notes.append(f"words left out: more than {MAX_WORDS:,} captions or tags")
    dates = [*(source.taken for source in sources), *(source.digitised for source in sources)]
    known = [date for date in dates if date]
    taken = max((date for date in known if date.startswith(known[0])), key=len, default=None)
    lat, lon = next(((s.lat, s.lon) for s in sources if s.lat is not None and s.lon is not None), (None, None))
    camera = next((source.camera[:100] for source in sources if source.camera), None)
    return About(
        _once(captions), _once(tags), taken, camera=camera, lat=lat, lon=lon, notes=tuple(dict.fromkeys(notes))
    )


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(plain, texts[:MAX_WORDS]))))
