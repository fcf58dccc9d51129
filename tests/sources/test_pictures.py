import io

import numpy as np
import pytest
from PIL import Image

from diptych.kinds import BadInput
from diptych.sources import pictures


def encoded(picture: Image.Image, form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_a_png_comes_back_pixel_for_pixel():
    pixels = noise(5, 7)
    assert np.array_equal(np.asarray(pictures.decode(encoded(Image.fromarray(pixels)), "a.png")), pixels)


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (6, -1), (3, 2), (8, 1)])
def test_exif_orientation_turns_the_picture_upright(orientation, turn):
    pixels = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = pictures.decode(encoded(Image.fromarray(pixels), exif=exif), "a.png")
    assert np.array_equal(np.asarray(upright), np.rot90(pixels, turn))


def test_what_is_transparent_is_white_and_what_is_half_transparent_is_mixed_with_white():
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[0, :, 3] = [0, 255, 128]
    shown = np.asarray(pictures.decode(encoded(Image.fromarray(pixels)), "a.png"))
    assert shown[0, :, 0].tolist() == [255, 0, 127]


def test_sixteen_bit_grey_keeps_its_shades():
    shades = np.array([[0, 256 * 100, 65535]], dtype=np.uint16)
    assert np.asarray(pictures.decode(encoded(Image.fromarray(shades)), "a.png"))[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA"])
def test_every_mode_becomes_rgb(mode):
    picture = Image.fromarray(noise(8, 8)).convert(mode)
    assert pictures.decode(encoded(picture, "TIFF" if mode == "CMYK" else "PNG"), "a").mode == "RGB"


def test_a_large_jpeg_comes_small_but_never_below_what_is_enough():
    gradient = np.tile(np.linspace(0, 255, 1600, dtype=np.uint8), (800, 1))
    data = encoded(Image.fromarray(gradient).convert("RGB"), "JPEG")
    small = pictures.decode(data, "a.jpg", enough=200)
    assert small.size == (400, 200)
    assert pictures.decode(data, "a.jpg").size == (1600, 800)
    full = np.asarray(pictures.decode(data, "a.jpg").resize((40, 20)), dtype=float)
    assert np.abs(full - np.asarray(small.resize((40, 20)), dtype=float)).max() < 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"not a picture",
        encoded(Image.fromarray(noise(64, 64)))[:2000],
        b"\x89PNG\r\n\x1a\n" + b"\0" * 90,
    ],
)
def test_what_does_not_decode_is_named_in_one_line(data):
    with pytest.raises(BadInput, match=r"^holiday/beach\.jpg: ") as caught:
        pictures.decode(data, "holiday/beach.jpg")
    assert "\n" not in str(caught.value)


def test_a_picture_beyond_the_bound_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 30)
    with pytest.raises(BadInput, match=r"a\.png: 8 x 4 pixels, more than 30"):
        pictures.decode(encoded(Image.fromarray(noise(4, 8))), "a.png")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"nothing\.jpg: not readable"):
        pictures.load(tmp_path / "nothing.jpg")


def test_load_reads_a_file(tmp_path):
    Image.fromarray(noise(3, 4)).save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(pictures.load(tmp_path / "a.png")), noise(3, 4))


def test_a_crop_is_the_middle_of_what_was_resized_and_a_thin_strip_costs_no_memory():
    for width, height in [(64, 48), (33, 50), (9, 16), (20, 31), (4, 640)]:
        picture = Image.fromarray(noise(6, 8)).resize((width, height), Image.Resampling.BICUBIC)
        wide, high = (24 * side // min(width, height) for side in (width, height))
        left, top = (wide - 24) // 2, (high - 24) // 2
        whole = picture.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + 24, top + 24))
        seen = pictures.Preprocessing(24, "crop").of(picture).astype(int)
        # Rows and columns may be resized in the other order, with a rounding between.
        assert np.abs(seen - np.asarray(whole)).max() <= 2, (width, height)
    strip = Image.new("RGB", (1, 4_000_000), "red")
    assert (pictures.Preprocessing(224, "crop").of(strip) == (255, 0, 0)).all()
