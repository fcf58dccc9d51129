"""EXIF 2.32 (CIPA DC-008-2019), with the XP tags of Windows, as PIL reads it from any format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from diptych.sources.metadata.about import About
from diptych.sources.metadata.reading import by_people, decoded, moment, place, plain, undated

_DESCRIPTION, _MAKE, _MODEL, _EXIF, _GPS = 0x010E, 0x010F, 0x0110, 0x8769, 0x8825
_TAKEN, _DIGITISED, _COMMENT = 0x9003, 0x9004, 0x9286
_XP_TITLE, _XP_COMMENT, _XP_KEYWORDS, _XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F

# Blocks of other kinds that stand in EXIF's first folder: in a TIFF always, elsewhere now and then.
XMP, IPTC, PHOTOSHOP = 0x02BC, 0x83BB, 0x8649


def read(exif: Image.Exif) -> About:
    """Description, comments, Windows' keywords, dates, the camera and the place.

    0x0132 is left: it is the date of the last edit.
    """
    detail, gps = _folder(exif, _EXIF), _folder(exif, _GPS)
    notes = () if detail is not None and gps is not None else ("EXIF left out in part: damaged",)
    first = {tag: exif.get(tag) for tag in (_TAKEN, _DIGITISED, _COMMENT)}  # where TIFF/EP keeps them
    detail, gps = {**first, **(detail or {})}, gps or {}
    make, model = _words(exif.get(_MAKE)), _words(exif.get(_MODEL))
    captions = [_words(exif.get(_DESCRIPTION)), _comment(detail.get(_COMMENT), exif.endian)]
    captions += [_wide(exif.get(tag)) for tag in (_XP_TITLE, _XP_SUBJECT, _XP_COMMENT)]
    dates = _text(detail.get(_TAKEN)), _text(detail.get(_DIGITISED))
    lat, lon = place(_degrees(gps.get(2), gps.get(1), "N", "S"), _degrees(gps.get(4), gps.get(3), "E", "W"))
    return About(
        by_people(text for text in captions if plain(text) not in (make, model)),
        tuple(filter(None, _wide(exif.get(_XP_KEYWORDS)).split(";"))),
        moment(dates[0]),
        moment(dates[1]),
        model or make or None,
        lat,
        lon,
        (*notes, *undated(dates)),
    )


def block(exif: Image.Exif, tag: int) -> bytes:
    """One of XMP, IPTC and PHOTOSHOP; b"" where there is none, or it is no text and no bytes."""
    value = exif.get(tag)
    if isinstance(value, str):
        return value.encode("latin-1", "ignore")
    return value if isinstance(value, bytes) else b""


def _folder(exif: Image.Exif, tag: int) -> Mapping[int, Any] | None:
    """A folder of tags; None where it is damaged."""
    try:
        return dict(exif.get_ifd(tag))
    except Exception:  # the readers inside PIL raise whatever a damaged block makes them stumble on
        return None


def _text(value: Any) -> str:
    """PIL takes all text for Latin-1; most of it is UTF-8."""
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    return plain(decoded(value)) if isinstance(value, bytes) else ""


def _words(value: Any) -> str:
    """What stands before the first zero; behind it is what a longer text left there."""
    if isinstance(value, bytes):
        return _text(value.partition(b"\0")[0])
    return _text(value.partition("\0")[0]) if isinstance(value, str) else ""


def _wide(value: Any) -> str:
    if isinstance(value, tuple) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        value = bytes(value)
    return value.decode("utf-16-le", "ignore").partition("\0")[0] if isinstance(value, bytes) else ""


def _comment(value: Any, endian: str | None) -> str:
    """Eight bytes name its characters. Which end is first in UNICODE a mark may say; else zeros tell, or the block."""
    if not isinstance(value, bytes):
        return _words(value)
    kind, rest = value[:8].upper(), value[8:]
    if kind.startswith(b"UNICODE") and rest[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = rest.decode("utf-16", "ignore")
    elif kind.startswith(b"UNICODE"):
        little = rest[1::2].count(0) - rest[::2].count(0) or (1 if endian == "<" else -1)
        text = rest.decode("utf-16-le" if little > 0 else "utf-16-be", "ignore")
    elif kind.startswith(b"JIS"):
        text = rest.decode("iso2022_jp", "ignore")
    else:
        text = decoded(rest if kind in (b"ASCII\0\0\0", bytes(8)) else value)
    text = text.partition("\0")[0].strip()
    # Some cameras keep numbers of their own here.
    return "" if any(ord(letter) < 32 and letter not in "\t\r\n" for letter in text) else text


def _degrees(parts: Any, side: Any, positive: str, negative: str) -> float | None:
    """Degrees, minutes and seconds, or the first of them, as one number.

    None where one of them is 0/0, or the hemisphere is not said.
    """
    side = _text(side).upper()[:1]
    if side not in (positive, negative):
        return None
    parts = parts if isinstance(parts, tuple) else (parts,)
    try:
        degrees, minutes, seconds = (float(parts[0]), *map(float, parts[1:]), *(0.0,) * (3 - len(parts)))
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    return -value if side == negative else value
