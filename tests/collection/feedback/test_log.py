"""What people did is kept as it was said, goes with its item and its person, and its damage is seen."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette
from collection_world import ids_of_four as ids

from diptych.collection import Collection, Damaged, Entry, Marks
from diptych.collection.feedback import log
from diptych.collection.feedback.marks import MOST
from diptych.datasets import local
from diptych.kinds import BadInput


def test_what_is_recorded_is_told_as_it_was(collection):
    red, green, blue, _ = ids(collection)
    recorded = [
        collection.feedback.record("anna", "a red card", red, "yes", at=10.0),
        collection.feedback.record("anna", "a red card", str(collection.get(green).key), "no", rank=2, at=11),
        collection.feedback.record("bob", "wärme ☀", blue, "dwell", 4.5, 3, [red, green, blue], 12.25),
    ]
    told = list(collection.feedback.events())
    assert [event.id for event in told] == [1, 2, 3]
    assert told == recorded
    assert told[1].item == green and told[2].shown == (red, green, blue) and told[2].above == (red, green)
    assert [event.query for event in collection.feedback.events("bob")] == ["wärme ☀"]
    assert list(collection.feedback.events("nobody")) == [] and collection.verify() == []


def test_who_did_something_is_told_and_no_event_is_read_for_it(collection, monkeypatch):
    red, *_ = ids(collection)
    for user in ("bob", "anna", "bob"):
        collection.feedback.record(user, "a red card", red, "click")
    monkeypatch.delattr(log, "events")
    assert collection.feedback.users() == ["anna", "bob"]
    plan = collection._store.rows("EXPLAIN QUERY PLAN SELECT DISTINCT user FROM events ORDER BY user")
    assert "COVERING INDEX events_user" in str(plan)


def test_the_latest_mark_of_an_item_holds_whenever_it_came_in(collection):
    red, green, blue, yellow = ids(collection)
    mark = collection.feedback.record
    mark("anna", "card", red, "yes", at=1)
    mark("anna", "card", red, "no", at=3)
    mark("anna", "card", red, "yes", at=2)  # heard late
    mark("anna", "card", green, "yes", at=1)
    mark("anna", "card", green, "unmarked", at=1)
    mark("anna", "card", blue, "no", at=5)
    mark("anna", "card", blue, "yes", at=5)
    mark("anna", "card", yellow, "click", at=9)
    mark("bob", "card", yellow, "yes")
    mark("anna", "Card", yellow, "no")
    assert collection.feedback.marks("anna", "card") == Marks(yes=[blue], no=[red])
    assert collection.feedback.marks("bob", "card") == Marks(yes=[yellow])
    assert not collection.feedback.marks("carl", "card")


def test_readers_do_not_look_anew_at_what_they_keep_of_items_when_something_is_recorded(collection):
    before = collection.status()["generation"]
    collection.feedback.record("anna", "card", ids(collection)[0], "click")
    assert collection.status()["generation"] == before
    with Collection.open(collection.folder, Palette()) as reader:
        assert len(list(reader.feedback.events())) == 1
        with pytest.raises(BadInput, match="open for reading"):
            reader.feedback.record("anna", "card", ids(collection)[0], "click")


def test_of_more_marks_than_a_search_takes_the_latest_stand(collection):
    rows = np.random.default_rng(0).normal(size=(MOST + 1, collection._vectors.of([1]).shape[1]))
    many = collection.put([Entry(f"row {place}", row) for place, row in enumerate(rows)])
    with collection._store.transaction(heard=False):
        for at, item in enumerate([*many, many[0], many[2]]):  # the first is marked once more, the third taken back
            kind = "unmarked" if at > MOST + 1 else "no" if at % 2 else "yes"
            log.write(collection._store, log.event("anna", "card", item, kind, 1.0, None, (), at))
    marks = collection.feedback.marks("anna", "card")
    assert {*marks.yes, *marks.no} == {*many} - {many[2]}
    collection.feedback.record("anna", "card", ids(collection)[0], "yes")
    marks = collection.feedback.marks("anna", "card")
    assert {*marks.yes, *marks.no} == {*many, ids(collection)[0]} - {many[1], many[2]}  # the oldest one gave way
    assert collection.search("card", marks=marks).total == 5


@pytest.mark.parametrize("how", ["remove", "erase", "forget", "gone"])
def test_events_go_with_their_item(collection, how):
    red, green, *_ = ids(collection)
    path = Path(collection.get(red).path)
    for item in (red, green):
        collection.feedback.record("anna", "card", item, "yes")
    if how == "gone":
        path.unlink()
        collection.add()
    elif how == "forget":
        collection.forget(path)
    else:
        getattr(collection, how)([red])
    assert [event.item for event in collection.feedback.events()] == [green] and collection.verify() == []
    assert (collection.feedback.count("anna"), collection.feedback.count("bob")) == (1, 0)


@pytest.mark.parametrize("erase", [True, False])
def test_of_whom_is_forgotten_no_byte_is_left(collection, erase):
    red, green, *_ = ids(collection)
    for number in range(40):  # several pages
        collection.feedback.record("anna-of-the-secret", f"what only anna asks {number % 7} " * 20, red, "click")
    collection.feedback.record("bob", "card", green, "yes")
    assert b"anna-of-the-secret" in everything(collection.folder)
    if erase:
        assert collection.erase([red]) == 1
    else:
        assert collection.feedback.forget("anna-of-the-secret") == 40
        assert collection.feedback.forget("anna-of-the-secret") == 0
    assert b"anna" not in everything(collection.folder)
    assert [event.user for event in collection.feedback.events()] == ["bob"] and collection.verify() == []


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("user", "'bob'"),
        ("item", "2"),
        ("kind", "'no'"),
        ("value", "7.5"),
        ("shown", "'[3]'"),
        ("at", "1"),
        ("shown", "7"),
    ],
)
def test_damage_is_seen(collection, column, value):
    collection.feedback.record("anna", "card", ids(collection)[0], "yes", at=5)
    with sqlite3.connect(collection.folder / "diptych.db") as connection:
        connection.execute(f"UPDATE events SET {column} = {value}")
    connection.close()
    with pytest.raises(Damaged, match="event 1"):
        list(collection.feedback.events())
    assert ["event 1" in line for line in collection.verify()] == [True]


def test_what_cannot_be_kept_is_refused_by_the_name_of_its_field(collection):
    red = ids(collection)[0]
    for field, given in {
        "user": ("", "card", red, "yes"),
        "query": ("anna", "x" * 4001, red, "yes"),
        "kind": ("anna", "card", red, "liked"),
        "value": ("anna", "card", red, "dwell", -1.0),
        "rank": ("anna", "card", red, "click", 1.0, 0),
        "shown": ("anna", "card", red, "click", 1.0, 1, ["red.png"]),
        "at": ("anna", "card", red, "click", 1.0, 1, [], float("nan")),
    }.items():
        with pytest.raises(BadInput, match=f"^{field}: "):
            collection.feedback.record(*given)
    for wrong in (
        ("u" * 201, "card"),
        ("half \ud800", "card"),
        (7, "card"),
        ("anna", b"card"),
        ("anna", "half \udfff"),
    ):
        with pytest.raises(BadInput, match=r"^(user|query): "):
            collection.feedback.record(*wrong, red, "yes")
    with pytest.raises(BadInput, match="has no item 99"):
        collection.feedback.record("anna", "card", 99, "yes")
    assert list(collection.feedback.events()) == []


def test_a_backup_has_what_was_recorded_and_exports_for_others_have_not(collection, tmp_path):
    collection.feedback.record("anna-of-the-secret", "what only anna asks", ids(collection)[0], "yes")
    collection.export(tmp_path / "all.jsonl")
    collection.export_anonymous(tmp_path / "told.jsonl", k=2)
    for name in ("all.jsonl", "told.jsonl"):
        assert b"anna" not in (tmp_path / name).read_bytes()
    collection.backup(tmp_path / "backup")
    with Collection.open(tmp_path / "backup", Palette()) as copy:
        assert list(copy.feedback.events()) == list(collection.feedback.events())


def test_marks_are_exported_as_pairs_to_learn_from(collection, tmp_path):
    red, green, blue, yellow = ids(collection)
    (row,) = collection.put([Entry("a row alone", collection._vectors.of([red])[0])])
    for user, query, item, kind in (
        ("anna", "a red card", red, "yes"),
        ("bob", "something red", red, "yes"),
        ("bob", "a red card", red, "yes"),
        ("anna", "a red card", green, "no"),
        ("bob", '"grass" width > 3', green, "yes"),
        ("bob", "a red card", blue, "yes"),
        ("bob", "a red card", blue, "unmarked"),
        ("bob", "tag = sea", yellow, "yes"),  # no words
        ("bob", "a red card", yellow, "click"),
        ("bob", "a red card", row, "yes"),  # no file
    ):
        collection.feedback.record(user, query, item, kind)
    assert collection.feedback.export(tmp_path / "pairs.jsonl") == 2
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    of = {Path(line["image"]).stem: (line["captions"], line["not"]) for line in lines}
    assert of == {"red": (["a red card", "something red"], []), "green": (["grass"], ["a red card"])}
    assert b"anna" not in (tmp_path / "pairs.jsonl").read_bytes()
    pairs = local.read("all", tmp_path / "pairs.jsonl")
    assert sorted(pairs.texts) == ["a red card", "grass", "something red"]
    assert [Path(image).is_file() for image in pairs.images] == [True, True]
    assert collection.feedback.export(tmp_path / "anna.jsonl", "anna") == 2
    with pytest.raises(BadInput, match="is there already"):
        collection.feedback.export(tmp_path / "pairs.jsonl")
    with pytest.raises(BadInput, match=r"name a .jsonl file"):
        collection.feedback.export(tmp_path / "pairs.csv")
