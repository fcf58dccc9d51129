"""What a picture file says about itself: when, with what and where it was taken (EXIF), and words about it (XMP).

EXIF 2.32 (CIPA DC-008-2019) and XMP (ISO 16684-1). Both are written by strangers: whatever does not read is left out.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from PIL import Image

MAX_XMP = 1_000_000
"""Bytes of an XMP packet; a longer one is left out."""

_MAKE, _MODEL, _DATE, _EXIF, _GPS = 0x010F, 0x0110, 0x0132, 0x8769, 0x8825
_TAKEN, _DIGITISED = 0x9003, 0x9004
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"


@dataclass(frozen=True)
class Facts:
    """taken     local time of the camera, ISO 8601 to the second
    camera    its model
    lat, lon  degrees, north and east positive
    """

    taken: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True)
class Words:
    """Sentences about a picture, and single words that mark it."""

    captions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def facts(picture: Image.Image) -> Facts:
    """What the EXIF block of an opened picture says."""
    try:
        exif = picture.getexif()
        detail, place = dict(exif.get_ifd(_EXIF)), dict(exif.get_ifd(_GPS))
    except Exception:  # the readers inside PIL raise whatever a damaged block makes them stumble on
        return Facts()
    dates = (_date(detail.get(_TAKEN)), _date(detail.get(_DIGITISED)), _date(exif.get(_DATE)))
    lat = _degrees(place.get(2), place.get(1), "S", 90)
    lon = _degrees(place.get(4), place.get(3), "W", 180)
    return Facts(
        next((date for date in dates if date), None),
        _text(exif.get(_MODEL)) or _text(exif.get(_MAKE)) or None,
        *((lat, lon) if lat is not None and lon is not None else (None, None)),
    )


def words(packet: bytes) -> Words:
    """dc:description and dc:title as captions, dc:subject as tags; every language that is given."""
    if len(packet) > MAX_XMP or b"<!" in packet:  # a document type or an entity has no place in XMP: it is an attack
        return Words()
    try:
        root = ElementTree.fromstring(packet.strip(b"\0 \t\r\n"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return Words()
    captions = [*_listed(root, "description"), *_listed(root, "title")]
    return Words(tuple(dict.fromkeys(captions)), tuple(dict.fromkeys(_listed(root, "subject"))))


def embedded(picture: Image.Image) -> Words:
    """The words in the XMP packet inside an opened picture."""
    packet = picture.info.get("xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    return words(packet) if isinstance(packet, bytes) else Words()


def _listed(root: ElementTree.Element, name: str) -> list[str]:
    """The texts of a property, which is an attribute, a plain element, or a list."""
    found: list[str | None] = []
    for about in root.iter(f"{_RDF}Description"):
        found.append(about.get(f"{_DC}{name}"))
        for element in about.findall(f"{_DC}{name}"):
            found += [entry.text for entry in element.iter(f"{_RDF}li")] or [element.text]
    return [" ".join(text.split()) for text in found if text and text.strip()]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "ignore")
    return " ".join(value.replace("\0", " ").split())[:100] if isinstance(value, str) else ""


def _date(value: Any) -> str | None:
    """`2020:05:01 12:30:00` as `2020-05-01T12:30:00`; None for zeros, blanks and what no calendar has."""
    match = re.match(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)[ T](\d\d):(\d\d):(\d\d)", _text(value))
    if not match:
        return None
    try:
        return datetime(*map(int, match.groups())).isoformat()  # type: ignore[arg-type]
    except ValueError:
        return None


def _degrees(parts: Any, side: Any, negative: str, bound: int) -> float | None:
    """Degrees, minutes and seconds as one number, 7 digits after the point (a centimetre)."""
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value) or not 0 <= value <= bound:
        return None
    return round(-value if _text(side).upper().startswith(negative) else value, 7) + 0.0  # no minus before a zero
