"""Flipped bytes: a typed error, or a line of `verify`, or nothing lost at all; never a wrong answer in silence.

`DIPTYCH_FLIPS=1000` makes it long; `DIPTYCH_SEED` repeats a run.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from collection_world import COLOURS, Palette, album

from diptych.collection import Collection, Damaged
from diptych.collection.query import register
from diptych.collection.store import SUMMED
from diptych.index import choice
from diptych.index.ivf import IVF
from diptych.kinds import BadInput, cosine

FLIPS = int(os.environ.get("DIPTYCH_FLIPS", "40"))
SEED = int(os.environ.get("DIPTYCH_SEED", "11"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with an index on the disk."""
    home = tmp_path_factory.mktemp("damage")
    album(home / "pictures", 40)
    with Collection.open(home / "c", Palette(), write=True) as collection:
        collection.add(home / "pictures")
        collection.annotate(3, captions=["given"], tags=["a tag"], metadata={"stars": 5})
        collection.reindex()
    assert not (home / "c" / "diptych.db-wal").exists(), "closed, all of it is in the one file"
    return home / "c"


def told(collection: Collection) -> list[object]:
    """Everything a person can see."""
    items = [collection.get(id) for id in collection.ids()]
    answers = [collection.search(colour, k=50).results for colour in COLOURS]
    words = [collection.search(query, k=50).results for query in ("card", "given", "tag:x OR stars = 5", 'name ~ "00"')]
    return [items, answers, words, collection.failures(), collection.captions(3, 5)]


def flipped(file: Path, rng: np.random.Generator) -> int:
    data = bytearray(file.read_bytes())
    place = int(rng.choice(np.flatnonzero(np.frombuffer(data, dtype=np.uint8))))  # most zeros are room for more
    data[place] ^= 1 << int(rng.integers(0, 8))
    file.write_bytes(data)
    return place


def test_a_flipped_byte_in_the_database_is_an_error_a_problem_or_nothing(whole, tmp_path):
    rng = np.random.default_rng(SEED)
    with Collection.open(whole, Palette()) as collection:
        sound = told(collection)
    outcomes = {"error": 0, "problem": 0, "nothing": 0}
    for _ in range(FLIPS):
        shutil.rmtree(tmp_path / "c", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "c", ignore=shutil.ignore_patterns("index"))
        place = flipped(tmp_path / "c" / "diptych.db", rng)
        try:
            with Collection.open(tmp_path / "c", Palette()) as collection:
                if collection.verify():
                    outcomes["problem"] += 1
                else:
                    assert told(collection) == sound, f"byte {place}, DIPTYCH_SEED={SEED}"
                    outcomes["nothing"] += 1
        except BadInput:
            outcomes["error"] += 1
    assert outcomes["error"] + outcomes["problem"] >= FLIPS / 20, outcomes


def test_a_flipped_byte_in_a_vector_or_a_caption_is_met_when_it_is_used(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "c", ignore=shutil.ignore_patterns("index"))
    data = (tmp_path / "c" / "diptych.db").read_bytes()
    with Collection.open(whole, Palette()) as collection:
        vector = collection._vectors.of([5])[0].tobytes()
    assert data.count(vector) == 1
    (tmp_path / "c" / "diptych.db").write_bytes(data.replace(vector, vector[:-1] + bytes([vector[-1] ^ 64])))
    with Collection.open(tmp_path / "c", Palette()) as collection, pytest.raises(Damaged, match="vector of item 5"):
        collection.search("red")
    spoilt = data.replace(b"something yellow", b"something y\xff\xfelow")
    (tmp_path / "c" / "diptych.db").write_bytes(spoilt)
    with Collection.open(tmp_path / "c", Palette()) as collection:
        with pytest.raises(Damaged, match="put a backup in its place"):
            for id in collection.ids():
                collection.get(id)
        assert collection.verify()


CALLS: tuple[Callable[[Collection], object], ...] = (
    lambda collection: [collection.get(id) for id in collection.ids()],
    lambda collection: collection.search('given tag:"a tag" stars = 5 name ~ "00"'),
    lambda collection: collection.captions(3, 5),
    lambda collection: (collection.status(), collection.failures(), collection.notes(), collection.waiting()),
    lambda collection: (collection.search("yaer = 2020"), collection.counts("tag"), collection.counts("stars")),
    Collection.verify,
    lambda collection: collection.add(workers=1),
    lambda collection: collection.digest(2),
)


def test_a_value_of_another_type_is_an_error_a_problem_or_nothing(tmp_path):
    """SQLite keeps the type with each value, and a flipped bit there makes bytes or nothing of a text."""
    album(tmp_path / "pictures", 5)
    with Collection.open(tmp_path / "whole", Palette(), write=True) as collection:
        collection.add(tmp_path / "pictures")
        for id in collection.ids():
            collection.annotate(id, captions=["given"], tags=["a tag"], metadata={"stars": 5, "some": ["a", True]})
        collection.remove([1], forever=True)
        Path(str(collection.get(2).path)).unlink()
        collection.add()
        schema = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'words*'"
        tables = [name for (name,) in collection._store.rows(f"{schema} AND name NOT GLOB 'sqlite*'")]
        columns = [
            (table, row[1]) for table in tables for row in collection._store.rows(f"PRAGMA table_info ({table})")
        ]
    assert len(columns) > 50
    for table, column in columns:
        shutil.rmtree(tmp_path / "c", ignore_errors=True)
        shutil.copytree(tmp_path / "whole", tmp_path / "c")
        with closing(sqlite3.connect(tmp_path / "c" / "diptych.db", isolation_level=None)) as connection:
            register(connection)
            change = f"UPDATE {table} SET {column} = x'ff00' WHERE {column} = (SELECT max({column}) FROM {table})"
            with suppress(sqlite3.IntegrityError):
                connection.execute(change)
        with suppress(BadInput), Collection.open(tmp_path / "c", Palette(), write=True) as collection:
            for call in CALLS:
                with suppress(BadInput):
                    call(collection)


