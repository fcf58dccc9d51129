"""Each kind of thing that can be wrong with a collection is a line of `verify`, and of nothing else there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from collection_world import Palette, album

from diptych.collection import Collection
from diptych.index.flat import Flat


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight pictures, every other one with two captions, with its collection."""
    home = tmp_path_factory.mktemp("verify") / "pictures"
    album(home, 8)
    with Collection.open(home / ".diptych", Palette(), write=True) as collection:
        collection.add(home, workers=1)
        collection.annotate(1, tags=["a tag"], metadata={"stars": 5})
        (home / "broken.png").write_bytes(b"nothing")
        collection.add(home, workers=1)
        collection.reindex()
        assert collection.verify(contents=True) == []
    return home


@pytest.fixture
def pictures(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "pictures")  # with the times of its files
    return tmp_path / "pictures"


def spoilt(pictures: Path, *statements: str) -> list[str]:
    """What is said when these statements have been run on the database."""
    with Collection.open(pictures / ".diptych", Palette(), write=True) as collection:
        for statement in statements:
            with collection._store.transaction():
                collection._store.change(statement, [()])
        return collection.verify()


def captioned(pictures: Path) -> int:
    with Collection.open(pictures / ".diptych", Palette()) as collection:
        return next(id for id in collection.ids() if len(collection.get(id).captions) == 2)


CASES: list[tuple[str, str]] = [
    ("DELETE FROM vectors WHERE item = {id} AND side = 'text' AND row = 1", "item {id}: 1 vectors for 2 captions"),
    ("DELETE FROM vectors WHERE item = {id} AND side = 'text'", "item {id}: 0 vectors for 2 captions"),
    ("UPDATE vectors SET crc = crc + 1 WHERE item = {id} AND side = 'text'", "a vector of item {id}: checksum differs"),
    ("UPDATE vectors SET data = x'00' WHERE item = {id} AND side = 'image'", "a vector of item {id}: checksum differs"),
    ("DELETE FROM vectors WHERE item = {id} AND side = 'image'", "item {id}: 0 vectors where it must have one"),
    ("UPDATE captions SET text = 'another' WHERE item = {id} AND row = 0", "item {id}: checksum differs"),
    ("DELETE FROM captions WHERE item = {id} AND row = 0", "item {id}: checksum differs"),
    ("UPDATE tags SET tag = 'b tag' WHERE item = 1", "item 1: checksum differs"),
    ("UPDATE metadata SET value = 4 WHERE item = 1", "item 1: checksum differs"),
    ("UPDATE items SET width = width + 1 WHERE id = {id}", "item {id}: checksum differs"),
    ("UPDATE items SET status = 'failed' WHERE id = {id}", "item {id}: checksum differs"),
    ("DELETE FROM words WHERE rowid = {id}", "item {id}: the words that are searched are not its own"),
    ("UPDATE words SET tags = 'x' WHERE rowid = {id}", "item {id}: the words that are searched are not its own"),
    ("INSERT INTO words (rowid, name) VALUES (99, 'x')", "item 99: words of an item that is not there"),
    ("INSERT INTO captions VALUES (99, 0, 'x', 0)", "item 99: captions of an item that is not there"),
    ("INSERT INTO tags VALUES (99, 'x', 0)", "item 99: tags of an item that is not there"),
    ("INSERT INTO metadata VALUES (99, 'x', 0, 0, '')", "item 99: metadata of an item that is not there"),
    (
        "INSERT INTO vectors SELECT NULL, encoder, side, 99, row, data, crc FROM vectors WHERE item = 1",
        "item 99: vectors of an item that is not there",
    ),
    ("UPDATE meta SET value = '[]' WHERE key = 'nothing'", ""),  # there is no such key
]


@pytest.mark.parametrize(("statement", "line"), CASES)
def test_what_was_done_to_the_database_is_told(pictures: Path, statement: str, line: str) -> None:
    id = captioned(pictures)
    told = spoilt(pictures, statement.format(id=id))
    assert any(line.format(id=id) in one for one in told) if line else told == []
    assert not any("\n" in one for one in told)


