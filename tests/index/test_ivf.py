from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from diptych.index.flat import Flat
from diptych.index.ivf import IVF, _ladder
from diptych.index.refined import FEW, Drift
from diptych.kinds import Array, BadInput, Space, cosine, dot, l2

Cones = tuple[Array, Array, Array, Array]


def built(cones: Cones, space: Space = cosine, **settings: object) -> IVF:
    rows, train, tune, _ = cones
    index = IVF(space, rows.shape[1], **settings)  # type: ignore[arg-type]
    index.train(rows, train)
    index.add(np.arange(len(rows)) * 3, rows)
    index.tune(tune)
    return index


@pytest.fixture(scope="module")
def index(cones: Cones) -> IVF:
    return built(cones)


@pytest.fixture
def fresh(index: IVF, tmp_path: Path) -> IVF:
    """The same once more, to be changed."""
    index.save(tmp_path / "index")
    return IVF.load(tmp_path / "index")


def exact(cones: Cones, space: Space = cosine) -> Flat:
    flat = Flat(space, cones[0].shape[1])
    flat.add(np.arange(len(cones[0])) * 3, cones[0])
    return flat


def recall(found: Array, true: Array) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true, strict=True)]))


def test_recall_on_unseen_texts_is_what_was_asked_and_measured(cones: Cones, index: IVF) -> None:
    queries = cones[3]
    found = index.search(queries, 10)[1]
    reached = recall(found, exact(cones).search(queries, 10)[1])
    assert index.recall is not None and index.recall.value >= 0.95
    assert (index.recall.k, index.recall.queries, index.recall.rows) == (10, 500, 20_000)
    assert reached >= 0.95 and abs(reached - index.recall.value) < 0.03
    assert index.probes < index._lists.nlist / 2, "an index that reads most of the cells is no index"


@pytest.mark.parametrize("space", [dot, l2], ids=repr)
def test_other_spaces_reach_their_recall(cones: Cones, space: Space) -> None:
    rng = np.random.default_rng(4)
    lengths = rng.uniform(0.5, 2.0, (len(cones[0]), 1)).astype(np.float32)
    stretched = (cones[0] * lengths, *cones[1:])
    found = built(stretched, space).search(cones[3], 10)[1]
    assert recall(found, exact(stretched, space).search(cones[3], 10)[1]) >= 0.94


def test_where_no_setting_reaches_what_was_asked_the_best_is_kept() -> None:
    rng = np.random.default_rng(0)
    rows, queries = (rng.normal(size=(n, 12)).astype(np.float32) for n in (3000, 60))
    index = IVF(l2, 12, cells=8, width=1)
    index.train(rows)
    index.add(np.arange(3000), rows)
    found = index.tune(queries, 1.0)
    assert 0.2 < found.value < 1 and index.candidates == 64
    true = Flat(l2, 12)
    true.add(np.arange(3000), rows)
    index.probes = 8
    reached = recall(index.search(queries, 10)[1], true.search(queries, 10)[1])
    assert reached == pytest.approx(found.value, abs=0.01)


