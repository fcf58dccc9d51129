"""Arguments of what fits and measures that look right: taken on purpose, or refused in one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diptych as d
from diptych.kinds import BadInput

ODD: list[Any] = [
    None, True, -1, 10**30, 2.5, float("nan"), "", "abc", b"abc", "\0", "\ud800", [], [None], ["abc"], [1.5], {},
    {"a": 1}, {1}, object(), int, np.float64(1), np.zeros(3), np.zeros((2, 3)), np.array("x"), 1j, Path("none"),
    lambda: 0, range(2), d.Method, (i for i in "ab"),
]  # fmt: skip

Calls = dict[str, tuple[Callable[..., Any], dict[str, Any]]]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Every call of the package's top that fits or measures, with arguments that are taken."""
    home = tmp_path_factory.mktemp("doors")
    rows = np.random.default_rng(0).standard_normal((40, 6))
    pairs = d.Pairs(rows, rows[:, :5] + 1)
    splits = {"train": pairs.select(range(30)), "test": pairs.select(range(30, 40))}
    protocol = {"name": "pairs", "train": "train", "query": "test", "database": "test", "relevance": "pair"}
    card = d.Card("mine", "t", "h", "m", "", {"train": 30, "test": 10}, (d.Protocol(**protocol),))
    mine = d.Dataset(card, splits.__getitem__)
    given = {"image_features": "given", "text_features": "given"}
    rules = {"dataset": mine, **given, "split": "", "protocol": "", "seed": 0}
    encoder = d.fit("cca", d.prepare(mine, **given), {"dims": "2"})
    encoder.save_pretrained(home / "fitted")
    report = d.evaluate(encoder, mine, metrics=["r@1"]).report
    report.save(home / "report.json")
    measured = {"method": "cca", **rules, "settings": None, "metrics": ["r@1"], "ties": "expected"}
    return {
        "prepare": (d.prepare, rules),
        "evaluate": (d.evaluate, measured),
        "fit": (d.fit, {"method": "cca", "dataset": d.prepare(mine, **given), "settings": None}),
        "compare": (lambda a, b: d.compare(a, b), {"a": report, "b": report}),
        "load": (d.load, {"name": home / "fitted", "modules": ()}),
        "from_pretrained": (d.Encoder.from_pretrained, {"folder": home / "fitted", "modules": ()}),
        "save_pretrained": (encoder.save_pretrained, {"folder": home / "again"}),
        "Report.load": (d.Report.load, {"path": home / "report.json"}),
        "Report.save": (report.save, {"path": home / "again.json"}),
        "Encoder.of": (d.Encoder.of, {"images": "given", "texts": "given", "method": encoder.method_}),
        "Encoder.fit": (d.Encoder.of("given", "given", encoder.method_).fit, {"train": pairs}),
        "Pairs": (d.Pairs, {"images": rows, "texts": rows, "owner": None, "labels": None, "image_ids": ()}),
        "select": (pairs.select, {"images": [1]}),
        "Card.protocol": (card.protocol, {"name": ""}),
        "Dataset": (d.Dataset, {"card": card, "read": splits.__getitem__}),
    }  # fmt: skip


NAMES = [
    "prepare", "evaluate", "fit", "compare", "load", "from_pretrained", "save_pretrained", "Report.load", "Report.save",
    "Encoder.of", "Encoder.fit", "Pairs", "select", "Card.protocol", "Dataset",
]  # fmt: skip


def test_every_call_is_tried(calls):
    assert {*NAMES} == {*calls}


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_argument_is_taken_or_refused_and_never_stumbled_over(calls, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, usual = calls[name]
    call(**usual)
    for parameter in usual:
        for odd in ODD:
            try:
                call(**{**usual, parameter: odd})
            except BadInput as error:
                assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize(("name", "parameter", "values"), [
    ("Pairs", "images", ["abc", b"abc", None, {"a": 1}, 5, list, np.array(1)]),
    ("Pairs", "texts", ["abc", None, 5]),
    ("select", "images", [[1, 1], [40], [-1], [1.5], "12", 5, None, [True, False], np.ones(40, bool), [[1]]]),
    ("evaluate", "split", ["tset", "\0", 5]),
    ("evaluate", "metrics", ["r@1", None, [5], b"r@1"]),
    ("evaluate", "seed", [True, 2.5, "1", None]),
    ("evaluate", "settings", ["dims=2", ["dims"]]),
    ("fit", "method", [d.ClosedForm, None, 5]),
    ("compare", "b", ["report.json", None, []]),
    ("load", "modules", ["my_package.methods", None]),
    ("Encoder.of", "method", ["cca", d.ClosedForm]),
])  # fmt: skip
def test_what_looks_right_and_is_not_is_refused(calls, name, parameter, values):
    call, usual = calls[name]
    for value in values:
        with pytest.raises(BadInput):
            call(**{**usual, parameter: value})


def test_what_cannot_be_written_is_refused_by_its_place(calls, tmp_path):
    (tmp_path / "file").touch()
    for name, parameter in (("save_pretrained", "folder"), ("Report.save", "path")):
        with pytest.raises(BadInput, match=f"file{os.sep}below"):
            calls[name][0](**{parameter: tmp_path / "file" / "below"})


def test_an_error_of_what_reads_a_split_stays_its_own(calls):
    def read(_: str) -> d.Pairs:
        raise KeyError("a column")

    with pytest.raises(KeyError, match="a column"):
        d.evaluate("cca", d.Dataset(calls["Dataset"][1]["card"], read), image_features="given", text_features="given")
