import io
import random
import struct

import pytest
from PIL import Image

from diptych.sources import pictures
from diptych.sources.metadata import embedded, xmp
from diptych.sources.metadata.about import About, joined

START = b"http://ns.adobe.com/xap/1.0/\0"
MORE = b"http://ns.adobe.com/xmp/extension/\0"
NAME = b"0123456789ABCDEF0123456789ABCDEF"


def packet(tag, extra=""):
    return f"<rdf:RDF><rdf:Description {extra} dc:subject='{tag}'/></rdf:RDF>".encode()


def jpeg(*parts):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    data = file.getvalue()
    return data[:2] + b"".join(bytes((255, mark)) + struct.pack(">H", len(x) + 2) + x for mark, x in parts) + data[2:]


def read(data):
    file = io.BytesIO(data)
    with Image.open(file) as picture:
        picture.load()
        return joined(embedded.read(picture, file))


def more(data, at, name=NAME, whole=None):
    return 0xE1, MORE + name + struct.pack(">II", len(data) if whole is None else whole, at) + data


def test_xmp_that_does_not_fit_a_segment_goes_on_in_others_in_any_order():
    rest = packet("x" * 100_000)
    main = (0xE1, START + packet("main", f"xmpNote:HasExtendedXMP='{NAME.decode()}'"))
    data = jpeg(more(rest[60_000:], 60_000), main, more(rest[:60_000], 0))
    assert read(data).tags == ("main", "x" * 100_000)
    # The places are numbers of four bytes.
    assert read(jpeg(more(rest[60_000:], 1 << 24), main, more(rest[:60_000], 5))).tags == ("main", "x" * 100_000)
    # What another main packet belonged to was left behind.
    assert read(jpeg(main, more(rest[:60_000], 0, name=NAME[::-1]))).tags == ("main",)


def test_several_packets_are_read_up_to_a_bound():
    assert read(jpeg((0xE1, START + packet("a")), (0xE1, START + packet("b")))).tags == ("a", "b")
    assert read(jpeg(*((0xE1, START + packet(n)) for n in range(embedded.MAX_PACKETS)))).notes == ()
    many = read(jpeg(*((0xE1, START + packet(n)) for n in range(embedded.MAX_PACKETS + 1))))
    assert len(many.tags) == embedded.MAX_PACKETS and many.notes == ("XMP left out in part: more than 8 packets",)


def test_what_does_not_read_is_said_once_and_the_rest_is_read():
    data = jpeg((0xE1, START + b"nothing"), (0xE1, START + b"no thing"), (0xE1, START + packet("a")))
    assert read(data) == About(tags=("a",), notes=("XMP left out: there is no RDF in it",))


def test_exif_that_pil_stumbles_over_is_said(monkeypatch):
    monkeypatch.setattr(Image.Image, "getexif", lambda _: 1 / 0)
    assert read(jpeg((0xE1, START + packet("a")))) == About(tags=("a",), notes=("EXIF left out: damaged",))


def png(**texts):
    from PIL.PngImagePlugin import PngInfo

    info, file = PngInfo(), io.BytesIO()
    for name, text in texts.items():
        info.add_text(name.replace("_", " "), text)
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def profile(kind, data):
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return png(**{f"Raw_profile_type_{kind}": f"\n{kind}\n{len(data):8d}\n{lines}\n"})


def test_profiles_that_imagemagick_writes_into_a_png_are_read():
    iptc = b"\x1c\x02\x19\0\x03dog"
    assert read(profile("iptc", b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc)).tags == ("dog",)
    assert read(profile("xmp", packet("a"))).tags == ("a",)
    exif = Image.Exif()
    exif[0x010E] = "a boat"
    assert read(profile("exif", exif.tobytes())).captions == ("a boat",)
    # Its older versions, and other programs, call them by what JPEG and Photoshop call them.
    assert read(profile("APP1", exif.tobytes())).captions == ("a boat",)
    assert read(profile("APP1", START + packet("a"))).tags == ("a",)
    assert read(profile("8bim", b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc)).tags == ("dog",)
    assert read(profile("iptc", iptc)).tags == ("dog",)
    assert read(profile("APP1", b"something else")) == About()
    assert read(profile("APP1", b"Exif\0\0no more")) == About(notes=("EXIF left out: damaged",))
    assert read(png(Raw_profile_type_iptc="\niptc\n 5\nabc\n")) == About()
    assert read(png(Raw_profile_type_xmp="\nxmp\n")) == About()


def test_a_profile_is_tried_once_and_not_in_every_way_to_part_its_blanks():
    """Hangs where blanks between length and digits are tried as either."""
    assert read(png(Raw_profile_type_xmp="\nxmp\n 1" + "\n" * 500_000 + "no digit")) == About()


def test_xmp_in_a_plain_text_of_a_png_keeps_its_letters():
    text = packet("Zürich").decode()
    assert read(png(**{"XML:com.adobe.xmp": text.encode().decode("latin-1")})).tags == ("Zürich",)


