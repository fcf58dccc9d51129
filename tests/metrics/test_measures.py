import numpy as np
import pytest
from ir_measures import AP, RR, IPrec, P, Qrel, R, ScoredDoc, Success, iter_calc, nDCG
from metric_oracles import NAMES, error, judgements, value

from diptych.kinds import BadInput, Run, SharedLabels, hamming
from diptych.metrics import measures
from diptych.metrics.measures import (
    evaluate,
    interpolated_precision,
    measure,
    radius_curve,
    rank_curve,
    rsum,
    summary,
    wants_grades,
)
from diptych.metrics.ranking import distance_histograms, rank, rank_run, rank_scores, rankings


@pytest.fixture(scope="module")
def thousand():
    """1,000 random queries over 60 items, their run cut at 40, and what ir-measures (trec_eval) says of it."""
    rng = np.random.default_rng(7)
    n, n_items, depth = 1000, 60, 40
    grades = rng.integers(1, 4, (n, n_items)) * (rng.random((n, n_items)) < rng.uniform(0.02, 0.5, (n, 1)))
    grades[:, 11] += grades.sum(axis=1) == 0
    # Scores a float32 holds exactly and that never tie: trec_eval reads floats and breaks ties by name.
    scores = np.argsort(rng.random((n, n_items)), axis=1).astype(np.float64)
    items = np.argsort(-scores, axis=1)[:, :depth]
    qrels = judgements(grades.astype(np.float64))
    run = Run(qrels.query_ids, qrels.item_ids, items, np.take_along_axis(scores, items, axis=1))
    judged = [Qrel(str(q), str(i), int(grades[q, i])) for q, i in np.argwhere(grades)]
    docs = [ScoredDoc(str(q), str(i), scores[q, i]) for q in range(n) for i in items[q]]
    asked = [AP, AP @ 10, P @ 5, P @ 100, R @ 10, Success @ 1, Success @ 10, nDCG, nDCG @ 10, RR]
    asked += [IPrec @ (level / 10) for level in range(11)]
    said = {str(m): np.full(n, np.nan) for m in asked}
    for metric in iter_calc(asked, judged, docs):
        said[str(metric.measure)][int(metric.query_id)] = metric.value
    return rank_run(run, qrels), (grades > 0).sum(axis=1), said


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("map@all", "AP"),
        ("p@5", "P@5"),
        ("p@100", "P@100"),
        ("recall@10", "R@10"),
        ("r@1", "Success@1"),
        ("r@10", "Success@10"),
        ("ndcg@all", "nDCG"),
        ("ndcg@10", "nDCG@10"),
        ("mrr", "RR"),
    ],
)
def test_a_thousand_queries_equal_ir_measures(thousand, ours, theirs):
    ranking, _, said = thousand
    np.testing.assert_allclose(measure(ours, ranking), said[theirs], rtol=0, atol=1e-9)


def test_truncated_ap_equals_ir_measures_once_its_normaliser_is_ours(thousand):
    ranking, relevant, said = thousand
    # trec_eval divides map_cut by all relevant items, also by those that the cut leaves no room for.
    np.testing.assert_allclose(
        measure("map@10", ranking), said["AP@10"] * relevant / np.minimum(relevant, 10), rtol=0, atol=1e-9
    )


def test_eleven_point_precision_equals_ir_measures(thousand):
    ranking, _, said = thousand
    levels, ours = interpolated_precision([ranking])
    theirs = [said[str(IPrec @ (level / 10))].mean() for level in range(11)]
    np.testing.assert_allclose(levels, np.arange(11) / 10)
    # At 0.7 trec_eval takes the whole part of a binary 0.7 * R + 0.9: two of three, though that is less than 0.7.
    same = np.arange(11) != 7
    np.testing.assert_allclose(ours[same], np.array(theirs)[same], rtol=0, atol=1e-9)


