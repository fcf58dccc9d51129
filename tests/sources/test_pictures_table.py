"""Every kind of picture, beside what libvips makes of it: the same shades, the same size, refused or not.

A cell is one file. Where we differ from libvips the cell stands in DIFFERS with the reason; one that no longer differs
fails as well, so the list stays true. The libvips that pip brings reads no BMP, which is compared with OpenCV; and
nothing else here reads HEIC.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from diptych.sources.decoders import look
from diptych.sources.pictures import Preprocessing

cv2 = pytest.importorskip("cv2", reason="OpenCV is what BMP is compared with")
pyvips = pytest.importorskip("pyvips", reason="libvips is what is compared with: pip install pyvips pyvips-binary")

SEEN = Preprocessing(16, "squash", "box")
ALIKE = 5.0  # mean difference of shades, of 255: dithering and lossy coders have some; every real fault is above 10

PICTURES = {
    "jpg": {"quality": 92},
    "png": {},
    "webp": {"quality": 92},
    "gif": {},
    "tif": {},
    "avif": {"quality": 92, "subsampling": "4:4:4"},
}
if features.check("avif"):
    PICTURES["avif"] = {"quality": 92, "subsampling": "4:4:4", "speed": 10}

# cell: (what comes out, why). "seen" and "size" differ; "refused" by us alone; "read" by us alone.
DIFFERS = {
    "cmyk.jpg": ("seen", "without a profile we take inks for what a screen lacks, as browsers do; libvips has a press"),
    "cmyk.tif": ("seen", "as cmyk.jpg"),
    "twelve.png": ("seen", "12 bits in 16 are nearly black there; we take the scale that fits"),
    "twelve.tif": ("seen", "as twelve.png"),
    "int32.tif": ("seen", "32 bits are cut off at 255 there, and all white"),
    "uint32.tif": ("seen", "as int32.tif"),
    "uint32-full.tif": ("seen", "as int32.tif"),
    "signed.tif": ("seen", "what is below zero is black there; we stretch it"),
    "float.tif": ("seen", "1.0 is taken for 1 of 255 there, and all is black"),
    "float-range.tif": ("seen", "as int32.tif"),
    "float-rgb.tif": ("refused", "Pillow reads no colours of floats"),
    "webp.tif": ("refused", "Pillow's libtiff has no WebP in it"),
    "ycbcr.tif": ("seen", "libvips confuses the order of its bytes; ImageMagick shows what we see"),
    "lab.tif": ("read", "libvips reads Lab of another layout only; ImageMagick shows what we see"),
    "gamma.png": ("seen", "libvips leaves a PNG's gamma alone; browsers heed it"),
}

# Whose last rows libvips needs to show any.
MORE_THAN_VIPS = ("interlaced.png",)


def scene(width=120, height=90):
    """(height, width, 3) uint8, another colour everywhere, so that whatever is turned or mixed up shows."""
    y, x = np.mgrid[0:height, 0:width] / [[[max(height - 1, 1)]], [[max(width - 1, 1)]]]
    return np.stack([x * 255, y * 255, 128 + 110 * np.sin(7 * x) * np.cos(6 * y)], -1).astype(np.uint8)


COLOURS = scene()
GREY = COLOURS[..., 2]
ALPHA = COLOURS[..., 0]


def encoded(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(form, form.upper()), **options)
    return file.getvalue()


def modes() -> Iterator[tuple[str, bytes]]:
    """What PIL writes: format by mode."""
    rgb = Image.fromarray(COLOURS)
    lab = ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    some = {
        "rgb": rgb,
        "grey": Image.fromarray(GREY),
        "palette": rgb.quantize(64),
        "bit": Image.fromarray(GREY > 128),
        "cmyk": rgb.convert("CMYK"),
        "ycbcr": rgb.convert("YCbCr"),
        "alpha": Image.fromarray(np.dstack([COLOURS, ALPHA])),
        "grey+alpha": Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]),
        "palette+alpha": Image.fromarray(np.dstack([COLOURS, ALPHA])).quantize(64),
        "lab": lab,
        "deep": Image.fromarray(GREY.astype(np.uint16) * 257),
        "twelve": Image.fromarray(GREY.astype(np.uint16) * 16),
        "int32": Image.fromarray(GREY.astype(np.int32) * 257),
        "float": Image.fromarray(GREY.astype(np.float32) / 255),
        "float255": Image.fromarray(GREY.astype(np.float32)),
    }
    for (form, options), (name, picture) in itertools.product(PICTURES.items(), some.items()):
        if form == "png" or picture.mode not in ("I;16", "I", "F") or form == "tif":  # others are written as 8 bits
            try:
                yield f"{name}.{form}", encoded(picture, form, **options)
            except (OSError, ValueError):
                assert form in ("jpg", "png", "gif", "bmp"), f"{name}.{form} can be written"
    yield "key.png", encoded(rgb, "png", transparency=tuple(int(value) for value in COLOURS[0, 0]))
    yield "key.gif", encoded(rgb.quantize(8), "gif", transparency=3)
    yield "palette+key.png", encoded(rgb.quantize(8), "png", transparency=3)
    keyed = np.where(ALPHA < 128, 1000, GREY.astype(np.uint16) * 257).astype(np.uint16)
    yield "deep+key.png", with_chunk(encoded(Image.fromarray(keyed), "png"), b"tRNS", struct.pack(">H", 1000))
    yield "gamma.png", with_chunk(encoded(rgb, "png"), b"gAMA", struct.pack(">I", 100_000))
    yield "usual-gamma.png", with_chunk(encoded(rgb, "png"), b"gAMA", struct.pack(">I", 45_455))
    others = [Image.fromarray(255 - COLOURS), Image.fromarray(COLOURS[::-1])]
    for form in ("gif", "webp", "png", "tif"):
        yield f"first-of-three.{form}", encoded(rgb, form, save_all=True, append_images=others)
    mpo = io.BytesIO()
    rgb.save(mpo, "MPO", save_all=True, append_images=others, quality=92)
    yield "first-of-three.jpg", mpo.getvalue()
    yield "progressive.jpg", encoded(rgb, "jpg", quality=92, progressive=True)
    yield "fine.jpg", encoded(rgb, "jpg", quality=92, subsampling=0)
    yield "white-is-zero.tif", retagged(encoded(Image.fromarray(255 - GREY), "tif"), 262, 0)
    yield (
        "deep-white-is-zero.tif",
        retagged(encoded(Image.fromarray(65535 - GREY.astype(np.uint16) * 257), "tif"), 262, 0),
    )


def vips_writes() -> Iterator[tuple[str, bytes]]:
    """What PIL does not write, by libvips: deep colours, profiles, the ways of TIFF."""
    rgb, grey = pyvips.Image.new_from_array(COLOURS), pyvips.Image.new_from_array(GREY)
    alpha = rgb.bandjoin(pyvips.Image.new_from_array(ALPHA))
    deep = rgb.colourspace("rgb16")
    deep_alpha = deep.bandjoin(pyvips.Image.new_from_array(ALPHA.astype(np.uint16) * 257))
    deep_grey = (grey * 257).cast("ushort").copy(interpretation="grey16")
    for form in ("png", "tiff"):
        name = form[:3]
        yield f"deep-rgb.{name}", deep.write_to_buffer(f".{form}")
        yield f"deep-rgb+alpha.{name}", deep_alpha.write_to_buffer(f".{form}")
        yield f"deep-grey.{name}", deep_grey.write_to_buffer(f".{form}")
    for bits in (1, 2, 4):
        yield f"grey-{bits}-bit.png", grey.pngsave_buffer(bitdepth=bits)
        key = struct.pack(">H", 2**bits - 1)
        yield f"grey-{bits}-bit+key.png", with_chunk(grey.pngsave_buffer(bitdepth=bits), b"tRNS", key)
    key = struct.pack(">3H", *(257 * int(value) for value in COLOURS[40, 50]))
    yield "deep-rgb+key.png", with_chunk(deep.write_to_buffer(".png"), b"tRNS", key)
    yield "interlaced.png", rgb.pngsave_buffer(interlace=True)
    yield "interlaced.gif", rgb.gifsave_buffer(interlace=True)
    yield "lossless.webp", rgb.webpsave_buffer(lossless=True)
    signed = (grey * 257 - 32768).cast("short")
    whole = (grey * 257).cast("uint")
    fractions = (grey / 255).cast("float")
    kinds = {
        "signed": signed,
        "uint32": whole,
        "uint32-full": (grey * 16_843_009).cast("uint"),
        "double": fractions.cast("double"),
        "float-rgb": rgb.colourspace("scrgb"),
        "float-range": (fractions * 5000 - 1000).cast("float"),
    }
    for name, image in kinds.items():
        yield f"{name}.tif", image.tiffsave_buffer()
    for compression in ("lzw", "deflate", "jpeg", "packbits", "webp"):
        yield f"{compression}.tif", rgb.tiffsave_buffer(compression=compression, Q=92)
    yield "fax.tif", (grey > 128).tiffsave_buffer(compression="ccittfax4", bitdepth=1)
    yield "tiles.tif", rgb.tiffsave_buffer(tile=True, tile_width=64, tile_height=64, compression="lzw")
    yield "pyramid.tif", rgb.tiffsave_buffer(tile=True, tile_width=64, tile_height=64, pyramid=True)
    yield "big.tif", rgb.tiffsave_buffer(bigtiff=True)
    yield "premultiplied.tif", alpha.tiffsave_buffer(premultiply=True)
    yield "big-endian.tif", encoded(Image.fromarray(GREY.astype(">u2") * 257), "tif")
    wide = rgb.copy(interpretation="srgb").icc_transform("p3", input_profile="srgb")
    yield "p3.jpg", wide.jpegsave_buffer(Q=92)
    yield "p3.png", wide.pngsave_buffer()
    yield "p3.webp", wide.webpsave_buffer(Q=92)
    yield "p3.tif", wide.tiffsave_buffer()
    yield "p3+alpha.png", wide.bandjoin(pyvips.Image.new_from_array(ALPHA)).pngsave_buffer()
    ink = rgb.copy(interpretation="srgb").icc_transform("cmyk", input_profile="srgb")
    yield "ink.jpg", ink.jpegsave_buffer(Q=92)
    yield "ink.tif", ink.tiffsave_buffer()
    if "avif" in PICTURES:
        yield "p3.avif", wide.heifsave_buffer(compression="av1", Q=92)


def orientations() -> Iterator[tuple[str, bytes]]:
    for form, turn in itertools.product(("jpg", "png", "webp", "tif", "avif"), range(1, 9)):
        if form in PICTURES:
            exif = Image.Exif()
            exif[0x0112] = turn
            yield f"turn{turn}.{form}", encoded(Image.fromarray(COLOURS), form, exif=exif, **PICTURES[form])
            if form == "tif":
                options = {"exif": exif, "compression": "tiff_lzw"}
                yield f"turn{turn}-lzw.tif", encoded(Image.fromarray(COLOURS), form, **options)
                yield f"turn{turn}-deep.tif", encoded(Image.fromarray(GREY.astype(np.uint16) * 257), form, exif=exif)


def sizes() -> Iterator[tuple[str, bytes]]:
    for form, (width, height) in itertools.product(PICTURES, [(1, 1), (7, 5), (1, 999), (999, 1), (1001, 803)]):
        picture = Image.fromarray(scene(width, height))
        yield (
            f"{width}x{height}.{form}",
            encoded(picture, form, **PICTURES[form]),
        )


def tails() -> Iterator[tuple[str, bytes]]:
    """What may lack its last bytes, for want of room or of time to copy them."""
    rng = np.random.default_rng(0)
    rough = Image.fromarray(np.clip(COLOURS + rng.normal(0, 20, COLOURS.shape), 0, 255).astype(np.uint8))
    for form, options in PICTURES.items():
        yield f"whole.{form}", encoded(rough, form, **options)
    yield "progressive.jpg", encoded(rough, "jpg", progressive=True, quality=92)
    yield "grey.jpg", encoded(rough.convert("L"), "jpg", quality=92)
    yield "ink.jpg", encoded(rough.convert("CMYK"), "jpg", quality=92)
    yield "palette.png", encoded(rough.quantize(64), "png")
    yield "interlaced.png", pyvips.Image.new_from_array(np.asarray(rough)).pngsave_buffer(interlace=True)
    yield "lzw.tif", encoded(rough, "tif", compression="tiff_lzw")


def with_chunk(png, kind, data):
    """A PNG with a chunk behind its header."""
    chunk = len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    return png[:33] + chunk + png[33:]


def retagged(tiff, tag, value):
    """A TIFF of PIL with another value of a tag that holds one short number."""
    at = tiff.index(struct.pack("<HHI", tag, 3, 1))
    return tiff[: at + 8] + struct.pack("<HH", value, 0) + tiff[at + 12 :]


def shown_by_others(path):
    """(width, height) upright and (16, 16, 3) uint8; None where it is refused."""
    if str(path).endswith(".bmp"):
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        return None if pixels is None else seen(pixels[..., ::-1])
    try:
        image = pyvips.Image.new_from_file(str(path)).autorot()
        if image.get_typeof("icc-profile-data"):
            image = image.icc_transform("srgb", embedded=True, black_point_compensation=True)
        image = image.colourspace("srgb")
        if image.hasalpha():
            image = image.flatten(background=255)
        return seen(image.cast("uchar").numpy())
    except pyvips.Error:
        return None


def seen(pixels):
    return pixels.shape[1::-1], SEEN.square(Image.fromarray(np.ascontiguousarray(pixels[..., :3])))


def difference(path):
    """ "" where we and the other agree, else in what not."""
    reference = shown_by_others(path)
    ours = [
        look(str(path), preprocessing=SEEN),
        look(str(path), preprocessing=Preprocessing(16, "squash", "box", enough=64)),
    ]
    if ours[0].reason or reference is None:
        return "" if ours[0].reason and reference is None else "refused" if ours[0].reason else "read"
    if any((found.width, found.height) != reference[0] for found in ours):
        return "size"
    return "seen" if any(apart(found.pixels, reference[1]) > ALIKE for found in ours) else ""


def apart(one, other):
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("part", [modes, vips_writes, orientations, sizes])
def test_a_picture_is_seen_as_libvips_shows_it(tmp_path, part):
    found = {}
    for name, data in part():
        (tmp_path / name).write_bytes(data)
        found[name] = difference(tmp_path / name)
    assert len(found) > 20
    expected = {name: DIFFERS.get(name, ("",))[0] for name in found}
    assert {name: what for name, what in found.items() if what} == {
        name: what for name, what in expected.items() if what
    }


def test_a_picture_that_is_mostly_there_is_seen_like_the_whole_one(tmp_path):
    """Where libvips shows nothing, we do not either; the half of a picture is refused, though libvips shows it."""
    for name, data in tails():
        whole = look(put(tmp_path / name, data), preprocessing=SEEN)
        for missing in (2, len(data) // 20, len(data) // 2):
            path = put(tmp_path / f"{missing}-less-{name}", data[:-missing])
            ours = look(path, preprocessing=SEEN)
            if shown_by_others(path) is None and name not in MORE_THAN_VIPS:
                assert ours.reason, path
            elif missing == len(data) // 2 and name != "progressive.jpg":  # which then is whole, but less sharp
                assert "damaged (only" in ours.reason, path
            else:
                assert not ours.reason and apart(ours.pixels, whole.pixels) < 10, path
                assert (ours.note != "") == (name.endswith("jpg") or (ours.pixels != whole.pixels).any()), path


def put(path, data):
    path.write_bytes(data)
    return str(path)