@pytest.mark.parametrize(("kind", "size"), [(1, 1), (2, 1), (3, 2), (4, 4), (5, 8), (7, 1), (9, 4), (11, 4), (12, 8)])
def test_xmp_in_a_tiff_may_be_declared_as_anything(kind, size):
    text = packet("dog").ljust(400)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF", tiffinfo={700: text})
    declared = struct.pack("<HHI", 700, kind, len(text) // size)
    data = file.getvalue().replace(struct.pack("<HHI", 700, 1, len(text)), declared)
    assert declared in data
    with pictures.opened(file := io.BytesIO(data), "a.tif") as picture:
        assert pictures.upright(picture).size == (8, 8)
        assert joined(embedded.read(picture, file)) == About(tags=("dog",))


def test_texts_of_a_png_are_captions_by_their_names():
    found = read(png(Title="湖", Description="Zürich", Software="GIMP", Comment="Created with GIMP"))
    assert found == About(("湖", "Zürich"))
    assert read(png(title="a", DESCRIPTION="b")) == About(("a", "b"))


def test_xmp_may_stand_in_exif():
    exif = Image.Exif()
    exif[700] = packet("a")
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "WEBP", exif=exif.tobytes(), xmp=packet("b"))
    assert read(file.getvalue()).tags == ("b", "a")


@pytest.mark.filterwarnings("ignore::UserWarning")  # of PIL, about numbers that it does not give
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("block", [b"\x1c\x02\x19\0\x03dog", b"\0\x19\x02\x1cgod\x03"])
def test_iptc_in_a_tiff_may_be_declared_as_numbers_and_be_back_to_front(numbers, block):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF", tiffinfo={33723: block})
    data = file.getvalue()
    bytes_, longs = struct.pack("<HHI", 33723, 7, 8), struct.pack("<HHI", 33723, 4, 2)
    assert bytes_ in data
    assert read(data.replace(bytes_, longs) if numbers else data) == About(tags=("dog",))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of PIL, about damage
@pytest.mark.parametrize("seed", range(3))
def test_mutated_blocks_give_something_and_never_raise(seed):
    exif = Image.Exif()
    exif.update({0x010E: "a boat", 0x9C9E: "a;b".encode("utf-16-le")})
    exif.get_ifd(0x8769).update({0x9003: "2020:05:01 12:30:15", 0x9286: b"UNICODE\0abcd"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)})
    iptc = b"\x1c\x01\x5a\0\x03\x1b%G\x1c\x02\x19\0\x03dog\x1c\x02\x37\0\x0819881201"
    resources = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    blocks = [(0xE1, exif.tobytes()), (0xE1, START + packet("a")), more(packet("b"), 0), (0xED, resources)]
    rng = random.Random(seed)
    for _ in range(400):
        mutated = []
        for mark, block in blocks:
            block = bytearray(block)
            for _ in range(rng.randrange(6)):
                at = rng.randrange(len(block))
                match rng.randrange(3):
                    case 0:
                        block[at] = rng.randrange(256)
                    case 1:
                        del block[at + 1 : at + rng.randrange(1, 20)]
                    case 2:
                        block[at:at] = rng.randbytes(rng.randrange(20))
            mutated.append((mark, bytes(block)))
        file = io.BytesIO(jpeg(*mutated))
        try:
            picture = Image.open(file)
            picture.load()
        except Exception:  # no picture any more: none of our concern
            continue
        found = joined(embedded.read(picture, file))
        assert all(isinstance(text, str) and text.encode() for text in (*found.captions, *found.tags, *found.notes))


def test_the_packet_of_a_gif_ends_where_it_ends():
    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "GIF")
    data = file.getvalue()
    at = data.index(b"\x2c", 13)
    block = b"\x21\xff\x0bXMP DataXMP" + packet("a") + bytes([1, *range(255, -1, -1), 0])
    assert read(data[:at] + block + data[at:]) == About(tags=("a",))
    assert read(data) == About() and xmp.MAX_BYTES > 0


def test_a_tiff_keeps_the_resources_of_photoshop_in_a_tag():
    iptc = b"\x1c\x02\x19\0\x03dog"
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF", tiffinfo={0x8649: block})
    assert read(file.getvalue()) == About(tags=("dog",))


def test_resources_of_photoshop_go_on_in_the_next_segment():
    iptc = b"\x1c\x02\x19\0\x03dog"
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    parts = [(0xED, b"Photoshop 3.0\0" + part) for part in (block[:9], block[9:])]
    assert read(jpeg(*parts)) == About(tags=("dog",))
    assert read(jpeg((0xED, block))) == About(), "which has to say that it is one"


def test_of_many_damaged_chunks_three_are_named():
    with Image.open(io.BytesIO(png(Title="a"))) as picture:
        picture.load()
        picture.info[pictures.LEFT_OUT] = ["tEXt", "pHYs", "tEXt", "iCCP", "gAMA"]
        found = joined(embedded.read(picture, io.BytesIO()))
    assert found == About(("a",), notes=tuple(f"{name} left out: damaged" for name in ("tEXt", "pHYs", "iCCP")))
