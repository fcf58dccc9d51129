"""Absence is not deletion, and one folder has one name."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from collection_world import Palette, album, paint

from diptych.collection import Collection
from diptych.kinds import BadInput


@contextmanager
def mounted(*words: str | Path) -> Iterator[None]:
    """A file system mounted for as long as the block lasts; the test is skipped where that is not allowed."""
    if shutil.which("mount") is None or subprocess.run(["mount", *map(str, words)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(words[-1])], check=True)


def opened(folder: Path) -> Collection:
    return Collection.open(folder, Palette(), write=True)


def tagged(collection: Collection, tag: str, *parts: str) -> list[int]:
    """Tag what lies below these folders."""
    ids = [id for id in collection.ids() if set(parts) <= set(Path(collection.get(id).path).parts)]
    for id in ids:
        collection.annotate(id, tags=[tag])
    return ids


def with_tag(collection: Collection, tag: str) -> list[int]:
    return sorted(hit.id for hit in collection.search(f"tag:{tag}", k=100).results)


# ------------------------------------------------------------------------------------------------ what is out of reach


def test_a_mount_point_inside_that_is_not_mounted_is_closed(tmp_path: Path):
    album(tmp_path / "P", 6)
    disk = tmp_path / "P" / "nas"
    disk.mkdir()
    away = tmp_path / "away"
    for number in range(3):
        paint(away / f"{number}.png", "purple", 100 + number)
    with opened(tmp_path / "P" / ".diptych") as collection:
        with mounted("-t", "tmpfs", "none", disk):
            shutil.copytree(away, disk, dirs_exist_ok=True)
            collection.add(tmp_path / "P")
            ids = tagged(collection, "wedding", "nas")
            assert len(ids) == 3
        for gone in (lambda: None, disk.rmdir):  # an empty folder where the disk was, then no folder at all
            gone()
            report = collection.add()
            assert report.removed == 0 and with_tag(collection, "wedding") == ids
            assert [(folder, "not mounted" in why) for folder, why in report.away] == [(str(disk), True)]
        # Pictures that lie where the disk was are taken in, and those of the disk stay.
        paint(disk / "other.png", "red", 99)
        for added in (1, 0):
            report = collection.add()
            assert (report.added, report.removed) == (added, 0) and with_tag(collection, "wedding") == ids
        (disk / "other.png").unlink()
        with mounted("-t", "tmpfs", "none", disk):
            paint(disk / "new.png", "green", 98)
            report = collection.add()
            assert report.removed == 0 and with_tag(collection, "wedding") == ids
            assert [(folder, "another disk" in why) for folder, why in report.away] == [(str(disk), True)]
        with mounted("-t", "tmpfs", "none", disk):
            shutil.copytree(away, disk, dirs_exist_ok=True)
            report = collection.add()
            assert report.away == [] and report.removed == 2 and with_tag(collection, "wedding") == ids
        # What was on the disk lies in a plain folder now.
        shutil.copytree(away, disk, dirs_exist_ok=True)
        report = collection.add()
        assert report.away == [] and report.removed == 0 and with_tag(collection, "wedding") == ids
        (disk / "0.png").unlink()
        assert collection.add().removed == 1


def test_a_folder_that_held_many_and_holds_none_is_closed_and_one_that_held_few_is_emptied(tmp_path: Path):
    for name, n in (("many", 10), ("few", 9), ("kept", 2)):
        for number in range(n):
            paint(tmp_path / "P" / name / "deep" / f"{name}{number}.png", "red", number)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P")
        for name in ("many", "few"):
            shutil.rmtree(tmp_path / "P" / name / "deep")
        report = collection.add()
        assert report.removed == 9 and len(collection) == 12
        assert report.away == [
            (str(tmp_path / "P" / "many"), "no picture in it now, and 10 are indexed from there; mount its disk")
        ]
        shutil.rmtree(tmp_path / "P" / "many")  # whoever takes the folder away as well has deleted it
        assert collection.add().removed == 10 and len(collection) == 2


def test_one_of_two_roots_away_leaves_the_other_to_be_looked_at(tmp_path: Path):
    album(tmp_path / "A", 3)
    album(tmp_path / "B", 3)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "A", tmp_path / "B")
        (tmp_path / "B").rename(tmp_path / "B2")
        paint(tmp_path / "A" / "new.png", "red", 50)
        report = collection.add()
        assert (report.added, report.removed, len(collection)) == (1, 0, 7)
        assert [folder for folder, _ in report.away] == [str(tmp_path / "B")]
        with pytest.raises(BadInput, match=f"not there now, and 3 are indexed .* diptych forget {tmp_path / 'B'}"):
            collection.add(tmp_path / "B")
        with pytest.raises(BadInput, match="no such folder"):
            collection.add(tmp_path / "A", tmp_path / "C")  # it never was there: misspelt


def test_a_folder_that_never_was_is_not_made(tmp_path: Path):
    with pytest.raises(BadInput, match="no such folder"):
        opened(tmp_path / "no" / "such" / ".diptych")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------------ one name


def test_a_link_to_a_folder_and_the_folder_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    album(tmp_path / "disk", 3)
    (tmp_path / "Pictures").symlink_to("disk")
    with opened(tmp_path / "Pictures" / ".diptych") as collection:
        collection.add(tmp_path / "Pictures")
        monkeypatch.chdir(tmp_path / "disk")
        for name in (".", tmp_path / "disk", "../Pictures", tmp_path / "Pictures" / "..", "0/.."):
            if Path(name).resolve() == tmp_path:
                continue
            assert collection.add(name).unchanged == 3
        assert collection.status()["folders"] == [str(tmp_path / "disk")]
        assert collection._store.rows("SELECT path FROM roots") == [(".",)]
        assert {path for (path,) in collection._store.rows("SELECT path FROM items")} == {
            "0/000.png",
            "1/001.png",
            "2/002.png",
        }
        by_link = tmp_path / "Pictures" / "0" / "000.png"
        assert collection.ids(by_link) == collection.ids(by_link.resolve()) != []


def test_a_root_inside_a_root_adds_nothing(tmp_path: Path):
    album(tmp_path / "P", 6)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P" / "0")
        assert collection.add(tmp_path / "P").added == 4
        assert collection.status()["folders"] == [str(tmp_path / "P")]  # the one within goes without saying
        assert collection.add(tmp_path / "P" / "1").unchanged == 2
        assert collection.add(tmp_path / "P", tmp_path / "P" / "1").unchanged == 6
        assert collection.status()["folders"] == [str(tmp_path / "P")] and len(collection) == 6


def test_a_bind_mount_is_a_second_name(tmp_path: Path):
    album(tmp_path / "P", 6)
    (tmp_path / "Q").mkdir()
    (tmp_path / "P" / "twice").mkdir()
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P")
        with mounted("--bind", tmp_path / "P", tmp_path / "Q"):
            assert collection.add(tmp_path / "Q").unchanged == 6
            assert collection.add(tmp_path / "Q" / "1").unchanged == 2
        with mounted("--bind", tmp_path / "P" / "0", tmp_path / "P" / "twice"):
            assert collection.add(tmp_path / "P").unchanged == 6
        with mounted("--bind", tmp_path, tmp_path / "Q"):
            assert collection.add(tmp_path / "Q" / "P").unchanged == 6
        assert collection.status()["folders"] == [str(tmp_path / "P")] and len(collection) == 6


def test_the_name_that_the_file_system_takes_for_the_same_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a file system without case; here `os.stat` and `realpath` are made to see one."""
    album(tmp_path / "Photos", 3)
    (tmp_path / "photos").symlink_to("Photos")
    real = os.path.realpath
    monkeypatch.setattr(
        os.path, "realpath", lambda path, **_: str(path) if str(path).endswith("photos") else real(path)
    )
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "Photos")
        assert collection.add(tmp_path / "photos").unchanged == 3
        assert collection.status()["folders"] == [str(tmp_path / "Photos")]


