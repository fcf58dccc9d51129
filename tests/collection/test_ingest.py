"""What a run does with each switch in both positions, and what is given is made into before it is kept."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette, paint

from diptych.collection import Collection, Entry, ingest
from diptych.collection.store import Store
from diptych.kinds import BadInput
from diptych.sources import decoders

ROW = np.full(16, 0.25, np.float32)


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number, colour in enumerate(("red", "green", "blue", "yellow", "purple")):
        paint(tmp_path / "pictures" / f"{number}.png", colour, number)
    return tmp_path / "pictures"


def begun(pictures: Path, encoder: Palette | None = None) -> Collection:
    return Collection.open(pictures / ".diptych", encoder or Palette(), write=True)


# ----------------------------------------------------------------------------------------------------------- what fails


def test_a_file_that_failed_is_looked_at_again_when_it_changed_or_when_that_is_asked_for(pictures, monkeypatch):
    looked: list[str] = []
    ask = decoders._Worker.ask

    def counted(worker, files, how):
        looked.extend(Path(path).name for path, _ in files)
        return ask(worker, files, how)

    monkeypatch.setattr(decoders._Worker, "ask", counted)
    (pictures / "broken.png").write_bytes(b"nothing")
    with begun(pictures) as collection:
        assert collection.add(pictures).newly_failed == 1
        looked.clear()
        for retry, again in ((False, []), (True, ["broken.png"])):
            report = collection.add(pictures, retry=retry)
            assert (looked, report.failed, report.newly_failed, report.unchanged) == (again, 1, 0, 5)
        looked.clear()
        os.utime(pictures / "broken.png", (5, 5))
        assert collection.add(pictures).failed == 1 and looked == ["broken.png"]


def test_a_batch_is_asked_for_and_written_at_once_however_many_pictures_it_has(tmp_path, monkeypatch):
    calls: Counter[str] = Counter()
    for of, name in ((ingest, "write"), (Store, "rows"), (Store, "insert")):
        call = getattr(of, name)
        monkeypatch.setattr(of, name, lambda *a, call=call, name=name, **k: calls.update([name]) or call(*a, **k))
    monkeypatch.setattr(Collection, "_catch_up", lambda *_: None)
    found = []
    for n in (3, 30):
        for number in range(n):  # each content twice
            paint(tmp_path / f"{n}" / f"{number}.png", "red", number // 2)
        with begun(tmp_path / f"{n}") as collection:
            calls.clear()
            assert collection.add(tmp_path / f"{n}").added == n
            found.append(dict(calls))
    assert found[0] == found[1]


@dataclass
class Small(Palette):
    """An encoder with memory for two pictures at a time, and for none of yellow."""

    def encode_images(self, items):
        if len(items) > 2 or any("3.png" in path for path in items):
            raise MemoryError
        return super().encode_images(items)


def test_a_batch_that_is_too_large_for_the_memory_is_encoded_one_by_one(pictures):
    with begun(pictures, Small()) as collection:
        report = collection.add(pictures)
        assert (report.added, report.encoded) == (4, 5)
        why = "takes more memory to encode than there is; scale it down first"
        assert report.failures == [(str(pictures / "3.png"), why)] and len(collection) == 4
        assert collection.verify() == []


def test_rows_that_are_no_numbers_are_nobody_elses_fault(pictures, monkeypatch):
    encoder = Palette()
    monkeypatch.setattr(encoder, "encode_images", lambda items: np.full((len(items), 16), np.nan, np.float32))
    with begun(pictures, encoder) as collection:
        report = collection.add(pictures)
        assert len(collection) == 0 and report.failed == 5
        assert all("NaN" in why for _, why in report.failures)


def test_how_long_a_file_may_take_and_how_many_look_is_what_was_asked_for(pictures, monkeypatch):
    made = []

    class Watched(decoders.Decoders):
        def __init__(self, workers, seconds, preprocessing):
            made.append((workers, seconds))
            super().__init__(workers, seconds, preprocessing)

    monkeypatch.setattr(ingest, "Decoders", Watched)
    with begun(pictures) as collection:
        collection.add(pictures, workers=2, seconds=7)
        collection.add(pictures)
    assert made == [(2, 7), (None, decoders.SECONDS)]


# --------------------------------------------------------------------------------------------------------- what is told


def test_every_change_is_told_once_after_it_was_committed(pictures):
    told: list[tuple[str, str, str]] = []
    with begun(pictures) as collection:
        seen: ingest.Seen = {}

        def changed(what, path, why):
            told.append((what, Path(path).name, why))
            assert not collection._store._depth, "outside of the transaction"

        def look():
            told.clear()
            for _ in range(2):
                ingest.add(collection._vectors, collection._encoding, [pictures], changed=changed, seen=seen)
            return sorted(told)

        assert look() == [("added", f"{number}.png", "") for number in range(5)]
        (pictures / "0.png").rename(pictures / "moved.png")
        (pictures / "1.png").unlink()
        paint(pictures / "2.png", "black", 9)
        (pictures / "broken.png").write_bytes(b"nothing")
        (pictures / "leads.png").symlink_to("/etc/hostname")
        found = look()
        assert [(what, name) for what, name, _ in found] == [
            ("failed", "broken.png"),
            ("failed", "leads.png"),
            ("removed", "1.png"),
            ("renamed", "moved.png"),
            ("updated", "2.png"),
        ]
        assert "not a picture" in found[0][2] and "leads out" in found[1][2]
        assert look() == []


def test_a_watch_tells_once_that_a_folder_is_away_and_goes_on_when_it_is_back(pictures, monkeypatch):
    told: list[tuple[str, str, str]] = []
    waits: list[float] = []
    away = pictures.with_name("away")

    def sleep(seconds):
        if seconds < 3:  # of somebody else
            return
        waits.append(seconds)
        match len(waits):
            case 2:
                pictures.rename(away)
            case 5:
                away.rename(pictures)
                (pictures / "0.png").unlink()

    monkeypatch.setattr("time.sleep", sleep)
    with Collection.open(pictures.parent / "c", Palette(), write=True) as collection:
        watching = collection.watch(pictures, every=3.5, changed=lambda *change: told.append(change))
        assert next(watching).added == 5 and len(waits) == 1
        told.clear()
        assert next(watching).removed == 1 and len(waits) == 5 and min(waits) >= 3.5
        (trouble, removed) = told
        assert trouble[:2] == ("failed", str(pictures)) and "mount its disk" in trouble[2]
        assert removed == ("removed", str(pictures / "0.png"), "") and len(collection) == 4


# -------------------------------------------------------------------------------------------------------- what is given


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, True),
        (np.bool_(False), False),
        (np.int32(-7), -7),
        (np.float32(0.5), 0.5),
        (2**63 - 1, 2**63 - 1),
        (-(2**63) + 1, -(2**63) + 1),
        ("a text", "a text"),
        ("", ""),
        (2**63, None),
        (float("inf"), None),
        (float("nan"), None),
        (None, None),
        ([1], [1]),
        (b"bytes", None),
    ],
)
def test_metadata_is_a_text_or_a_number_as_sqlite_gives_it_back(tmp_path, value, kept):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        if kept is None:
            with pytest.raises(BadInput, match=r"metadata 'key': .* is neither a text nor a finite number"):
                collection.put([Entry("a", ROW, metadata={"key": value})])
            assert len(collection) == 0
            return
        entry = Entry("a", ROW, metadata={"key": value})
        (id,) = collection.put([entry])
        assert dict(collection.get(id).metadata) == {"key": kept}
        assert type(collection.get(id).metadata["key"]) is type(kept) and collection.verify() == []


def test_words_that_are_given_are_tidied_and_none_leaves_those_of_before(tmp_path):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        first = Entry("a", ROW, [" two  dogs\n", "", "two dogs", "a cat"], ["b ", " ", "a", "b"], {"x": 1}, width=3)
        (id,) = collection.put([first])
        item = collection.get(id)
        assert (item.captions, item.tags, dict(item.metadata), item.width) == (
            ("two dogs", "a cat"),
            ("a", "b"),
            {"x": 1},
            3,
        )
        assert collection.put([Entry("a", height=4)]) == [id]
        same = collection.get(id)
        assert (same.captions, same.tags, dict(same.metadata)) == (item.captions, item.tags, {"x": 1})
        assert (same.width, same.height) == (3, 4)
        collection.put([Entry("a", captions=[], tags=(), metadata={}, lat=-0.0)])
        bare = collection.get(id)
        assert (bare.captions, bare.tags, dict(bare.metadata), str(bare.lat)) == ((), (), {}, "0.0")
        assert collection._vectors.all("text", "item = ?", (id,))[0].tolist() == [] and collection.verify() == []


def test_another_row_takes_the_place_of_the_one_there_was(tmp_path):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        ids = collection.put([Entry("a", ROW, ["red"]), Entry("b", -ROW)])
        assert collection.put([Entry("b", ROW), Entry("a", -ROW)]) == ids[::-1]
        assert collection._vectors.of(ids).tolist() == [(-ROW).tolist(), ROW.tolist()]
        assert collection.get(ids[0]).captions == ("red",) and collection.verify() == []
        best = collection.similar(ids[1], k=1).results[0]
        assert best.score < 0, "the index heard of it"


def test_items_with_and_without_a_file_are_given_words_in_one_go(pictures):
    with begun(pictures) as collection:
        collection.add(pictures)
        (id,) = collection.ids(pictures / "1.png")
        path = pictures / "1.png"
        for tags in (["a"], ["b"]):  # the second time, both are there already
            ids = collection.put([Entry("given", ROW, tags=tags), Entry(path, tags=tags)])
            assert ids[1] == id and [collection.get(one).tags for one in ids] == [tuple(tags)] * 2
        assert len(collection) == 6 and collection.verify() == []


# ------------------------------------------------------------------------------------------------------- captions files


@pytest.mark.parametrize(
    ("name", "message"),
    [("words.txt", r"captions come as \.jsonl, \.csv, \.tsv or \.parquet"), ("words.csv", "no such file")],
)
def test_a_captions_file_that_cannot_be_is_refused_before_anything_is_read(pictures, name, message):
    with begun(pictures) as collection:
        with pytest.raises(BadInput, match=message):
            collection.add(pictures, captions=pictures.parent / name)
        assert len(collection) == 0


def test_lines_of_a_captions_file_find_pictures_from_the_folder_or_from_the_file(pictures, tmp_path):
    lines = [
        {"image": "0.png", "captions": ["from the folder"]},
        {"image": "pictures/1.png", "captions": ["from the file"], "labels": ["near"]},
        {"image": str(pictures / "2.png"), "captions": ["in full"]},
        {"image": "gone.png", "captions": ["of nothing"]},
    ]
    (tmp_path / "WORDS.JSONL").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with begun(pictures) as collection:
        report = collection.add(pictures, captions=tmp_path / "WORDS.JSONL")
        assert (report.captioned, report.unmatched, report.unmatched_images) == (3, 1, ["gone.png"])
        said = {Path(collection.get(id).path).name: collection.get(id).captions for id in collection.ids()}
        assert said == {
            "0.png": ("from the folder",),
            "1.png": ("from the file",),
            "2.png": ("in full",),
            "3.png": (),
            "4.png": (),
        }
        (tagged,) = collection.ids(pictures / "1.png")
        assert collection.get(tagged).tags == ("near",)