def test_an_index_of_words_that_lost_them_is_told(pictures: Path) -> None:
    told = spoilt(pictures, "DELETE FROM words_data WHERE id > 10")
    assert any("index of words" in line or "malformed" in line for line in told), told


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE words_docsize SET sz = x'7F7F7F' WHERE id = 1",
        "UPDATE words_data SET block = (SELECT block || x'00' FROM words_data WHERE id = 1) WHERE id = 1",
    ],
)
def test_lengths_of_texts_that_rank_wrongly_are_told(pictures: Path, statement: str) -> None:
    told = spoilt(pictures, statement)
    assert any("index of words" in line for line in told), told


def test_a_collection_of_which_all_was_removed_is_sound(pictures: Path) -> None:
    with Collection.open(pictures / ".diptych", Palette(), write=True) as collection:
        assert collection.remove(collection.ids()) == 8
        collection.forget(pictures / "broken.png")
        assert collection._store.rows("SELECT count(*) FROM words") == [(0,)]
        assert collection.verify() == []


def test_files_that_are_gone_or_changed_are_told_with_what_mends_them(pictures: Path) -> None:
    gone, touched, changed = sorted(pictures.rglob("0*.png"))[:3]
    gone.unlink()
    os.utime(touched, (1, 1))
    at = changed.stat()
    data = bytearray(changed.read_bytes())
    data[-9] ^= 1
    changed.write_bytes(data)
    os.utime(changed, ns=(at.st_atime_ns, at.st_mtime_ns))
    with Collection.open(pictures / ".diptych", Palette()) as collection:
        to = f"--collection {pictures / '.diptych'} mends it"
        plain = [
            f"{gone}: not readable (No such file or directory); diptych index {to}",
            f"{touched}: changed since it was indexed; diptych index {to}",
        ]
        assert sorted(collection.verify()) == plain
        behind = f"{changed}: its content changed, though its size and time did not; diptych index --contents {to}"
        told: list[tuple[str, int, int]] = []
        assert sorted(collection.verify(contents=True, progress=lambda *said: told.append(said))) == [*plain, behind]
        assert told == [("verify", 9, 9)]


def test_an_index_that_holds_other_items_or_other_rows_is_told_and_reindex_mends_it(pictures: Path) -> None:
    def without(index: Flat) -> None:
        index.remove([3])

    def other_rows(index: Flat) -> None:
        row = index._rows.values[index.ids == 3]
        index.remove([3])
        index.add([3], -row)

    spoil: Callable[[Flat], None]
    for spoil, said in (
        (without, "the index holds other items than the collection"),
        (other_rows, "item 3: the index does not find it by its own vector"),
    ):
        with Collection.open(pictures / ".diptych", Palette(), write=True) as collection:
            index = collection._nearest.current()
            assert isinstance(index, Flat)
            spoil(index)
            index.save(collection._nearest._path(collection._nearest.generation))
        with Collection.open(pictures / ".diptych", Palette(), write=True) as collection:
            way = f"diptych reindex --collection {pictures / '.diptych'} mends it"
            assert collection.verify() == [f"{said}; {way}"]
            collection.reindex()
            assert collection.verify() == []


def test_every_part_is_looked_at_although_one_is_damaged(pictures: Path) -> None:
    id = captioned(pictures)
    told = spoilt(
        pictures,
        f"UPDATE items SET width = 1 WHERE id = {id}",
        "DELETE FROM words WHERE rowid = 2",
        "UPDATE vectors SET crc = 1 WHERE item = 2 AND side = 'image'",
        "INSERT INTO words (rowid, name) VALUES (99, 'x')",
    )
    for part in (f"item {id}: checksum", "a vector of item 2", "item 99: words"):
        assert any(part in line for line in told), (part, told)
