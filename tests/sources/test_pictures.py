import io
import sys

import numpy as np
import pytest
from PIL import Image

from diptych.kinds import BadInput
from diptych.sources import pictures
from diptych.sources.decoders import look


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


def test_a_png_is_seen_although_a_chunk_that_it_can_do_without_is_damaged(tmp_path):
    data = encoded(Image.fromarray(noise(4, 6)))
    words, sizes = b"\0\0\0\7tEXtTitle\0x\0\0\0\0", b"\0\0\0\x09pHYs" + bytes(13)
    (tmp_path / "a.png").write_bytes(data[:33] + words + sizes + words + data[33:])
    assert np.array_equal(np.asarray(pictures.load(tmp_path / "a.png")), noise(4, 6))
    found = look(str(tmp_path / "a.png"))
    assert (found.reason, found.note, found.captions) == ("", "tEXt left out: damaged; pHYs left out: damaged", ())
    needed = data[:29] + bytes(4) + data[33:]
    for spoilt in (needed, words, data[:33] + words[:-8] + data[33:], data[:33] + words):
        with pytest.raises(BadInput, match="a.png: PNG that does not read" if spoilt != words else "a.png"):
            pictures.decode(spoilt, "a.png")


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
    data = encoded(Image.fromarray(noise(4, 8)))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 32)
    assert pictures.decode(data, "a.png").size == (8, 4)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 31)
    with pytest.raises(BadInput, match=r"a\.png: 8 x 4 pixels, more than 31; scale it down, or save it as JPEG"):
        pictures.decode(data, "a.png")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"nothing\.jpg: not readable"):
        pictures.load(tmp_path / "nothing.jpg")


def test_a_name_that_no_file_can_have_is_told():
    with pytest.raises(BadInput, match="not readable"):
        pictures.read("a\0b")


def test_more_exif_than_may_be_is_refused(monkeypatch):
    exif = Image.Exif()
    exif[0x010E] = "a boat"
    data = encoded(Image.new("RGB", (8, 8)), "JPEG", exif=exif)
    at = data.index(b"\xff\xe1") + 2
    length = int.from_bytes(data[at : at + 2], "big")
    monkeypatch.setattr(pictures, "MAX_EXIF", length)
    assert pictures.decode(data, "a.jpg").size == (8, 8)
    monkeypatch.setattr(pictures, "MAX_EXIF", length - 1)
    with pytest.raises(BadInput, match=rf"^a\.jpg: more than {length - 1} bytes of EXIF; save it again without$"):
        pictures.decode(data, "a.jpg")


@pytest.mark.parametrize("said", [0, 9, 255])
def test_an_orientation_that_there_is_not_is_upright(said):
    exif = Image.Exif()
    exif[0x0112] = said
    pixels = noise(4, 6)
    assert np.array_equal(np.asarray(pictures.decode(encoded(Image.fromarray(pixels), exif=exif), "a")), pixels)


@pytest.mark.parametrize(
    ("thing", "known"),
    [
        (np.zeros((1, 1, 3), np.uint8), True),
        (np.zeros((1, 1, 4), np.uint8), False),
        (np.zeros((1, 0, 3), np.uint8), False),
        (np.zeros((2, 3), np.uint8), False),
        (np.zeros((1, 1, 1, 3), np.uint8), False),
        (np.zeros((1, 1, 3), np.int8), False),
        ([[[0, 0, 0]]], False),
        (None, False),
    ],
)
def test_what_are_pixels(thing, known):
    assert pictures.is_pixels(thing) is known


def test_an_encoder_sees_the_same_of_a_file_an_open_picture_and_its_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(noise(40, 30)).save(tmp_path / "a.png", exif=exif)
    upright = np.rot90(noise(40, 30), 2)
    for how in (pictures.Preprocessing(8), pictures.Preprocessing(8, "crop", "bilinear")):
        with Image.open(tmp_path / "a.png") as picture:
            seen = [how.of(thing) for thing in (tmp_path / "a.png", str(tmp_path / "a.png"), picture, upright)]
        assert all(one.shape == (8, 8, 3) and np.array_equal(one, seen[0]) for one in seen)
    assert str(pictures.Preprocessing(8, "crop", "bilinear", 3)) == "8 pixels, crop, bilinear"


