import io

import pytest
from PIL import Image, features

from diptych.sources import magic, pictures


@pytest.mark.parametrize("form", [form for form in pictures.FORMATS if form != "HEIF"])
def test_formats_that_are_read_have_the_names_of_pillow(form):
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, form)
    assert magic.kind(file.getvalue()[: magic.ENOUGH]) == form


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"", "an empty file"),
        (bytes(512), "nothing but zeros"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a\x7f\x80", "JPEG XL"),
        (b"\0\0\0\x18ftypisom\0\0\2\0", "a film"),
        (b"\0\0\0\x18ftypqt  \0\0\2\0", "a film"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "a raw picture"),
        (b"RIFF\x24\0\0\0AVI LIST", "a film"),
        (b"RIFF\x24\0\0\0abcd", ""),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><svg xmlns=", "SVG"),
        (b"404: not found\n", "text"),
        ("Grüße".encode(), "text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\r\n\xff\xd8\xff\xe0\0\x10JFIF", "2 bytes too many"),
        (b"\x93\x01\x02\x03", ""),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(start, what):
    assert what in magic.kind(start) and bool(what) == bool(magic.kind(start))
