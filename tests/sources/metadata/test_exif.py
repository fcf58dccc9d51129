import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from diptych.sources.metadata import exif
from diptych.sources.metadata.about import About

TAKEN, DIGITISED, COMMENT, DESCRIPTION, KEYWORDS = 0x9003, 0x9004, 0x9286, 0x010E, 0x9C9E


def reopened(block):
    file = io.BytesIO()
    Image.new("RGB", (6, 4)).save(file, "JPEG", exif=block.tobytes())
    return Image.open(io.BytesIO(file.getvalue())).getexif()


def read(tags=(), detail=(), gps=(), endian="<"):
    block = Image.Exif()
    block.endian = endian
    block.update(tags)
    block.get_ifd(0x8769).update(detail)
    block.get_ifd(0x8825).update(gps)
    return exif.read(reopened(block))


def test_date_camera_and_place_are_read():
    gps = {1: "N", 2: (48.0, 51.0, 29.6), 3: "W", 4: (2.0, 17.0, 40.2)}
    found = read({0x010F: "FUJIFILM", 0x0110: "X100V"}, {TAKEN: "2020:05:01 12:30:15", DIGITISED: "2021"}, gps)
    assert (found.taken, found.digitised, found.camera) == ("2020-05-01T12:30:15", "2021", "X100V")
    assert (found.lat, found.lon) == pytest.approx((48.858222, -2.2945), abs=1e-5)
    assert read({0x010F: "FUJIFILM"}).camera == "FUJIFILM"


def test_the_date_of_an_edit_is_not_when_it_was_taken():
    found = read({0x0132: "2024:12:31 23:00:00"})
    assert (found.taken, found.digitised) == (None, None)


def test_a_date_that_does_not_read_is_said():
    found = read(detail={TAKEN: "03.02.2001 04:05:06", DIGITISED: "2021"})
    assert found == About(digitised="2021", notes=("a date left out: '03.02.2001 04:05:06' does not read",))
    assert read(detail={TAKEN: "    :  :     :  :  ", DIGITISED: "0000:00:00 00:00:00"}) == About()


ZERO = IFDRational(0, 0)


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (48.0, 51.0, 29.6)},
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (ZERO, ZERO, ZERO), 3: "E", 4: (ZERO, ZERO, ZERO)},
        {1: "N", 2: (48.0, 51.0, ZERO), 3: "E", 4: (2.0, 17.0, ZERO)},
        {2: (48.0, 51.0, 29.6), 4: (2.0, 17.0, 40.2)},
        {1: "?", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)},
        {1: "N", 2: (), 3: "E", 4: (2.0, 17.0, 40.2)},
        {1: "N", 2: (48.0, 51.0, 29.6, 1.0), 3: "E", 4: (2.0, 17.0, 40.2)},
    ],
)
def test_half_a_place_none_and_one_off_the_globe_are_no_place(gps):
    found = read(gps=gps)
    assert (found.lat, found.lon) == (None, None)


@pytest.mark.parametrize("parts", [(48.5,), (48.0, 30.0), (48.0, 30.0, 0.0), (48.0, 29.0, 60.0)])
def test_a_place_may_do_without_seconds_and_minutes(parts):
    found = read(gps={1: "S", 2: parts, 3: "E", 4: (2.0, 17.0, 40.2)})
    assert (found.lat, found.lon) == (-48.5, 2.2945)


def test_what_stands_behind_a_zero_is_left_over():
    assert read({DESCRIPTION: b"a boat\0of an older text"}).captions == ("a boat",)
    assert read({DESCRIPTION: "X100V\0of an older text", 0x0110: "X100V\0x"}) == About(camera="X100V")
    assert read(detail={COMMENT: b"ASCII\0\0\0a boat\0of\x01"}).captions == ("a boat",)
    assert read(detail={COMMENT: b"UNICODE\0" + "a boat\0of\1".encode("utf-16-le")}).captions == ("a boat",)


def test_texts_that_are_declared_as_bytes_are_read_alike():
    block = Image.Exif()
    block.update({DESCRIPTION: b"a boat\0of an older", 0x010F: b"FUJIFILM\0old", 0x0110: b"\0"})
    assert exif.read(block) == About(("a boat",), camera="FUJIFILM")


def test_what_belongs_into_the_folder_of_details_may_stand_in_the_first():
    found = read({TAKEN: "2020:05:01 12:30:15", DIGITISED: "2021", COMMENT: b"ASCII\0\0\0a boat"})
    assert found == About(("a boat",), taken="2020-05-01T12:30:15", digitised="2021")
    assert read({TAKEN: "2020:05:01"}, {TAKEN: "2019:05:01"}).taken == "2019-05-01"


def test_the_last_place_known_is_one():
    found = read(gps={1: "S", 2: (33.0, 51.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0), 9: "V"})
    assert (found.lat, found.lon) == (-33.85, 0.0)


