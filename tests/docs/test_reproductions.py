"""Rows are commands that parse, cover every method, and a figure that moves is told."""

from __future__ import annotations

import json
import shlex
from itertools import chain

import pytest
import typer.main

from diptych import catalogue
from diptych.app.cli import app
from diptych.metrics import measures

SECONDS = 7
"""What a fit may take to be run again by every test run."""


@pytest.fixture(scope="module")
def rows(generate):
    return [row for file in generate.load_rows().values() for row in file["row"]]


def parsed(command: str) -> dict:
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("diptych", "evaluate")
    return typer.main.get_command(app).commands[name].make_context(name, arguments).params


def test_every_row_is_a_command_on_a_known_dataset_with_known_measures(rows):
    for row in rows:
        asked = parsed(row["command"])
        catalogue.method(asked["method"])
        catalogue.dataset(asked["dataset"]).card.protocol(asked["protocol"])
        assert row["tolerance"] > 0
        told = [row.get(key, {}).items() for key in ("expected", "untrained", "paper")]
        for metric, figures in chain.from_iterable(told):
            measures.known(metric)
            assert len(figures) == 2 and all(0 <= figure <= 1 for figure in figures)
        assert row.keys() <= {"command", "title", "expected", "tolerance", "untrained", "paper", "why"}
        assert "paper" not in row or row["why"]


def test_every_method_has_a_row(rows):
    assert {parsed(row["command"])["method"] for row in rows} == set(catalogue.methods())


def test_commands_are_told_once(rows):
    commands = [row["command"] for row in rows]
    assert len(set(commands)) == len(commands)


def test_what_was_measured_last_is_within_tolerance(rows, generate):
    measured = generate.load_measured()
    assert {row["command"] for row in rows} == measured.keys(), "run `make reproduce`"
    assert [line for row in rows for line in generate.off(row, measured[row["command"]])] == []


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
    assert reproduce.main(["smal"]) == 2


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(catalogue.methods()))
def test_the_published_set_gives_the_expected_figures(name, rows, generate, reproduce):
    row = next(row for row in rows if row["command"].startswith(f"diptych evaluate {name} --dataset wikipedia"))
    if reason := reproduce.absent(row["command"]):
        pytest.skip(reason)
    if (seconds := generate.load_measured()[row["command"]]["seconds"]["fit"]) > SECONDS:
        pytest.skip(f"fitting takes {seconds:.0f} s; `make reproduce` runs it")
    assert generate.off(row, reproduce.run(row["command"])) == []
