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


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_a_tiff_is_one_with_either_end_first_and_with_places_of_8_bytes(start):
    assert magic.kind(start + bytes(60)) == "TIFF"


@pytest.mark.parametrize(
    ("brand", "what"),
    [
        *((brand, "HEIC") for brand in ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1")),
        *((brand, "AVIF") for brand in ("avif", "avis")),
        ("mp42", "a film"),
    ],
)
def test_of_what_is_coded_like_a_film_the_brand_tells(brand, what):
    assert magic.kind(b"\0\0\0\x18ftyp" + brand.encode() + bytes(4)) == what


@pytest.mark.parametrize("byte", range(1, 33))
def test_a_text_holds_no_control_but_blanks(byte):
    assert magic.kind(b"so " + bytes([byte])) == ("text" if byte in b"\t\n\v\f\r " else "")


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"", "an empty file"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "sound"),
        (b"\xef\xbb\xbf<BODY>", "a web page"),
        (b"<head>", "a web page"),
        (b" <HTML lang='de'>", "a web page"),
        (b"x" * 61 + b"\xff\xd8\xff", "61 bytes too many"),
        (b"\0" * 60 + b"\xff\xd8\xff", "60 bytes too many"),
        (b"\1" * 62 + b"\xff\xd8\xff", ""),
        (b"ab\x89PNG\r\n\x1a\n\xff\xd8\xff", "2 bytes too many"),
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
