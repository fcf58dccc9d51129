import io

import numpy as np
import pytest
from PIL import Image

from diptych.sources import jpeg


def encoded(mode="RGB", size=(64, 48), **options):
    file = io.BytesIO()
    Image.new(mode, size).save(file, "JPEG", **options)
    return file.getvalue()


def head(data):
    return jpeg.head(io.BytesIO(data))


def test_the_frame_is_found_and_the_file_is_left_at_its_start():
    file = io.BytesIO(encoded())
    found = jpeg.head(file)
    assert (found.frame, found.bits, found.height, found.exif, found.held, found.unusual) == (0xC0, 8, 48, 0, 0, "")
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("mode", "subsampling", "share"), [("RGB", 0, 3), ("RGB", 1, 2), ("RGB", 2, 1.5), ("L", 0, 1), ("CMYK", 0, 4)]
)
def test_a_progressive_picture_is_held_whole_with_two_bytes_a_sample(mode, subsampling, share):
    data = encoded(mode, progressive=True, subsampling=subsampling)
    assert head(data).held == 2 * 64 * 48 * share
    assert head(encoded(mode, subsampling=subsampling)).held == 0


def test_a_sequential_picture_in_several_scans_is_held_too():
    data = bytearray(encoded(subsampling=0))
    at = data.index(b"\xff\xda")
    data[at + 4] = 1  # components in the scan
    assert head(data).held == 2 * 64 * 48 * 3


@pytest.mark.parametrize("between", [b"", b"\xff", b"\xff\xff\xff", b"\0\0", b"junk", b"\xff\0"])
def test_bytes_between_segments_hide_nothing(between):
    exif = b"\xff\xe1\0\x10Exif\0\0" + bytes(8)
    data = encoded()
    found = head(data[:2] + between + exif + between + exif + data[2:])
    assert found.exif == 32 and found.frame == 0xC0


@pytest.mark.parametrize(
    ("frame", "bits", "height", "what"),
    [
        (0xC3, 8, 48, "a lossless JPEG"),
        (0xC3, 16, 48, "a lossless JPEG"),
        *((frame, 8, 48, "a lossless JPEG") for frame in (0xC7, 0xCB, 0xCF)),
        *((frame, 8, 48, "a hierarchical JPEG") for frame in (0xC5, 0xC6, 0xCD, 0xCE)),
        (0xC1, 12, 48, "a JPEG of 12 bits a colour"),
        *((frame, 8, 48, "a JPEG in arithmetic coding") for frame in (0xC9, 0xCA)),
        (0xC0, 8, 0, "a JPEG that says its height at its end"),
        (0xC2, 8, 48, ""),
    ],
)
def test_what_hardly_a_decoder_knows_has_a_name(frame, bits, height, what):
    data = bytearray(encoded())
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4], data[at + 6] = frame, bits, height
    assert head(data).unusual == what


@pytest.mark.parametrize("before", [100, 70_000])
@pytest.mark.parametrize("length", [2, 20, 0x1FF, 65_000, 0xFF10, 0xFFFF])
def test_a_file_can_be_ended_before_a_segment_that_is_cut_off_and_else_behind_its_last_byte(before, length):
    """The picture's own bytes, among them what looks like a mark there; behind them a table, cut anywhere."""
    picture = (b"\x12\xff\0\x34\xff\xd3\x56\xff\xff\xd4" * 7_000)[:before]
    table = b"\xff\xc4" + length.to_bytes(2, "big") + b"\x10" * (length - 2)
    for there in (1, 2, 3, 4, length, length + 1):
        if there < len(table):
            assert jpeg.end(io.BytesIO(picture + table[:there])) == before, there
    for whole in (picture, picture + table, picture + table + b"\x12"):
        assert jpeg.end(io.BytesIO(whole)) == len(whole)


def test_any_bytes_have_a_head():
    rng = np.random.default_rng(0)
    whole = encoded()
    for _ in range(2000):
        data = bytearray(whole[: rng.integers(2, len(whole))])
        data[rng.integers(2, len(data) + 1) : 0] = rng.bytes(3)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(0, 256)
        head(data)
