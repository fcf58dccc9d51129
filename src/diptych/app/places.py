"""Where collections lie: in the folder of their pictures, beside it, above here, or where the last one was indexed."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from diptych.kinds import BadInput

INSIDE = ".diptych"


def named(collection: Path) -> Path:
    """The collection that was named, be it by the folder of pictures that it is of."""
    found = beside(collection)
    return found if found.is_dir() and collection.name != INSIDE else collection


def into(path: Path) -> Path:
    """The collection that a folder is indexed into, or a picture: into that of the nearest folder that has one."""
    if not path.exists():
        raise BadInput(f"{path}: no such folder; is it misspelt, or its disk not mounted?")
    from diptych.sources.walk import not_unicode

    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise BadInput(f"{path}: {not_unicode()}") from None
    if not path.is_file():
        return beside(path)
    folders = Path(os.path.abspath(path)).parents  # noqa: PTH100 - links keep their names
    return next((found for folder in folders if (found := beside(folder)).is_dir()), beside(folders[0]))


def served(place: Path) -> Path:
    """The collection that is served for a place: itself, or that of a folder of pictures, be it yet to be made."""
    from diptych.collection.store import FILE

    return place if (place / FILE).is_file() else into(place)


def beside(folder: Path) -> Path:
    """Where the collection of a folder lives: inside it, or in the cache where nothing may be written into it."""
    from diptych.sources import cache

    inside = folder / INSIDE
    if inside.exists() or os.access(folder, os.W_OK) or not folder.is_dir():
        return inside
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return cache.home() / "collections" / name


def near(or_last: bool = False) -> Path:
    """The collection of this folder, or of the nearest one above it that has one.

    or_last   where none has, the one that was indexed last
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (found := beside(folder)).is_dir():
            return found
    if or_last and (last := _last_indexed()) is not None:
        return last
    raise BadInput(
        f"there is no collection in {here} or above; name one with --collection, or `diptych index` a folder"
    )


def _last_indexed() -> Path | None:
    with suppress(OSError, UnicodeError):
        found = Path(_note_of_last().read_text(encoding="utf-8"))
        return found if found.is_dir() else None
    return None


def remember(collection: Path) -> None:
    """As the one that was indexed last. A cache that cannot be written costs only the convenience."""
    with suppress(OSError):
        _note_of_last().parent.mkdir(parents=True, exist_ok=True)
        _note_of_last().write_text(str(collection.resolve()), encoding="utf-8")


def _note_of_last() -> Path:
    from diptych.sources import cache

    return cache.home() / "last-collection"
