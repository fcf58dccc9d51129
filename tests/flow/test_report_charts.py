"""The curves of a ranking, and where a chart puts them."""

import numpy as np
import pytest

from diptych.flow.evaluate import Direction
from diptych.flow.report.charts import CURVE_POINTS, Chart, Curves, Line
from diptych.kinds import Listed, SharedLabels, cosine
from diptych.metrics import measures, ranking


def test_curves_gathered_block_by_block_are_those_of_the_whole_ranking(monkeypatch):
    rng = np.random.default_rng(2)
    queries, items = cosine.normalise(rng.normal(size=(40, 6))), cosine.normalise(rng.normal(size=(70, 6)))
    labels = rng.random((110, 5)) < 0.3
    labels[:5] = False  # queries that nothing answers
    qrels = SharedLabels(labels[:40], labels[40:])
    whole = ranking.rank(queries, items, cosine, qrels)
    monkeypatch.setattr(ranking, "DENSE_BLOCK", 7 * 70)
    curves = Curves.of(Direction(queries, items, qrels, cosine, np.arange(40)), "expected")
    assert curves.cutoffs.tolist() == list(range(1, 71))
    precision, recall = measures.rank_curve([whole], curves.cutoffs)
    np.testing.assert_allclose(curves.precision, precision, atol=1e-12)
    np.testing.assert_allclose(curves.recall, recall, atol=1e-12)
    np.testing.assert_allclose(curves.interpolated, measures.interpolated_precision([whole])[1], atol=1e-12)
    np.testing.assert_array_equal(np.isnan(curves.quality), whole.relevant == 0)


def test_a_chart_of_many_ranks_is_drawn_with_few_points_from_the_first_to_the_last():
    items = cosine.normalise(np.random.default_rng(0).normal(size=(3000, 4)))
    qrels = Listed([0, 1, 2], [0, 1, 2], "abc", list(map(str, range(3000))))
    direction = Direction(items[:3], items, qrels, cosine, np.arange(3))
    curves = Curves.of(direction, "expected")
    assert curves.cutoffs[0] == 1 and curves.cutoffs[-1] == 3000 and len(curves.cutoffs) <= CURVE_POINTS
    assert curves.recall[-1] == 1.0


@pytest.mark.parametrize("highest", [1e-5, 0.0031, 0.099, 0.1, 0.34, 0.5, 0.77, 1.0])
def test_ticks_are_few_and_round_and_reach_just_over_the_highest_value(highest):
    chart = Chart("t", "recall", "precision", (Line("i2t", np.array([0.0, 1.0]), np.array([0.0, highest])),))
    values = [float(label) for _, label in chart.y_ticks]
    assert 3 <= len(values) <= 6 and values[0] == 0
    assert values[-2] < highest <= values[-1] * (1 + 1e-9)
    np.testing.assert_allclose(np.diff(values), values[1], rtol=1e-6)


def test_points_of_a_chart_stand_where_axes_say_and_holes_are_left_out():
    line = Line("i2t", np.array([1, 10, 100]), np.array([1.0, np.nan, 0.5]))
    chart = Chart("t", "N", "precision", (line,), log=True)
    of_x, of_y = ({label: at for at, label in ticks} for ticks in (chart.x_ticks, chart.y_ticks))
    assert chart.points(line) == [
        (pytest.approx(of_x["1"], abs=0.06), pytest.approx(of_y["1"], abs=0.06)),
        (pytest.approx(of_x["100"], abs=0.06), pytest.approx((of_y["0.4"] + of_y["0.6"]) / 2, abs=0.06)),
    ]
    assert "1 at 1" in chart.alt and "0.5 at 100" in chart.alt