def test_interpolated_precision_is_the_best_at_that_recall_or_beyond():
    rng = np.random.default_rng(8)
    grades = (rng.random((40, 30)) < 0.3).astype(float)
    grades[0] = 0
    scores = np.argsort(rng.random((40, 30)), axis=1).astype(float)
    levels, ours = interpolated_precision([rank_scores(scores, judgements(grades))], levels=21)
    curves = []
    for line, grade in zip(scores[1:], grades[1:], strict=True):
        found = np.cumsum(grade[np.argsort(-line)])
        precision, reached = found / np.arange(1, 31), found / found[-1]
        curves.append([precision[reached >= level - 1e-12].max() for level in levels])
    np.testing.assert_allclose(ours, np.mean(curves, axis=0), atol=1e-12)


def test_the_relevant_items_of_a_tie_stand_at_their_expected_ranks():
    # The best first, then four that tie, two of them relevant: on average at ranks 1 + 5/3 and 1 + 10/3.
    scores, grades = np.array([[9.0, 5, 5, 5, 5, 1]]), np.array([[1.0, 1, 0, 1, 0, 0]])
    levels, ours = interpolated_precision([rank_scores(scores, judgements(grades))], levels=4)
    assert levels == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert ours == pytest.approx([1, 1, 2 / (8 / 3), 3 / (13 / 3)])
    # Nothing above them: precision rises within the group, so that its last relevant item counts for its first.
    _, ours = interpolated_precision([rank_scores(scores[:, 1:5], judgements(grades[:, 1:5]))], levels=3)
    assert ours == pytest.approx([2 / (10 / 3)] * 3)


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_equals_the_mean_over_all_orders_it_allows(name):
    assert error(measures, name) < 1e-10


def test_expected_values_equal_20000_shuffles_to_three_decimals():
    rng = np.random.default_rng(3)
    n, n_items, shuffles = 20, 60, 20_000
    scores = rng.integers(0, 4, (n, n_items)).astype(np.int16)
    grades = rng.integers(1, 4, (n, n_items)) * (rng.random((n, n_items)) < 0.2)
    grades[:, 5] += grades.sum(axis=1) == 0
    ranking = rank_scores(scores, judgements(grades.astype(float)), graded=True)
    names = ("map@all", "map@10", "map@10:hits", "map@10:first", "r@1", "r@5", "ndcg@10", "mrr", "recall@10")
    seen = {name: [] for name in names}
    for line, grade in zip(scores, grades, strict=True):
        key = -line[None, :] + 0.99 * rng.random((shuffles, n_items), dtype=np.float32)
        ordered = grade[np.argsort(key, axis=1)]
        for name in names:
            seen[name].append(value(name, ordered).mean())
    for name in names:
        assert measure(name, ranking).mean() == pytest.approx(np.mean(seen[name]), abs=1e-3), name


def test_large_tie_groups_keep_nine_digits():
    # All codes alike: 50,000 items, 5,000 relevant, one group. Hypergeometric sums against exact big integers.
    from fractions import Fraction
    from math import comb

    from diptych.metrics.ranking import Ranking

    n, r = 50_000, 5_000
    one = np.array([0])
    ranking = Ranking(one, one, np.array([n]), np.array([r]), one, np.array([float(r)]), np.array([r]), n)
    hit = 1 - Fraction(comb(n - 20, r), comb(n, r))
    assert measure("r@20", ranking)[0] == pytest.approx(float(hit), abs=1e-11)
    first = sum(Fraction(comb(n - j, r - 1), comb(n, r)) / j for j in range(1, 21))
    assert measure("mrr@20", ranking)[0] == pytest.approx(float(first), abs=1e-11)
    ap = sum((1 + (j - 1) * (r - 1) / (n - 1)) / j for j in range(1, n + 1)) / n
    assert measure("map@all", ranking)[0] == pytest.approx(ap, abs=1e-9)
    assert measure("map@5000:first", ranking)[0] == pytest.approx(ap, abs=1e-9)


