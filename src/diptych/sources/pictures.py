"""Picture files, read safely: upright, RGB, bounded, and named when they do not decode."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile, jpeg_factory
from PIL.TiffImagePlugin import XMP, TiffImageFile

from diptych.kinds import Array, BadInput, batches
from diptych.sources import jpeg, magic, shown

MAX_PIXELS = 80_000_000
"""Pixels that are decoded of one picture. A JPEG with more of them comes at half its size, a quarter or an eighth."""

MAX_HELD = 1_500_000_000
"""Bytes that a JPEG may take before its first row can be decoded: a progressive one is collected whole."""

MOSTLY = 0.75
"""How much of a picture has to be there when the end of its file is missing."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
"""What is read, whatever a file's name says. PIL knows forty more: hardly a picture comes in one, and an attacker has
the choice among all of them. EPS would be handed to Ghostscript, a program for programs."""

DECODING = 2
"""Grows whenever the pixels of some file come out otherwise: what was computed from them before is computed anew."""

_ROWS = 256  # looked at together

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"

LEFT_OUT = "chunks that were left out"
"""In the `info` of a picture that was opened: the names of damaged chunks of a PNG that is seen without them."""

_READ = {*FORMATS, "HEIC"}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_WAY_OUT = "save it again as JPEG or PNG, or leave it out"

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

    Raises BadInput naming the picture for whatever goes wrong inside the block because of the file, and for one that
    has more pixels than may be decoded. A JPEG has as many as it likes: it can be decoded at an eighth (see `loaded`).
    """
    start = file.read(magic.ENOUGH)
    file.seek(0)
    if start[4:8] == b"ftyp":
        _read_heic()
    head = jpeg.Head()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's own bound is a warning; ours is below
            if start.startswith(_JPEG):
                head = jpeg.head(file)
                _check(head, name)
                picture = _open_jpeg(file)
            else:
                picture = _open(file, start)
        with picture:
            if not start.startswith(_JPEG):
                _check_pixels(picture.size, name)
            if isinstance(picture, TiffImageFile) and not isinstance(picture.info.get("xmp", b""), bytes):
                # Declared as text or as longer numbers. PIL looks into it for the orientation, and wants bytes.
                picture.info["xmp"] = picture.tag_v2._tagdata.get(XMP, b"")
            yield picture
    except BadInput:
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+ pixels", str(error))
        raise BadInput(_too_large(name, found[0] if found else "too many pixels")) from None
    except MemoryError:
        raise BadInput(_too_much_memory(name)) from None
    except Exception as error:  # the readers inside PIL raise whatever a damaged file makes them stumble on
        if "out of memory" in str(error):
            raise BadInput(_too_much_memory(name)) from None
        raise BadInput(f"{name}: {_why(error, start, head)}; {_WAY_OUT}") from None


def decode(data: bytes, name: str | Path, enough: int = 0) -> Image.Image:
    """The picture as it is seen: RGB, turned upright as its EXIF says, first frame, what is transparent on white.

    enough   a JPEG may come at half size, a quarter or an eighth as long as neither side falls below this many pixels;
             several times faster for photographs of a camera. 0 is full size, up to MAX_PIXELS.

    Raises BadInput naming the picture when it does not decode or has more pixels than may be decoded.
    """
    with opened(io.BytesIO(data), name) as picture:
        return upright(picture, enough)


def upright(picture: Image.Image, enough: int = 0) -> Image.Image:
    """What `decode` makes of a picture, of one that is open already."""
    loaded(picture, enough)
    turn = _TURNS.get(orientation(picture))
    return shown.rgb(picture if turn is None else picture.transpose(turn))


def orientation(picture: Image.Image) -> int:
    """EXIF's: how an open picture is turned and mirrored. 1, upright, where it is not said or EXIF does not read."""
    try:
        found = picture.getexif().get(0x0112, 1)
    except Exception:  # the readers inside PIL raise whatever a damaged block makes them stumble on
        picture._exif = None  # so that whoever reads its words stumbles again, and says so
        return 1
    return found if found in _TURNS else 1


