"""What an item is called: any text, given back as it was given; and by it, it is found everywhere."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette, album, paint

from diptych.collection import Collection, Entry, store
from diptych.kinds import BadInput, cosine

KEYS = [
    "sku-1",
    "https://shop/x?a=1&b=ü#top",
    "/abs/like",
    "a//b/../c",
    "./dot",
    "~",
    ".",
    " with blanks ",
    "line\nbreak",
    "東京 🐈",
    "\u00e9",  # composed
    "e\u0301",  # and not: another key
    "#12",
    "12",
    'say "cheese" AND NOT tag:x',
    "C:\\pictures\\a.png",
    "x" * 3000,
]


def rows(n: int) -> np.ndarray:
    return cosine.normalise(np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32))


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    (tmp_path / "photos").mkdir()
    with Collection.open(tmp_path / "photos" / ".diptych", Palette(), write=True) as opened:
        yield opened


@pytest.fixture
def mixed(collection: Collection, tmp_path: Path) -> list[Path]:
    """Pictures in the folder of a collection that holds items of every key, too; the pictures."""
    pictures = album(tmp_path / "photos", 4)
    collection.put([Entry(key, row) for key, row in zip(KEYS, rows(len(KEYS)), strict=True)])
    collection.add(tmp_path / "photos")
    return pictures


def test_a_key_is_given_back_as_it_was_given_and_finds_its_item_everywhere(collection, mixed):
    assert len(collection) == len(KEYS) + len(mixed)
    for key, row in zip(KEYS, rows(len(KEYS)), strict=True):
        (id,) = collection.ids(key)
        item = collection.get(key)
        assert (item.id, item.key, item.path) == (id, key, None) and collection.get(id) == item
        assert collection.annotate(key, tags=["x"]).tags == ("x",) == collection.get(id).tags
        assert collection.similar(key, k=3).results == collection.similar(id, k=3).results
        assert collection.captions(key, among=["red", "blue"]) == collection.captions(id, among=["red", "blue"])
        hit = collection.search(row, k=1).results[0]
        assert (hit.id, hit.key, hit.path) == (id, key, None)
        assert collection.put([Entry(collection.get(id).key, row)]) == [id]
        with pytest.raises(BadInput, match="no file to look into"):
            collection.region(key, "red")
    assert collection.verify() == []
    assert collection.remove(KEYS) == len(KEYS) and len(collection) == len(mixed)


def test_the_key_of_a_picture_is_its_path_in_full(collection, mixed, tmp_path, monkeypatch):
    for picture in mixed:
        item = collection.get(picture)
        assert item.key == item.path == str(picture) and collection.get(str(picture)) == item
        assert collection.put([Entry(item.key, tags=["seen"])]) == [item.id] == collection.put([Entry(picture)])
        assert collection.region(item.key, "red") == collection.region(item.id, "red")
    monkeypatch.chdir(tmp_path / "photos")
    relative = mixed[0].relative_to(tmp_path / "photos")
    assert collection.get(relative).key == str(mixed[0]) == collection.get(str(relative)).key
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    assert collection.ids(tmp_path / "link" / relative) == collection.ids(mixed[0])
    (tmp_path / "photos" / "link.png").symlink_to(mixed[0])
    for link in ("link.png", "./link.png", tmp_path / "photos" / "link.png", tmp_path / "link" / "link.png"):
        assert collection.get(link).key == str(mixed[0])
        assert collection.annotate(link, tags=["linked"]).tags == ("linked",)
        assert mixed[0] not in [Path(hit.key) for hit in collection.similar(link, k=99).results]
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos" / "loop")
    with pytest.raises(BadInput, match="has no item 'loop'"):
        collection.get("loop")


def test_the_digest_of_an_item_is_that_of_its_file_by_whatever_it_is_called(collection, mixed):
    for picture in mixed:
        item, digest = collection.get(picture), hashlib.sha256(picture.read_bytes()).hexdigest()
        assert [collection.digest(name) for name in (picture, item.key, item.id)] == 3 * [digest] == 3 * [item.digest]
    assert collection.digest(KEYS[0]) is None
    for none in ("no such key", 10**6):
        with pytest.raises(BadInput, match="has no item"):
            collection.digest(none)


def test_a_row_of_the_name_that_a_picture_has_inside_is_another_item(collection, mixed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "photos")
    inside = str(mixed[0].relative_to(tmp_path / "photos"))
    (id,) = collection.put([Entry(inside, rows(1)[0], tags=["row"])])
    assert collection.get(inside).id == id != collection.get(mixed[0]).id
    collection.add(tmp_path / "photos", contents=True)
    assert collection.get(inside).tags == ("row",) and collection.get(mixed[0]).tags == ()
    assert collection.verify() == []


def test_what_was_given_under_the_path_of_a_picture_is_its_item_when_it_is_added(collection, tmp_path):
    picture = paint(tmp_path / "photos" / "a.png", "red")
    (id,) = collection.put([Entry(str(picture), rows(1)[0], tags=["mine"])])
    assert collection.get(id).path == str(picture) and collection.get(id).size is None
    assert collection.add(tmp_path / "photos").added == 0
    item = collection.get(str(picture))
    assert (item.id, item.tags, item.size) == (id, ("mine",), picture.stat().st_size)
    assert collection.search(Palette().encode_images([str(picture)])[0], k=1).results[0].score == pytest.approx(1)


@pytest.mark.parametrize("form", ["all.jsonl", "all.parquet", "shards"])
def test_keys_go_out_and_come_back(collection, mixed, tmp_path, form):
    if form != "all.jsonl":
        pytest.importorskip("pyarrow")
    collection.annotate("sku-1", metadata={"colours": ["red", "blue"], "sold": True, "none": []})
    collection.export(tmp_path / form)
    with Collection.open(tmp_path / "other", Palette(), write=True) as other:
        assert other.import_(tmp_path / form) == len(collection)
        assert {other.get(id).key for id in other.ids()} == {*KEYS, *map(str, mixed)}
        assert other.get("sku-1").metadata == {"colours": ["red", "blue"], "sold": True, "none": []}
        assert other.get(mixed[0]).path == str(mixed[0]) and other.get("/abs/like").path is None
    assert collection.import_(tmp_path / form) == len(collection) == len(KEYS) + len(mixed)


def test_a_collection_of_version_2_keeps_its_items_their_names_and_the_ids_it_gave(tmp_path):
    folder = tmp_path / "photos" / ".diptych"
    picture = paint(tmp_path / "photos" / "a.png", "red")
    with Collection.open(folder, Palette(), write=True) as collection:
        collection.add(tmp_path / "photos")
        collection.put([Entry(name, row, metadata={"stars": 3}) for name, row in zip("abc", rows(3), strict=True)])
        assert collection.remove(["c"]) == 1
    with sqlite3.connect(folder / "diptych.db") as old:  # as that version wrote it
        old.executescript("""
            ALTER TABLE roots DROP COLUMN crc; ALTER TABLE removed DROP COLUMN crc;
            ALTER TABLE mounts DROP COLUMN crc; DROP TABLE barred; DROP TABLE events; DROP TABLE learned;
            DROP TABLE credits;
            DROP INDEX items_path; CREATE UNIQUE INDEX once ON items (path);
            CREATE TABLE m (item INTEGER NOT NULL, key TEXT NOT NULL, value, PRIMARY KEY (item, key)) WITHOUT ROWID;
            INSERT INTO m SELECT item, key, value FROM metadata; DROP TABLE metadata; ALTER TABLE m RENAME TO metadata;
            PRAGMA user_version = 2;
        """)
    old.close()
    with Collection.open(folder, Palette(), write=True) as collection:
        assert collection.verify() == []
        assert {collection.get(id).key for id in collection.ids()} == {str(picture), "a", "b"}
        assert collection.get("b").metadata == {"stars": 3} and len(collection.search("stars = 3").results) == 2
        assert collection.put([Entry("d", rows(1)[0])]) == [5], "an id is never given twice"
    assert len(store.SCHEMA) >= 3
