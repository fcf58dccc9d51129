"""A folder of pictures, each with a `.txt` of captions beside it."""

from __future__ import annotations

from pathlib import Path

from diptych.kinds import BadInput
from diptych.sources.rows import Row

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
"""Endings of files that are pictures."""


def rows(folder: Path) -> list[Row]:
    """The pictures in `folder` and all folders below it, in the order of their paths.

    The captions of `a/b.jpg` are the lines of `a/b.txt`; a picture without one has no captions. Hidden files and
    folders are left alone.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix.lower() not in PICTURES or any(part.startswith(".") for part in name.parts):
            continue
        found.append(Row(name.as_posix(), captions(path.with_suffix(".txt")), where=str(path)))
    return found


def captions(path: Path) -> tuple[str, ...]:
    """The lines of a file that are not blank; none where there is no file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())
