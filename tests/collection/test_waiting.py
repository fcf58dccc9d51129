"""Words belong to a picture and not to its file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from collection_world import Palette, paint
from PIL import Image

from diptych.collection import Collection, Damaged, Entry


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for number, colour in enumerate(("red", "green", "blue")):
        paint(tmp_path / "P" / f"{colour}.png", colour, number)
    return tmp_path / "P"


@pytest.fixture
def collection(album: Path) -> Iterator[Collection]:
    with Collection.open(album / ".diptych", Palette(), write=True) as found:
        found.add(album)
        yield found


def item(collection: Collection, path: Path):
    (id,) = collection.ids(path)
    return collection.get(id)


def given(collection: Collection, path: Path):
    found = item(collection, path)
    return found.given.captions, found.given.tags, dict(found.metadata)


def tagged(collection: Collection, path: Path, *tags: str) -> int:
    (id,) = collection.ids(path)
    collection.annotate(id, tags=tags)
    return id


def taken(path: Path, colour: str, when: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = when
    paint(path, colour, hash(when) % 1000, exif=exif)


WORDS = {"captions": ["a red card"], "tags": ["card", "mine"], "metadata": {"stars": 4, "by": "Ann"}}
SAID = (("a red card",), ("card", "mine"), {"stars": 4, "by": "Ann"})


def test_everything_that_was_given_comes_back_with_the_content(collection, album, tmp_path):
    red = album / "red.png"
    collection.annotate(collection.ids(red)[0], **WORDS)
    red.rename(tmp_path / "away.png")
    report = collection.add()
    assert (report.removed, report.words_waiting, collection.status()["waiting"]) == (1, 1, 1)
    (some,) = collection.waiting()
    assert (some.path, some.given.captions, some.given.tags, some.metadata) == (str(red), *SAID)
    (tmp_path / "away.png").rename(album / "sub.png")
    report = collection.add()
    assert (report.added, report.restored, collection.status()["waiting"]) == (1, 1, 0)
    assert given(collection, album / "sub.png") == SAID
    assert collection.search("caption ~ card").results[0].path == str(album / "sub.png")
    assert collection.verify(contents=True) == []


def test_copies_share_what_is_given_to_one_of_them(collection, album):
    red, copy = album / "red.png", album / "copy.png"
    tagged(collection, red, "before")
    shutil.copy(red, copy)
    assert collection.add().added == 1 and given(collection, copy)[1] == ("before",)
    collection.annotate(collection.ids(copy)[0], **WORDS)
    assert given(collection, red) == SAID == given(collection, copy)
    red.unlink()
    report = collection.add()
    assert (report.removed, report.words_waiting) == (1, 0) and given(collection, copy) == SAID
    collection.annotate(collection.ids(copy)[0], captions=[], tags=[], metadata={})
    assert given(collection, copy) == ((), (), {})
    assert collection.verify() == []


def test_two_lines_of_a_table_about_two_copies_are_both_right(collection, album):
    shutil.copy(album / "red.png", album / "copy.png")
    table = album / "captions.csv"
    table.write_text("image,caption\nred.png,a card\ncopy.png,a red card\nblue.png,sea\nnone.png,nothing\n")
    report = collection.add(album, captions=table)
    assert report.unmatched == 1
    assert set(given(collection, album / "red.png")[0]) == {"a card", "a red card"}
    assert given(collection, album / "copy.png")[0] == given(collection, album / "red.png")[0]
    assert given(collection, album / "blue.png")[0] == ("sea",)
    names = ("copy", "red", "blue")
    ids = collection.put(Entry(album / f"{name}.png", tags=[tag]) for name, tag in zip(names, "xyz", strict=True))
    assert ids == [collection.ids(album / f"{name}.png")[0] for name in names]
    assert given(collection, album / "red.png")[1] == ("x", "y") == given(collection, album / "copy.png")[1]


def test_an_edit_keeps_id_and_words_and_the_old_content_has_them_still(collection, album, tmp_path):
    red = album / "red.png"
    id = tagged(collection, red, "mine")
    shutil.copy(red, tmp_path / "old.png")
    paint(red, "orange", 5)
    report = collection.add()
    assert (report.updated, report.added, report.removed) == (1, 0, 0)
    assert item(collection, red).id == id and given(collection, red)[1] == ("mine",)
    assert collection.status()["waiting"] == 0  # they live on
    shutil.copy(tmp_path / "old.png", album / "restored.png")
    assert collection.add().added == 1 and given(collection, album / "restored.png")[1] == ("mine",)


@pytest.mark.parametrize("date", ["", "2020:05:01 12:00:00"])
def test_a_copy_of_an_edit_takes_words_from_nobody(collection, album, date):
    """Whatever the order of their names: the edit keeps the words, and its copies have them."""
    exif = Image.Exif()
    if date:
        exif.get_ifd(0x8769)[0x9003] = date
    paint(album / "green.png", "green", 1, exif=exif)
    collection.add()
    id = tagged(collection, album / "green.png", "g")
    for name in ("blue", "red"):
        tagged(collection, album / f"{name}.png", name)
    paint(album / "green.png", "orange", 5, exif=exif)
    for number, name in enumerate(("a", "blue", "red", "z")):
        shutil.copy2(album / "green.png", album / f"{name}.png")  # with the time of the edit
        if number % 2:
            os.utime(album / f"{name}.png")
    report = collection.add()
    assert item(collection, album / "green.png").id == id
    for name in ("a", "blue", "green", "red", "z"):
        assert given(collection, album / f"{name}.png")[1] == ("g",), name
    assert sorted(some.given.tags for some in collection.waiting()) == [("blue",), ("red",)]
    assert (report.updated, report.added, report.removed, report.words_waiting) == (1, 4, 2, 2)


def test_an_edit_that_is_taken_back_is_the_old_picture_with_its_id(collection, album, tmp_path):
    red = album / "red.png"
    id = tagged(collection, red, "mine")
    shutil.copy(red, tmp_path / "old.png")
    paint(red, "orange", 5)
    collection.add()
    tagged(collection, red, "edited")
    shutil.copyfile(tmp_path / "old.png", red)
    collection.add()
    assert item(collection, red).id == id and given(collection, red)[1] == ("mine",)
    assert [some.given.tags for some in collection.waiting()] == [("edited",)]  # of a content that is nowhere now


def test_another_photograph_under_the_old_name_does_not_get_the_words(collection, album):
    photo = album / "IMG_0001.jpg"
    taken(photo, "purple", "2020:05:01 12:00:00")
    collection.add()
    id = tagged(collection, photo, "wedding")
    taken(photo, "purple", "2024:08:09 10:00:00")  # a camera that counts from the start again
    report = collection.add()
    assert item(collection, photo).id != id and given(collection, photo)[1] == ()
    assert [some.given.tags for some in collection.waiting()] == [("wedding",)]
    assert (report.added, report.removed, report.words_waiting) == (1, 1, 1)


def test_a_known_picture_under_the_name_of_another_brings_its_own_words(collection, album):
    red, green = album / "red.png", album / "green.png"
    tagged(collection, red, "r")
    green_id = tagged(collection, green, "g")
    shutil.copyfile(green, red)
    report = collection.add()
    assert (report.added, report.removed, report.words_waiting) == (1, 1, 1)
    assert given(collection, red)[1] == ("g",) == given(collection, green)[1]
    assert item(collection, green).id == green_id != item(collection, red).id
    assert [some.given.tags for some in collection.waiting()] == [("r",)]


def test_a_picture_that_had_no_words_gets_none_from_the_one_whose_name_it_takes(collection, album, tmp_path):
    red, green = album / "red.png", album / "green.png"
    tagged(collection, red, "r")
    green.rename(tmp_path / "green.png")
    assert collection.add().words_waiting == 0
    (tmp_path / "green.png").replace(red)
    collection.add()
    assert given(collection, red)[1] == () and [some.given.tags for some in collection.waiting()] == [("r",)]


def test_words_survive_that_a_file_cannot_be_read_for_a_while(collection, album, tmp_path):
    red = album / "red.png"
    id = tagged(collection, red, "mine")
    whole = red.read_bytes()
    red.write_bytes(whole[:20])
    assert collection.add().newly_failed == 1 and collection.status()["waiting"] == 0
    # Its content turns up under another name: the words are there, and once only.
    (album / "found.png").write_bytes(whole)
    collection.add()
    assert given(collection, album / "found.png")[1] == ("mine",)
    paint(red, "blue", 77)
    collection.add()
    assert given(collection, red)[1] == ()
    # Without that, the file that comes back is the picture that it was.
    green = album / "green.png"
    id = tagged(collection, green, "g")
    whole = green.read_bytes()
    green.write_bytes(b"nothing")
    collection.add()
    green.write_bytes(whole)
    collection.add()
    assert item(collection, green).id == id and given(collection, green)[1] == ("g",)
    assert collection.status()["waiting"] == 0 and collection.verify(contents=True) == []


def test_a_picture_that_is_refused_for_a_while_keeps_its_words(collection, album, tmp_path):
    red = album / "red.png"
    tagged(collection, red, "mine")
    red.rename(tmp_path / "red.png")
    red.symlink_to(tmp_path / "red.png")  # a link that leads out
    assert collection.add().newly_failed == 1
    red.unlink()
    (tmp_path / "red.png").rename(red)
    collection.add()
    assert given(collection, red)[1] == ("mine",)


def test_a_removed_item_and_one_whose_file_is_gone_wait_once(collection, album):
    red, copy = album / "red.png", album / "copy.png"
    shutil.copy(red, copy)
    collection.add()
    tagged(collection, red, "mine")
    assert collection.remove([*collection.ids(red), *collection.ids(copy), 10**6]) == 2
    assert [some.given.tags for some in collection.waiting()] == [("mine",)]
    assert collection.add().restored == 1
    assert given(collection, red)[1] == ("mine",) == given(collection, copy)[1]


def test_a_changed_letter_in_words_that_wait_is_noticed(collection, album):
    tagged(collection, album / "red.png", "mine")
    collection.remove(collection.ids(album / "red.png"))
    collection._store._connection.execute("UPDATE waiting SET words = replace(words, 'mine', 'nine')")
    with pytest.raises(Damaged, match="words that wait for red"):
        collection.waiting()
    assert any("words that wait for red.png" in problem for problem in collection.verify())


def test_a_renamed_picture_reads_the_words_beside_its_new_name(collection, album):
    (album / "red.txt").write_text("beside red\n")
    (album / "blue.txt").write_text("beside blu\n")
    at = (album / "red.txt").stat()
    os.utime(album / "blue.txt", ns=(at.st_atime_ns, at.st_mtime_ns))
    collection.add()
    (album / "red.png").rename(album / "moving")
    (album / "blue.png").rename(album / "red.png")
    (album / "moving").rename(album / "blue.png")
    assert collection.add().renamed == 2
    assert item(collection, album / "red.png").found.captions == ("beside red",)
    assert item(collection, album / "blue.png").found.captions == ("beside blu",)
    assert collection.search("caption ~ blu").results[0].path == str(album / "blue.png")
