import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from diptych.sources import shown
from diptych.sources.shown import grey, plain, rgb

RAMP = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize("top", [255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.uint32, np.float32])
def test_a_scale_of_any_depth_is_the_one_of_eight_bits(top, kind):
    assert np.array_equal(grey(np.rint(RAMP * (top / 255)).astype(kind)), RAMP)


def test_fractions_stay_as_they_are_and_need_not_reach_one():
    assert np.array_equal(grey((RAMP / 255).astype(np.float32)), RAMP)
    assert np.abs(grey((RAMP / 510).astype(np.float32)) - RAMP / 2).max() <= 0.5


@pytest.mark.parametrize(
    ("kind", "low", "high"), [(np.int32, -32768, 32767), (np.float32, -1, 1), (np.float32, 0, 1e6)]
)
def test_what_is_of_no_such_scale_is_stretched_but_for_a_thousandth(kind, low, high):
    values = np.linspace(low, high, 100_000).reshape(200, 500).astype(kind)
    shades = grey(values).ravel()
    assert np.array_equal(np.unique(shades), np.arange(256)) and (np.diff(shades.astype(int)) >= 0).all()
    values[0, 0], values[-1, -1] = 50 * low - 1, 50 * high
    assert np.abs(grey(values).ravel()[1:-1].astype(int) - shades[1:-1]).max() <= 1, "one hot pixel changes nothing"


def test_more_rows_and_more_numbers_than_are_looked_at_at_once_are_one_picture():
    high = np.tile(np.arange(256, dtype=np.uint16) * 257, (700, 1))
    assert np.array_equal(grey(high), np.tile(np.arange(256), (700, 1)))
    values = np.linspace(-1, 1, 2_500_000, dtype=np.float32).reshape(1000, 2500)
    assert np.abs(grey(values).astype(int) - (values + 1) * 127.5).max() <= 1
    missing = values < 0
    shades = grey(values, missing=missing)
    assert (shades[missing] == 255).all() and shades[~missing][0] == 0 and shades[~missing][-1] == 255


def test_a_few_marks_on_one_shade_are_seen():
    values = np.full((100, 100), -7.0, np.float32)
    values[50, 50] = 9
    assert np.array_equal(np.unique(grey(values)), [0, 255]) and grey(values)[50, 50] == 255


@pytest.mark.parametrize(
    ("values", "bits", "shade"),
    [
        (np.zeros((2, 2), np.uint16), 16, 0),
        (np.full((2, 2), 65535, np.uint16), 16, 255),
        (np.full((2, 2), 257 * 100, np.uint16), 16, 100),
        (np.full((2, 2), 4095, np.uint16), 16, 16),
        (np.zeros((2, 2), np.int32), 0, 0),
        (np.full((2, 2), 65535, np.int32), 0, 255),
        (np.full((2, 2), 70_000, np.int32), 0, 255),
        (np.full((2, 2), -5, np.int32), 0, 0),
        (np.ones((2, 2), np.float32), 0, 255),
        (np.full((2, 2), 0.5, np.float32), 0, 128),
        (np.full((2, 2), np.nan, np.float32), 0, 0),
    ],
)
def test_one_shade_all_over_is_not_stretched(values, bits, shade):
    assert np.array_equal(grey(values, bits), np.full((2, 2), shade))


def test_what_is_not_a_number_is_black_and_what_is_missing_is_white_and_neither_sets_the_scale():
    values = (RAMP / 255).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    missing = np.zeros(values.shape, bool)
    values[1, 0], missing[1, 0] = -9999, True
    shades = grey(values, missing=missing)
    assert np.array_equal(shades[2:], RAMP[2:]) and shades[0, 0] == shades[0, 2] == 0 and shades[1, 0] == 255
    assert np.array_equal(grey(values, missing=np.ones(values.shape, bool)), np.full(values.shape, 255))