def test_the_three_map_cut_offs_differ_as_they_do_in_the_literature():
    grades = np.zeros((1, 60))
    grades[0, [0, 9, 30, 51, 52, 53]] = 1  # hits at ranks 1, 10, 31 and beyond 50; six relevant
    ranking = rank_scores(-np.arange(60.0)[None, :], judgements(grades))
    assert measure("map@50:hits", ranking)[0] == pytest.approx(0.432, abs=5e-4)
    assert measure("map@50", ranking)[0] == pytest.approx(0.216, abs=5e-4)
    assert measure("map@2:first", ranking)[0] == pytest.approx((1 + 0.2) / 2)


def test_constant_codes_in_a_class_sorted_database_show_the_trap():
    labels = np.repeat(np.eye(10, dtype=bool), 30, axis=0)
    codes = np.zeros((300, 2), dtype=np.uint8)
    qrels = SharedLabels(labels, labels)
    maps = {t: summary("map@all", measure("map@all", rank(codes, codes, hamming, qrels, t))) for t in
            ("expected", "stable", "optimistic", "pessimistic")}  # fmt: skip
    assert maps["optimistic"] == pytest.approx(1.0)
    assert maps["pessimistic"] < maps["expected"] < maps["stable"]
    assert maps["expected"] == pytest.approx(0.117, abs=2e-3)


def test_hamming_counting_sorting_and_listing_say_the_same():
    rng = np.random.default_rng(5)
    for width, n_items in ((2, 301), (8, 400), (16, 200), (40, 150)):
        queries, items = (rng.integers(0, 256, (n, width), dtype=np.uint8) for n in (23, n_items))
        labels = [rng.random((n, 24)) < 0.15 for n in (23, n_items)]
        qrels = SharedLabels(*labels)
        grades = labels[0].astype(int) @ labels[1].T.astype(int)
        listed = judgements(grades.astype(float))
        for ties in ("expected", "optimistic", "pessimistic"):
            counted = rank(queries, items, hamming, qrels, ties)
            by_scores = rank_scores(hamming.score(queries, items), qrels, 0, ties)
            by_list = rank(queries, items, hamming, listed, ties)
            for name in ("map@all", "map@7", "map@7:hits", "map@7:first", "r@3", "mrr", "medr", "p@20"):
                expected = measure(name, by_scores)
                np.testing.assert_allclose(measure(name, counted), expected, atol=1e-12)
                np.testing.assert_allclose(measure(name, by_list), expected, atol=1e-12)


def test_radius_curve_equals_a_loop_over_balls():
    rng = np.random.default_rng(2)
    queries, items = (rng.integers(0, 256, (n, 2), dtype=np.uint8) for n in (30, 90))
    labels = [rng.random((n, 6)) < 0.3 for n in (30, 90)]
    curve = radius_curve(queries, items, SharedLabels(*labels))
    distance = -hamming.score(queries, items)
    relevant = labels[0].astype(int) @ labels[1].T.astype(int) > 0
    for radius in range(17):
        ball = distance <= radius
        hits, total = (ball & relevant).sum(axis=1), relevant.sum(axis=1)
        full, some = ball.any(axis=1), total > 0
        if full.any():
            assert curve.micro_precision[radius] == pytest.approx(hits.sum() / ball.sum())
            assert curve.macro_precision[radius] == pytest.approx((hits[full] / ball[full].sum(axis=1)).mean())
        else:
            assert np.isnan(curve.micro_precision[radius]) and np.isnan(curve.macro_precision[radius])
        assert curve.micro_recall[radius] == pytest.approx(hits.sum() / total.sum())
        assert curve.macro_recall[radius] == pytest.approx((hits[some] / total[some]).mean())
    (_, everything, found), *_ = distance_histograms(queries, items, SharedLabels(*labels))
    assert everything.sum() == 30 * 90 and found.sum() == relevant.sum()