def loaded(picture: Image.Image, enough: int = 0) -> str:
    """Decode an open picture, and say what is missing of it; "" for nothing.

    enough   as `decode` has it

    Where the end of its file is missing, the rows that are there are decoded and the others are left blank, as a viewer
    shows it; raises OSError where that is not MOSTLY of them.
    """
    if isinstance(picture, JpegImageFile):
        width, height = picture.size
        least = next((n for n in (1, 2, 4) if width * height <= MAX_PIXELS * n * n), 8)
        most = enough or max(width, height)
        picture.draft("RGB", (min(width // least, most), min(height // least, most)))
    try:
        picture.load()
        return ""
    except OSError as error:
        if "truncated" not in str(error) or not isinstance(picture, ImageFile.ImageFile):
            raise
    there = _without_end(picture)
    if there < MOSTLY:
        raise OSError(f"only {there:.0%} of it is there")
    missing = f"{1 - there:.0%}" if there < 0.995 else "less than 1%"
    return "its end is missing" + (f", {missing} of the picture" if there < 1 else "")


def load(path: str | Path, enough: int = 0) -> Image.Image:
    """`decode` of a file."""
    return decode(read(path), path, enough)


def is_pixels(thing: object) -> bool:
    """Whether it is an array of the pixels of one picture in RGB: (height, width, 3) of uint8."""
    if not isinstance(thing, np.ndarray) or thing.dtype != np.uint8 or thing.ndim != 3:
        return False
    return bool(thing.shape[2] == 3 and thing.size)


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

    def of(self, picture: str | Path | Image.Image | Array) -> Array:
        """(side, side, 3) uint8 of a file, of a picture that is open already, or of its pixels."""
        if isinstance(picture, np.ndarray):
            return self.square(Image.fromarray(picture))
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


def _without_end(picture: ImageFile.ImageFile) -> float:
    """Make do with what was decoded before the data ended: the part of its rows that are not blank."""
    blank: list[Any] = [0, picture.info.get("transparency")]  # how PIL leaves what it has not come to
    if isinstance(picture, JpegImageFile):
        # With an end put to it, libjpeg gives all there is, and the grey of no signal for the rest.
        picture.fp = _Ended(picture.fp, jpeg.end(picture.fp))  # type: ignore[assignment, arg-type]
        picture.load()
        blank = [127, 128]
    else:
        picture.tile = []
        picture.load_end()
    blank = [value for value in blank if isinstance(value, int)]
    rows = batches(np.asarray(picture).reshape(picture.height, -1), _ROWS)
    return 1 - sum(int(np.isin(some, blank).all(axis=1).sum()) for some in rows) / picture.height


class _Ended:
    """The file of a JPEG up to a place, with the mark of its end behind it."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._size, self._end = file, size, b"\xff\xd9"

    def read(self, n: int = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        data: bytes = self._file.read(left if n < 0 else min(n, left))
        if not data:
            data, self._end = self._end, b""
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _open_jpeg(file: BinaryIO) -> Image.Image:
    """As `Image.open`, which refuses what has very many pixels even though it can be decoded at an eighth."""
    try:
        return jpeg_factory(file)
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise UnidentifiedImageError(str(error)) from None


def _open(file: BinaryIO, start: bytes) -> Image.Image:
    """As `Image.open`, which refuses a PNG for a wrong checksum of words; viewers show it, and warn at the most."""
    try:
        return Image.open(file, formats=_formats())
    except UnidentifiedImageError:
        if not start.startswith(_PNG):
            raise
    file.seek(0)
    sound, left_out = _sound_chunks(file.read())
    picture = Image.open(io.BytesIO(sound), formats=["PNG"])
    picture.info[LEFT_OUT] = left_out
    return picture


def _sound_chunks(png: bytes) -> tuple[bytes, list[str]]:
    """A PNG without the chunks before its pixels that are damaged and not needed to show it; the names of those."""
    kept, left_out, at = [png[:8]], [], 8
    while at < len(png) and png[at + 4 : at + 8] != b"IDAT":
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        needed = png[at + 4 : at + 5].isupper()
        if needed or zlib.crc32(png[at + 4 : end - 4]) == int.from_bytes(png[end - 4 : end], "big"):
            kept.append(png[at:end])
        else:
            left_out.append(png[at + 4 : at + 8].decode("ascii", "replace"))
        at = end
    return b"".join([*kept, png[at:]]), left_out


def _check(head: jpeg.Head, name: str | Path) -> None:
    if head.exif > MAX_EXIF:
        raise BadInput(f"{name}: more than {MAX_EXIF:,} bytes of EXIF; save it again without")
    if head.held > MAX_HELD:
        raise BadInput(
            f"{name}: a progressive JPEG that takes {head.held:,} bytes to decode, more than {MAX_HELD:,}; "
            "save it again as a baseline JPEG, which may have any size"
        )


def _check_pixels(size: tuple[int, int], name: str | Path) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadInput(_too_large(name, f"{width} x {height} pixels"))


def _why(error: Exception, start: bytes, head: jpeg.Head) -> str:
    """Why a picture did not decode. Not "damaged" of what may be well, but is not read."""
    kind = magic.kind(start)
    if kind == "HEIC" and not _read_heic():
        return "HEIC, which needs pillow-heif (pip install pillow-heif)"
    if kind == "AVIF" and kind not in _formats():
        return "AVIF, which needs a newer Pillow (pip install -U pillow)"
    if head.unusual:
        return f"{head.unusual}, which is not read"
    unknown = isinstance(error, UnidentifiedImageError) or "decoder error" in str(error)  # the second is of libtiff
    if not unknown:
        return f"damaged ({error})"
    if kind in _READ:
        return f"{kind} that does not read: damaged, or of a sort that is not read"
    return "not a picture that can be read" + (f" ({kind})" if kind else "")


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
    return f"{name}: {size}, more than {MAX_PIXELS:,}; scale it down, or save it as JPEG, which may have any size"


def _too_much_memory(name: str | Path) -> str:
    return f"{name}: takes more memory to read than it may; leave it out"