def test_a_change_in_any_column_of_an_item_is_noticed(whole, tmp_path):
    with Collection.open(whole, Palette()) as collection:
        columns = {name for _, name, *_ in collection._store.rows("PRAGMA table_info (items)")}
    for column in sorted(columns - {"changed"}):  # by which indexes catch up; verify asks what they find
        shutil.rmtree(tmp_path / "c", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "c")
        with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
            change = f"UPDATE items SET {column} = coalesce({column}, 0) || '99' WHERE id = 3"
            collection._store._connection.execute(change)
            assert collection.verify(), column


@pytest.mark.parametrize("table", sorted(SUMMED))
def test_a_change_in_any_column_of_a_small_table_is_noticed(tmp_path, table):
    album(tmp_path / "pictures", 3)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(tmp_path / "pictures")
        collection.remove([1], forever=True)
        collection.feedback.record("ann", "red", 2, "click")
        (event,) = collection.feedback.events()
        with collection._store.transaction():
            collection._store.put_rows("credits", [(event.id, "first")])
        assert collection.verify() == []
        connection = collection._store._connection
        for column in (*SUMMED[table], "crc"):
            kinds = (
                [f"CAST({column} AS BLOB)"] if column not in ("item", "event") else []
            )  # a key of SQLite's own is always a number
            for change in (f"{column} || '9'", *kinds):
                kept = connection.execute(f"SELECT * FROM {table}").fetchall()
                assert kept
                connection.execute(f"UPDATE {table} SET {column} = {change}")
                assert any(f"{table} " in line and "checksum" in line for line in collection.verify()), (column, change)
                connection.execute(f"DELETE FROM {table}")
                marks = ", ".join("?" * len(kept[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", kept)


def test_a_file_cut_short_or_emptied_is_an_error(whole, tmp_path):
    data = (whole / "diptych.db").read_bytes()
    (tmp_path / "c").mkdir()
    for length in (0, 50, 4096, len(data) // 2, len(data) - 20_000):
        (tmp_path / "c" / "diptych.db").write_bytes(data[:length])
        try:
            with Collection.open(tmp_path / "c", Palette()) as collection:
                assert collection.verify(), f"{length} of {len(data)} bytes"
        except BadInput:
            pass


def test_a_damaged_index_is_built_anew_and_the_answers_are_the_same(whole, tmp_path):
    rng = np.random.default_rng(SEED)
    with Collection.open(whole, Palette()) as collection:
        sound = told(collection)
    for _ in range(FLIPS // 4):
        shutil.rmtree(tmp_path / "c", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "c")
        files = sorted((tmp_path / "c" / "index").iterdir())
        assert len(files) == 2
        flipped(files[int(rng.integers(0, 2))], rng)
        with Collection.open(tmp_path / "c", Palette()) as collection:
            assert told(collection) == sound


def test_a_damaged_row_that_a_reader_left_on_the_disk_is_met_by_the_query_that_needs_it(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "c")
    (file,) = (tmp_path / "c" / "index").glob("*.index")
    flat = choice.load(file)
    scores, ids = flat.search(Palette().encode_texts(["red"]), len(flat))
    inverted = IVF(cosine, 16, cells=4, precise=True)
    inverted.train(flat._rows.values)
    inverted.add(flat._rows.ids, flat._rows.values)
    inverted.save(file)
    with Collection.open(tmp_path / "c", Palette()) as collection:
        assert [hit.id for hit in collection.search("red", k=50, keywords=0).results] == ids[0].tolist()
        assert len(choice.load(file, mapped=True)) == len(collection)
    data = bytearray(file.read_bytes())
    data[-1] ^= 64
    file.write_bytes(data)
    with Collection.open(tmp_path / "c", Palette()) as collection:
        found = collection.search("red", k=50, keywords=0).results
        assert [hit.id for hit in found] == ids[0].tolist()
        assert [hit.score for hit in found] == pytest.approx(scores[0].tolist(), abs=1e-6)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.annotate(3, tags=["another"])
        collection.reindex()
    assert len(choice.load(*(tmp_path / "c" / "index").glob("*.index"))) == len(ids[0])


def test_an_index_of_a_later_state_than_a_restored_backup_is_not_believed(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "c")
    early = (tmp_path / "c" / "diptych.db").read_bytes()
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        sound = [hit.id for hit in collection.search("red", k=50).results]
        collection.remove(sound[:10])
        collection.reindex()
    (tmp_path / "c" / "diptych.db").write_bytes(early)
    with Collection.open(tmp_path / "c", Palette()) as collection:
        assert [hit.id for hit in collection.search("red", k=50).results] == sound
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.remove(sound[10:12])
        collection.annotate(sound[0], tags=["x"])
        collection.annotate(sound[0], tags=["y"])
        assert [hit.id for hit in collection.search("red", k=50).results] == sound[:10] + sound[12:]
        assert collection.verify() == []
