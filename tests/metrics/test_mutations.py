"""One error put into each formula has to be caught by the comparison that guards it."""

import contextlib
import inspect
import types

import numpy as np
import pytest
from metric_oracles import error, published_ms_ssim
from scipy import stats
from skimage.data import camera
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from diptych.kinds import SharedLabels, hamming
from diptych.metrics import image_quality, measures, ranking, statistics


def mutant(module, right, wrong):
    source = inspect.getsource(module)
    assert source.count(right) >= 1, f"{right!r} is no longer in {module.__name__}"
    twin = types.ModuleType("mutant")
    # Dataclasses look their module up by name; the twin borrows that of the original.
    twin.__name__ = module.__name__
    exec(compile(source.replace(right, wrong), "mutant", "exec"), twin.__dict__)
    return twin


MEASURES = [
    ("map@3", "total / np.minimum(ranking.relevant, k)", "total / ranking.relevant"),
    ("map@3", "total / np.minimum(ranking.relevant, k)", "total / k"),
    ("map@all", "(hits_above + np.asarray(1)) * gained", "hits_above * gained"),
    ("map@all", "(np.asarray(hits) - 1) / np.maximum(np.asarray(size) - 1, 1)", "np.asarray(hits) / size"),
    ("map@all", "reached - (above + 1) * gained", "reached - above * gained"),
    ("map@all", "table[end] - table[above]\n    slope", "table[end - 1] - table[above]\n    slope"),
    ("map@3:hits", "np.maximum(found, 1)", "np.minimum(ranking.relevant, k)"),
    ("map@3:hits", "np.maximum(hits_above + x, 1)", "np.maximum(hits_above + hits, 1)"),
    ("map@3:hits", "reached = k - above\n", "reached = k - above + 1\n"),
    (
        "map@3:hits",
        "_precision_sum(above, reached, x, hits_above, reached)",
        "_precision_sum(above, size, x, hits_above, reached)",
    ),
    ("map@2:first", "left >= ranking.hits", "left > 0"),
    ("map@2:first", "_at_most(s - 1, hits - 1, size - 1)", "_at_most(s, hits - 1, size - 1)"),
    ("map@2:first", "_at_most(s - 2, hits - 2, size - 2)", "_at_most(s - 1, hits - 2, size - 2)"),
    ("map@2:first", "return total / wanted", "return total / ranking.relevant"),
    ("r@1", "1.0 - np.exp(", "np.exp("),
    ("r@2", "_reached(ranking, k)[first]", "_reached(ranking, k + 1)[first]"),
    ("recall@3", "_found(ranking, k) / ranking.relevant", "_found(ranking, k) / np.minimum(ranking.relevant, k)"),
    ("p@3", "_found(ranking, k) / k", "_found(ranking, k) / ranking.relevant"),
    ("p@3", "np.clip(k - ranking.above, 0", "np.clip(k - 1 - ranking.above, 0"),
    ("ndcg@3", "_gain(ranking.ideal, k)", "_gain(ranking.ideal, ranking.n_items)"),
    ("ndcg@3", "np.log2(ranks + 1)", "np.log2(ranks + 2)"),
    ("ndcg@3", "ranking.per_query(ranking.gain / ranking.size", "ranking.per_query(ranking.hits / ranking.size"),
    ("mrr", "chance / (above + place)", "chance / (above + place + 1)"),
    ("mrr@2", "min(size - hits + 1, k - above)", "size - hits + 1"),
    ("mrr", "_log_choose(size - place, hits - 1)", "_log_choose(size - place, hits)"),
    ("medr", "(ranking.size[first] + 1) / (ranking.hits[first] + 1)", "ranking.size[first] / ranking.hits[first]"),
    ("meanr", "ranking.above[first] + (ranking.size[first] + 1)", "(ranking.size[first] + 1)"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), MEASURES)
def test_an_error_in_a_measure_is_caught(name, right, wrong):
    assert error(measures, name) < 1e-10
    assert error(mutant(measures, right, wrong), name) > 1e-4


def test_every_measure_has_a_mutant():
    spoiled = {
        name.partition("@")[0] + (":" + name.partition(":")[2] if ":" in name else "") for name, _, _ in MEASURES
    }
    assert spoiled == {*measures.CUT, *measures.WHOLE}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("line > line[column]", "line >= line[column]"),
        ("line[:column] == line[column]", "line[: column + 1] == line[column]"),
        ("-grade if ties == \"optimistic\" else grade, above", "grade, above"),
        ("size[cell] - hits_in_group[mine]", "size[cell]"),
        ("cell - first[query[cell]], gain", "cell, gain"),
        ("order = np.lexsort((-grade, query))", "order = np.lexsort((grade, query))"),
    ],
)  # fmt: skip
def test_an_error_in_the_ranking_is_caught(right, wrong):
    names = ("map@all", "ndcg@3", "mrr")
    spoiled = mutant(ranking, right, wrong)
    assert max(error(measures, name, ranking) for name in names) < 1e-10
    assert max(error(measures, name, spoiled) for name in names) > 1e-4


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("start[group] % scores.shape[1]", "start[group] % scores.shape[1] + 1"),
        ("ordered[:, 1:] != ordered[:, :-1]", "ordered[:, 1:] > ordered[:, :-1]"),
        ("query * scores.shape[1] + place", "place"),
        ("bits >> 31, bits, ~bits", "bits >> 31, bits, bits"),
    ],
)
def test_an_error_in_the_sorting_way_is_caught(right, wrong):
    sound, spoiled = mutant(ranking, right, right), mutant(ranking, right, wrong)
    sound.HANDFUL = spoiled.HANDFUL = 0  # never count, always sort
    assert error(measures, "map@all", sound) < 1e-10
    assert error(measures, "map@all", spoiled) > 1e-4