def test_ids_that_lie_far_apart_pass_a_filter_like_others(cones: Cones) -> None:
    answers = []
    for apart in (1, 10**12):
        index = IVF(cosine, 64, cells=50)
        index.train(cones[0][:2000], cones[1])
        index.add(np.arange(6000) * apart, cones[0][:6000])
        found = index.search(cones[3][:20], 10, among=np.arange(0, 6000, 2) * apart)[1]
        answers.append(found // apart)
        assert (answers[-1] % 2 == 0).all()
    np.testing.assert_array_equal(*answers)


def test_tuning_for_more_recall_does_more_work_and_finds_more(cones: Cones, fresh: IVF) -> None:
    reached = []
    for wish in (0.5, 0.8, 0.99):
        fresh.tune(cones[2], wish)
        reached.append(recall(fresh.search(cones[3], 10)[1], exact(cones).search(cones[3], 10)[1]))
        assert reached[-1] >= wish - 0.01
    assert reached == sorted(reached) and reached[0] < 0.95


def test_scores_are_those_of_the_space(cones: Cones, index: IVF) -> None:
    scores, ids = index.search(cones[3][:20], 10)
    true = np.einsum("qd,qkd->qk", cones[3][:20], cones[0][ids // 3])
    np.testing.assert_allclose(scores, true, atol=1e-3)
    precise = built(cones, precise=True)
    scores, ids = precise.search(cones[3][:20], 10)
    true = np.einsum("qd,qkd->qk", cones[3][:20], cones[0][ids // 3])
    np.testing.assert_allclose(scores, true, atol=2e-6)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_among_few_is_exact_and_among_many_keeps_recall(
    cones: Cones, index: IVF, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    one_in_a_hundred = rng.choice(20_000, 200, replace=False) * 3
    found = index.search(cones[3], 10, among=one_in_a_hundred)[1]
    assert recall(found, exact(cones).search(cones[3], 10, among=one_in_a_hundred)[1]) >= 0.999
    assert FEW >= 200
    monkeypatch.setattr("diptych.index.refined.FEW", 100)
    for share in (0.01, 0.2, 0.7):
        some = rng.choice(20_000, int(share * 20_000), replace=False) * 3
        found = index.search(cones[3], 10, among=some)[1]
        assert np.isin(found, some).all()
        assert recall(found, exact(cones).search(cones[3], 10, among=some)[1]) >= 0.94


def test_a_mask_is_the_ids_it_names(cones: Cones, index: IVF) -> None:
    rng = np.random.default_rng(8)
    for one in (index, exact(cones)):
        for share in (0.001, 0.3):
            mask = rng.random(60_000) < share
            for mine, other in zip(
                one.search(cones[3][:20], 10, mask),
                one.search(cones[3][:20], 10, np.flatnonzero(mask)),
                strict=True,
            ):
                np.testing.assert_array_equal(mine, other)
        short = one.search(cones[3][:5], 30, np.ones(61, dtype=bool))[1]
        assert (np.sort(short[:, :21]) == np.arange(21) * 3).all() and (short[:, 21:] == -1).all()


def test_a_filter_that_lets_pass_what_is_far_from_the_query_finds_it(cones: Cones, index: IVF) -> None:
    """Nothing that passes is in the cells that a query would probe."""
    scores, reached = cones[3][:40] @ cones[0].T, []
    for row, values in enumerate(scores):
        far = np.argsort(values)[:8000]
        mask = np.zeros(60_000, dtype=bool)
        mask[far * 3] = True
        found = index.search(cones[3][row : row + 1], 10, mask)[1]
        reached.append(recall(found, far[None, -10:] * 3))
    assert np.mean(reached) >= 0.9


@pytest.mark.parametrize(
    ("share", "cells", "candidates"),
    [(None, 1, 1), (0.5, 2, 1), (0.12, None, 100), (0.02, None, None)],
    ids=["all", "many", "few enough to scan", "few enough to score"],
)
def test_a_search_does_the_work_that_was_tuned_and_a_filter_asks_for_more(
    cones: Cones, fresh: IVF, monkeypatch: pytest.MonkeyPatch, share: float | None, cells: int, candidates: int
) -> None:
    """In multiples of what was tuned; None for all cells, and where no code is looked at."""
    monkeypatch.setattr("diptych.index.refined.FEW", 500)
    monkeypatch.setattr("diptych.index.ivf.SCANNED", 2500)
    fresh.probes, fresh.candidates, asked = 7, 1, []
    real = fresh._candidates
    monkeypatch.setattr(fresh, "_candidates", lambda *told: asked.append(told[1:3]) or real(*told))
    fresh.search(cones[3][:1], 10, None if share is None else np.arange(0, 60_000, 3)[: int(share * 20_000)])
    wanted = (cells and 7 * cells) or fresh._lists.nlist, 10 * (candidates or 0)
    assert asked == ([wanted] if candidates else [])


def test_more_rows_than_are_coded_at_a_time_are_all_found() -> None:
    rows = np.random.default_rng(0).standard_normal((70_000, 4)).astype(np.float32)
    index = IVF(l2, 4, cells=16, precise=True)
    index.train(rows[:2000])
    index.add(np.arange(70_000) + 5, rows)
    assert len(index) == index._lists.ntotal == 70_000
    some = np.array([0, 65_535, 65_536, 69_999])
    assert index.search(rows[some], 1)[1].ravel().tolist() == (some + 5).tolist()


def test_what_an_index_was_made_with_is_kept(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    index = IVF(l2, 6, cells=3, width=5, precise=True, seed=9)
    index.train(rows)
    index.add(np.arange(100), rows)
    index.save(tmp_path / "i")
    again = IVF.load(tmp_path / "i")
    assert (again.cells, again.width, again.precise, again.seed, again.recall) == (3, 5, True, 9, None)
    assert again._dtype is np.float32 and repr(again) == "IVF(l2, 6 columns, 100 rows)" == repr(index)


def test_the_largest_number_of_float16_is_taken_and_the_next_is_not() -> None:
    rows = np.eye(3, dtype=np.float32)
    for sign in (1, -1):
        index = IVF(dot, 3)
        index.train(rows)
        index.add([0], sign * rows[:1] * 65_504)
        assert index.rows([0]).tolist() == [[sign * 65_504, 0, 0]]
        with pytest.raises(BadInput, match=r"65,504 do not fit float16; use IVF\(precise=True\)"):
            index.add([1], sign * rows[:1] * 65_540)


def test_deep_pages_score_fewer_candidates_and_keep_recall(cones: Cones, index: IVF) -> None:
    assert index._depth(10) == 10 * index.candidates and index._depth(3) == index._depth(10)
    depths = [index._depth(k) / k for k in (10, 100, 1000, 5000)]
    assert depths == sorted(depths, reverse=True) and depths[-1] >= 1
    for k in (100, 2000):
        assert recall(index.search(cones[3][:50], k)[1], exact(cones).search(cones[3][:50], k)[1]) >= 0.95


@pytest.mark.parametrize("passing", [None, 15_000, 9000, 300])
def test_a_ranking_begins_in_the_same_way_however_many_are_asked_for(
    cones: Cones, index: IVF, passing: int | None
) -> None:
    rng = np.random.default_rng(5)
    among = None if passing is None else 3 * rng.permutation(20_000)[:passing]
    queries, total = cones[3][:2], passing or 20_000
    scores, ids = index.ranked(queries, total, among)
    for row in range(2):
        assert np.array_equal(np.sort(ids[row]), np.sort(3 * np.arange(20_000) if among is None else among))
    for k in (1, 10, 16, 17, 100, 101, *rng.integers(1, 1000, 4).tolist(), 5000, total - 1):
        found_scores, found = index.ranked(queries, min(k, total), among)
        assert np.array_equal(found, ids[:, :k]) and np.array_equal(found_scores, scores[:, :k])
        alone = index.ranked(queries[1:], min(k, total), among)[1]
        assert np.array_equal(alone[0], found[1]), "together as each alone"
    true = exact(cones).search(queries, 500, among)[1]
    assert recall(ids[:, :500], true[:, : min(500, total)]) >= recall(index.search(queries, 500, among)[1], true) - 0.01


@pytest.mark.parametrize("space", [dot, l2], ids=repr)
def test_a_ranking_has_the_scores_of_the_space(cones: Cones, space: Space) -> None:
    index, query = built(cones, space, precise=True), cones[3][:1]
    scores, ids = index.ranked(query, 1500)
    assert scores[0] == pytest.approx(space.score(query, cones[0][ids[0] // 3])[0], abs=1e-5)
    assert (np.diff(scores[0, :16]) <= 0).all() and (np.diff(scores[0, 16:100]) <= 0).all()


def test_rows_of_one_score_are_ranked_by_id_and_none_is_lost_between_steps() -> None:
    rows = np.tile(cosine.normalise(np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)), (20, 1))
    index = IVF(cosine, 8, cells=5)
    index.train(rows)
    index.add(np.arange(800), rows)
    whole = index.ranked(rows[:1], 800)[1][0]
    assert sorted(whole.tolist()) == list(range(800)) and whole[:20].tolist() == list(range(0, 800, 40))
    assert all(index.ranked(rows[:1], k)[1][0].tolist() == whole[:k].tolist() for k in range(1, 800, 7))


def test_rows_are_given_back(cones: Cones, index: IVF) -> None:
    np.testing.assert_allclose(index.rows([9, 3]), cones[0][[3, 1]], atol=1e-3)
    assert index.rows([9]).dtype == np.float32
    with pytest.raises(BadInput, match="4 is not in the index"):
        index.rows([3, 4])


def test_more_answers_than_the_probed_cells_hold_are_all_found(cones: Cones, index: IVF) -> None:
    scores, ids = index.search(cones[3][:2], 20_005)
    assert (ids[:, :20_000] >= 0).all() and (ids[:, 20_000:] == -1).all() and np.isneginf(scores[:, 20_000:]).all()
    assert len(np.unique(ids[0, :20_000])) == 20_000


def test_removed_rows_are_gone_and_come_back_when_added(cones: Cones, fresh: IVF) -> None:
    before = fresh.search(cones[3], 10)
    gone = np.arange(0, 20_000, 5) * 3
    assert fresh.remove([*gone, 1]) == 4000 and len(fresh) == 16_000
    assert not np.isin(fresh.search(cones[3], 10)[1], gone).any()
    assert fresh.drift().removed == 0.2 and fresh.drift().added == 0.0
    fresh.add(gone, cones[0][gone // 3])
    for mine, other in zip(fresh.search(cones[3], 10), before, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_drift_tells_rows_of_another_kind_from_more_of_the_same(cones: Cones, fresh: IVF) -> None:
    fresh.add(np.arange(5000) + 100_000, cones[0][:5000])
    same = fresh.drift()
    assert same.added == 0.25 and same.imbalance < 1.05 and not same.stale
    narrow = cosine.normalise(cones[0][:1] + 0.02 * np.random.default_rng(6).standard_normal((10_000, 64)))
    fresh.add(np.arange(10_000) + 200_000, narrow)
    assert fresh.drift().imbalance > 1.5 and fresh.drift().stale
    fresh.tune(cones[2])
    assert not fresh.drift().stale


def test_the_same_seed_gives_the_same_answers(cones: Cones, index: IVF) -> None:
    again = built(cones)
    assert (again.probes, again.candidates, again.recall) == (index.probes, index.candidates, index.recall)
    for mine, other in zip(again.search(cones[3], 10), index.search(cones[3], 10), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_it_trains_without_queries_and_on_few_or_equal_rows() -> None:
    for rows in (np.eye(3, dtype=np.float32), np.ones((50, 3), dtype=np.float32)):
        for space in (cosine, l2):
            index = IVF(space, 3)
            index.train(rows)
            index.add(np.arange(len(rows)), rows)
            assert index.search(rows[:1], 1)[1].tolist() == [[0]]


def test_what_is_refused() -> None:
    rows = np.eye(4, dtype=np.float32)
    index = IVF(dot, 4)
    for call in (lambda: index.add([0], rows[:1]), lambda: index.tune(rows)):
        with pytest.raises(BadInput, match="not trained"):
            call()
    with pytest.raises(BadInput, match="two rows"):
        index.train(rows[:1])
    index.train(rows)
    with pytest.raises(BadInput, match="float16"):
        index.add([0], rows[:1] * 1e5)
    assert len(index) == 0
    index.add([0], rows[:1])
    with pytest.raises(BadInput, match="holds 1 rows"):
        index.train(rows)
    with pytest.raises(BadInput, match="recall"):
        index.tune(rows, 1.5)


@pytest.mark.parametrize("space", [cosine, dot, l2], ids=repr)
def test_what_is_coded_ranks_as_the_space_does(space: Space) -> None:
    rng = np.random.default_rng(3)
    rows, queries = (rng.normal(size=(n, 5)).astype(np.float32) * rng.uniform(0.5, 3, (n, 1)) for n in (60, 7))
    index = IVF(space, 5)
    augmented, asking = index._augmented(space.normalise(rows)), index._asking(space.normalise(queries))
    wanted = space.score(space.normalise(queries), space.normalise(rows))
    np.testing.assert_array_equal(np.argsort(asking @ augmented.T), np.argsort(wanted))
    assert augmented.shape[1] == index._augmented_dims == 5 + (space is l2)


def test_what_an_index_is_made_with() -> None:
    assert IVF(cosine, 6).width == 6 and IVF(l2, 6).width == 7 and IVF(cosine, 200).width == 128
    assert IVF(cosine, 6, width=1).width == 1
    for settings, why in (({"cells": -1}, "cells: -1"), ({"width": 0}, "width: 0")):
        with pytest.raises(BadInput, match=why):
            IVF(cosine, 6, **settings)  # type: ignore[arg-type]
    rows = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    for cells, made in ((0, 50), (7, 7), (60, 50)):  # four times the root of 400, but eight rows a cell
        index = IVF(l2, 6, cells=cells)
        index.train(rows)
        assert index._lists.nlist == made and index.probes == -(-made // 8) and index.candidates == 16
        assert index.recall is None


def test_drift_counts_from_the_last_measurement() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(800, 6)).astype(np.float32)
    index = IVF(l2, 6, precise=True)
    index.train(rows[:400])
    index.add(np.arange(400), rows[:400])
    assert (index.drift().added, index.drift().removed, index.drift().imbalance) == (0.0, 0.0, 1.0)
    index.add(np.arange(400, 600), rows[400:600])
    assert index.remove(np.arange(100)) == 100
    assert (index.drift().added, index.drift().removed) == (0.5, 0.25)
    found = index.tune(rng.normal(size=(40, 6)).astype(np.float32), 0.9)
    assert (found.k, found.queries, found.rows) == (10, 40, 500) and index.drift().added == 0.0
    index.add(np.arange(600, 800), rows[600:])
    assert index.drift().added == 0.4


@pytest.mark.parametrize(
    ("added", "removed", "imbalance", "stale"),
    [(1.0, 0.5, 1.5, False), (1.01, 0, 1, True), (0, 0.51, 1, True), (0, 0, 1.51, True)],
)
def test_when_an_index_is_stale(added: float, removed: float, imbalance: float, stale: bool) -> None:
    assert Drift(added, removed, imbalance).stale is stale


def test_tuning_is_refused_without_anything_to_measure() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    index = IVF(l2, 4)
    with pytest.raises(BadInput, match="train"):
        index.tune(rows)
    index.train(rows)
    with pytest.raises(BadInput, match="tune: 100 queries of 0 rows"):
        index.tune(rows)
    index.add(np.arange(100), rows)
    for wanted in (0.0, 1.01, -1.0):
        with pytest.raises(BadInput, match=f"^recall: {wanted}"):
            index.tune(rows, wanted)
    with pytest.raises(BadInput, match="tune: 0 queries of 100 rows"):
        index.tune(rows[:0])
    with pytest.raises(BadInput, match=r"^queries: shape \(100, 3\)"):
        index.tune(rows[:, :3])
    assert index.tune(rows, 1.0).value <= 1.0


def test_cells_with_fewer_rows_than_were_asked_for_are_no_bound() -> None:
    rows = cosine.normalise(np.random.default_rng(9).standard_normal((400, 8)))
    index = IVF(cosine, 8, cells=40)
    index.train(rows)
    index.add(np.arange(400), rows)
    index.probes = 1
    for k in (10, 100):  # about ten rows in the one cell
        scores, ids = index.search(rows[:30], k)
        assert (ids >= 0).all() and np.isfinite(scores).all()
        assert all(len(set(row)) == k for row in ids.tolist())
    assert all(row[0] == number for number, row in enumerate(ids.tolist()))


def test_codes_are_of_what_differs_and_not_of_what_all_rows_share() -> None:
    """A column that all rows have in common is worth no place in a code, however large it is."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(500, 6)).astype(np.float32)
    rows[:, 0] = 50
    index = IVF(dot, 6, cells=4, width=2)
    index.train(rows, rng.normal(size=(500, 6)).astype(np.float32))
    assert np.abs(index._row_map[0]).max() < 0.2 * np.abs(index._row_map[1:]).max()


def test_the_ladder_of_cells_begins_with_one_and_ends_with_all() -> None:
    assert _ladder(1) == [1] and _ladder(5) == [1, 2, 3, 4, 5]
    steps = _ladder(1000)
    assert (steps[0], steps[-1]) == (1, 1000)
    assert all(1 <= after / before <= 2 for before, after in pairwise(steps))
