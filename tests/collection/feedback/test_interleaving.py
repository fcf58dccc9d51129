"""Team draft, against what the paper says of it and what a fair coin does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from diptych.collection import Collection, interleave
from diptych.collection.feedback.interleaving import comparison
from diptych.kinds import BadInput, cosine


def test_two_orders_become_one():
    shown = interleave([1, 2, 3, 4], [3, 1, 5], seed=0)
    assert sorted(shown.ids) == [1, 2, 3, 4, 5] and set(shown.ids[:2]) <= {1, 2, 3}
    assert shown == interleave([1, 2, 3, 4], [3, 1, 5], seed=0)
    assert len({interleave([1, 2, 3, 4], [3, 1, 5], seed=seed).ids for seed in range(20)}) > 1
    for seed in range(30):
        shown = interleave(list(range(10)), list(range(20, 8, -1)), seed, k=9)
        assert len(shown.ids) == 9 and abs(shown.teams.count("first") - shown.teams.count("second")) <= 1
        for team, order in (("first", list(range(10))), ("second", list(range(20, 8, -1)))):
            mine = [id for id, of in zip(shown.ids, shown.teams, strict=True) if of == team]
            assert mine == [id for id in order if id in mine], "each in its own order"


def test_an_order_at_its_end_leaves_the_rest_to_the_other():
    assert interleave([1], [1, 2, 3], seed=1).ids == (1, 2, 3)
    assert interleave([], [], seed=1).ids == () and interleave([7], [], seed=1, k=5).teams == ("first",)
    with pytest.raises(BadInput, match="first: an id stands there twice"):
        interleave([1, 1], [2], seed=0)
    with pytest.raises(BadInput, match="winners: 'third'; give 'first' or 'second'"):
        comparison(["first", "third"])  # type: ignore[list-item]


def test_both_have_every_rank_as_often():
    share = np.zeros(8)
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        teams = interleave(rng.permutation(20).tolist(), rng.permutation(20).tolist(), seed, k=8).teams
        share += [team == "first" for team in teams]
    assert np.abs(share / 2000 - 0.5).max() < 4 * 0.5 / np.sqrt(2000)


def test_who_is_opened_more_often_wins():
    shown = interleave([1, 2], [3, 4], seed=0)
    first = [id for id, team in zip(shown.ids, shown.teams, strict=True) if team == "first"]
    assert shown.winner(first) == "first" and shown.winner(set(shown.ids) - set(first)) == "second"
    assert shown.winner([]) is None and shown.winner([*shown.ids, 99]) is None
    assert shown.winner([first[0], first[0]]) == "first" and shown.credit([first[0]] * 2) == {"first": 1, "second": 0}


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (9, 1), (12, 9), (50, 50), (700, 620), (0, 6)])
def test_the_sign_test_is_that_of_scipy(wins, losses):
    found = comparison(["second"] * wins + ["first"] * losses + [None] * 3)
    assert (found.wins, found.losses, found.ties) == (wins, losses, 3)
    if not wins + losses:
        assert (found.p, found.preference, found.low, found.high) == (1.0, 0.5, 0.0, 1.0)
        return
    wanted = binomtest(wins, wins + losses)
    interval = wanted.proportion_ci(0.95, "exact")
    assert found.p == pytest.approx(wanted.pvalue) and found.preference == wins / (wins + losses)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_a_collection_says_who_won(tmp_path):
    with Collection.open(tmp_path / "c", space=cosine, width=4, write=True) as collection:
        shown = interleave([1, 2], [2, 1], seed=3)
        winner = collection.feedback.credit(shown, [shown.ids[0]])
        assert winner == shown.teams[0] and collection.feedback.comparison([winner]).p == 1.0


def test_rankers_that_are_the_same_are_told_apart_one_time_in_twenty_and_a_better_one_is_found(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "bench"))
    import feedback as bench

    rng = np.random.default_rng(1)
    false = np.mean([bench.experiment(rng, swaps=0, queries=40) < 0.05 for _ in range(120)])
    assert false <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)
    assert np.mean([bench.experiment(rng, swaps=300, queries=80) < 0.05 for _ in range(10)]) >= 0.9
