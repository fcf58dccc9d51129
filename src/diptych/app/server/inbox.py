"""Where uploaded files are kept, under names that are safe on every system."""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from diptych.app.server.problems import Problem
from diptych.sources import magic, pictures

ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "TIFF": ".tif", "BMP": ".bmp"}
ENDINGS |= {"AVIF": ".avif", "HEIC": ".heic", "HEIF": ".heif"}

LENGTH = 160
"""Bytes of a name: no system takes more than 255, and an ending is still to come."""

_DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[\d¹²³]", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w ()+,@-]+")


def take(folder: Path, name: str, file: BinaryIO) -> Path:
    """Keep a file under its name, or one that is like it and free. Raises Problem for what is no picture."""
    start = file.read(magic.ENOUGH)
    kind = magic.kind(start)
    if kind not in ENDINGS:
        raise Problem(415, f"not a picture that can be read; give one of {', '.join(pictures.FORMATS)}")
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{secrets.token_hex(8)}.part"
    try:
        with open(draft, "xb") as out:
            out.write(start)
            while block := file.read(1 << 20):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        return _placed(draft, folder, stem(name), ENDINGS[kind])
    finally:
        draft.unlink(missing_ok=True)


def stem(name: str) -> str:
    """The name of an uploaded file without folders, ending, and anything that a system would stumble on."""
    last = PureWindowsPath(PurePosixPath(name.replace("\0", "")).name).name
    letters = unicodedata.normalize("NFC", PurePosixPath(last).stem)
    safe = _UNSAFE.sub("_", letters).strip(" ._").encode()[:LENGTH].decode(errors="ignore").strip()
    return f"_{safe}" if _DEVICES.fullmatch(safe) else safe or "picture"


def discarded(path: str) -> str:
    """Delete an uploaded file; its name."""
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108
    return Path(path).name


def has(folder: Path, path: str) -> bool:
    """Whether a file was uploaded; one that lies elsewhere is not the server's to delete."""
    return Path(path).parent == folder


def _placed(draft: Path, folder: Path, name: str, ending: str) -> Path:
    """Give a whole file its name, and never that of another."""
    for number in range(1, 10_000):
        path = folder / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        with suppress(FileExistsError):
            os.link(draft, path)
            return path
    raise Problem(409, f"{name}: there are too many files of this name; rename it")
