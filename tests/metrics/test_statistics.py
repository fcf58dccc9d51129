import numpy as np
import pytest
from scipy import stats

from diptych.kinds import BadInput
from diptych.metrics.statistics import bootstrap_interval, holm, paired_test


def test_interval_of_the_mean_equals_scipy_and_theory():
    values = np.random.default_rng(0).normal(0.3, 0.1, 400)
    low, high = bootstrap_interval(values, resamples=4000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    assert low == pytest.approx(theirs.low, abs=6e-4)
    assert high == pytest.approx(theirs.high, abs=6e-4)
    half = 1.96 * values.std() / np.sqrt(400)
    assert (high - low) / 2 == pytest.approx(half, rel=0.05)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng.exponential(1.0, 100), 0.9, 400, seed)
        covered += low <= 1.0 <= high
    assert 0.82 <= covered / 200 <= 0.96


def test_interval_of_the_median_equals_scipy():
    values = np.random.default_rng(2).exponential(5.0, 301)
    low, high = bootstrap_interval(values, resamples=3000, statistic="median")
    theirs = stats.bootstrap((values,), np.median, method="percentile", n_resamples=3000, rng=1).confidence_interval
    assert low == pytest.approx(theirs.low, abs=0.15)
    assert high == pytest.approx(theirs.high, abs=0.15)


def test_same_seed_same_interval_and_nan_is_left_out():
    values = np.random.default_rng(3).random(50)
    assert bootstrap_interval(values, seed=4) == bootstrap_interval(np.append(values, np.nan), seed=4)
    assert bootstrap_interval(values, seed=4) != bootstrap_interval(values, seed=5)


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.03])
def test_paired_test_equals_scipy(shift):
    rng = np.random.default_rng(6)
    a = rng.random(120)
    b = a + rng.normal(shift, 0.08, 120)
    ours = paired_test(a, b)
    theirs = stats.permutation_test(
        (a, b), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=10_000, rng=1
    )
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.02)
    assert ours.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.03)
    assert ours.difference == pytest.approx((a - b).mean())
    theory = stats.t.interval(0.95, 119, (a - b).mean(), stats.sem(a - b))
    assert (ours.low, ours.high) == pytest.approx(theory, abs=2e-3)


def test_small_samples_match_the_exact_randomisation_test():
    a, b = np.array([0.9, 0.8, 0.7, 0.6, 0.95]), np.array([0.5, 0.6, 0.6, 0.5, 0.3])
    # Only all-plus and all-minus of the 32 exchanges are as extreme as five gains.
    assert paired_test(a, b, resamples=40_000).p == pytest.approx(2 / 32, abs=0.005)


def test_equal_systems_do_not_differ():
    values = np.random.default_rng(7).random(30)
    found = paired_test(values, values)
    assert (found.difference, found.low, found.high, found.p, found.n) == (0, 0, 0, 1, 30)


def test_bad_input_is_named():
    with pytest.raises(BadInput, match="same queries"):
        paired_test(np.zeros(3), np.zeros(4))
    with pytest.raises(BadInput, match="no query has one"):
        bootstrap_interval(np.array([np.nan]))
    with pytest.raises(BadInput, match="level"):
        bootstrap_interval(np.zeros(3), level=95)


def test_the_paired_test_of_medians_equals_scipy():
    rng = np.random.default_rng(8)
    a, b = rng.exponential(10.0, 81), rng.exponential(14.0, 81)
    ours = paired_test(a, b, statistic="median")
    assert ours.difference == np.median(a) - np.median(b)

    def gap(x, y, axis):
        return np.median(x, axis=axis) - np.median(y, axis=axis)

    theirs = stats.permutation_test((a, b), gap, permutation_type="samples", n_resamples=10_000, rng=1)
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.015) and 0.0005 < ours.p < 0.9
    spread = stats.bootstrap((a, b), gap, paired=True, method="percentile", n_resamples=10_000, rng=1)
    assert (ours.low, ours.high) == pytest.approx(tuple(spread.confidence_interval), abs=0.4)


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        # Worked by hand: .005 x 4, .01 x 3, .03 x 2, and .04 x 1 raised to the one before it.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        # The same in R: p.adjust(c(.01, .02, .03, .04, .05), "holm").
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.6, 0.5, 0.7], [1.0, 1.0, 1.0]),
        ([0.2], [0.2]),
        ([0.01, 0.01], [0.02, 0.02]),
        ([], []),
    ],
)
def test_holm_as_worked_by_hand(p, corrected):
    np.testing.assert_allclose(holm(np.array(p, dtype=float)), corrected, atol=1e-12)


def test_holm_rejects_what_its_steps_reject_and_lies_between_p_and_bonferroni():
    rng = np.random.default_rng(9)
    for m in (1, 2, 7, 40):
        p = rng.random(m) ** 3
        found = holm(p)
        assert (found >= p).all() and (found <= np.minimum(1, m * p) + 1e-12).all()
        assert (np.diff(found[np.argsort(p)]) >= 0).all()
        shuffle = rng.permutation(m)
        np.testing.assert_array_equal(holm(p[shuffle]), found[shuffle])
        for level in (0.01, 0.05, 0.2):
            rejected = np.zeros(m, dtype=bool)
            for step, row in enumerate(np.argsort(p)):  # as the paper has it: stop at the first that stands
                if p[row] > level / (m - step):
                    break
                rejected[row] = True
            np.testing.assert_array_equal(found <= level, rejected)


