"""The comparison of two reports."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from diptych.flow.report import compare
from diptych.kinds import BadInput, Report


def of(values: list, **changes) -> Report:
    blank = Report(
        method="cca", dataset="d", protocol="pairs", seed=0, i2t={}, t2i={}, seconds={}, bytes_per_item=1, versions={},
        counts={"queries": len(values)}, per_query={"i2t": {"map@all": values, "medr": values}},
    )  # fmt: skip
    return replace(blank, **changes)


def test_comparing_tells_a_real_difference_from_none():
    rng = np.random.default_rng(0)
    low = rng.random(200) / 2
    better, same = (
        compare(of((low + 0.2).tolist()), of(low.tolist()))[0],
        compare(of([1.0]), of([1.0]))[0],
    )
    assert better.difference == pytest.approx(0.2) and better.low == pytest.approx(0.2) and better.p < 0.001
    assert better.a - better.b == pytest.approx(better.difference)
    assert same.difference == 0 and same.p == 1


def test_comparing_leaves_out_queries_without_an_answer_and_medr_stays_medr():
    rows = compare(of([0.5, None, 1.0, 0.0, 9.0]), of([0.0, 1.0, 1.0, None, 2.0]))
    assert [row.metric for row in rows] == ["map@all", "medr"]
    assert (rows[0].n, rows[0].a, rows[0].b, rows[0].difference) == (3, 3.5, 1.0, 2.5)
    assert (rows[1].n, rows[1].a, rows[1].b, rows[1].difference) == (3, 1.0, 1.0, 0.0)


def test_the_first_is_compared_with_each_of_the_others_and_all_rows_are_corrected_for():
    rng = np.random.default_rng(1)
    low = rng.random(60)
    others = [low + shift + 0.3 * rng.standard_normal(60) for shift in (0.0, 0.1, 0.5)]
    rows = compare(of(low.tolist()), *(of(other.tolist()) for other in others))
    assert [(row.metric, row.against) for row in rows] == [(m, k) for m in ("map@all", "medr") for k in (1, 2, 3)]
    for row in rows:
        other = of(others[row.against - 1].tolist())
        alone = next(each for each in compare(of(low.tolist()), other) if each.metric == row.metric)
        assert replace(row, holm=0, against=1) == replace(alone, holm=0)
        assert row.p <= row.holm <= min(1, 6 * row.p)
    smallest = min(rows, key=lambda row: row.p)
    assert smallest.holm == pytest.approx(6 * smallest.p) and smallest.against == 3
    with pytest.raises(BadInput, match="nothing to be compared with"):
        compare(of([1.0]))
    with pytest.raises(BadInput, match="dataset differs"):
        compare(of([1.0]), of([1.0]), of([1.0], dataset="e"))


def test_texts_of_one_picture_change_places_together():
    rng = np.random.default_rng(2)
    picture = np.repeat(np.arange(30), 5)
    low = rng.random(150)
    high = low + 0.15 * rng.standard_normal(30)[picture] + 0.05
    owners = {"i2t": picture.tolist()}
    together = compare(of(high.tolist(), owners=owners), of(low.tolist(), owners=owners))[0]
    alone = compare(of(high.tolist()), of(low.tolist()))[0]
    means = [[side[picture == row].mean() for row in range(30)] for side in (high, low)]
    assert together.p == compare(*map(of, means))[0].p > 3 * alone.p
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert (together.n, together.pictures, alone.n, alone.pictures) == (150, 30, 150, None)
    # Both asked the same queries, so one report knows for the other, which was written before reports told.
    assert compare(of(high.tolist()), of(low.tolist(), owners=owners))[0] == together


def test_a_report_written_before_owners_were_kept_loads(tmp_path):
    facts = asdict(of([0.5, 1.0]))
    del facts["owners"]
    (tmp_path / "report.json").write_text(json.dumps(facts))
    assert Report.load(tmp_path).owners == {}
    of([0.5, 1.0], owners={"i2t": [0, 1]}).save(tmp_path / "report.json")
    assert Report.load(tmp_path).owners == {"i2t": [0, 1]}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"dataset": "e"}, "dataset"),
        ({"protocol": "labels"}, "protocol"),
        ({"protocol_text": "train against train"}, "protocol_text"),
        ({"ties": "stable"}, "ties"),
        ({"counts": {"queries": 3}}, "counts"),
        ({"data": "0123abcd"}, "data .names and texts of queries and items. differs"),
        ({"per_query": {"i2t": {"map@all": [0.1, 0.2, 0.3]}}}, "i2t map@all"),
        ({"per_query": {}}, "no metric in common"),
    ],
)
def test_reports_that_did_not_ask_the_same_are_not_compared(changes, name):
    with pytest.raises(BadInput, match=name):
        compare(of([0.1, 0.2]), of([0.1, 0.2], **changes))