def tiff(values, tag, value):
    """The shades of a TIFF with another value of a tag."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF", tiffinfo={tag: value} if isinstance(value, str) else {})
    data = bytearray(file.getvalue())
    if not isinstance(value, str):  # Pillow writes its own
        at = data.index(struct.pack("<HHI", tag, 3, 1))
        data[at + 8] = value
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return np.asarray(rgb(picture))[..., 0]


def test_heights_without_a_value_are_white():
    heights = np.linspace(-100, 900, 256).reshape(16, 16).astype(np.float32)
    heights[0, :2] = -32768
    shades = tiff(heights, 42113, "-32768")
    assert shades[0, 0] == 255 and shades[0, 2] < 5 and 120 < shades[8, 0] < 140


def test_the_upper_half_of_unsigned_numbers_is_bright():
    values = np.linspace(0, 2**32 - 1, 256).reshape(16, 16).astype(np.uint32)
    assert np.abs(tiff(values.view(np.int32), 339, 1).astype(int) - RAMP).max() <= 2


def test_white_is_zero_in_deep_greys_too():
    assert np.array_equal(tiff((RAMP * 257).astype(np.uint16), 262, 0), 255 - RAMP)


def profile(colours):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(colours)).tobytes()


def test_a_profile_of_screens_changes_nothing_and_one_that_is_broken_or_of_other_colours_is_left_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for data in (profile("sRGB"), profile("sRGB")[:200], b"", b"junk", bytes(5_000_000), profile("LAB")):
        picture = Image.fromarray(pixels)
        picture.info["icc_profile"] = data
        assert np.array_equal(np.asarray(rgb(picture)), pixels)


def test_lab_is_seen_in_its_colours():
    pixels = np.array([[[255, 0, 0], [0, 128, 0], [30, 60, 200], [128, 128, 128]]], np.uint8)
    lab = ImageCms.profileToProfile(
        Image.fromarray(pixels), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert np.abs(np.asarray(rgb(lab)).astype(int) - pixels).max() < 9


@pytest.mark.parametrize(("gamma", "shade"), [(1 / 2.2, 55), (0.45455, 55), (1.0, 127), (0.55556, 72)])
def test_the_gamma_of_a_png_is_heeded_where_nothing_better_is_said(gamma, shade):
    picture = Image.new("RGB", (1, 1), (55, 55, 55))
    picture.info["gamma"] = gamma
    assert abs(np.asarray(rgb(picture))[0, 0, 0].astype(int) - shade) <= 1
    picture.info["srgb"] = 0
    assert np.asarray(rgb(picture))[0, 0, 0] == 55


def with_info(mode, **info):
    picture = Image.new(mode, (2, 2))
    picture.info |= info
    return picture


@pytest.mark.parametrize(
    ("picture", "seen_as_stored"),
    [
        *((with_info(mode), True) for mode in ("1", "L", "P", "RGB")),
        *((with_info(mode), False) for mode in ("I", "F", "I;16", "RGBA", "LA", "CMYK", "LAB", "YCbCr")),
        (with_info("RGB", icc_profile=profile("sRGB")), True),
        (with_info("L", icc_profile=profile("sRGB")), True),
        (with_info("RGB", icc_profile=b"junk"), True),
        (with_info("RGB", transparency=(0, 0, 0)), False),
        (with_info("P", transparency=3), False),
        (with_info("RGB", gamma=1.0), False),
        (with_info("RGB", gamma=1.0, srgb=0), True),
        (with_info("RGB", gamma=1.0, icc_profile=b"junk"), True),
        (with_info("RGB", gamma=1.04 / 2.2), True),
        (with_info("RGB", gamma=0.96 / 2.2), True),
        (with_info("RGB", gamma=1.06 / 2.2), False),
        (with_info("RGB", gamma=0.94 / 2.2), False),
    ],
)
def test_a_picture_is_plain_where_nothing_has_to_be_done_to_see_it(picture, seen_as_stored):
    assert plain(picture) == seen_as_stored
    if seen_as_stored:
        assert np.array_equal(np.asarray(rgb(picture)), np.asarray(picture.convert("RGB")))


def test_a_profile_of_other_colours_is_heeded_up_to_a_bound(monkeypatch):
    wide = profile("sRGB").replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))
    pixels = np.full((2, 2, 3), (10, 200, 30), np.uint8)
    picture = Image.fromarray(pixels)
    picture.info["icc_profile"] = wide
    assert not plain(picture) and np.abs(np.asarray(rgb(picture)).astype(int) - pixels).max() <= 1
    monkeypatch.setattr(shown, "_MAX_PROFILE", len(wide))
    assert not plain(picture)
    monkeypatch.setattr(shown, "_MAX_PROFILE", len(wide) - 1)
    assert plain(picture)