def test_holm_keeps_the_chance_of_one_false_alarm_where_bare_p_values_do_not():
    rng = np.random.default_rng(10)
    p = rng.random((4000, 20))
    assert np.mean(p.min(axis=1) <= 0.05) > 0.6
    assert np.mean([holm(row).min() <= 0.05 for row in p]) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
def test_holm_wants_p_values(wrong):
    with pytest.raises(BadInput, match="p value"):
        holm(np.array([0.5, wrong]))


# ---------------------------------------------------------------------------------------------------------- clusters


def five_captions(rng, pictures=60, most=9):
    """Two systems of one true quality: whether each finds the pictures of 1 to 9 captions that share their luck.

    A picture is hard or easy for each system by itself, and its captions succeed by that chance.
    """
    sizes = rng.integers(1, most + 1, pictures)
    owner = np.repeat(np.arange(pictures), sizes)
    ours, theirs = rng.beta(0.4, 0.4, (2, pictures))
    a, b = (rng.random(len(owner)) < chance[owner] for chance in (ours, theirs))
    return a.astype(float), b.astype(float), owner


def test_a_true_difference_of_zero_is_rejected_in_five_cases_of_a_hundred():
    # Of 5000 worlds the share has a standard error of .003.
    rng = np.random.default_rng(11)
    worlds = [five_captions(rng) for _ in range(5000)]
    together = [paired_test(a, b, resamples=199, seed=n, clusters=of).p for n, (a, b, of) in enumerate(worlds)]
    assert np.mean(np.array(together) <= 0.05) == pytest.approx(0.05, abs=0.01)
    alone = [paired_test(a, b, resamples=199, seed=n).p for n, (a, b, _) in enumerate(worlds[:500])]
    assert np.mean(np.array(alone) <= 0.05) > 0.2, "in this world it would not matter what belongs together"


def test_the_interval_of_clusters_covers_zero_as_often_as_it_says():
    rng, worlds = np.random.default_rng(12), 600
    held = []
    for seed in range(worlds):
        a, b, owner = five_captions(rng)
        ways = [paired_test(a, b, resamples=200, seed=seed, clusters=which) for which in (owner, None)]
        one = bootstrap_interval(a, resamples=200, seed=seed, clusters=owner)
        held.append([*(way.low <= 0 <= way.high for way in ways), one[0] <= 0.5 <= one[1]])
    together, alone, mean = np.array(held).mean(axis=0)
    assert together == pytest.approx(0.95, abs=0.03) and mean == pytest.approx(0.95, abs=0.03)
    assert alone < 0.8


def test_clusters_of_one_size_are_their_means():
    # Where every cluster is as large, drawing clusters of captions is drawing their means.
    rng = np.random.default_rng(13)
    a, b = rng.random((2, 40, 5))
    owner = rng.permutation(np.repeat(np.arange(40) * 7 - 3, 5))  # any numbers, in any order
    x, y = np.empty((2, 200))
    for row, number in enumerate(np.unique(owner)):
        x[owner == number], y[owner == number] = a[row], b[row]
    means = a.mean(axis=1), b.mean(axis=1)
    assert bootstrap_interval(x, clusters=owner) == pytest.approx(bootstrap_interval(means[0]))
    found, theirs = paired_test(x, y, clusters=owner), paired_test(*means)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert (found.p, found.n, found.clusters) == (theirs.p, 200, 40)


def test_the_median_over_clusters_is_that_of_what_was_drawn():
    rng = np.random.default_rng(14)
    owner = np.repeat(np.arange(30), rng.integers(1, 6, 30))
    a, b = rng.integers(1, 40, (2, len(owner))).astype(float)
    drawn = np.random.default_rng(0).integers(0, 30, (1000, 30))
    rows = [np.concatenate([np.flatnonzero(owner == picture) for picture in each]) for each in drawn]
    theirs = np.quantile([np.median(a[each]) for each in rows], [0.025, 0.975])
    assert bootstrap_interval(a, resamples=1000, statistic="median", clusters=owner) == pytest.approx(theirs)
    gaps = np.quantile([np.median(a[each]) - np.median(b[each]) for each in rows], [0.025, 0.975])
    found = paired_test(a, b, resamples=1000, statistic="median", clusters=owner)
    assert (found.low, found.high) == pytest.approx(gaps)


def test_a_query_without_a_value_leaves_its_cluster_to_the_others():
    values, owner = np.array([0.1, np.nan, 0.4, 0.9, np.nan]), np.array([0, 0, 1, 2, 3])
    found = paired_test(values, np.zeros(5), clusters=owner)
    assert (found.n, found.clusters) == (3, 3)
    with pytest.raises(BadInput, match="clusters"):
        bootstrap_interval(values, clusters=owner[1:])