@pytest.mark.parametrize(
    ("brand", "why"), [(b"heic", "HEIC, which needs pillow-heif"), (b"avif", "AVIF, which needs a newer")]
)
def test_a_format_that_nothing_here_reads_is_told_with_what_would(monkeypatch, brand, why):
    monkeypatch.setattr(pictures, "_read_heic", lambda: False)
    monkeypatch.setattr(pictures, "_formats", lambda: ["JPEG", "PNG"])
    with pytest.raises(
        BadInput, match=rf"^a: {why}.* \(pip install .*\); save it again as JPEG or PNG, or leave it out$"
    ):
        pictures.decode(b"\0\0\0\x18ftyp" + brand + bytes(60), "a")


def test_heic_without_its_plugin_is_told_with_what_would_read_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    pictures._read_heic.cache_clear()
    try:
        with pytest.raises(BadInput, match="needs pillow-heif"):
            pictures.decode(b"\0\0\0\x18ftypheic" + bytes(60), "a")
    finally:
        pictures._read_heic.cache_clear()


def test_what_pillow_refuses_for_its_size_or_for_want_of_memory_is_told(monkeypatch):
    data = encoded(Image.fromarray(noise(4, 8)))
    with monkeypatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        with pytest.raises(BadInput, match=r"^a: 32 pixels, more than 80,000,000; scale it down"):
            pictures.decode(data, "a")
    for error in (MemoryError(), RuntimeError("decoder: out of memory")):

        def fail(*_, error=error, **__):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Image, "open", fail)
            with pytest.raises(BadInput, match=r"^a: takes more memory to read than it may; leave it out$"):
                pictures.decode(data, "a")


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


