"""`diptych experiment` and `serve --against`, as people and scripts meet them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from collection_world import paint

from diptych.collection import Collection

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    paint(tmp_path / "P" / "red.png", "red", 1)
    with Collection.open(tmp_path / "P" / ".diptych", "mini", write=True) as collection:
        collection.add(tmp_path / "P", workers=1)
    return tmp_path / "P"


def run(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "diptych.app.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    return done


def chosen(album: Path, wins: int, losses: int) -> None:
    """So many queries in which the second order won, and lost."""
    with Collection.open(album / ".diptych", write=True) as collection:
        if collection.experiment.running is None:
            collection.experiment.begin("keywords=0.2")
        (item,) = collection.ids()
        for number in range(wins + losses):
            collection.experiment.record("second" if number < wins else "first", "anna", f"q{number}", item, "click")


@pytest.mark.parametrize(
    ("wins", "losses", "advice"),
    [
        (0, 0, "not enough yet: 0 queries decided"),
        (12, 0, "not enough yet: 12 queries decided"),  # p < .001, and too few to say so
        (20, 16, "not enough yet: 36 queries decided"),
        (30, 10, "switch: people choose keywords=0.2"),
        (10, 30, "keep what there is: people choose it before keywords=0.2"),
    ],
)
def test_it_says_what_to_do(album: Path, wins: int, losses: int, advice: str) -> None:
    chosen(album, wins, losses)
    told = json.loads(run("experiment", album, "--json").stdout)
    assert (told["wins"], told["losses"], told["ties"], told["advice"]) == (wins, losses, 0, advice)
    assert told["against"] == "keywords=0.2" and told["since"].endswith("+00:00") and told["ended"] is False
    lines = dict(line.split("\t") for line in run("experiment", album).stdout.splitlines())
    assert lines["advice"] == advice and lines["wins, losses, ties"] == f"{wins}, {losses}, 0"


def test_it_ends_with_its_result(album: Path) -> None:
    chosen(album, 3, 1)
    assert json.loads(run("experiment", album, "--end", "--json").stdout)["wins"] == 3
    again = run("experiment", album, code=2).stderr
    assert again.count("\n") == 1 and "no experiment" in again and "--against" in again


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ("keywords=2", "give a number from 0 to 1"),
        ("diverse=much", "give a number from 0 to 1"),
        ("reranker=perhaps", "no collection there, and no setting such as"),
        ("siglip-b16", "diptych index FOLDER --collection OTHER --model NAME"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(album: Path, against: str, said: str) -> None:
    refused = run("serve", album, "--port", "0", "--against", against, code=2).stderr
    assert refused.count("\n") == 1 and said in refused
    with Collection.open(album / ".diptych") as collection:
        assert collection.experiment.running is None


def test_another_experiment_and_several_folders_are_refused(album: Path) -> None:
    chosen(album, 1, 0)
    refused = run("serve", album, "--port", "0", "--against", "diverse=0.3", code=2).stderr
    assert refused.count("\n") == 1 and "end it first" in refused
    assert "name one folder" in run("serve", album, album, "--against", "diverse=0.3", code=2).stderr