@pytest.mark.parametrize("text", ["Zürich – ß", "a boat"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_description_is_read_whatever_its_letters(text, encoding):
    assert read({DESCRIPTION: text.encode(encoding)}).captions[0] == text


def test_what_repeats_the_camera_is_no_description():
    assert read({DESCRIPTION: "OLYMPUS DIGITAL CAMERA         "}).captions == ()
    assert read({DESCRIPTION: "X100V ", 0x0110: "X100V"}).captions == ()


@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"ASCII\0\0\0a boat\0\0", "a boat"),
        (b"ASCII\0\0\0" + "Zürich".encode(), "Zürich"),
        (b"\0" * 8 + "Zürich".encode("cp1252"), "Zürich"),
        (b"UNICODE\0" + "a boat".encode("utf-16-le"), "a boat"),
        (b"UNICODE\0" + "a boat\0".encode("utf-16-be"), "a boat"),
        (b"UNICODE\0" + "湖船".encode("utf-16"), "湖船"),
        (b"UNICODE\0\xfe\xff" + "湖船".encode("utf-16-be"), "湖船"),
        (b"JIS\0\0\0\0\0" + "湖".encode("iso2022_jp"), "湖"),
        (b"a boat without a header", "a boat without a header"),
        (b"ASCII\0\0\0      ", ""),
        (b"\0" * 40, ""),
        (b"\0" * 8 + b"\x01\x02numbers", ""),
        (b"", ""),
    ],
)
def test_a_comment_is_read_by_its_header(data, text, endian):
    assert read(detail={COMMENT: data}, endian=endian).captions == ((text,) if text else ())


def test_a_comment_whose_order_nothing_tells_has_the_order_of_its_block():
    for endian, encoding in (("<", "utf-16-le"), (">", "utf-16-be")):
        assert "湖船" in read(detail={COMMENT: b"UNICODE\0" + "湖船".encode(encoding)}, endian=endian).captions


def test_keywords_of_windows_are_parted_and_end_at_a_zero():
    assert read({KEYWORDS: "key one;湖\0junk".encode("utf-16-le")}).tags == ("key one", "湖")
    wide = {tag: (text + "\0").encode("utf-16-le") for tag, text in ((0x9C9B, "T"), (0x9C9C, "C"), (0x9C9F, "S"))}
    assert read(wide).captions == ("T", "S", "C")
    assert read({KEYWORDS: tuple("a;湖".encode("utf-16-le"))}).tags == ("a", "湖"), "as numbers of one byte"
    assert read({KEYWORDS: b""}) == About()


def test_blocks_of_other_kinds_are_handed_on():
    block = Image.Exif()
    block.update({exif.XMP: b"<x/>", exif.PHOTOSHOP: "8BIM"})
    assert exif.block(block, exif.XMP) == b"<x/>" and exif.block(block, exif.PHOTOSHOP) == b"8BIM"
    assert exif.block(block, exif.IPTC) == b""


def test_a_picture_without_exif_says_nothing():
    assert exif.read(Image.new("RGB", (2, 2)).getexif()) == About()


def test_a_damaged_folder_is_said_and_the_other_is_read(monkeypatch):
    block = Image.Exif()
    block.get_ifd(0x8769)[TAKEN] = "2020:05:01 12:30:15"
    whole = block.get_ifd

    def damaged(tag):
        if tag == 0x8825:
            raise ValueError
        return whole(tag)

    monkeypatch.setattr(block, "get_ifd", damaged)
    found = exif.read(block)
    assert found.taken == "2020-05-01T12:30:15" and found.notes == ("EXIF left out in part: damaged",)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of PIL, about damage
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 250), st.binary(max_size=8))
def test_no_bytes_make_it_raise(data, at, change):
    picture = Image.new("RGB", (2, 2))
    block = Image.Exif()
    block.update({DESCRIPTION: "a boat", KEYWORDS: b"a\0;\0b\0"})
    block.get_ifd(0x8769).update({TAKEN: "2020:05:01 12:30:15", COMMENT: b"UNICODE\0abcd"})
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)})
    whole = block.tobytes()
    for some in (b"Exif\0\0" + data, whole[: at + 6] + change + whole[at + 6 + len(change) :]):
        picture.info["exif"] = some
        picture._exif = None
        try:
            block = picture.getexif()
        except Exception:  # PIL's own; `embedded` says so
            continue
        assert isinstance(exif.read(block), About)


@pytest.mark.parametrize(
    ("value", "wide"),
    [
        (tuple(b"a\0"), "a"),
        ((97, 256), ""),
        ((97, -1), ""),
        (("a",), ""),
        ("a", ""),
        (None, ""),
        (b"a\0b", "a"),
        (97, ""),
    ],
)
def test_what_windows_writes_is_bytes_or_numbers_of_one_byte(value, wide):
    block = Image.Exif()
    block[KEYWORDS] = value
    assert exif.read(block).tags == ((wide,) if wide else ())


@pytest.mark.parametrize(
    ("side", "degrees"),
    [("N", 48.5), ("n", 48.5), (" North", 48.5), (b"N\0", 48.5), ("S", -48.5), ("s", -48.5), ("E", None), ("", None)],
)
def test_the_hemisphere_is_told_by_its_first_letter(side, degrees):
    found = read(gps={1: side, 2: (48.0, 30.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)})
    assert found.lat == degrees and found.lon == (None if degrees is None else 2.0)
