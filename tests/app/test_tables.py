"""Tables at a terminal and in a pipe."""

import re
from dataclasses import replace

import pytest

from diptych.app import tables
from diptych.catalogue import Dataset, MethodFacts
from diptych.flow.report import Difference
from diptych.kinds import Card, Protocol, Report


def report(method: str = "cca", r1: float = 0.25) -> Report:
    return Report(
        method=method,
        dataset="emoji",
        protocol="pairs",
        seed=7,
        i2t={"map@all": 0.1234, "r@1": r1, "medr": 12.5},
        t2i={"map@all": 1.0, "r@1": 0.051, "medr": 3.0},
        seconds={"fit": 1.25, "score": 0.5},
        bytes_per_item=8,
        versions={},
        protocol_text="test against test, relevant by pair, trained on train",
        counts={"queries": 330, "texts": 660},
        intervals={"i2t": {"r@1": [0.2, 0.3123], "medr": [10.0, 14.0]}},
    )


def plain(capsys) -> tuple[list[list[str]], list[str]]:
    """Cells of the table's lines and the captions, as a pipe sees them."""
    lines = capsys.readouterr().out.splitlines()
    assert not any("\x1b" in line or re.search("[│┃━─]", line) for line in lines)
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if not line.startswith("#")]
    return rows, [line for line in lines if line.startswith("#")]


def test_numbers_are_percent_but_ranks_are_not_and_the_protocol_is_named(capsys):
    tables.numbers(report())
    rows, captions = plain(capsys)
    assert rows[0] == ["metric", "i2t %", "95 % interval", "t2i %", "95 % interval"]
    assert rows[1:] == [
        ["map@all", "12.3", "100.0"],
        ["r@1", "25.0", "[20.0, 31.2]", "5.1"],
        ["medr (rank)", "12.5", "[10.0, 14.0]", "3.0"],
    ]
    assert "# protocol pairs: test against test, relevant by pair, trained on train" in captions
    assert any("330 pictures against 660 texts, ties expected, seed 7" in line for line in captions)


def test_rsum_is_printed_in_percent_where_it_was_measured(capsys):
    tables.numbers(replace(report(), rsum=3.1416))
    assert "# rsum 314.2 of 600 (r@1, r@5 and r@10, both directions)" in plain(capsys)[1]
    tables.numbers(report())
    assert not any("rsum" in line for line in plain(capsys)[1])


def test_figures_in_a_pipe_stand_under_each_other(capsys):
    tables.numbers(report())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].index("i2t %") + 5 == lines[1].index("12.3") + 4 == lines[2].index("25.0") + 4


def test_a_terminal_gets_colour_and_lines_and_a_pipe_does_not(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    tables.numbers(report())
    tables.several([report(), report("a_long_method_name")])
    shown = capsys.readouterr().out
    assert "\x1b[" in shown and "──" in shown and "protocol pairs" in shown
    words = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "25.0*" in words and "[20.0, 31.2]" in words and "…" not in words


def test_several_reports_are_rows_with_the_best_of_each_column_marked(capsys):
    tables.several([report("cca", 0.25), report("scm", 0.4)])
    rows, captions = plain(capsys)
    assert rows[0] == ["method", "i2t map@all", "i2t r@1", "t2i map@all", "t2i r@1", "seconds"]
    assert rows[1] == ["cca", "12.3*", "25.0", "100.0*", "5.1*", "1.8"]
    assert rows[2] == ["scm", "12.3*", "40.0*", "100.0*", "5.1*", "1.8"]
    assert any("protocol pairs" in line for line in captions) and "percent" in captions[0]


def test_differences_carry_their_sign_their_interval_and_p(capsys):
    rows = [
        Difference("i2t", "r@1", 0.3, 0.25, 0.05, -0.01, 0.11, 0.08, 330, 0.08),
        Difference("t2i", "medr", 4.0, 6.5, -2.5, -3.0, -2.0, 0.0001, 660, 0.0002),
    ]
    tables.comparison(rows, "a.json", "b.json")
    cells, captions = plain(capsys)
    assert cells[1] == ["i2t", "r@1", "30.0", "25.0", "+5.0", "[-1.0, +11.0]", "0.0800", "0.0800", "330"]
    assert cells[2] == ["t2i", "medr (rank)", "4.0", "6.5", "-2.5", "[-3.0, -2.0]", "0.0001", "0.0002", "660"]
    assert "# a: a.json" in captions and "# b: b.json" in captions
    assert any("evaluate anew" in line for line in captions)
    tables.comparison([replace(row, pictures=66) for row in rows], "a.json", "b.json")
    _, captions = plain(capsys)
    assert any("one cluster" in line for line in captions) and not any("evaluate anew" in line for line in captions)


def test_of_more_than_two_reports_each_is_held_against_the_first(capsys):
    rows = [
        Difference("i2t", "r@1", 0.3, 0.25, 0.05, -0.01, 0.11, 0.02, 330, 0.06, 1),
        Difference("i2t", "r@1", 0.3, 0.35, -0.05, -0.11, 0.01, 0.03, 330, 0.06, 2),
        Difference("i2t", "medr", 4.0, 6.5, -2.5, -3.0, -2.0, 0.0001, 660, 0.0003, 2),
    ]
    tables.comparison(rows, "x.json", "y.json", "z.json")
    cells, captions = plain(capsys)
    assert cells[0] == ["direction", "metric", "a %", "b %", "a - b", "holm", "c %", "a - c", "holm"]
    assert cells[1] == ["i2t", "r@1", "30.0", "25.0", "+5.0", "0.0600", "35.0", "-5.0", "0.0600"]
    assert cells[2] == ["i2t", "medr (rank)", "4.0", "–", "–", "–", "6.5", "-2.5", "0.0003"]
    assert {"# a: x.json", "# b: y.json", "# c: z.json"} <= set(captions) and any("Holm" in line for line in captions)


@pytest.mark.parametrize(("width", "least"), [("60", 4), ("200", 2)])
def test_listings_fold_long_words_at_a_terminal_and_lose_none(capsys, monkeypatch, width, least):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", width)
    paper = "Canonical correlation analysis (Hotelling 1936; for retrieval Hardoon, Szedmak & Shawe-Taylor [2004])."
    tables.methods([MethodFacts("cca", "subspace", "pairs", "cosine", paper, 1936)])
    words = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert len(words.splitlines()) >= least
    assert all(word in words.split() for word in paper.split()) and "cosine" in words


def test_listings_in_a_pipe_are_one_line_each(capsys):
    facts = [MethodFacts("cca", "subspace", "pairs", "cosine", "A paper [2004].", 1936)]
    tables.methods([*facts, MethodFacts("new", "deep", "labels", "hamming", "No year.", 0)])
    rows, captions = plain(capsys)
    assert rows[1] == ["cca", "subspace", "pairs", "cosine", "full", "1936", "A paper [2004]."]
    assert rows[2] == ["new", "deep", "labels", "hamming", "full", "No year."]
    assert captions == ["# 2 methods"]
    protocols = (
        Protocol("pairs", "train", "test", "test", "pair"),
        Protocol("labels", "train", "test", "all", "label"),
    )
    card = Card("emoji", "Emoji", "https://x", "free", "cite", {"train": 10, "test": 2}, protocols)
    tables.datasets([Dataset(card, lambda split: pytest.fail(split))])
    rows, captions = plain(capsys)
    assert rows[1] == ["emoji", "Emoji", "train 10, test 2", "pairs, labels", "free"]
