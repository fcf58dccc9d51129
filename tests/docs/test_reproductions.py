"""Rows are commands that parse, cover every method, and a figure that moves is told."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from itertools import chain

import numpy as np
import pytest
import typer.main

from diptych import catalogue
from diptych.app.cli import app
from diptych.metrics import measures

KEYS = (
    "command",
    "title",
    "expected",
    "tolerance",
    "untrained",
    "without",
    "seeds",
    "half",
    "flatters",
    "codes",
    "paper",
    "why",
)
SECONDS = 7
"""What a fit may take to be run again by every test run."""


@pytest.fixture(scope="module")
def rows(generate):
    return [row for file in generate.load_rows().values() for row in file["row"]]


@cache
def commands() -> dict:
    return typer.main.get_command(app).commands  # made anew whenever it is asked for


def parsed(command: str) -> dict:
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("diptych", "evaluate")
    return commands()[name].make_context(name, arguments).params


def is_default(method: str, setting: str) -> bool:
    """Whether a setting need not be explained: it is the default, or how long a code is."""
    name, _, value = setting.partition("=")
    return name == "bits" or str(catalogue.method(method)().settings()[name]).lower() == value


def test_every_row_is_a_command_on_a_known_dataset_with_known_measures(rows, generate):
    for row in rows:
        asked = parsed(row["command"])
        catalogue.method(asked["method"])
        catalogue.dataset(asked["dataset"]).card.protocol(asked["protocol"])
        assert row.get("tolerance", 0) > 0 or "half" in row
        told = [generate.figures(row, key).items() for key in ("expected", "untrained", "without", "paper", "half")]
        for metric, figures in chain.from_iterable(told):
            measures.known(metric)
            assert len(figures) == 2 and all(0 <= figure <= 1 for figure in figures)
        assert row.keys() <= {*KEYS}
        assert "paper" not in row or row["why"]
        settings = re.findall(r"--set (\S+)", row["command"])
        assert row.get("why") or all(is_default(asked["method"], word) for word in settings), row["command"]
        assert ("unified=true" in settings) == (row.get("codes") == "unified")
        assert ("seeds" in row) == ("half" in row) and row.get("seeds", 2) >= 2
        assert "--seed" not in row["command"] or "seeds" not in row
        for way in generate.WAYS:
            for command in generate.asked(row, way):
                parsed(command)
        if "without" in row:
            assert generate.figures(row, "without").keys() <= row["expected"].keys() and row["without"]["set"]
        assert not (row.get("flatters") and "title" in row), "what was chosen on its own set is no headline"
        assert row.get("flatters", False) == ("flatters" in row.get("why", "")), row["command"]


def test_every_method_has_a_row(rows):
    assert {parsed(row["command"])["method"] for row in rows} == set(catalogue.methods())


def test_commands_are_told_once(rows):
    commands = [row["command"] for row in rows]
    assert len(set(commands)) == len(commands)


def test_what_was_measured_last_is_within_tolerance(rows, generate):
    measured = generate.load_measured()
    assert {command for row in rows for command in generate.asked(row)} <= measured.keys(), "run `make reproduce`"
    known = {command for row in rows for way in generate.WAYS for command in generate.asked(row, way)}
    assert measured.keys() <= known
    assert [line for row in rows for line in generate.off(row, measured)] == []


def made_up(**changes):
    row = {
        "command": "diptych evaluate acmr --dataset wikipedia",
        "expected": {"map@all": [0.30, 0.20]},
        "tolerance": 0.005,
        "untrained": {"map@all": [0.12, 0.12]},
        "without": {"set": "--set adversary=0", "map@all": [0.25, 0.20]},
    }
    return row | changes


def gave(i2t, t2i):
    seconds, sides = {"fit": 2.0}, {"i2t": {"map@all": i2t}, "t2i": {"map@all": t2i}}
    return {**sides, "seconds": seconds, "seed": 0, "versions": {}}


def test_what_is_solved_for_in_turn_is_untrained_where_it_starts(generate):
    row = made_up(command="diptych evaluate scratch --dataset wikipedia")
    assert generate.asked(row, "untrained") == ["diptych evaluate scratch --dataset wikipedia --set rounds=0"]


def test_untrained_and_without_are_checked_too_once_they_ran(generate):
    row = made_up()
    command = row["command"]
    assert [generate.asked(row, way) for way in generate.WAYS] == [
        [command],
        [f"{command} --set epochs=0"],
        [f"{command} --set adversary=0"],
    ]
    measured = {command: gave(0.302, 0.199)}
    assert generate.off(row, measured) == []
    measured[f"{command} --set epochs=0"] = gave(0.30, 0.12)
    measured[f"{command} --set adversary=0"] = gave(0.25, 0.19)
    wrong = generate.off(row, measured)
    assert len(wrong) == 2 and wrong[0].startswith("untrained: i2t map@all is 0.3, expected 0.12 ±")
    assert wrong[1].startswith("without: t2i map@all is 0.19")
    assert generate.worth(row, measured, "map@all") == "+5.2 / +0.9"


def test_seeds_give_a_mean_whose_interval_is_the_tolerance(generate):
    row = made_up(seeds=5, half={"map@all": [0.02, 0.01]})
    del row["tolerance"]
    ways = [generate.asked(row, way) for way in generate.WAYS]
    assert [len(commands) for commands in ways] == [5, 5, 5] and ways[0][3].endswith("--dataset wikipedia --seed 3")
    values = np.array([0.28, 0.29, 0.30, 0.31, 0.32])
    measured = {command: gave(value, 0.20) for command, value in zip(ways[0], values, strict=True)}
    assert generate.off(row, measured) == []
    assert generate.half_interval(values[:, None]) == pytest.approx(2.776445 * values.std(ddof=1) / 5**0.5)
    measured |= {command: gave(value - 0.05, 0.20) for command, value in zip(ways[2], values, strict=True)}
    assert generate.worth(row, measured, "map@all") == "+5.0 ± 0.0 / +0.0 ± 0.0"  # paired: what seeds share is gone
    measured |= {command: gave(0.33, 0.20) for command in ways[0]}
    assert [line.split(" is ")[0] for line in generate.off(row, measured)] == ["i2t map@all"]
    del measured[ways[0][2]]
    assert generate.off(row, measured) == [] and generate.worth(row, measured, "map@all") == "–"


def test_the_page_shows_what_an_idea_is_worth_and_which_rows_flatter(generate, tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "REPRODUCTIONS", tmp_path)
    (tmp_path / "wikipedia.toml").write_text(
        'title = "Wikipedia"\nabout = "Made up."\n[[row]]\ncommand = "diptych evaluate acmr --dataset wikipedia"\n'
        'expected = { "map@all" = [0.3, 0.2] }\nseeds = 2\nhalf = { "map@all" = [0.02, 0.01] }\nflatters = true\n'
        'without = { set = "--set adversary=0", "map@all" = [0.25, 0.2] }\n'
    )
    row = generate.load_rows()["wikipedia"]["row"][0]
    found = {
        command: gave(0.3 - shift, 0.2)
        for way, shift in (("expected", 0.0), ("without", 0.05))
        for command in generate.asked(row, way)
    }
    (tmp_path / "measured.json").write_text(json.dumps(found))
    assert "| acmr | Wikipedia | `--set adversary=0` | map@all | 30.0 / 20.0 | 25.0 / 20.0 | +5.0 ± 0.0" in (
        generate.ablations()
    )
    page = generate.reproductions()
    assert "Flatters: chosen on this very set." in page and "| 0–1 |" in page and "30.0 / 20.0 ± 2.0" in page


def test_rows_to_check_are_drawn_by_the_day(reproduce):
    rows = [{"command": str(number)} for number in range(40)]
    one, again, other = (reproduce.drawn(rows, 3, day) for day in ("2026-01-01", "2026-01-01", "2026-01-02"))
    assert one == again != other and len(one) == 3
    days = [reproduce.drawn(rows, 3, f"2026-{month:02}-{day:02}") for month in range(1, 7) for day in range(1, 29)]
    assert {row["command"] for drawn in days for row in drawn} == {row["command"] for row in rows}


def test_a_figure_that_moved_fails_and_one_whose_data_is_absent_is_kept(
    generate, reproduce, tmp_path, monkeypatch, capsys
):
    from diptych import postcards

    world = tmp_path / "data" / "small"
    postcards.write(world, 40, workers=1)
    command = f"diptych evaluate cca --dataset {world}/scenes.jsonl --image-features colour"
    gone = "diptych evaluate cca --dataset wikipedia"
    row = '[[row]]\ncommand = "{}"\nexpected = {{ "r@10" = [{}, {}] }}\ntolerance = 0.001\n'
    home = tmp_path / "reproductions"
    home.mkdir()
    monkeypatch.setattr(generate, "REPRODUCTIONS", home)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setenv("DIPTYCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    kept = {"i2t": {"r@10": 0.5}, "t2i": {"r@10": 0.5}, "seconds": {"fit": 1.0}, "seed": 0, "versions": {}}
    (home / "measured.json").write_text(json.dumps({gone: kept}))

    def write(figure):
        head = 'title = "Small"\nabout = "Small."\n'
        (home / "small.toml").write_text(head + row.format(command, *figure) + row.format(gone, 0.5, 0.5))

    write((0.0, 0.0))
    assert reproduce.main([]) == 1
    told = capsys.readouterr().out
    assert "OFF: i2t r@10" in told and "skipped, wikipedia/ is not in $DIPTYCH_DATA" in told
    measured = json.loads((home / "measured.json").read_text())
    assert measured[gone] == kept
    write((measured[command]["i2t"]["r@10"], measured[command]["t2i"]["r@10"]))
    assert reproduce.main(["small"]) == 0
    capsys.readouterr()
    assert reproduce.main(["small", "--missing"]) == 0
    assert f"[1/2] {command}" not in capsys.readouterr().out  # it ran before
    before = (home / "measured.json").read_bytes()
    assert reproduce.main(["small", "--check", "5"]) == 0
    assert "1 rows of" in capsys.readouterr().out and (home / "measured.json").read_bytes() == before
    write((0.0, 0.0))
    assert reproduce.main(["small", "--check", "1", "--day", "2026-01-01"]) == 1
    assert "1 rows of 2026-01-01 ran, 1 left" in capsys.readouterr().out
    assert reproduce.main(["small", "--check", "1", "--most", "0"]) == 1
    assert reproduce.main(["smal"]) == 2


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(catalogue.methods()))
def test_the_published_set_gives_the_expected_figures(name, rows, generate, reproduce):
    row = next(row for row in rows if row["command"].startswith(f"diptych evaluate {name} --dataset wikipedia"))
    if reason := reproduce.absent(row["command"]):
        pytest.skip(reason)
    measured, commands = generate.load_measured(), generate.asked(row)
    if (seconds := sum(measured[command]["seconds"]["fit"] for command in commands)) > SECONDS:
        pytest.skip(f"fitting takes {seconds:.0f} s; `make reproduce` runs it")
    assert generate.off(row, {command: reproduce.run(command) for command in commands}) == []
