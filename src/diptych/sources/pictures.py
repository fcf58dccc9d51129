"""Picture files, read safely: upright, RGB, bounded, and named when they do not decode."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from diptych.kinds import Array, BadInput

MAX_PIXELS = 80_000_000

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
"""What is read, whatever a file's name says. PIL knows forty more: hardly a picture comes in one, and an attacker has
the choice among all of them. EPS would be handed to Ghostscript, a program for programs."""

MAX_EXIF = 4_000_000
"""Bytes of EXIF in a JPEG. The standard has one block of 64 kB; PIL takes a time that grows with the square of more."""


def read(path: str | Path) -> bytes:
    """The bytes of a file. Raises BadInput naming it."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a zero byte in the name is a ValueError
        raise BadInput(f"{path}: not readable ({getattr(error, 'strerror', None) or error})") from None


@contextmanager
def opened(file: BinaryIO, name: str | Path) -> Iterator[Image.Image]:
    """The picture in a file: its header is read, its pixels are not yet.

    Raises BadInput naming the picture for whatever goes wrong inside the block because of the file, and for one of more
    than MAX_PIXELS pixels.
    """
    start = file.read(12)
    file.seek(0)
    if start[4:8] == b"ftyp":
        _read_heic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's own bound is a warning; ours is below
            if start[:2] == b"\xff\xd8" and _exif_bytes(file) > MAX_EXIF:
                raise BadInput(f"{name}: more than {MAX_EXIF:,} bytes of EXIF; save it again without")
            picture = Image.open(file, formats=_formats())
        with picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise BadInput(_too_large(name, f"{width} x {height} pixels"))
            yield picture
    except BadInput:
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+ pixels", str(error))
        raise BadInput(_too_large(name, found[0] if found else "too many pixels")) from None
    except MemoryError:
        raise BadInput(f"{name}: takes more memory to read than it may; leave it out") from None
    except Exception as error:  # the readers inside PIL raise whatever a damaged file makes them stumble on
        reason = f"damaged ({error})"
        if isinstance(error, UnidentifiedImageError):
            reason = "not a picture that can be read"
            if start[4:8] == b"ftyp" and not _read_heic():
                reason = "HEIC, which needs pillow-heif (pip install pillow-heif)"
        raise BadInput(f"{name}: {reason}; save it again as JPEG or PNG, or leave it out") from None


def decode(data: bytes, name: str | Path, enough: int = 0) -> Image.Image:
    """The picture as RGB, turned upright as its EXIF says, first frame, what is transparent on white.

    enough   a JPEG may come at half size, a quarter or an eighth as long as neither side falls below this many pixels;
             several times faster for photographs of a camera. 0 is full size.

    Raises BadInput naming the picture when it does not decode or has more than MAX_PIXELS pixels.
    """
    with opened(io.BytesIO(data), name) as picture:
        return upright(picture, enough)


def upright(picture: Image.Image, enough: int = 0) -> Image.Image:
    """What `decode` makes of a picture, of one that is open already."""
    if enough:
        picture.draft("RGB", (enough, enough))
    if picture.getexif().get(0x0112, 1) != 1:  # else it would be copied for nothing
        picture = ImageOps.exif_transpose(picture)
    return _rgb(picture)


def load(path: str | Path, enough: int = 0) -> Image.Image:
    """`decode` of a file."""
    return decode(read(path), path, enough)


@dataclass(frozen=True)
class Preprocessing:
    """How an encoder looks at pictures: as one square of pixels, the same wherever it looks and whoever decodes.

    side       of the square, in pixels
    resize     squash: the whole picture, whatever its shape. crop: the shorter side becomes `side`, and the middle is
               taken
    resample   the filter, by its name in PIL, in lower case
    enough     pixels a side that suffice before that (see `decode`); 0 decodes every picture at full size
    """

    side: int
    resize: Literal["squash", "crop"] = "squash"
    resample: str = "bicubic"
    enough: int = 0

    def __str__(self) -> str:
        return f"{self.side} pixels, {self.resize}, {self.resample}"

    def of(self, picture: str | Path | Image.Image) -> Array:
        """(side, side, 3) uint8 of a file, or of a picture that is open already."""
        if isinstance(picture, Image.Image):
            return self.square(upright(picture))
        return self.square(load(picture, self.enough))

    def square(self, picture: Image.Image) -> Array:
        """(side, side, 3) uint8 of what `decode` gives."""
        box = None
        if self.resize == "crop":
            # The part whose pixels would be left if everything were resized first; a thin strip would not fit memory.
            width, height = picture.size
            short = min(width, height)
            wide, high = (side * self.side // short for side in (width, height))
            left, top = (wide - self.side) // 2, (high - self.side) // 2
            right, bottom = left + self.side, top + self.side
            across, down = width / wide, height / high
            box = (left * across, top * down, min(right * across, width), min(bottom * down, height))
        resample = Image.Resampling[self.resample.upper()]
        return np.asarray(picture.resize((self.side, self.side), resample, box=box))


def _formats() -> list[str]:
    """Those of FORMATS that this PIL, with its plugins, can read."""
    _register()
    return [name for name in FORMATS if name in Image.OPEN]


@lru_cache(maxsize=1)
def _register() -> None:
    for plugin in ("Avif", "Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP"):
        with suppress(ImportError):  # an older PIL has no AVIF
            import_module(f"PIL.{plugin}ImagePlugin")


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # 16-bit grey: PIL would cut it off at 255 and leave it white
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture.load()  # its file is closed soon
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _exif_bytes(file: BinaryIO) -> int:
    """The length of the EXIF blocks of a JPEG, by the headers of its segments alone. Leaves the file at its start."""
    total = 0
    file.seek(2)
    while True:
        head = file.read(10)
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:  # the picture itself, or nothing that can be followed
            break
        length = int.from_bytes(head[2:4], "big")
        if head[1] == 0xE1 and head[4:] == b"Exif\0\0":
            total += length
        file.seek(2 + length - len(head), io.SEEK_CUR)
    file.seek(0)
    return total


@lru_cache(maxsize=1)
def _read_heic() -> bool:
    """Whether HEIC can be read: pillow-heif is a plugin of PIL that is used when it is installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _too_large(name: str | Path, size: str) -> str:
    return f"{name}: {size}, more than {MAX_PIXELS:,}; scale it down first"
