import pytest

from diptych.kinds import BadInput
from diptych.sources import folder


def test_pictures_with_captions_beside_them(tmp_path):
    for name in ("b.JPG", "a.png", "deep/er/c.webp", ".hidden/d.jpg", "notes.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b.txt").write_text("\ufeffa dog\n\n  two dogs \n", encoding="utf-8")
    (tmp_path / "deep/er/c.txt").write_text("ein Hügel", encoding="utf-8")
    assert {row.image: row.texts for row in folder.rows(tmp_path)} == {
        "a.png": (),
        "b.JPG": ("a dog", "two dogs"),
        "deep/er/c.webp": ("ein Hügel",),
    }


def test_captions_in_another_encoding_are_named(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(BadInput, match=r"a\.txt: not UTF-8"):
        folder.rows(tmp_path)


def test_pictures_come_in_the_order_of_their_paths_with_where_they_lie(tmp_path):
    for name in ("b.gif", "a/z.BMP", "a/.hidden.jpg", "c.tiff", "b.jpe"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = folder.rows(tmp_path)
    assert [row.image for row in found] == ["a/z.BMP", "b.gif", "c.tiff"]
    assert [row.where for row in found] == [str(tmp_path / row.image) for row in found]
    assert {(row.labels, row.split, row.texts) for row in found} == {(None, "", ())}
