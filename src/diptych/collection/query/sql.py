"""Functions that SQL calls: text without case, numbers in text, distance on the globe; and checksums of rows."""

from __future__ import annotations

import math
import sqlite3
import unicodedata
import zlib

EARTH = 6371.0088
"""Mean radius of the Earth in km (IUGG)."""


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that `Filter.sql` and the store call. They are deterministic: indices are over
    them."""
    connection.create_function("diptych_fold", 1, _fold, deterministic=True)
    connection.create_function("diptych_number", 1, _as_number, deterministic=True)
    connection.create_function("diptych_km", 4, great_circle_km, deterministic=True)
    connection.create_function("diptych_crc", -1, _checksum, deterministic=True)


def great_circle_km(lat: float | None, lon: float | None, to_lat: float, to_lon: float) -> float | None:
    """Distance over the sphere (haversine) between two places in degrees; None when the first is not known."""
    if lat is None or lon is None:
        return None
    up = math.sin(math.radians(to_lat - lat) / 2) ** 2
    across = math.sin(math.radians(to_lon - lon) / 2) ** 2
    haversine = up + math.cos(math.radians(lat)) * math.cos(math.radians(to_lat)) * across
    return 2 * EARTH * math.asin(math.sqrt(min(1.0, haversine)))


def folded(text: str) -> str:
    """A text as it is compared: without case, and the same however its accents are composed (Unicode 3.13, D145)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def folding(column: str) -> str:
    """SQL for `folded` of a column of text. Python is only asked where a text is not ASCII: calls cost more than texts.

    The length counts characters up to a zero, so a text that holds one is not taken for ASCII.
    """
    plain = f"length({column}) = length(CAST({column} AS BLOB))"
    return f"CASE WHEN {plain} THEN lower({column}) ELSE diptych_fold({column}) END"


def _checksum(*values: str | float | bytes | None) -> int:
    """Of the values and their kinds: 1, "1" and b"1" differ."""
    return zlib.crc32(repr(values).encode("utf-8", "backslashreplace"))


def _fold(value: str | float | bytes | None) -> str | None:
    return None if value is None or isinstance(value, bytes) else folded(str(value))


def _as_number(value: str | float | bytes | None) -> float | None:
    """A metadata value as a number, None when it is something else."""
    if value is None or isinstance(value, bytes):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
