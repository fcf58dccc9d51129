import struct

import pytest

from diptych.sources.metadata import iptc
from diptych.sources.metadata.about import About


def dataset(number, value, record=2):
    return b"\x1c" + bytes((record, number)) + struct.pack(">H", len(value)) + value


def resource(data, kind=0x0404, name=b""):
    name = bytes([len(name)]) + name
    name += b"\0" * (len(name) % 2)
    return b"8BIM" + struct.pack(">H", kind) + name + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def test_keywords_captions_and_dates_are_read():
    block = dataset(90, b"\x1b%G", record=1) + dataset(25, "Zürich".encode()) + dataset(25, b"lake")
    block += dataset(5, b"Boats") + dataset(120, b"a boat on the lake") + dataset(105, b"On the lake")
    block += (
        dataset(105, b"SONY DSC")
        + dataset(55, b"20030506")
        + dataset(60, b"070809+0000")
        + dataset(62, b"20100102")
        + dataset(80, b"Ann")
    )
    assert iptc.read(block + bytes(7)) == About(
        ("a boat on the lake", "On the lake", "Boats"), ("Zürich", "lake"), "2003-05-06T07:08:09", "2010-01-02"
    )


@pytest.mark.parametrize("mark", [b"", b"\x1b%G", b"\x1b.A", b"\x1b%/I"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_letters_are_read_whatever_set_is_said(mark, encoding):
    block = dataset(90, mark, record=1) + dataset(25, "Zürich – ß".encode(encoding))
    assert iptc.read(block).tags == ("Zürich – ß",)


def test_a_long_value_has_the_length_of_its_length_before_it():
    text = b"x" * 40_000
    assert iptc.read(b"\x1c\x02\x78\x80\x04" + struct.pack(">I", len(text)) + text + dataset(25, b"a")).tags == ("a",)


def test_a_date_of_zeros_is_none_and_one_of_a_year_is_a_year():
    assert iptc.read(dataset(55, b"00000000") + dataset(60, b"000000")) == About()
    assert iptc.read(dataset(55, b"19880000")).taken == "1988"
    assert iptc.read(dataset(60, b"185344")) == About()
    assert iptc.read(dataset(55, b"May 1988")) == About(notes=("a date left out: 'May 1988' does not read",))


@pytest.mark.parametrize("rest", [b"\x1c\x02\x19\0\x09short", b"junk", b"\x1c\x02", b"\0\0\x1c\x02\x19\0\x01a"])
def test_what_stands_before_damage_is_read_and_the_rest_is_said(rest):
    found = iptc.read(dataset(25, b"a") + rest)
    assert found.tags[0] == "a" and "damaged at byte" in found.notes[0]


def test_bounds_are_said():
    many = dataset(25, b"") * (iptc.MAX_DATASETS + 1)
    assert "more than 100,000 data sets" in iptc.read(many).notes[0]
    assert "more than 16,000,000 bytes" in iptc.read(bytes(iptc.MAX_BYTES + 1)).notes[0]


def test_the_block_is_found_among_the_resources_of_photoshop():
    block = dataset(25, b"odd") + dataset(25, b"even")
    before = resource(b"8 bytes.", 0x03ED) + resource(b"odd", 0x0425, b"a name")
    assert iptc.in_photoshop(before + resource(block) + resource(b"x" * 9, 0x040F)) == block
    assert iptc.in_photoshop(resource(block[:5]) + resource(block[5:])) == block
    assert iptc.in_photoshop(before) == b"" and iptc.in_photoshop(b"8BIM\x04\x04") == b""


def test_only_the_second_record_is_of_the_picture_and_the_times_are_of_their_days():
    other = dataset(25, b"no", record=1) + dataset(120, b"no", record=3)
    digitised = dataset(62, b"20100102") + dataset(63, b"030405")
    assert iptc.read(other + dataset(25, b"yes") + digitised) == About(tags=("yes",), digitised="2010-01-02T03:04:05")
    assert iptc.read(dataset(62, b"20100102") + dataset(60, b"030405")).digitised == "2010-01-02"
    assert iptc.read(dataset(55, b"20100102") + dataset(55, b"20200102")).taken == "2010-01-02"


def test_as_much_as_may_be_is_read():
    assert iptc.read(dataset(25, b"") * iptc.MAX_DATASETS).notes == ()
    assert iptc.read(bytes(iptc.MAX_BYTES)) == About()
    assert iptc.read(dataset(25, b"a") + b"\x1c\x02\x19\0").notes == ("IPTC left out in part: damaged at byte 6 of 10",)


def test_a_resource_has_a_name_and_both_are_filled_up_to_an_even_length():
    block = dataset(25, b"dog")
    for name in (b"", b"a", b"ab", b"abc"):
        for data in (b"", b"1", b"12"):
            assert iptc.in_photoshop(resource(data, 0x03ED, name) + resource(block, name=name)) == block