def test_a_collection_of_version_1_forgets_the_names_of_links_and_of_where_it_was(tmp_path: Path):
    album(tmp_path / "P", 3)
    with opened(tmp_path / "P" / ".diptych") as collection:
        collection.add(tmp_path / "P")
        for old in (tmp_path / "P", tmp_path / "where it was"):
            connection = collection._store._connection
            connection.executescript(
                "DROP TABLE waiting; DROP TABLE mounts; DROP TABLE barred; DELETE FROM roots; PRAGMA user_version = 1"
            )
            connection.execute("INSERT INTO roots VALUES (?)", (str(old),))
            collection.close()
            collection = opened(tmp_path / "P" / ".diptych")
            assert collection.status()["folders"] == [str(tmp_path / "P")]
            assert collection.add().unchanged == 3
        collection.close()


# -------------------------------------------------------------------------------------------------------------- forget


def test_forget_takes_out_a_folder_that_is_gone_and_what_was_given_to_it(tmp_path: Path):
    album(tmp_path / "A", 3)
    album(tmp_path / "B", 3)
    for path in (tmp_path / "B").rglob("*.png"):
        paint(path, "orange", int(path.stem) + 100)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "A", tmp_path / "B")
        tagged(collection, "mine", "A")
        tagged(collection, "mine", "B")
        shutil.move(tmp_path / "B", tmp_path / "out")
        with pytest.raises(BadInput, match="nothing is known of it; the folders of this collection: "):
            collection.forget(tmp_path / "never")
        forgotten = collection.forget(tmp_path / "B", words=False)
        assert forgotten.removed == 3 and forgotten.words == () and collection.status()["waiting"] == 3
        assert {some.given.tags for some in collection.waiting()} == {("mine",)}
        assert all(some.path.startswith(str(tmp_path / "B")) for some in collection.waiting())
        assert collection.status()["folders"] == [str(tmp_path / "A")]
        assert collection.add().unchanged == 3
        # They come back with their content, under another name.
        assert collection.add(tmp_path / "out").restored == 3 and collection.status()["waiting"] == 0
        assert len(with_tag(collection, "mine")) == 6
        forgotten = collection.forget(tmp_path / "out")
        assert forgotten.removed == 3 and len(forgotten.words) == 3 and collection.status()["waiting"] == 0
        assert collection.add(tmp_path / "out").restored == 0 and len(with_tag(collection, "mine")) == 3
        collection.remove(with_tag(collection, "mine"))
        assert collection.status()["waiting"] == 3 and collection.add(tmp_path / "A").restored == 3


