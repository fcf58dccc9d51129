"""What a run leaves out is told, left out for good where it is to be, and pictures are found by the names they have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from collection_world import Palette, paint

from diptych.collection import Collection
from diptych.kinds import BadInput


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    for name, colour in (("a.png", "red"), ("old/b.png", "green"), ("trip/IMG_7.png", "blue"), ("c.png", "yellow")):
        paint(folder / name, colour)
    return folder


def begun(album: Path) -> Collection:
    return Collection.open(album / ".diptych", Palette(), write=True)


def names(collection: Collection) -> list[str]:
    return sorted(collection.get(id).path.removeprefix(f"{collection.folder.parent}/") for id in collection.ids())


def test_files_that_are_no_pictures_are_told_of_with_what_they_are(album):
    paint(album / "x.png", "red", 5).rename(album / "x")
    for name in ("raw.CR2", "clip.mp4", "lonely.txt"):
        (album / name).write_bytes(b"x")
    (album / "a.txt").write_text("a red one")
    table = album / "captions.csv"
    table.write_text("image,caption\na.png,one\nnowhere.png,two\n", encoding="utf-8")
    with Collection.open(album / "kept here", Palette(), write=True) as collection:
        for _ in range(2):
            report = collection.add(album, captions=table)
            told = {Path(path).name: (ending, looks) for path, ending, looks in report.passed}
            assert told == {
                "x": ("", "PNG"),
                "raw.CR2": (".cr2", ""),
                "clip.mp4": (".mp4", ""),
                "lonely.txt": (".txt", ""),
            }, "neither the table that was read nor the collection's own files are among them"
            assert (report.unmatched, report.unmatched_images) == (1, ["nowhere.png"])


def test_what_is_excluded_leaves_the_index_and_stays_out_until_it_is_included(album):
    with begun(album) as collection:
        collection.add(album)
        collection.exclude("old/", "*.bak")
        report = collection.add(album)
        assert (report.removed, report.unchanged, report.left_out) == (1, 3, [str(album / "old")])
        assert names(collection) == ["a.png", "c.png", "trip/IMG_7.png"]
    with begun(album) as collection:
        assert collection.add().changes == 0, "another run remembers"
        assert collection.status()["excluded"] == collection.excluded() == ["old/", "*.bak"]
        collection.include("old/")
        assert collection.add().added == 1 and "old/b.png" in names(collection)
        with pytest.raises(
            BadInput, match=r"'@eaDir' is not among the patterns left out; there are: \*\.bak\..*'!PATTERN'"
        ):
            collection.include("@eaDir")
        for wrong in ("", "[a"):
            with pytest.raises(BadInput, match="pattern"):
                collection.exclude(wrong)
        assert collection.excluded() == ["*.bak"]


def test_a_watch_leaves_out_what_is_excluded(album):
    with begun(album) as collection:
        collection.exclude("old/")
        looks = collection.watch(album, every=0.01)
        assert next(looks).added == 3 and "old/b.png" not in names(collection)


def test_all_of_a_folder_may_be_excluded(album):
    with begun(album) as collection:
        collection.add(album)
        collection.exclude("*")
        assert collection.add().removed == 4 and len(collection) == 0


def test_a_note_is_of_a_picture_that_is_indexed_and_a_failure_of_one_that_is_not(album):
    (album / "a.txt").write_bytes(b"\x89PNG\0\0\0data")
    (album / "bad.png").write_bytes(b"nothing")
    with begun(album) as collection:
        for _ in range(2):  # when it is looked at, and when it is known
            report = collection.add(album)
            assert [Path(path).name for path, _ in report.failures] == ["bad.png"]
            assert [Path(path).name for path, _ in report.notes] == ["a.png"]
            assert "words left out of a.txt: not a text" in report.notes[0][1]
        assert (dict(collection.failures()), dict(collection.notes())) == (dict(report.failures), dict(report.notes))


def test_a_link_whose_target_is_gone_is_told_and_keeps_what_was_given(album):
    paint(album / "target.dat.png", "red", 9).rename(album / "target.dat")
    (album / "link.png").symlink_to(album / "target.dat")
    with begun(album) as collection:
        collection.add(album)
        (id,) = collection.ids(album / "link.png")
        collection.annotate(id, tags=["mine"])
        (album / "target.dat").rename(album / "away.dat")
        report = collection.add()
        assert [(Path(path).name, why.partition(";")[0]) for path, why in report.failures] == [
            ("link.png", "a link to nothing")
        ]
        (album / "away.dat").rename(album / "target.dat")
        collection.add()
        (id,) = collection.ids(album / "link.png")
        assert collection.get(id).tags == ("mine",)


@pytest.mark.skipif(os.uname().sysname == "Darwin", reason="the file system has Unicode names only")
def test_a_name_that_is_no_unicode_is_told_as_it_is_spelt(album):
    with open(os.fsencode(album) + b"/b\xff.png", "wb") as file:
        file.write(b"x")
    with begun(album) as collection:
        told = [(f"{album}/b\\xff.png", "its name is not Unicode; rename it")]
        assert collection.add(album).failures == collection.failures() == told


def test_a_picture_is_found_by_its_name_from_anywhere(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paint(album / "trip" / "100%_a.png", "red", 3)
    with begun(album) as collection:
        collection.add(album)
        for name in ("IMG_7.png", "trip/IMG_7.png", "./IMG_7.png", "img_7.PNG", "album/trip/IMG_7.png"):
            best = collection.search(name, k=1, keywords=0).results[0]
            assert Path(best.path).name == "IMG_7.png" and best.score > 0.999, name
            others = {Path(hit.path).name for hit in collection.similar(name).results}
            assert others == {"a.png", "b.png", "c.png", "100%_a.png"}, name
        assert Path(collection.search("100%_a.png", k=1, keywords=0).results[0].path).name == "100%_a.png"
        assert collection.captions("IMG_7.png", among=["blue", "red"])[0][0] == "blue"
        for name in ("MG_7.png", "%.png", "______.png"):
            with pytest.raises(
                BadInput, match=f"^{name}: no such file, and no picture of that name in .*'1:\"{name}\"'$"
            ):
                collection.search(name)


def test_a_name_that_several_pictures_have_or_that_failed_is_not_guessed_at(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paint(album / "old" / "IMG_7.png", "red", 3)
    (album / "bad.png").write_bytes(b"nothing")
    with begun(album) as collection:
        collection.add(album)
        with pytest.raises(BadInput, match=r"IMG_7\.png: 2 pictures here have this name; say which: #\d+ old/IMG_7"):
            collection.similar("IMG_7.png")
        paint(album / "old" / "C.PNG", "red", 4)
        collection.add(album)
        assert Path(collection.search("c.png", k=1, keywords=0).results[0].path).name == "c.png", "exactly goes first"
        assert Path(collection.search("old/IMG_7.png", k=1, keywords=0).results[0].path).parent.name == "old"
        with pytest.raises(BadInput, match=r"bad\.png: in the collection, but it cannot be read: not a picture"):
            collection.search("bad.png")
        paint(tmp_path / "IMG_7.png", "yellow", 8)
        best = collection.search("IMG_7.png", k=1, keywords=0).results[0]
        assert Path(best.path).name == "c.png", "a file that is here goes before a name"


def test_a_single_picture_is_added(album):
    with begun(album) as collection:
        report = collection.add(album / "a.png")
        assert (report.added, names(collection)) == (1, ["a.png"])
        assert collection.add(album / "a.png").unchanged == 1