def histogram_error(module):
    rng = np.random.default_rng(1)
    queries, items = (rng.integers(0, 256, (n, 1), dtype=np.uint8) for n in (20, 50))
    qrels = SharedLabels(*(rng.random((n, 4)) < 0.4 for n in (20, 50)))
    worst = 0.0
    for ties in ("expected", "optimistic", "pessimistic"):
        counted = measures.measure("map@all", module.rank(queries, items, hamming, qrels, ties))
        by_scores = measures.measure("map@all", ranking.rank_scores(hamming.score(queries, items), qrels, 0, ties))
        worst = max(worst, float(np.nanmax(np.abs(counted - by_scores))))
    return worst


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("bins = 8 * queries.shape[1] + 1", "bins = 8 * queries.shape[1]"),
        ("np.cumsum(everything, axis=1)[query, distance] - size", "np.cumsum(everything, axis=1)[query, distance]"),
        ("np.cumsum(relevant, axis=1)[query, distance] - hits", "np.cumsum(relevant, axis=1)[query, distance]"),
        ("yield start, counts.sum(axis=1), counts[:, 1]", "yield start, counts[:, 0], counts[:, 1]"),
        ("above = above + size - hits\n", "above = above + size\n"),
    ],
)
def test_an_error_in_the_histograms_is_caught(right, wrong):
    assert histogram_error(ranking) < 1e-12
    with contextlib.suppress(ValueError, IndexError):  # one that does not even run is caught as well
        assert histogram_error(mutant(ranking, right, wrong)) > 1e-4


def image_errors(module):
    rng = np.random.default_rng(0)
    a = camera()[100:290, 100:290]
    b = np.clip(a + rng.normal(0, 30, a.shape), 0, 255).astype(np.uint8)
    theirs = structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    coarse = [(v.astype(float).reshape(95, 2, 95, 2).mean(axis=(1, 3))) for v in (a, b)]
    two_scales = [peak_signal_noise_ratio(*pair, data_range=255) for pair in ((a, b), coarse)]
    return {
        "psnr": abs(module.psnr(a, b) - two_scales[0]),
        "ssim": abs(module.ssim(a, b) - theirs),
        "ms_ssim": abs(module.ms_ssim(a, b) - published_ms_ssim(a.astype(float), b.astype(float), 255.0)),
        "ms_psnr": abs(module.ms_psnr(a, b, scales=2) - np.mean(two_scales)),
    }


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("psnr", "10 * math.log10(top**2 / error)", "10 * math.log10(top / error)"),
        ("ssim", "SIGMA = 1.5", "SIGMA = 1.4"),
        ("ssim", "K1, K2 = 0.01, 0.03", "K1, K2 = 0.03, 0.01"),
        ("ms_ssim", "(luminance * contrast if last else contrast)", "(luminance * contrast)"),
        ("ms_ssim", "0.2856, 0.3001", "0.3001, 0.2856"),
        ("ms_psnr", ".mean(axis=(1, 3))", ".max(axis=(1, 3))"),
        ("ms_psnr", "math.fsum(values) / scales", "math.fsum(values)"),
    ],
)
def test_an_error_in_image_quality_is_caught(name, right, wrong):
    assert image_errors(image_quality)[name] < 1e-4
    assert image_errors(mutant(image_quality, right, wrong))[name] > 1e-4


def statistics_error(module):
    rng = np.random.default_rng(6)
    a = rng.random(120)
    b = a + rng.normal(-0.004, 0.08, 120)
    found = module.paired_test(a, b)
    low, high = stats.t.interval(0.95, 119, (a - b).mean(), stats.sem(a - b))
    return max(abs(found.p - stats.ttest_rel(a, b).pvalue), 20 * abs(found.low - low), 20 * abs(found.high - high))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("np.abs((2 * signs - 1) @ gap)", "(2 * signs - 1) @ gap"),
        ("2 * signs - 1", "signs"),
        ("[(1 - level) / 2, (1 + level) / 2]", "[1 - level, level]"),
        ("gap = a[both] - b[both]", "gap = b[both] - a[both]"),
    ],
)
def test_an_error_in_the_statistics_is_caught(right, wrong):
    assert statistics_error(statistics) < 0.03
    assert statistics_error(mutant(statistics, right, wrong)) > 0.03
