"""Files of words beside a picture: `.txt` with a caption a line, and `.xmp`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diptych.sources.metadata import xmp
from diptych.sources.metadata.about import About
from diptych.sources.metadata.reading import decoded_file

MAX_TEXT = 1_000_000
"""Bytes of a `.txt`."""


def read(path: str) -> About:
    """What the file says; what could not be read is a note that names it. Never raises."""
    name = Path(path).name
    most = xmp.MAX_BYTES if path.lower().endswith(".xmp") else MAX_TEXT
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        return _left_out(name, f"not readable ({error.strerror or error})")
    if len(data) > most:
        return _left_out(name, f"more than {most:,} bytes")
    if path.lower().endswith(".xmp"):
        found = xmp.read(data)
        return replace(found, notes=tuple(f"{name}: {note}" for note in found.notes))
    text = decoded_file(data)
    if "\0" in text.rstrip("\0"):
        return _left_out(name, "not a text; save it as UTF-8")
    return About(tuple(text.splitlines()))


def _left_out(name: str, why: str) -> About:
    return About(notes=(f"words left out of {name}: {why}",))
