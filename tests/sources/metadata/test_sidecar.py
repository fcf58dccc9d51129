import pytest

from diptych.sources.metadata import sidecar, xmp
from diptych.sources.metadata.about import About

XMP = "<rdf:Description dc:subject='Zürich'/>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_both_kinds_are_read_in_any_encoding(tmp_path, encoding):
    (tmp_path / "a.TXT").write_bytes("SONY DSC\r\n\nin Zürich\n".encode(encoding))
    (tmp_path / "a.XMP").write_bytes(XMP.encode(encoding))
    assert sidecar.read(str(tmp_path / "a.TXT")) == About(("SONY DSC", "", "in Zürich"))  # a person may
    assert sidecar.read(str(tmp_path / "a.XMP")).tags == ("Zürich",)


def test_what_is_left_out_is_said_with_the_name_of_the_file(tmp_path):
    files = {
        "a.txt": b"\x89PNG\r\n\0\0\0\rIHDR",
        "b.txt": b" " * (sidecar.MAX_TEXT + 1),
        "c.xmp": b"<!DOCTYPE x>" + XMP.encode(),
        "d.xmp": b" " * (xmp.MAX_BYTES + 1),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "e.xmp").mkdir()
    assert [sidecar.read(str(tmp_path / name)).notes for name in (*files, "e.xmp", "f.txt")] == [
        ("words left out of a.txt: not a text; save it as UTF-8",),
        ("words left out of b.txt: more than 1,000,000 bytes",),
        ("c.xmp: XMP left out: it has a document type, which XMP may not",),
        ("words left out of d.xmp: more than 8,000,000 bytes",),
        ("words left out of e.xmp: not readable (Is a directory)",),
        ("words left out of f.txt: not readable (No such file or directory)",),
    ]


def test_an_empty_file_and_zeros_at_the_end_are_nothing_to_say(tmp_path):
    for data, captions in ((b"", ()), (b"a dog\n\0\0", ("a dog", "\0\0"))):
        (tmp_path / "a.txt").write_bytes(data)
        assert sidecar.read(str(tmp_path / "a.txt")) == About(captions)


def test_as_much_as_may_be_is_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a dog".ljust(sidecar.MAX_TEXT))
    (tmp_path / "a.xmp").write_bytes(XMP.encode().ljust(xmp.MAX_BYTES))
    assert sidecar.read(str(tmp_path / "a.txt")).captions[0].strip() == "a dog"
    assert sidecar.read(str(tmp_path / "a.xmp")) == About(tags=("Zürich",))
