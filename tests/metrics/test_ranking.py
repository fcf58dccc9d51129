import subprocess
import sys

import numpy as np
import pytest
from metric_oracles import judgements

from diptych.kinds import BadInput, LabelCosine, Listed, Run, SharedLabels, cosine, dot, hamming, l2
from diptych.metrics import ranking as module
from diptych.metrics.measures import measure
from diptych.metrics.ranking import (
    TIES,
    best_first,
    distance_histograms,
    fold_slices,
    policy,
    rank,
    rank_run,
    rank_scores,
    rankings,
    score_blocks,
)

NAMES = ("map@all", "map@4", "map@4:hits", "map@4:first", "r@2", "recall@5", "p@3", "mrr", "medr")


def same(a, b, names=NAMES):
    for name in names:
        np.testing.assert_allclose(measure(name, a), measure(name, b), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("ties", TIES)
def test_counting_and_sorting_find_the_same_standing(ties, monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 12, (30, 80)).astype(np.float32)
    qrels = judgements(rng.integers(0, 3, (30, 80)) * (rng.random((30, 80)) < 0.2).astype(float))
    monkeypatch.setattr(module, "HANDFUL", 1000)
    counted = rank_scores(scores, qrels, ties=ties)
    monkeypatch.setattr(module, "HANDFUL", 0)
    same(counted, rank_scores(scores, qrels, ties=ties), (*NAMES, "ndcg@7", "ndcg@all"))


def test_groups_are_those_of_a_case_worked_by_hand():
    #  scores 9 | 5 5 5 | 1 1, relevant: items 1 and 3 of the middle, item 5 of the last
    scores = np.array([[9, 5, 5, 5, 1, 1]], dtype=float)
    qrels = Listed([0, 0, 0], [1, 3, 5], ["q"], "abcdef")
    expected = rank_scores(scores, qrels)
    assert [x.tolist() for x in (expected.above, expected.size, expected.hits, expected.hits_above)] == [
        [1, 4], [3, 2], [2, 1], [0, 2]
    ]  # fmt: skip
    assert rank_scores(scores, qrels, ties="stable").above.tolist() == [1, 3, 5]
    assert rank_scores(scores, qrels, ties="optimistic").above.tolist() == [1, 4]
    assert rank_scores(scores, qrels, ties="pessimistic").above.tolist() == [2, 5]
    assert expected.relevant.tolist() == [3]


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("graded", [False, True])
def test_blocks_of_any_size_give_one_ranking(ties, graded, monkeypatch):
    rng = np.random.default_rng(1)
    queries, items = (rng.integers(0, 256, (n, 2), dtype=np.uint8) for n in (37, 90))
    qrels = SharedLabels(*(rng.random((n, 6)) < 0.2 for n in (37, 90)))
    whole = rank(queries, items, hamming, qrels, ties, graded)
    monkeypatch.setattr(module, "DENSE_BLOCK", 90 * 10)
    monkeypatch.setattr(module, "COUNTED_BLOCK", 90 * 3)
    monkeypatch.setattr(module, "COUNTED_QUERIES", 10)
    assert len(list(rankings(queries, items, hamming, qrels, ties, graded))) > 3
    parts = rank(queries, items, hamming, qrels, ties, graded)
    for name in ("query", "above", "size", "hits", "hits_above", "gain", "relevant"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert (whole.ideal is None) == (parts.ideal is None) == (not graded)


@pytest.mark.parametrize(("bits", "n"), [(8, 300), (8, 6000), (16, 1300), (64, 17_000), (128, 70_000)])
def test_queries_that_share_a_count_are_counted_each_for_itself(bits, n):
    # From 324 items on two queries of 8 bits share one, from 5,832 three; of 64 bits two from 16,900, of 128 none.
    rng = np.random.default_rng(bits + n)
    queries, items = (rng.integers(0, 256, (m, bits // 8), dtype=np.uint8) for m in (7, n))
    queries[0] = items[0]
    labels = [rng.random((m, 6)) < 0.2 for m in (7, n)]
    ((start, everything, relevant),) = distance_histograms(queries, items, SharedLabels(*labels))
    distances = np.bitwise_count(queries[:, None] ^ items).sum(axis=2)
    right = labels[0].astype(int) @ labels[1].T > 0
    assert start == 0
    for row in range(7):
        assert everything[row].tolist() == np.bincount(distances[row], minlength=bits + 1).tolist()
        assert relevant[row].tolist() == np.bincount(distances[row][right[row]], minlength=bits + 1).tolist()


def test_real_spaces_and_other_judgements_rank_by_their_scores():
    rng = np.random.default_rng(2)
    queries, items = (rng.standard_normal((n, 6)).astype(np.float32) for n in (15, 70))
    labels = [rng.random((n, 5)) < 0.4 for n in (15, 70)]
    for space in (cosine, l2):
        normalised = space.normalise(queries), space.normalise(items)
        scores = space.score(*normalised)
        for qrels in (SharedLabels(*labels), LabelCosine(*labels, 0.6)):
            made = rank(*normalised, space, qrels)
            grades = qrels.grades(0, 15)
            order = np.argsort(-scores, axis=1)
            hits = np.take_along_axis(grades > 0, order, axis=1)
            precisions = np.cumsum(hits, axis=1) / np.arange(1, 71)
            with np.errstate(invalid="ignore"):
                ap = (precisions * hits).sum(axis=1) / hits.sum(axis=1)
            np.testing.assert_allclose(measure("map@all", made), ap, atol=1e-12)


@pytest.mark.parametrize(
    "kind", [np.float16, np.float32, np.float64, np.int16, np.int32, np.int64, np.uint8, np.uint32]
)
def test_items_stand_best_first_and_equal_ones_in_their_order(kind):
    rng = np.random.default_rng(4)
    scores = rng.integers(0 if np.dtype(kind).kind == "u" else -40, 41, (20, 300)).astype(kind)
    if np.dtype(kind).kind == "f":
        scores /= kind(7)
        scores[:, 3:6] = np.array([-0.0, 0.0, -0.0])
        scores[:, 9:11] = np.array([np.inf, -np.inf])
    expected = np.lexsort((np.broadcast_to(np.arange(300), scores.shape), -scores.astype(np.float64)), axis=1)
    np.testing.assert_array_equal(module.best_first(scores), expected)


@pytest.mark.parametrize("ties", TIES)
def test_a_full_run_ranks_as_its_scores_do(ties):
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 6, (12, 40)).astype(float)
    qrels = judgements(rng.integers(0, 3, (12, 40)) * (rng.random((12, 40)) < 0.3).astype(float))
    order = np.argsort(-scores, axis=1, kind="stable")
    # The run names its queries and items in another order than the judgements do.
    back = order[::-1]
    flipped = Run(
        qrels.query_ids[::-1], qrels.item_ids[::-1], 39 - back, np.take_along_axis(scores[::-1], back, axis=1)
    )
    same(rank_run(flipped, qrels, ties), rank_scores(scores, qrels, ties=ties), (*NAMES, "ndcg@all", "ndcg@3"))


def test_a_run_may_leave_out_items_and_queries_and_name_unjudged_ones():
    qrels = Listed([0, 0, 1, 2], [0, 1, 2, 0], ["a", "b", "c"], ["x", "y", "z"], [1, 2, 1, 1])
    run = Run(
        ("b", "a", "spare"),
        ("new", "x", "z"),
        np.array([[0, 2], [1, -1], [0, 1]]),
        np.array([[2.0, 1], [5, 0], [2, 1]]),
    )
    ranking = rank_run(run, qrels)
    np.testing.assert_allclose(measure("map@all", ranking), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(measure("recall@10", ranking), [0.5, 1.0, 0.0])
    np.testing.assert_allclose(measure("medr", ranking), [1.0, 2.0, np.inf])
    assert measure("ndcg@all", ranking)[0] == pytest.approx(1 / (2 + 1 / np.log2(3)))


def test_the_last_queries_may_have_nothing_relevant():
    qrels = Listed([0], [1], ["a", "b", "c"], ["x", "y"], [2])
    run = Run(("a", "b", "c"), ("x", "y"), np.array([[0, 1]] * 3), np.array([[2.0, 1]] * 3))
    ranking = rank_run(run, qrels)
    scored = rank_scores(np.array([[2.0, 1]] * 3), qrels, graded=True)
    for name in ("map@all", "recall@10", "medr", "mrr", "ndcg@all"):
        values = measure(name, ranking)
        assert np.isnan(values[1:]).all() and np.isfinite(values[0]), name
        np.testing.assert_array_equal(values, measure(name, scored))
    assert ranking.relevant.tolist() == ranking.ideal.relevant.tolist() == [1, 0, 0]


def test_a_run_that_is_not_best_first_is_refused():
    qrels = Listed([0], [0], ["a"], ["x", "y"])
    with pytest.raises(BadInput, match="query a are not best first"):
        rank_run(Run(("a",), ("x", "y"), np.array([[0, 1]]), np.array([[1.0, 2.0]])), qrels)


def test_bad_input_is_named():
    labels = np.ones((2, 1))
    qrels = SharedLabels(labels, labels, ("cat", "dog"), ("1", "2"))
    codes = np.zeros((2, 8), dtype=np.uint8)
    with pytest.raises(BadInput, match="query dog has a NaN score"):
        rank_scores(np.array([[1.0, 2.0], [np.nan, 0.0]]), qrels)
    with pytest.raises(BadInput, match="did you mean 'expected'"):
        rank(codes, codes, hamming, qrels, "expectd")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="judgements are for"):
        rank(codes, codes[:1], hamming, qrels)
    with pytest.raises(BadInput, match="judgements are"):
        rank_scores(np.zeros((2, 3)), qrels)
    with pytest.raises(BadInput, match="nothing to rank"):
        rank(codes[:0], codes, hamming, qrels)
    with pytest.raises(BadInput, match="packed uint8 codes"):
        list(distance_histograms(codes, codes[:, :4], qrels))


def test_grade_zero_in_a_list_is_not_relevant():
    qrels = Listed([0, 0], [0, 1], ["q"], ["x", "y"], [0, 1])
    assert measure("mrr", rank_scores(np.array([[2.0, 1.0]]), qrels))[0] == 0.5


def test_folds_are_disjoint_and_cover_everything():
    slices = fold_slices(5000, 5)
    assert [(s.start, s.stop) for s in slices] == [(i * 1000, (i + 1) * 1000) for i in range(5)]
    assert sum(s.stop - s.start for s in fold_slices(11, 3)) == 11
    with pytest.raises(BadInput, match="folds"):
        fold_slices(3, 4)


@pytest.mark.parametrize("kind", ["pairs", "labels"])
def test_memory_stays_far_below_the_score_matrix(kind):
    # 3,000 x 30,000 float32 scores would be 360 MB, their argsort twice that.
    script = """
import resource, sys
import numpy as np
from diptych.kinds import Listed, SharedLabels, cosine, hamming
from diptych.metrics.measures import evaluate
from diptych.metrics.ranking import rankings
rng = np.random.default_rng(0)
n, m = 3000, 30000
if sys.argv[1] == "pairs":
    space, q, d = cosine, rng.standard_normal((n, 8), dtype=np.float32), rng.standard_normal((m, 8), dtype=np.float32)
    qrels = Listed(np.arange(n), np.arange(n), range(n), range(m))
else:
    n = 600
    space, q, d = hamming, rng.integers(0, 256, (n, 8), dtype=np.uint8), rng.integers(0, 256, (m, 8), dtype=np.uint8)
    qrels = SharedLabels(rng.random((n, 24)) < 0.1, rng.random((m, 24)) < 0.1)
evaluate(["r@1", "map@all"], rankings(q[:1], d, space, SharedLabels(np.ones((1, 1)), np.ones((m, 1)))))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
values = evaluate(["r@1", "map@all"], rankings(q, d, space, qrels))
assert len(values["r@1"]) == n
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", script, kind], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100


@pytest.mark.parametrize("space", [cosine, dot, l2])
@pytest.mark.parametrize("width", [10, 33, 300])
def test_items_that_are_the_same_tie_whatever_the_product_rounds(space, width):
    rng = np.random.default_rng(width)
    which = rng.integers(0, 40, 501)  # a width that no vector register divides
    items = space.normalise(rng.standard_normal((40, width)))[which]
    queries = space.normalise(rng.standard_normal((23, width)))
    scores = np.concatenate([block for _, block in score_blocks(queries, items, space, 7)])
    np.testing.assert_allclose(scores, space.score(queries, items), rtol=1e-4, atol=1e-4)
    for item in range(40):
        twins = scores[:, which == item]
        assert (twins == twins[:, :1]).all()
    relevant = Listed(np.arange(23), rng.integers(0, 501, 23), list(map(str, range(23))), list(map(str, range(501))))
    found = rank(queries, items, space, relevant)
    assert found.size.tolist() == [int((which == which[item]).sum()) for item in relevant.items]


def test_items_that_all_differ_are_scored_as_they_stand():
    rng = np.random.default_rng(0)
    # Whole numbers, whose sums no order of adding them rounds.
    items = rng.integers(-1000, 1000, (50, 6)).astype(np.float32)
    items[:, :2] = 1.0  # what is looked at first tells none apart
    ((_, scores),) = score_blocks(items[:5], items, dot, 5)
    np.testing.assert_array_equal(scores, items[:5] @ items.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32])
@pytest.mark.parametrize("depth", [1, 7, 30, 60])
def test_the_best_are_those_of_a_stable_sort(dtype, depth):
    scores = np.random.default_rng(depth).integers(-4, 5, (20, 60)).astype(dtype)
    expected = np.argsort(-scores.astype(float), axis=1, kind="stable")[:, :depth]
    np.testing.assert_array_equal(best_first(scores, depth), expected)


def test_a_tie_policy_is_known_by_its_name():
    assert [policy(name) for name in TIES] == list(TIES)
    with pytest.raises(BadInput, match="no policy 'stabel'; did you mean 'stable'"):
        policy("stabel")