def test_curves_of_one_query_are_its_own_and_of_none_are_nothing():
    ranking = rank_scores(np.array([[3.0, 2, 1]]), judgements(np.array([[0.0, 1, 1]])))
    precision, recall = rank_curve([ranking], [1, 2, 3])
    np.testing.assert_allclose(precision, [0, 1 / 2, 2 / 3])
    np.testing.assert_allclose(recall, [0, 1 / 2, 1])
    nothing = rank_scores(np.array([[3.0, 2, 1]]), judgements(np.zeros((1, 3))))
    for curve in (*rank_curve([nothing], [1, 3]), interpolated_precision([nothing])[1]):
        assert not curve.any() and np.isfinite(curve).all()


def test_rank_curve_equals_p_and_recall_at_each_cut_off():
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 9, (25, 70)).astype(float)
    grades = (rng.random((25, 70)) < 0.1).astype(float)
    grades[3] = 0
    cutoffs = [1, 2, 5, 17, 69, 70, 100]
    ranking = rank_scores(scores, judgements(grades))
    blocks = [rank_scores(scores[:9], judgements(grades)), rank_scores(scores[9:], judgements(grades), 9)]
    precision, recall = rank_curve(blocks, cutoffs)
    for at, k in enumerate(cutoffs):
        assert precision[at] == pytest.approx(summary("p@5", measure(f"p@{k}", ranking)))
        assert recall[at] == pytest.approx(summary("p@5", measure(f"recall@{k}", ranking)))


def test_queries_without_an_answer_are_nan_dropped_or_zero():
    grades = np.array([[1.0, 0, 0], [0, 0, 0]])
    ranking = rank_scores(np.array([[3.0, 2, 1], [3, 2, 1]]), judgements(grades), graded=True)
    for name in NAMES:
        values = measure(name, ranking)
        assert np.isnan(values[1]) and not np.isnan(values[0])
    assert summary("map@all", measure("map@all", ranking)) == 1.0
    assert summary("map@all", measure("map@all", ranking), "zero") == 0.5
    with pytest.raises(BadInput, match="no rank to count as zero"):
        summary("medr", measure("medr", ranking), "zero")
    assert np.isnan(summary("p@1", np.array([np.nan])))


def test_medr_is_summed_up_by_its_median_and_meanr_by_its_mean():
    values = np.array([1.0, 2.0, 30.0])
    assert summary("medr", values) == 2.0
    assert summary("meanr", values) == 11.0


def test_evaluate_over_blocks_equals_measure_over_all():
    rng = np.random.default_rng(9)
    queries, items = (rng.integers(0, 256, (n, 4), dtype=np.uint8) for n in (40, 60))
    qrels = SharedLabels(*(rng.random((n, 5)) < 0.3 for n in (40, 60)))
    names = ["map@all", "map@5:hits", "ndcg@10"]
    assert wants_grades(names) and not wants_grades(names[:2])
    whole = rank(queries, items, hamming, qrels, graded=True)
    for name, values in evaluate(names, rankings(queries, items, hamming, qrels, graded=True)).items():
        np.testing.assert_array_equal(values, measure(name, whole))


def test_rsum_adds_six_values_and_names_what_is_missing():
    scores = {"r@1": 0.5, "r@5": 0.7, "r@10": 0.8, "map@all": 0.1}
    assert rsum(scores, scores) == pytest.approx(4.0)
    with pytest.raises(BadInput, match="t2i lacks r@5"):
        rsum(scores, {"r@1": 1.0, "r@10": 1.0})


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("mpa@all", "map@all"),
        ("map", "map@10"),
        ("ndgc@10", "ndcg@10"),
        ("map@10:hit", "map@10:hits"),
        ("medr@5", "medr"),
    ],
)
def test_an_unknown_measure_names_the_nearest(wrong, hint):
    ranking = rank_scores(np.zeros((1, 2)), judgements(np.ones((1, 2))))
    with pytest.raises(BadInput, match=f"did you mean '{hint}'"):
        measure(wrong, ranking)


def test_ndcg_refuses_a_ranking_without_grades():
    qrels = SharedLabels(np.ones((1, 1)), np.ones((2, 1)))
    with pytest.raises(BadInput, match="graded=True"):
        measure("ndcg@10", rank_scores(np.zeros((1, 2)), qrels))
