"""What a file is by its first bytes, so that a person is told what they have and not only what they do not have."""

from __future__ import annotations

ENOUGH = 512
"""Bytes to look at."""

READ = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}

_OTHERS = {
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"II\xbc": "a JPEG XR picture",
    b"FUJIFILMCCD-RAW": "a raw picture of a camera",
    b"IIU\0": "a raw picture of a camera",
    b"IIRO": "a raw picture of a camera",
    b"IIRS": "a raw picture of a camera",
    b"FOVb": "a raw picture of a camera",
    b"gimp xcf": "a GIMP document",
    b"\0\0\1\0": "an icon",
    b"qoif": "a QOI picture",
    b"DDS ": "a texture",
    b"v/1\1": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance picture",
    b"SIMPLE  =": "a FITS file",
    b"\x1aE\xdf\xa3": "a film",
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"SQLite format 3": "a database",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file itself with git lfs pull",
}

_BRANDS = {"heic": "HEIC", "heix": "HEIC", "heim": "HEIC", "heis": "HEIC", "hevc": "HEIC", "hevx": "HEIC"}
_BRANDS |= {"mif1": "HEIC", "msf1": "HEIC", "avif": "AVIF", "avis": "AVIF", "crx ": "a raw picture of a camera"}


def kind(start: bytes) -> str:
    """The name of a format that is read, as it stands in `pictures.FORMATS` but for HEIC; else a few words; or ""."""
    if start[4:8] == b"ftyp":  # the family of MP4: films, and pictures that are coded like one frame of them
        return _BRANDS.get(start[8:12].decode("latin-1"), "a film")
    if start[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": "a film", b"WAVE": "sound"}.get(start[8:12], "")
    for known in (READ, _OTHERS):
        for magic, name in known.items():
            if start.startswith(magic):
                return name
    return _without_magic(start)


def _without_magic(start: bytes) -> str:
    if not start:
        return "an empty file; copy it again"
    if not start.strip(b"\0"):
        return "nothing but zeros; copy it again"
    at = min((start.find(magic) for magic in (b"\xff\xd8\xff", b"\x89PNG\r\n") if magic in start[:64]), default=0)
    if at:
        return f"{at} bytes too many stand before the picture in it; cut them off"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page; fetch the picture itself"
    if b"<svg" in text:
        return "an SVG drawing"
    if not any(byte < 9 or 13 < byte < 32 for byte in start):
        return "text"
    return ""
