"""Pixels as a viewer shows them: whatever a file holds, as RGB of 8 bits in sRGB, on white.

Greys of more than 8 bits hold numbers, and what number is white stands nowhere that programs keep to: `grey` decides by
what is there. Colours are turned to sRGB (IEC 61966-2-1) by the profile in the file (ICC.1) or a PNG's gamma.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from diptych.kinds import Array, batches

_WHITES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""What is white in a deep grey: 1 of fractions, else the largest number of 8, 10, 12, 14 or 16 bits."""

_SAMPLE = 1_000_000  # pixels to find the range in

_ROWS = 256  # at a time

_MAX_PROFILE = 4_000_000  # bytes of a profile: those of printers have one, those of screens a thousandth

_SRGB_GAMMA = 1 / 2.2

_WHITE_IS_ZERO, _PHOTOMETRIC, _SAMPLE_FORMAT, _NO_DATA = 0, 262, 339, 42113  # of TIFF; the last is GDAL's


def plain(picture: Image.Image) -> bool:
    """Whether a loaded picture is seen as it is stored: 8 bits a colour, opaque, and no profile or gamma but sRGB's."""
    told = _profile(picture.info, picture.mode) or _gamma(picture.info) or picture.has_transparency_data
    return picture.mode in ("1", "L", "P", "RGB") and not told


def rgb(picture: Image.Image) -> Image.Image:
    """A loaded picture as RGB, what is transparent on white."""
    info, gamma = picture.info, _gamma(picture.info)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = Image.fromarray(_grey(picture))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    elif picture.mode not in ("L", "RGB", "CMYK", "LAB"):
        picture = picture.convert("RGB")
    if picture.mode == "LAB":
        return _changed(picture, _from_lab())
    if to_srgb := _profile(info, picture.mode):
        return _changed(picture, to_srgb)
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if gamma:
        curve = [round(255 * (value / 255) ** (_SRGB_GAMMA / gamma)) for value in range(256)]
        picture = picture.point(3 * curve)
    return picture


def grey(values: Array, bits: int = 0, missing: Array | None = None) -> Array:
    """(height, width) uint8 of deep greys: whole numbers or floats of any range.

    bits      how many the numbers are stored in, where they are whole and not negative; 0: not known
    missing   (height, width) bool: what is no part of the picture, and white; None: all is

    White is the smallest of 1 (of floats), 255, 1023, 4095, 16383 and 65535 that no number exceeds: a scale of 0..1
    stays as it is, and 12 bits stored in 16 are not taken for black. Numbers below zero or above those are of no such
    scale, and are stretched between the darkest and the brightest, but for a thousandth at either end. A picture that
    is all one shade has no range to tell a scale by: it is as bright as the bits say that it is stored in. What is not
    a number is black.
    """
    known = values if missing is None else values[~missing]
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        known = known[np.isfinite(known)]
    shades = np.zeros(values.shape, np.uint8)
    if known.size:
        black, white = _range(known, bits)
        for some, out in zip(batches(values, _ROWS), batches(shades, _ROWS), strict=True):  # to hold few floats at once
            scaled = (some.astype(np.float32) - black) * (255 / (white - black))
            out[...] = np.rint(np.clip(np.nan_to_num(scaled), 0, 255))
    if missing is not None:
        shades[missing] = 255
    return shades


def _range(known: Array, bits: int) -> tuple[float, float]:
    """What is black and what is white, which is more."""
    low, high = float(known.min()), float(known.max())
    if low == high and bits:
        return 0.0, 2.0**bits - 1
    whites = _WHITES if known.dtype.kind == "f" else _WHITES[1:]
    if low >= 0 and high <= whites[-1]:
        return 0.0, next(white for white in whites if high <= white)
    if low < high:
        sample = known.ravel()[:: known.size // _SAMPLE + 1]
        edges = np.quantile(sample, (0.001, 0.999))
        # Where nearly all is one shade, what is left is the picture.
        return (float(edges[0]), float(edges[1])) if edges[0] < edges[1] else (low, high)
    return (low, low + 1) if low <= 0 else (low - 1, low)


def _grey(picture: Image.Image) -> Array:
    values: Array = np.asarray(picture)
    bits = 16 if picture.mode.startswith("I;16") else 0
    tags: Any = getattr(picture, "tag_v2", {})
    if picture.mode == "I" and tags.get(_SAMPLE_FORMAT, (2,))[0] == 1:  # PIL has no unsigned numbers of 32 bits
        values, bits = values.view(np.uint32), 32
    nothing = picture.info.get("transparency", _number(tags.get(_NO_DATA)))
    missing = values == nothing if isinstance(nothing, int | float) else None
    shades = grey(values, bits, missing)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        shades = 255 - shades
    return shades


def _number(text: Any) -> float | None:
    try:
        return float(str(text).strip("\0 "))
    except ValueError:
        return None


def _profile(info: Mapping[Any, Any], mode: str) -> Any:
    """The way from the colours of a picture to sRGB; None where there is none to go, or none that reads."""
    profile = info.get("icc_profile")
    return _to_srgb(profile, mode) if profile and len(profile) <= _MAX_PROFILE else None


def _gamma(info: Mapping[Any, Any]) -> float | None:
    """Of a PNG that says no more of its colours, where it is not that of sRGB."""
    gamma: float | None = info.get("gamma")
    told = info.get("icc_profile") or "srgb" in info
    return gamma if gamma and not told and abs(gamma / _SRGB_GAMMA - 1) > 0.05 else None


def _changed(picture: Image.Image, transform: Any) -> Image.Image:
    seen: Image.Image = transform.apply(picture)
    return seen


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> Any:
    """The way from the colours of a profile to sRGB.

    None where it is sRGB already, where the profile is of another kind of colours than the mode, or does not read.
    """
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return None
        # As most viewers do; nothing then turns on what a profile takes for a pleasing picture.
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        return ImageCms.buildTransform(own, _srgb(), mode, "RGB", intent, flags)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def _from_lab() -> Any:
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")


def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")
