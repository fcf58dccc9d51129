"""The head of a JPEG file (ITU-T T.81): what has to be known of it before PIL is asked, or when PIL has failed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

_ALONE = {0x00, 0x01, *range(0xD0, 0xD8)}  # markers without a segment; 0 is an escaped 0xFF
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALL_AT_ONCE = {0xC0, 0xC1}  # baseline and extended sequential: the frames that are decoded as they are read


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
    file.seek(2)
    while byte := file.read(1):
        if byte != b"\xff":  # what is left over between two segments
            continue
        while (mark := file.read(1)) == b"\xff":
            pass
        if not mark or mark[0] in _ALONE:
            continue
        start = file.read(8)
        length = int.from_bytes(start[:2], "big")
        if mark[0] == 0xDA:  # a scan: the picture itself
            if frame and (frame["frame"] not in _ALL_AT_ONCE or start[2:3] != bytes([frame.pop("components", 0)])):
                frame["held"] = 2 * frame["samples"]  # of other scans the coefficients are collected, 2 bytes each
            break
        if mark[0] == 0xE1 and start[2:] == b"Exif\0\0":
            exif += length
        file.seek(2 - len(start), io.SEEK_CUR)
        if mark[0] in _FRAMES and length <= 1000:
            frame = _frame(mark[0], file.read(length - 2))
            file.seek(2 - length, io.SEEK_CUR)
        file.seek(max(length - 2, 0), io.SEEK_CUR)
    file.seek(0)
    frame.pop("components", None)
    return Head(exif, **frame)


def _frame(mark: int, data: bytes) -> dict[str, int]:
    if len(data) < 6 or len(data) < 6 + 3 * data[5]:
        return {}
    height, width = int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big")
    factors = [divmod(data[7 + 3 * n], 16) for n in range(data[5])]  # of subsampling, across and down
    across, down = (max((pair[side] for pair in factors), default=0) or 1 for side in (0, 1))
    samples = sum(-(-width * h // across) * -(-height * v // down) for h, v in factors)
    return {"frame": mark, "bits": data[0], "height": height, "samples": samples, "components": data[5]}
