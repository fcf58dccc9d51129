"""Where the blocks lie in a picture file: segments of JPEG, chunks of PNG, tags of TIFF, the rest as PIL finds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from diptych.sources import pictures
from diptych.sources.metadata import exif, iptc, xmp
from diptych.sources.metadata.about import About
from diptych.sources.metadata.reading import decoded

MAX_PACKETS = 8
"""Packets of XMP in a file; there should be one."""

_EXIF = b"Exif\0\0"
_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_GIF = b"\x21\xff\x0bXMP DataXMP"
_TEXTS = ("title", "description")
_PROFILE = "Raw profile type "


def read(picture: Image.Image, file: BinaryIO) -> list[About]:
    """What an opened picture says, the most trusted first: EXIF, XMP, IPTC, the texts of a PNG.

    file   that it was opened from. It is read here, so the pixels have to be loaded before; besides, the chunks of a
           PNG that stand behind them are only then known.
    """
    if isinstance(picture, JpegImageFile):
        picture._exif = None  # PIL has looked for the resolution there, and kept to itself what it stumbled over
    app1 = _profile(picture, "APP1")
    try:
        block = picture.getexif()
        if not block and app1.startswith(_EXIF):
            block.load(app1)
        found = [exif.read(block)] if block else []
    except Exception:  # the readers inside PIL raise whatever a damaged block makes them stumble on
        block = Image.Exif()
        found = [About(notes=("EXIF left out: damaged",))]
    profile = app1.removeprefix(_XMP) if app1.startswith(_XMP) else _profile(picture, "xmp")
    packets = [*_packets(picture, file), _tag(picture, block, exif.XMP), profile]
    packets = list(filter(None, dict.fromkeys(packets)))
    found += map(xmp.read, packets[:MAX_PACKETS])
    if len(packets) > MAX_PACKETS:
        found.append(About(notes=(f"XMP left out in part: more than {MAX_PACKETS} packets",)))
    resources = [
        _segments(picture, "APP13", _PHOTOSHOP),
        _tag(picture, block, exif.PHOTOSHOP),
        _profile(picture, "iptc"),
        _profile(picture, "8bim"),
    ]
    bare = [some for some in resources if some.startswith(b"\x1c")]
    blocks = [_tag(picture, block, exif.IPTC), *bare, *map(iptc.in_photoshop, resources)]
    found += map(iptc.read, filter(None, blocks))
    found.append(_png(picture))
    return found


def _packets(picture: Image.Image, file: BinaryIO) -> Iterator[bytes]:
    """The packets of XMP, and for each the part that did not fit one segment of a JPEG."""
    packets = [data.removeprefix(_XMP) for data in _each_segment(picture, "APP1", _XMP)]
    if not packets:
        found = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
        if isinstance(found, str):
            found = _respelled(found).encode()
        packets = [found] if isinstance(found, bytes) else []
    yield from packets
    if picture.format == "GIF":
        file.seek(0)
        yield file.read(xmp.MAX_BYTES).partition(_GIF)[2].partition(b"\1\xff\xfe")[0]
    more: dict[bytes, list[tuple[int, bytes]]] = {}
    for data in _each_segment(picture, "APP1", _MORE_XMP):
        head, part = data[len(_MORE_XMP) :][:40], data[len(_MORE_XMP) + 40 :]
        more.setdefault(head[:32], []).append((int.from_bytes(head[36:], "big"), part))
    for name, parts in more.items():
        if any(name in packet for packet in packets):  # else it was left behind by an edit
            yield b"".join(part for _, part in sorted(parts))


def _each_segment(picture: Image.Image, name: str, start: bytes) -> list[bytes]:
    """The segments of a JPEG with this name and start, with their start."""
    return [data for mark, data in getattr(picture, "applist", ()) if mark == name and data.startswith(start)]


def _segments(picture: Image.Image, name: str, start: bytes) -> bytes:
    """What such segments hold together: what is longer than one goes on in the next."""
    return b"".join(data.removeprefix(start) for data in _each_segment(picture, name, start))


def _tag(picture: Image.Image, block: Image.Exif, tag: int) -> bytes:
    """A block of another kind in EXIF, or in a TIFF.

    There it is taken as it stands: programs declare it as numbers of four bytes, of which PIL gives the first one.
    """
    data = exif.block(block, tag)
    if isinstance(picture, TiffImageFile):
        data = picture.tag_v2._tagdata.get(tag, b"")
    if tag == exif.IPTC and data[:1] != b"\x1c" and data[3:4] == b"\x1c":  # each number back to front
        data = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    return data


def _profile(picture: Image.Image, name: str) -> bytes:
    """What ImageMagick writes into a PNG: a name, a length, and hexadecimal digits. APP1 is EXIF or XMP."""
    text = picture.info.get(_PROFILE + name)
    digits = re.fullmatch(r"\s*+\S++\s++\d++\s++([0-9a-fA-F\s]*+)", text) if isinstance(text, str) else None
    try:
        return bytes.fromhex(digits[1]) if digits else b""
    except ValueError:
        return b""


def _png(picture: Image.Image) -> About:
    """Title and description, under whose names other formats keep nothing."""
    info = {name.lower(): text for name, text in picture.info.items() if isinstance(name, str)}
    texts = [info[name] for name in _TEXTS if isinstance(info.get(name), str)]
    left_out = picture.info.get(pictures.LEFT_OUT, ())
    notes = [f"{name} left out: damaged" for name in dict.fromkeys(left_out)]
    return About(tuple(map(_respelled, texts)), notes=tuple(notes[:3]))


def _respelled(text: str) -> str:
    """PIL takes a text chunk for Latin-1, as the standard says; most of what is written is UTF-8."""
    try:
        return decoded(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text
