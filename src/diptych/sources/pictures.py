"""Picture files, read safely: upright, RGB, bounded, and named when they do not decode."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from diptych.kinds import BadInput

MAX_PIXELS = 80_000_000


def read(path: str | Path) -> bytes:
    """The bytes of a file. Raises BadInput naming it."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: not readable ({error.strerror or error})") from None


def decode(data: bytes, name: str | Path, enough: int = 0) -> Image.Image:
    """The picture as RGB, turned upright as its EXIF says, first frame, what is transparent on white.

    enough   a JPEG may come at half size, a quarter or an eighth as long as neither side falls below this many pixels;
             several times faster for photographs of a camera. 0 is full size.

    Raises BadInput naming the picture when it does not decode or has more than MAX_PIXELS pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise BadInput(f"{name}: {width} x {height} pixels, more than {MAX_PIXELS:,}; scale it down first")
            if enough:
                picture.draft("RGB", (enough, enough))
            return _rgb(ImageOps.exif_transpose(picture))
    except BadInput:
        raise
    except Exception as error:  # the readers inside PIL raise whatever a damaged file makes them stumble on
        reason = "not a picture PIL can read" if isinstance(error, UnidentifiedImageError) else f"damaged ({error})"
        raise BadInput(f"{name}: {reason}; save it again as JPEG or PNG, or leave it out") from None


def load(path: str | Path, enough: int = 0) -> Image.Image:
    """`decode` of a file."""
    return decode(read(path), path, enough)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # 16-bit grey: PIL would cut it off at 255 and leave it white
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
