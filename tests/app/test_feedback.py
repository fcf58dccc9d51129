"""`diptych feedback`, as people and scripts meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from collection_world import paint

from diptych.collection import Collection

Run = Callable[..., subprocess.CompletedProcess[str]]

COLOURS = ("red", "green", "blue")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Three cards; anna marked two of them and opened one, and the owner marked one."""
    for number, colour in enumerate(COLOURS):
        paint(tmp_path / "P" / f"{colour}.png", colour, number)
    with Collection.open(tmp_path / "P" / ".diptych", "mini", write=True) as collection:
        collection.add(tmp_path / "P", workers=1)
        red, green, blue = (tmp_path / "P" / f"{colour}.png" for colour in COLOURS)
        collection.feedback.record("anna", "a red card", red, "yes")
        collection.feedback.record("anna", "a red card", green, "no")
        collection.feedback.record("anna", "a red card", red, "click", rank=1)
        collection.feedback.record("owner", "something blue", blue, "yes")
    return tmp_path / "P"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "diptych.app.cli", "feedback", *map(str, arguments)]
        environment = {**os.environ, "DIPTYCH_HOME": str(tmp_path / "home")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == code, done.stderr
        return done

    return run


def test_how_much_there_is_and_that_nothing_was_learned(run: Run, album: Path) -> None:
    lines = run(album).stdout.splitlines()
    assert lines[0] == "4 events of 2 people: 2 yes, 1 no, 1 click"
    assert [line.split("\t")[0] for line in lines[1:]] == ["for all", "anna, 3 events", "owner, 1 event"]
    assert all("nothing learned yet" in line for line in lines[1:])
    told = json.loads(run(album / ".diptych", "--json").stdout)
    assert (told["events"], told["queries"], told["kinds"]) == (4, 2, {"yes": 2, "no": 1, "click": 1})
    assert told["people"] == [
        {"user": "anna", "events": 3, "learned": None},
        {"user": "owner", "events": 1, "learned": None},
    ]


def test_learning_says_whether_it_is_on(run: Run, album: Path) -> None:
    lines = run(album, "--learn").stdout.splitlines()
    assert all(line.split("\t")[1].startswith("off: ") for line in lines[1:])
    told = json.loads(run(album, "--json").stdout)
    assert told["learned"]["on"] is False and told["people"][0]["learned"]["user"] == "anna"


def test_marks_are_handed_out_as_training_pairs(run: Run, album: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    assert "marks of 3 pictures" in run(album, "--export", file).stdout
    lines = {Path(line["image"]).name: line for line in map(json.loads, file.read_text().splitlines())}
    assert {name: (line["captions"], line["not"]) for name, line in lines.items()} == {
        "red.png": (["a red card"], []),
        "green.png": ([], ["a red card"]),
        "blue.png": (["something blue"], []),
    }
    again = run(album, "--export", file, code=2).stderr
    assert again.count("\n") == 1 and "is there already" in again


def test_a_person_is_forgotten_and_no_other(run: Run, album: Path) -> None:
    assert json.loads(run(album, "--forget", "anna", "--json").stdout) == {"events": 3}
    with Collection.open(album / ".diptych") as collection:
        assert [event.user for event in collection.feedback.events()] == ["owner"]
    assert b"a red card" not in b"".join(file.read_bytes() for file in (album / ".diptych").glob("diptych.db*"))
    assert run(album).stdout.startswith("1 event of one person: 1 yes")
    assert run(album, "--forget", "nobody").stdout.startswith("0 events of nobody")


def test_one_thing_at_a_time(run: Run, album: Path) -> None:
    assert "one at a time" in run(album, "--learn", "--forget", "anna", code=2).stderr
