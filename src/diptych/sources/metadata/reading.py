"""Texts, dates and places as strangers write them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from itertools import islice

_STRAY = {0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0x100)}
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DECLARED = re.compile(
    rb"""\s*<\?xml [^>]*?encoding=["']"""
    rb"(windows-125\d|iso-8859-(?!1\b)\d+|koi8-[ru]|shift_jis|euc-(?:jp|kr)|gb(?:k|2312|18030)|big5)\b",
    re.IGNORECASE,
)
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]+")

# What cameras and programs write into every picture where words of a person belong.
_BOILERPLATE = re.compile(
    r"(?:[A-Z0-9&.,/-]+ )*DIGITAL (?:STILL )?CAMERA|SONY DSC|(?:KONICA )?MINOLTA DSC|KONICA MINOLTA|DCIM\\.*"
    r"|Exif_JPEG_PICTURE|My beautiful picture|<?(?:KENOX|Digimax) .*|USER COMMENTS?|charset=Ascii.*"
)

_DAY = re.compile(
    r"\s*(\d{4})(?:(\d\d)(\d\d)(?!\d)|\s*[:/.-]\s*(\d{1,2})?(?!\d)(?:\s*[:/.-]\s*(\d{1,2})?(?!\d))?|(?!\d))", re.ASCII
)
_DATED = re.compile(r"(?!0\d{3}\b).*[^\W0_]")
_TIME = re.compile(
    r"[T\s]\s*(?:(\d\d)(\d\d)(\d\d)?(?!\d)|(\d{1,2})\s*[:.]\s*(\d{1,2})(?!\d)(?:\s*[:.]\s*(\d{1,2})(?!\d))?)"
    r"(?:[.,]\d+)?\s*(?:([AaPp])\.?[Mm])?",
    re.ASCII,
)


def decoded(data: bytes) -> str:
    """UTF-8; each byte that is none is taken for Windows-1252, which holds the letters of Latin-1."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").translate(_STRAY)


def decoded_file(data: bytes) -> str:
    """UTF-16 and UTF-32, by their mark or by the zeros in their first letter, which is ASCII; what XML declares of
    itself where it is no UTF-8; else `decoded`."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "ignore").removeprefix("\ufeff")
    first = len(data) - len(data.lstrip(b"\0"))
    for width, encoding in ((4, "utf-32"), (2, "utf-16")):
        if data[first + 1 : first + width] == bytes(width - 1):
            order = "le" if first % width == 0 else "be"
            return data[first - first % width :].decode(f"{encoding}-{order}", "ignore")
    if declared := _DECLARED.match(data):
        for encoding in ("utf-8", declared[1].decode("ascii")):  # which is often declared by who wrote the other
            with suppress(LookupError, ValueError):
                return data.decode(encoding)
    return decoded(data)


def plain(text: str) -> str:
    """The text on one line, single blanks in it, accents composed, nothing in it that cannot be seen."""
    return unicodedata.normalize("NFC", " ".join(_UNSEEN.sub(" ", text).split()))


def by_people(texts: Iterable[str]) -> tuple[str, ...]:
    """Those that are not blank, and that no camera wrote."""
    return tuple(text for text in texts if (line := plain(text)) and not _BOILERPLATE.fullmatch(line))


def moment(text: str) -> str | None:
    """A date in ISO 8601, as far as it reads: `2020:05:01 12:30:00` is `2020-05-01T12:30:00`, without its seconds
    `2020-05-01T12:30`, with the hour 24 `2020-05-01`, with zeros or blanks for day and month `2020`.

    Local time: a zone is left away. None for zeros, blanks and a day that no calendar has.
    """
    match = _DAY.match(text)
    if not match or int(match[1]) < 1000:  # 0000 and 0001 stand for no date at all
        return None
    year, month, day = match[1], int(match[2] or match[4] or 0), int(match[3] or match[5] or 0)
    if not month:
        return year
    try:
        found = date(int(year), month, day or 1).isoformat()
    except ValueError:
        return None
    return found + _time(text[match.end() :]) if day else found[:7]


def undated(texts: Iterable[str]) -> tuple[str, ...]:
    """A note on dates that do not read. Zeros, blanks and a year below 1000 stand for none, and need no note."""
    odd = (line for text in texts if moment(text) is None and (line := plain(text)) and _DATED.match(line))
    return tuple(f"a date left out: {line[:40]!r} does not read" for line in islice(odd, 2))  # one of each kind


def _time(text: str) -> str:
    match = _TIME.match(text)
    if not match:
        return ""
    hour, minute = int(match[1] or match[4]), int(match[2] or match[5])
    if match[7] and hour <= 12:
        hour = hour % 12 + (12 if match[7] in "Pp" else 0)
    if hour > 23 or minute > 59:
        return ""
    second = match[3] or match[6]
    return f"T{hour:02d}:{minute:02d}" + (f":{int(second):02d}" if second and int(second) < 60 else "")


def place(lat: float | None, lon: float | None) -> tuple[float | None, float | None]:
    """Degrees with 7 digits after the point (a centimetre). None off the globe, and at 0, 0, which means "unknown"."""
    if lat is None or lon is None or not (math.isfinite(lat) and math.isfinite(lon)):
        return None, None
    lat, lon = round(lat, 7) + 0.0, round(lon, 7) + 0.0  # no minus before a zero
    if abs(lat) > 90 or abs(lon) > 180 or lat == lon == 0:
        return None, None
    return lat, lon