def test_forget_finds_what_lies_below_a_folder_that_the_collection_lies_in(tmp_path: Path):
    album(tmp_path / "P" / "sub", 3)
    album(tmp_path / "P" / "other", 3)
    with opened(tmp_path / "P" / "sub" / ".diptych") as collection:
        collection.add(tmp_path / "P")
        assert len({path.startswith("/") for (path,) in collection._store.rows("SELECT path FROM items")}) == 2
        shutil.rmtree(tmp_path / "P" / "sub" / "0")
        assert collection.add(tmp_path / "P").removed == 1
        assert collection.forget(tmp_path / "P").removed == 5 and len(collection) == 0


# ------------------------------------------------------------------------------------------------------ hidden changes


def test_content_that_changed_behind_the_same_size_and_time_is_noticed_and_mended(tmp_path: Path):
    for number in range(4):
        paint(tmp_path / "P" / f"{number}.bmp", "red", number)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P")
        ids = {number: collection.ids(tmp_path / "P" / f"{number}.bmp")[0] for number in range(4)}
        collection.annotate(ids[0], tags=["first"])
        collection.annotate(ids[1], tags=["second"])

        def hidden(path: Path, content: bytes) -> None:
            at = path.stat()
            path.write_bytes(content)
            os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))

        zero, one = (tmp_path / "P" / f"{number}.bmp" for number in (0, 1))
        contents = zero.read_bytes(), one.read_bytes()
        hidden(zero, contents[1])
        hidden(one, contents[0])
        hidden(tmp_path / "P" / "2.bmp", paint(tmp_path / "new.bmp", "blue").read_bytes())
        assert collection.add().unchanged == 4 and collection.verify() == []
        problems = collection.verify(contents=True)
        assert len(problems) == 3 and all("diptych index --contents mends it" in line for line in problems)
        report = collection.add(contents=True)
        assert (report.renamed, report.updated, report.unchanged) == (2, 1, 1)
        assert collection.verify(contents=True) == []
        assert collection.get(ids[0]).path == str(one) and collection.get(ids[0]).tags == ("first",)
        assert collection.get(ids[1]).path == str(zero) and collection.get(ids[1]).tags == ("second",)
