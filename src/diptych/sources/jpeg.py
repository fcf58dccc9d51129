"""The head of a JPEG file (ITU-T T.81): what has to be known of it before PIL is asked, or when PIL has failed."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import BinaryIO

_ALONE = {0x00, 0x01, *range(0xD0, 0xD8)}  # markers without a segment; 0 is an escaped 0xFF
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_AS_THEY_COME = {0xC0, 0xC1}  # baseline and extended sequential: decoded row by row, as the data comes
_LONGEST = 2 + 0xFFFF  # bytes of a segment, with its marker
_START = 22  # bytes of a segment: a frame of 4 components needs so many
_SEGMENT = re.compile(rb"\xff(?:[^\x00\x01\xd0-\xd7\xff](.{0,2})|\Z)", re.DOTALL)
"""The marker of one and its length, which may look like a marker itself; or what is there of them."""


@dataclass(frozen=True)
class Head:
    """What stands before the first scan.

    exif      bytes of EXIF
    frame     second byte of the marker of the frame, which says how it is coded (table B.1); 0 where there is none
    bits      of a sample
    height    pixels
    samples   numbers in the picture, of all its components
    held      bytes that a decoder has to hold before it can give the first row
    """

    exif: int = 0
    frame: int = 0
    bits: int = 8
    height: int = 1
    samples: int = 0
    held: int = 0

    @property
    def unusual(self) -> str:
        """What hardly a decoder knows, where it is of that sort; else ""."""
        if self.frame in (0xC3, 0xC7, 0xCB, 0xCF):
            return "a lossless JPEG"
        if self.frame in (0xC5, 0xC6, 0xCD, 0xCE):
            return "a hierarchical JPEG"
        if self.bits != 8:
            return f"a JPEG of {self.bits} bits a colour"
        if self.frame in (0xC9, 0xCA):
            return "a JPEG in arithmetic coding"
        return "" if self.height else "a JPEG that says its height at its end"


def head(file: BinaryIO) -> Head:
    """Read by the lengths of its segments, as leniently as PIL reads them. Leaves the file at its start."""
    exif = 0
    frame: dict[str, int] = {}
    components = 0
    file.seek(2)
    while len(start := file.read(_START)) > 2:
        mark = start[1]
        if start[0] != 0xFF or mark == 0xFF or mark in _ALONE:  # what is left over between two segments
            file.seek(1 - len(start), io.SEEK_CUR)
            continue
        if mark == 0xDA:  # a scan: the picture itself
            if frame and (frame["frame"] not in _AS_THEY_COME or start[4:5] != bytes([components])):
                frame["held"] = 2 * frame["samples"]  # the coefficients are collected from several scans, 2 bytes each
            break
        length = int.from_bytes(start[2:4], "big")
        if mark == 0xE1 and start[4:10] == b"Exif\0\0":
            exif += length
        elif mark in _FRAMES and len(start) > 9:
            frame, components = _frame(start), start[9]
        file.seek(2 + max(length, 2) - len(start), io.SEEK_CUR)
    file.seek(0)
    return Head(exif, **frame)


def end(file: BinaryIO) -> int:
    """Where a JPEG without its end can be ended: behind its last byte, or before a segment that is cut off."""
    size = file.seek(0, io.SEEK_END)
    begin = max(0, size - _LONGEST)
    file.seek(begin)
    *_, last = None, *_SEGMENT.finditer(file.read())
    if last is None:
        return size
    at, length = begin + last.start(), last[1] or b""
    whole = len(length) == 2 and at + 2 + int.from_bytes(length, "big") <= size
    return size if whole else at


def _frame(start: bytes) -> dict[str, int]:
    bits, height, width = start[4], int.from_bytes(start[5:7], "big"), int.from_bytes(start[7:9], "big")
    factors = [divmod(factor, 16) for factor in start[11::3][: start[9]]]  # of subsampling, across and down
    across, down = (max((pair[side] for pair in factors), default=0) or 1 for side in (0, 1))
    samples = sum(-(-width * h // across) * -(-height * v // down) for h, v in factors)
    return {"frame": start[1], "bits": bits, "height": height, "samples": samples}
