import pytest

from diptych.sources.metadata.reading import by_people, decoded, decoded_file, moment, place, plain, undated

MOMENTS = {
    "2020:05:01 12:30:15": "2020-05-01T12:30:15",
    "2020-05-01T12:30:15": "2020-05-01T12:30:15",
    "2020-05-01T12:30:15.25+02:00": "2020-05-01T12:30:15",
    "2020-05-01T12:30:15Z": "2020-05-01T12:30:15",
    "2020-05-01T12:30+02:00": "2020-05-01T12:30",
    "2020:05:01 12:30": "2020-05-01T12:30",
    "2020/05/01 12:30:15": "2020-05-01T12:30:15",
    "2020.5.1 9:05:03": "2020-05-01T09:05:03",
    "2020: 5: 1  9: 5: 3": "2020-05-01T09:05:03",
    "20200501T123015": "2020-05-01T12:30:15",
    "20200501 1230": "2020-05-01T12:30",
    "20200501": "2020-05-01",
    "2020:05:01": "2020-05-01",
    "2020:05:01 12:30:15 PM": "2020-05-01T12:30:15",
    "2020:05:01 12:30:15 am": "2020-05-01T00:30:15",
    "2020:05:01 1:30:15 p.m.": "2020-05-01T13:30:15",
    "2020:05:01 13:30:15 PM": "2020-05-01T13:30:15",
    # What does not read is left, and what stands before it is kept.
    "2020:05:01 24:00:00": "2020-05-01",
    "2020:05:01 12:60:00": "2020-05-01",
    "2020:05:01 12:30:60": "2020-05-01T12:30",
    "2020:05:01   :  :  ": "2020-05-01",
    "2020:05:01 noon": "2020-05-01",
    "2020:05:01+02:00": "2020-05-01",
    "2020:05:   ": "2020-05",
    "2020:05:00 00:00:00": "2020-05",
    "2020-05": "2020-05",
    "2020:00:00 00:00:00": "2020",
    "2020:  :     :  :  ": "2020",
    "20200000": "2020",
    "2020": "2020",
    "1988-12-01": "1988-12-01",
    # No date at all.
    "0000:00:00 00:00:00": None,
    "0001:01:01 00:00:00": None,
    "    :  :     :  :  ": None,
    "2020:13:01 00:00:00": None,
    "2021:02:29 00:00:00": None,
    "12:30:15": None,
    "202005011230": None,
    "yesterday": None,
    "": None,
    "٢٠٢٠:٠٥:٠١": None,
}


@pytest.mark.parametrize(("written", "read"), MOMENTS.items(), ids=repr)
def test_a_date_is_kept_as_far_as_it_reads(written, read):
    assert moment(written) == read


def test_a_date_that_does_not_read_is_said_and_none_at_all_is_not():
    silent = {"0000:00:00 00:00:00", "0001:01:01 00:00:00", "    :  :     :  :  ", ""}
    for written, read in MOMENTS.items():
        assert bool(undated([written])) == (read is None and written not in silent), written
    odd = ["01.05.2020", *MOMENTS, *(f"day {n}" for n in range(100_000))]
    assert len(undated(odd)) == 2 and undated(odd)[0] == "a date left out: '01.05.2020' does not read"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("text", ["Grüße aus Zürich\n日本", "<x>ü</x>"])
def test_a_file_is_read_in_any_encoding_of_unicode(text, encoding):
    assert decoded_file(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le"])
def test_zeros_before_a_text_hide_nothing(encoding):
    assert decoded_file(bytes(8) + "<ü>".encode(encoding)).lstrip("\0") == "<ü>"
    assert decoded_file(bytes(3) + "<ü>".encode()).lstrip("\0") == "<ü>"


@pytest.mark.parametrize("text", ["a", "ab", "abc", "ü", "<"])
def test_a_text_of_few_letters_is_no_wider_than_it_is(text):
    assert decoded_file(text.encode()) == text
    assert decoded_file(b"\xef\xbb\xbf" + text.encode()) == text


def test_what_is_no_utf_8_is_the_latin_of_windows_byte_by_byte():
    assert decoded("“Zürich” €".encode("cp1252")) == "“Zürich” €"
    assert decoded("Zürich ".encode() + "Zürich".encode("latin-1")) == "Zürich Zürich"
    assert decoded(bytes(range(256))).isprintable() is False and len(decoded(bytes(range(256)))) == 256


@pytest.mark.parametrize(
    ("encoding", "text"), [("windows-1251", "Море"), ("KOI8-R", "Море"), ("Shift_JIS", "海"), ("ISO-8859-2", "moře")]
)
def test_an_encoding_that_xml_declares_is_believed_where_the_bytes_are_no_utf_8(encoding, text):
    xml = f"<?xml version='1.0' encoding='{encoding}'?><x>{text}</x>"
    assert decoded_file(xml.encode(encoding)) == decoded_file(xml.encode()) == xml


def test_an_encoding_that_is_none_of_texts_is_not_believed():
    for declared in ("unicode_escape", "rot13", "punycode", "no-such"):
        xml = f"<?xml version='1.0' encoding='{declared}'?>".encode() + b"\\u0041 \xe9"
        assert decoded_file(xml).endswith("\\u0041 é")


@pytest.mark.parametrize("data", [b"", b"a", b"\xff\xfe", b"\xfe\xff", b"\0", b"\xff\xfe\0\0a", b"\xff\xfea", b"a\0b"])
def test_any_bytes_give_some_text(data):
    assert isinstance(decoded_file(data), str)


def test_a_plain_text_is_one_line_of_what_can_be_seen():
    assert plain(" a\0b\x0bc\n  d\ufeff \x85 ") == "a b c d"
    assert plain("Zu\u0308rich \ud800") == "Zürich"


@pytest.mark.parametrize(
    "text",
    [
        *("NIKON DIGITAL STILL CAMERA", "DIGITAL CAMERA", "MINOLTA DSC", "KONICA MINOLTA", "DCIM\\100GOPRO\\G1.JPG"),
        *("Exif_JPEG_PICTURE", "My beautiful picture", "<KENOX S630>", "Digimax S500", "USER COMMENT", "USER COMMENTS"),
        "charset=Ascii binary",
    ],
)
def test_what_programs_write_is_told_from_words_too(text):
    assert by_people([text, f"{text}?" if text.startswith("My") else f"see {text}"])[0] != text


@pytest.mark.parametrize("text", ["OLYMPUS DIGITAL CAMERA         ", "KONICA MINOLTA DIGITAL CAMERA", "SONY DSC"])
def test_what_a_camera_writes_is_told_from_words(text):
    assert by_people([text, " ", "my " + text, "A digital camera"]) == ("my " + text, "A digital camera")


def test_zero_zero_is_no_place_and_nothing_off_the_globe_is():
    assert place(48.123456789, -2.5) == (48.1234568, -2.5)
    assert place(0.0, 9.0) == (0.0, 9.0) and place(-90.0, 180.0) == (-90.0, 180.0)
    for nowhere in (
        (0.0, 0.0),
        (1e-9, -1e-9),
        (90.1, 0.0),
        (1.0, 180.1),
        (float("nan"), 1.0),
        (None, 1.0),
        (1.0, None),
    ):
        assert place(*nowhere) == (None, None)