def test_a_jpeg_of_any_size_comes_small_enough(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 48)
    gradient = np.tile(np.linspace(0, 255, 640, dtype=np.uint8), (480, 1))
    for size, small in [((64, 48), (64, 48)), ((65, 48), (33, 24)), ((256, 192), (64, 48)), ((512, 384), (64, 48))]:
        data = encoded(Image.fromarray(gradient).resize(size), "JPEG")
        seen = pictures.decode(data, "a.jpg")
        assert seen.size == small
        assert (
            np.abs(np.asarray(seen.resize((8, 8))).astype(int)[..., 0] - np.asarray(seen.resize((8, 1)))[..., 0]).max()
            < 3
        )
        assert pictures.decode(data, "a.jpg", enough=6).size == tuple(-(-side // 8) for side in size)


def test_what_pillow_takes_for_a_bomb_is_a_photograph_of_two_hundred_megapixels():
    data = encoded(Image.new("L", (16_320, 12_240), 200), "JPEG")
    seen = pictures.decode(data, "a.jpg", enough=500)
    assert seen.size == (2040, 1530) and seen.getpixel((0, 0)) == (200, 200, 200)


def test_a_progressive_jpeg_that_would_fill_the_memory_is_refused_with_the_way_out(monkeypatch):
    data = encoded(Image.fromarray(noise(48, 64)), "JPEG", progressive=True)
    assert pictures.decode(data, "a.jpg").size == (64, 48)
    monkeypatch.setattr(pictures, "MAX_HELD", 9216)
    assert pictures.decode(data, "a.jpg").size == (64, 48)
    monkeypatch.setattr(pictures, "MAX_HELD", 9215)
    with pytest.raises(BadInput, match=r"^a\.jpg: a progressive JPEG that takes 9,216 bytes.*as a baseline JPEG"):
        pictures.decode(data, "a.jpg")
    assert pictures.decode(encoded(Image.fromarray(noise(48, 64)), "JPEG"), "a.jpg").size == (64, 48)


def smooth(height: int, width: int) -> np.ndarray:
    """Like `noise`, and without a row that could be taken for blank."""
    return np.clip(noise(height, width) // 2 + 64, 1, 250)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_picture_without_its_end_is_seen_as_far_as_it_goes(form):
    whole = encoded(Image.fromarray(smooth(160, 64)), form)
    reference = np.asarray(pictures.decode(whole, "a")).astype(int)
    for missing, there in [(1, 0.98), (2, 0.98), (len(whole) // 10, 0.75)]:
        data = whole[:-missing]
        seen = np.asarray(pictures.decode(data, "a")).astype(int)
        rows = seen.shape[0]
        kept = (
            slice(int(rows * (1 - there)) + 1, None) if form == "BMP" else slice(int(rows * there))
        )  # BMP begins below
        assert np.array_equal(seen[kept], reference[kept]), missing
        with pictures.opened(io.BytesIO(data), "a") as picture:
            note = pictures.loaded(picture)
        assert ("its end is missing" in note) == (not np.array_equal(seen, reference) or form == "JPEG")
    for missing in (len(whole) // 3, len(whole) * 6 // 10):
        with pytest.raises(BadInput, match=r"^a: damaged \(only \d+% of it is there\)"):
            pictures.decode(whole[:-missing], "a")


def test_a_progressive_jpeg_is_seen_wherever_it_was_cut_after_its_first_scan():
    """In the middle of a table, too: a decoder waits for the rest of it."""
    whole = encoded(Image.fromarray(smooth(48, 48)), "JPEG", progressive=True)
    reference = np.asarray(pictures.decode(whole, "a")).astype(int)
    scans = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for cut in range(scans[1], len(whole)):
        seen = np.asarray(pictures.decode(whole[:cut], "a"))
        assert np.abs(seen - reference).mean() < 40, cut


def test_a_missing_part_that_rounds_to_nothing_is_not_called_0_percent():
    whole = encoded(Image.fromarray(smooth(400, 64)), "BMP")
    with pictures.opened(io.BytesIO(whole[: -64 * 3]), "a") as picture:
        assert pictures.loaded(picture) == "its end is missing, less than 1% of the picture"


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_the_missing_rows_of_a_jpeg_are_known_in_every_mode_and_at_every_size(mode):
    whole = encoded(Image.fromarray(smooth(320, 320)).convert(mode), "JPEG")
    for enough in (0, 80, 40):
        assert pictures.decode(whole[: len(whole) * 9 // 10], "a", enough).mode == "RGB"
        with pytest.raises(BadInput, match="only"):
            pictures.decode(whole[: len(whole) * 6 // 10], "a", enough)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a picture that can be read (an empty file; copy it again)"),
        (bytes(5000), "not a picture that can be read (nothing but zeros; copy it again)"),
        (b"<!DOCTYPE html><html><body>404", "not a picture that can be read (a web page; fetch the picture itself)"),
        (b"hello", "not a picture that can be read (text)"),
        (b"8BPS\0\1" + bytes(40), "not a picture that can be read (a Photoshop document)"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "not a picture that can be read (a film)"),
        (b"\r\n" + encoded(Image.fromarray(noise(8, 8)), "JPEG"), "2 bytes too many stand before the picture in it"),
        (b"\xff\xd8\xff" + bytes(90), "JPEG that does not read: damaged, or of a sort that is not read"),
        (b"II*\0" + bytes(90), "TIFF that does not read: damaged, or of a sort that is not read"),
    ],
    ids=["empty", "zeros", "page", "text", "psd", "film", "junk before", "jpeg", "tiff"],
)
def test_what_a_file_is_instead_is_told(data, why):
    with pytest.raises(BadInput) as caught:
        pictures.decode(data, "a.jpg")
    assert why in str(caught.value) and str(caught.value).endswith("save it again as JPEG or PNG, or leave it out")


@pytest.mark.parametrize(
    ("frame", "bits", "why"), [(0xC3, 8, "a lossless JPEG"), (0xC1, 12, "a JPEG of 12 bits a colour")]
)
def test_a_jpeg_that_is_not_supported_is_not_called_damaged(frame, bits, why):
    data = bytearray(encoded(Image.fromarray(noise(64, 64)), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = frame, bits
    with pytest.raises(BadInput, match=f"^a.jpg: {why}, which is not read; save it"):
        pictures.decode(bytes(data), "a.jpg")
