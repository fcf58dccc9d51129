"""Absence is not deletion, and one folder has one name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette, album, paint

from diptych.collection import Collection
from diptych.collection.store import SCHEMA
from diptych.kinds import BadInput

LATER = "".join(f"DROP TABLE {table};" for table in ("waiting", "mounts", "barred", "events", "learned"))
LATER += "ALTER TABLE roots DROP COLUMN crc; ALTER TABLE removed DROP COLUMN crc;"
"""Takes from a file what version 1 did not have."""


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


def test_what_lies_where_the_disk_of_a_root_was_is_not_the_root(tmp_path: Path):
    """The disk is mounted above the root, and a folder of the same name was made beneath it."""
    (tmp_path / "M").mkdir()
    with opened(tmp_path / "c") as collection:
        with mounted("-t", "tmpfs", "none", tmp_path / "M"):
            paths = album(tmp_path / "M" / "P", 3)
            collection.add(tmp_path / "M" / "P")
            ids = tagged(collection, "wedding")
            shutil.copytree(tmp_path / "M", tmp_path / "away")
        paint(tmp_path / "M" / "P" / "other.png", "red", 99)
        for _ in range(2):  # what lies there is known the second time
            with pytest.raises(BadInput, match=f"{tmp_path / 'M' / 'P'}: its disk is not mounted"):
                collection.add()
            assert with_tag(collection, "wedding") == ids
        # What was on the disk lies in plain folders now, and one may be deleted.
        shutil.copytree(tmp_path / "away", tmp_path / "M", dirs_exist_ok=True)
        report = collection.add()
        assert report.away == [] and with_tag(collection, "wedding") == ids
        paths[0].unlink()
        assert collection.add().removed == 1


def test_a_folder_out_of_which_all_has_moved_is_empty(tmp_path: Path):
    for number in range(12):
        paint(tmp_path / "P" / "inbox" / f"{number}.png", "orange", number)
    album(tmp_path / "P" / "sorted", 3)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P")
        ids = tagged(collection, "mine", "inbox")
        for path in (tmp_path / "P" / "inbox").iterdir():
            path.rename(tmp_path / "P" / "sorted" / path.name)
        report = collection.add()
        assert (report.renamed, report.added, report.away) == (12, 0, [])
        assert with_tag(collection, "mine") == ids and collection.verify() == []
        assert collection.add().away == []


def test_a_folder_that_lost_some_by_moving_and_the_rest_otherwise_is_closed_for_the_rest(tmp_path: Path):
    for number in range(12):
        paint(tmp_path / "P" / "inbox" / f"{number}.png", "red", number)
    paint(tmp_path / "P" / "kept.png", "blue")
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P")
        ids = tagged(collection, "mine", "inbox")
        (tmp_path / "P" / "inbox" / "0.png").rename(tmp_path / "P" / "moved.png")
        for number in range(1, 12):
            (tmp_path / "P" / "inbox" / f"{number}.png").unlink()
        report = collection.add()
        assert (report.renamed, report.removed) == (1, 0) and with_tag(collection, "mine") == ids
        ((folder, why),) = report.away
        assert folder == str(tmp_path / "P" / "inbox") and "11 are indexed" in why


def test_a_root_that_has_another_name_now_is_moved_and_not_copied(tmp_path: Path):
    album(tmp_path / "P", 4)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P")
        collection.add(tmp_path / "P" / "0")
        ids = tagged(collection, "mine")
        (tmp_path / "P").rename(tmp_path / "Q")
        report = collection.add(tmp_path / "Q")
        assert (report.renamed, report.added, report.copied) == (4, 0, 0)
        assert with_tag(collection, "mine") == ids and len(collection) == 4
        ((folder, why),) = collection.add().away
        assert (folder, why) == (str(tmp_path / "P"), "not there now; mount its disk")
        # A second one of the same content is a copy: the first is there.
        shutil.copytree(tmp_path / "Q", tmp_path / "R")
        assert collection.add(tmp_path / "R").added == 4 and len(collection) == 8


def test_a_backup_names_files_as_the_collection_does(tmp_path: Path):
    paths = album(tmp_path / "P", 3)
    with opened(tmp_path / "P" / ".diptych") as collection:
        collection.add(tmp_path / "P")
        collection.backup(tmp_path / "backup")
    with opened(tmp_path / "backup") as collection:
        paint(tmp_path / "P" / "new.png", "red", 50)
        report = collection.add()
        assert (report.added, report.unchanged, len(collection)) == (1, 3, 4)
        assert collection.ids(paths[0]) == [1] and collection.verify() == []
    album(tmp_path / "Q", 3)
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "Q")
        collection.backup(tmp_path / "other")
    with opened(tmp_path / "other") as collection:
        assert collection.add().unchanged == 3 == len(collection)


def test_a_backup_put_in_its_place_moves_with_the_pictures_again(tmp_path: Path):
    album(tmp_path / "P", 3)
    with opened(tmp_path / "P" / ".diptych") as collection:
        collection.add(tmp_path / "P")
        collection.backup(tmp_path / "backup")
    shutil.rmtree(tmp_path / "P" / ".diptych")
    shutil.move(tmp_path / "backup", tmp_path / "P" / ".diptych")
    (tmp_path / "P").rename(tmp_path / "Q")
    with opened(tmp_path / "Q" / ".diptych") as collection:
        assert collection.add().unchanged == 3 and collection.status()["folders"] == [str(tmp_path / "Q")]


def test_picture_files_that_were_given_one_by_one_are_looked_at_again(tmp_path: Path):
    for name in ("red", "green", "blue"):
        paint(tmp_path / "P" / f"{name}.png", name)
    paint(tmp_path / "Q" / "black.png", "black")
    with opened(tmp_path / "c") as collection:
        with pytest.raises(BadInput, match="nothing to index yet"):
            collection.add()
        collection.add(tmp_path / "P" / "red.png", tmp_path / "P" / "green.png", tmp_path / "Q" / "black.png")
        ids = tagged(collection, "mine")
        paint(tmp_path / "P" / "red.png", "orange", 3)
        (tmp_path / "P" / "green.png").unlink()
        (tmp_path / "Q").rename(tmp_path / "away")
        report = collection.add()
        assert (report.updated, report.removed, report.words_waiting, len(collection)) == (1, 1, 1, 2)
        assert report.away == [(str(tmp_path / "Q"), "not there now, and 1 is indexed from there; mount its disk")]
        assert collection.ids(tmp_path / "P" / "blue.png") == []  # nobody asked for it
        (tmp_path / "away" / "black.png").rename(tmp_path / "P" / "black.png")
        assert collection.add(tmp_path / "P" / "black.png").renamed == 1
        assert with_tag(collection, "mine") == [id for id in ids if id in collection.ids()] and len(collection) == 2


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


def test_tables_and_exports_may_name_a_file_by_a_link(tmp_path: Path):
    paths = album(tmp_path / "P", 2)
    (tmp_path / "L").symlink_to("P")
    table = tmp_path / "captions.csv"
    table.write_text(f"image,caption\n{tmp_path}/L/0/000.png,a card\nL/1/001.png,another\n", encoding="utf-8")
    with opened(tmp_path / "c") as collection:
        report = collection.add(tmp_path / "P", captions=table)
        assert (report.unmatched, report.captioned) == (0, 2)
        collection.export(tmp_path / "e.jsonl", vectors=False)
        text = (tmp_path / "e.jsonl").read_text(encoding="utf-8").replace("a card", "a red card")
        (tmp_path / "e.jsonl").write_text(text.replace(f"{tmp_path}/P", f"{tmp_path}/L"), encoding="utf-8")
        assert collection.import_(tmp_path / "e.jsonl") == 2 == len(collection)
        assert "a red card" in collection.get(collection.ids(paths[0])[0]).captions


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
            connection.executescript(f"{LATER} DELETE FROM roots; PRAGMA user_version = 1")
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND sql != ''"
            ).fetchall():
                connection.execute(f"DROP INDEX {name}")
            for index in re.findall(r"CREATE (?:UNIQUE )?INDEX [^;]*", SCHEMA[0]):
                connection.execute(index)
            connection.execute("INSERT INTO roots VALUES (?)", (str(old),))
            collection.close()
            collection = opened(tmp_path / "P" / ".diptych")
            assert collection.status()["folders"] == [str(tmp_path / "P")]
            assert collection.add().unchanged == 3
        collection.close()


def test_items_of_version_1_get_the_name_of_their_file(tmp_path: Path):
    """Version 1 kept a folder that was named by a link by that link, and one named both ways twice."""
    album(tmp_path / "P", 3)
    (tmp_path / "L").symlink_to("P")
    with opened(tmp_path / "c") as collection:
        collection.add(tmp_path / "P")
        ids = tagged(collection, "mine")
        store = collection._store
        with store.transaction():
            for place, item in enumerate(store.items(ids)):
                by_link = replace(item, kept=item.kept.replace("/P/", "/L/"))
                store.put([by_link], [False])
                if place:  # twice, and the second time with other words
                    also = replace(item, id=0, given=item.given if place == 1 else replace(item.given, tags=("own",)))
                    collection._vectors.put("image", store.put([also], [True]), [0], np.ones((1, 16), np.float32))
        store._connection.executescript(
            f"{LATER} PRAGMA user_version = 1; DELETE FROM roots;"
            f"INSERT INTO roots VALUES ('{tmp_path / 'P'}'), ('{tmp_path / 'L'}')"
        )
    with opened(tmp_path / "c") as collection:
        assert collection.status()["folders"] == [str(tmp_path / "P")]
        report = collection.add()
        assert (report.added, report.removed, report.unchanged) == (0, 0, 3)
        found = {
            Path(collection.get(id).path).relative_to(tmp_path): collection.get(id).tags for id in collection.ids()
        }
        assert found[Path("P/0/000.png")] == ("mine",) and collection.ids(tmp_path / "P" / "0" / "000.png") == ids[:1]
        assert found[Path("P/1/001.png")] == ("mine",) and Path("L/1/001.png") not in found
        assert {found[Path("P/2/002.png")], found[Path("L/2/002.png")]} == {("own",), ("mine",)}  # not lost


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


def test_forget_takes_out_one_file_alone_whatever_lies_beside_it(tmp_path: Path):
    paths = sorted(album(tmp_path / "A", 4))
    link = tmp_path / "link.png"
    link.symlink_to(paths[3])
    with opened(tmp_path / "c") as collection:
        collection.add(*paths[:2])
        collection.add(link)
        tagged(collection, "mine")
        with pytest.raises(BadInput, match="nothing is known of it"):
            collection.forget(paths[3])  # a link keeps its own name
        forgotten = collection.forget(paths[0])
        assert forgotten.removed == 1 and [some.path for some in forgotten.words] == [str(paths[0])]
        assert collection.forget(link, forever=True).removed == 1
        assert [collection.get(id).key for id in collection.ids()] == [str(paths[1])]
        assert collection.add(tmp_path / "A").barred == 1, "what the link led to"
        assert collection.readmit(tmp_path) == 2 and collection.add().added == 1


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
        assert len(problems) == 3 and all("diptych index --contents --collection" in line for line in problems)
        report = collection.add(contents=True)
        assert (report.renamed, report.updated, report.unchanged) == (2, 1, 1)
        assert collection.verify(contents=True) == []
        assert collection.get(ids[0]).path == str(one) and collection.get(ids[0]).tags == ("first",)
        assert collection.get(ids[1]).path == str(zero) and collection.get(ids[1]).tags == ("second",)
