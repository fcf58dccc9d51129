"""The comparison of two reports."""

from dataclasses import replace

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


def test_comparing_leaves_out_queries_without_an_answer_and_takes_the_mean_of_ranks():
    rows = compare(of([0.5, None, 1.0, 0.0]), of([0.0, 1.0, 1.0, None]))
    assert [row.metric for row in rows] == ["map@all", "meanr"]
    assert (rows[0].n, rows[0].a, rows[0].b, rows[0].difference) == (2, 0.75, 0.5, 0.25)


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
