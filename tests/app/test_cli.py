"""The command line as people and scripts meet it: promised names and keys, one line for bad input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Run

from diptych import postcards

NUMBERS = ("map@all", "map@50", "r@1", "r@5", "r@10")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "cards"
    postcards.write(folder, 150)
    return folder / "scenes.jsonl"


def asked(world: Path, *more: str | Path) -> list[str | Path]:
    return ["evaluate", "cca", "--dataset", world, "--image-features", "colour", *more]


def test_evaluate_prints_the_promised_json(world: Path, here: Run) -> None:
    answer = here(*asked(world, "--json", "--set", "dims=16", "--seed", "3"))
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["method"], report["dataset"], report["protocol"], report["seed"]) == ("cca", "scenes", "pairs", 3)
    for direction in ("i2t", "t2i"):
        assert set(NUMBERS) <= set(report[direction])
        assert all(0 <= report[direction][name] <= 1 for name in NUMBERS)
    assert {"fit", "encode", "score"} <= set(report["seconds"])
    assert report["bytes_per_item"] == 16 * 4
    assert report["versions"]["diptych"]
    assert report["rsum"] == sum(report[side][f"r@{k}"] for side in ("i2t", "t2i") for k in (1, 5, 10))
    assert report["trained_on"]["split"] == "train" and len(report["data"]) == 16
    assert report["settings"]["dims"] == 16


def test_a_pipe_gets_plain_text_with_the_protocol(world: Path) -> None:
    command = [sys.executable, "-m", "diptych.app.cli", *map(str, asked(world))]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "pairs" in answer.stdout and "map@all" in answer.stdout
    assert "\x1b" not in answer.stdout and "│" not in answer.stdout
    assert answer.stderr == ""


def test_a_fitted_folder_is_measured_as_it_is(world: Path, tmp_path: Path, here: Run) -> None:
    fitted = here("fit", "cca", "--dataset", world, "--image-features", "colour", "--out", tmp_path / "cca")
    assert fitted.returncode == 0, fitted.stderr
    same = json.loads(here("evaluate", tmp_path / "cca", "--dataset", world, "--split", "test", "--json").stdout)
    fresh = json.loads(here(*asked(world, "--json")).stdout)
    assert {k: v for k, v in same.items() if k in ("i2t", "t2i")} == {k: fresh[k] for k in ("i2t", "t2i")}
    everything = json.loads(here("evaluate", tmp_path / "cca", "--dataset", world, "--json").stdout)
    assert (
        everything["counts"]["queries"] == 150
        and "asked about pictures it was trained on" in everything["protocol_text"]
    )


def test_compare_tells_the_difference_with_its_interval(world: Path, tmp_path: Path, here: Run) -> None:
    for name, dims in (("a", "32"), ("b", "2")):
        (tmp_path / f"{name}.json").write_text(here(*asked(world, "--json", "--set", f"dims={dims}")).stdout)
    answer = here("compare", tmp_path / "a.json", tmp_path / "b.json", "--json")
    assert answer.returncode == 0, answer.stderr
    rows = {(row["direction"], row["metric"]): row for row in json.loads(answer.stdout)}
    row = rows["t2i", "r@10"]
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["difference"] > 0 and row["p"] < 0.05
    table = here("compare", tmp_path / "a.json", tmp_path / "b.json")
    assert table.returncode == 0 and "r@10" in table.stdout
    (tmp_path / "c.json").write_text(here(*asked(world, "--json", "--set", "dims=16")).stdout)
    three = here("compare", *(tmp_path / f"{name}.json" for name in "abc"), "--json")
    told = {(row["direction"], row["metric"], Path(row["report"]).stem): row for row in json.loads(three.stdout)}
    assert {name for *_, name in told} == {"b", "c"}
    assert told["t2i", "r@10", "b"]["p"] == row["p"] <= row["holm"] <= told["t2i", "r@10", "b"]["holm"]
    assert {metric for _, metric, _ in told} >= {"medr", "map@all"}
    assert "a - c" in here("compare", *(tmp_path / f"{name}.json" for name in "abc")).stdout


def test_out_writes_a_report_and_runs(world: Path, tmp_path: Path, here: Run) -> None:
    answer = here(*asked(world, "--out", tmp_path / "out"))
    assert answer.returncode == 0, answer.stderr
    page = (tmp_path / "out" / "report.html").read_text()
    assert "cca" in page and "<svg" in page and "data:image/jpeg" in page
    assert (tmp_path / "out" / "report.json").exists()
    assert len((tmp_path / "out" / "i2t.run").read_text().splitlines()) == 30 * 100
    assert here(*asked(world, "--out", tmp_path / "out", "--run-depth", "all")).returncode == 0
    assert len((tmp_path / "out" / "i2t.run").read_text().splitlines()) == 30 * 150
    assert len((tmp_path / "out" / "i2t.qrels").read_text().splitlines()) == 150


def test_listings_name_everything(here: Run) -> None:
    found = {row["name"]: row for row in json.loads(here("methods", "--json").stdout)}
    assert found["cca"]["family"] == "subspace" and found["cca"]["year"] == 1936 and found["cca"]["space"] == "cosine"
    cards = {row["name"]: row for row in json.loads(here("datasets", "--json").stdout)}
    assert {"postcards", "wikipedia", "flickr8k", "mirflickr25k"} <= set(cards)
    assert list(cards["wikipedia"]["protocols"]) == ["test", "hashing", "zero_shot"]
    assert "cca" in here("methods").stdout and "wikipedia" in here("datasets").stdout


def _table(folder: Path, rows: list[str]) -> Path:
    path = folder / "table.csv"
    path.write_text("image,caption\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["evaluate", "ccaa", "--dataset", "WORLD"], "'cca'"),
        (["evaluate", "cca", "--dataset", "flickr9k"], "'flickr8k'"),
        (["evaluate", "cca", "--dataset", "WORLD", "--set", "dim=3"], "'dims'"),
        (["evaluate", "cca", "--dataset", "WORLD", "--set", "dims=many"], "int"),
        (["evaluate", "cca", "--dataset", "WORLD", "--set", "dims"], "key=value"),
        (["evaluate", "cca", "--dataset", "WORLD", "--protocol", "pair"], "'pairs'"),
        (["evaluate", "cca", "--dataset", "WORLD", "--metrics", "mapp@all"], "map@all"),
        (["evaluate", "cca", "--dataset", "WORLD", "--ties", "expectd"], "'expected'"),
        (["evaluate", "cca", "--dataset", "WORLD", "--image-features", "color"], "'colour'"),
        (["evaluate", "cca", "--dataset", "WORLD", "--split", "tset"], "'test'"),
        (["evaluate", "cca", "--dataset", "wikipedia"], "$DIPTYCH_DATA"),
        (["evaluate", "cards", "--dataset", "WORLD"], "'cards' is no method and no fitted folder"),
        (["evaluate", "cca", "--dataset", "WORLD", "--seed", "-1"], "seed -1"),
        (["evaluate", "cca", "--dataset", "WORLD", "--metrics", "r@99999999999999999999"], "no measure"),
        (["evaluate", "cca", "--dataset", "WORLD", "--out", "WORLD"], "no folder can be made here"),
        (["fit", "cca", "--dataset", "WORLD", "--out", "WORLD"], "no folder can be made here"),
        (["evaluate", "cca", "--dataset", "WORLD", "--run-depth", "0"], "--run-depth 0: give a number of answers"),
        (["evaluate", "cca", "--dataset", "WORLD", "--run-depth", "deep"], "--run-depth deep"),
        (["compare", "a.json", "b.json"], "a.json"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(world: Path, arguments: list[str], named: str, here: Run) -> None:
    answer = here(*[str(world) if word == "WORLD" else word for word in arguments], DIPTYCH_DATA="")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    assert named in answer.stderr


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (["broken.png,a red boat", "0.png,a dog"], "broken.png"),
        (["nowhere.png,a red boat", "0.png,a dog"], "nowhere.png"),
        (["0.png,a dog", '1.png,"..."'], "text 1.png"),
    ],
)
def test_bad_rows_name_the_file(world: Path, tmp_path: Path, rows: list[str], named: str, here: Run) -> None:
    pictures = sorted((world.parent / "images").iterdir())[:8]
    for row, picture in enumerate(pictures):
        (tmp_path / f"{row}.png").write_bytes(picture.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    table = _table(tmp_path, [*rows, *(f"{row}.png,a boat number {row}" for row in range(2, 8))])
    answer = here("evaluate", "cca", "--dataset", table, "--image-features", "colour")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1 and named in answer.stderr, answer.stderr


def test_features_with_nan_and_unequal_rows_are_refused_by_name() -> None:
    from diptych.kinds import BadInput, Pairs

    with pytest.raises(BadInput, match="row 1 holds NaN"):
        Pairs(np.array([[0.0], [np.nan]]), np.zeros((2, 1)))
    with pytest.raises(BadInput, match="2 images against 3 texts"):
        Pairs(np.zeros((2, 1)), np.zeros((3, 1)))


def test_the_leaderboard_takes_reports_of_ones_own_and_makes_a_page(world: Path, here: Run, tmp_path: Path) -> None:
    assert here(*asked(world, "--out", tmp_path / "mine", "--metrics", "r@1")).returncode == 0
    answer = here("leaderboard", tmp_path / "mine", "-d", "scenes", "--json", "--out", tmp_path / "board.html")
    assert answer.returncode == 0, answer.stderr
    (line,) = json.loads(answer.stdout)
    assert (line["method"], line["metric"], line["source"]) == ("cca", "r@1", str(tmp_path / "mine"))
    assert "scenes" in (tmp_path / "board.html").read_text(encoding="utf-8")
    everything = here("leaderboard")
    assert "dcmh" in everything.stdout and "scenes" not in everything.stdout
    for wrong in (["-d", "nothing"], [tmp_path / "none"], ["--out", tmp_path / "no" / "board.html"]):
        refused = here("leaderboard", *wrong)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr


def test_robustness_tells_what_each_harm_costs(world: Path, here: Run) -> None:
    asked = ("robustness", "cca", "--dataset", world, "--image-features", "colour", "--protocol", "labels")
    answer = here(*asked, "--shares", "0.5", "--sizes", "0.2", "--json")
    assert answer.returncode == 0, answer.stderr
    trials = json.loads(answer.stdout)
    assert [trial["what"] for trial in trials] == ["nothing", "wrong pairs", "noise", "attack"]
    table = here(*asked, "--shares", "", "--sizes", "0.2").stdout
    assert "attack" in table and "towards" in table and "wrong pairs" not in table
    for wrong in (["--sizes", "far"], ["--shares", "2"], ["--protocol", "pairs"]):
        refused = here(*asked, *wrong)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
