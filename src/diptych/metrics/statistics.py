"""How far to trust a mean over queries, and a difference between two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from diptych.kinds import BadInput, Floats

Rows = npt.NDArray[np.int64]
CHUNK = 1_000_000
"""Random numbers held at a time."""

Centre = Literal["mean", "median"]


@dataclass(frozen=True)
class Comparison:
    """The mean (or median) of a minus that of b over the same queries, its interval and the two-sided p value.

    n, clusters   how many queries, and of how many clusters
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    clusters: int


def bootstrap_interval(
    values: Floats,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    statistic: Centre = "mean",
    clusters: Any = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean or median over queries (Efron 1979).

    values     (n,) one a query; NaN ones (queries without a relevant item) are left out
    clusters   (n,) whole numbers: queries of one number belong together, as five captions of one picture do, and are
               drawn together (Davison & Hinkley 1997, 3.8); None: every query stands alone
    Raises BadInput when no query is left, and for clusters of another length.
    """
    kept = ~np.isnan(values)
    group = _groups(clusters, kept)
    centre = _resampled_centre(values[kept], group, statistic)
    return _interval(group, centre, level, resamples, seed)


def paired_test(
    a: Floats,
    b: Floats,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    statistic: Centre = "mean",
    clusters: Any = None,
) -> Comparison:
    """Whether two systems differ on the same queries: Fisher's paired randomisation test (Smucker et al., CIKM 2007).

    Under the null hypothesis each query's two values might as well change places: p is the share of random exchanges
    after which means (or medians) differ at least as much as those seen, the ones seen counted among them. Queries of
    one cluster change places together, since what makes one caption of a picture hard makes the others hard too. The
    interval is a bootstrap of the difference.

    a, b       (n,) a query where either is NaN is left out
    clusters   as in `bootstrap_interval`
    Raises BadInput for unequal lengths and when no query is left.
    """
    if a.shape != b.shape:
        raise BadInput(
            f"a has {a.shape} values and b {b.shape}; a paired test wants the same queries in the same order"
        )
    both = ~(np.isnan(a) | np.isnan(b))
    group = _groups(clusters, both)
    a, b = a[both], b[both]
    gap, centre = a - b, _centre(statistic)
    if statistic == "mean":
        resampled = _resampled_centre(gap, group, "mean")
    else:
        of_a, of_b = (_resampled_centre(side, group, statistic) for side in (a, b))

        def resampled(times: Floats) -> Floats:
            return of_a(times) - of_b(times)

    low, high = _interval(group, resampled, level, resamples, seed)
    n, n_clusters = len(gap), int(group.max()) + 1
    gaps = np.bincount(group, weights=gap)

    def exchanged(change: npt.NDArray[np.bool_]) -> Floats:
        """The difference where the values of these clusters have changed places."""
        if statistic == "mean":
            return np.asarray((1 - 2 * change.astype(np.int8)) @ gaps) / n
        change = change[:, group]
        return centre(np.where(change, b, a), axis=1) - centre(np.where(change, a, b), axis=1)

    rng = np.random.default_rng(seed)
    difference = float(exchanged(np.zeros((1, n_clusters), dtype=bool))[0])
    # Exchanges that equal the one seen up to rounding count as equal.
    seen, extreme = abs(difference) * (1 - 1e-12), 0
    for size in _sizes(n, resamples):
        change = rng.integers(0, 2, (size, n_clusters), dtype=np.int8) == 0
        extreme += int(np.count_nonzero(np.abs(exchanged(change)) >= seen))
    return Comparison(difference, low, high, (extreme + 1) / (resamples + 1), n, n_clusters)


def holm(p: Floats) -> Floats:
    """p values of m tests corrected for looking at all of them (Holm, Scandinavian Journal of Statistics 1979).

    The k-th smallest is multiplied by m - k + 1 and is no smaller than those before it, at most 1. So whoever calls
    whatever is at most 0.05 a difference is wrong anywhere in one case out of twenty at most, however the tests hang
    together. p (m,), and so is what is returned, in the same order. Raises BadInput for what is no p value.
    """
    if not ((p >= 0) & (p <= 1)).all():
        raise BadInput("p: a p value lies between 0 and 1")
    order = np.argsort(p, kind="stable")
    steps = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    corrected = np.empty(len(p))
    corrected[order] = steps
    return corrected


def _centre(statistic: Centre) -> Callable[..., Floats]:
    return np.mean if statistic == "mean" else np.median


def _groups(clusters: Any, kept: npt.NDArray[np.bool_]) -> Rows:
    """The cluster of each query that is kept, numbered from 0 without gaps."""
    if not kept.any():
        raise BadInput("values: no query has one, so there is no interval; does any query have a relevant item?")
    if clusters is None:
        return np.arange(np.count_nonzero(kept))
    if np.shape(clusters) != kept.shape:
        raise BadInput(f"clusters: {np.shape(clusters)} numbers for {kept.shape} values; give each query its own")
    return np.unique(np.asarray(clusters)[kept], return_inverse=True)[1]


def _resampled_centre(values: Floats, group: Rows, statistic: Centre) -> Callable[[Floats], Floats]:
    """From how many times each cluster was drawn, (resamples, clusters), the mean or median of each resample."""
    if statistic == "mean":
        sums, sizes = np.bincount(group, weights=values), np.bincount(group).astype(float)
        return lambda times: np.asarray(times @ sums) / (times @ sizes)
    order = np.argsort(values, kind="stable")
    ranked, of = values[order], group[order]

    def medians(times: Floats) -> Floats:
        reached = np.cumsum(times[:, of], axis=1)  # how many drawn queries are no greater than this one
        total = reached[:, -1:]
        below, above = (np.argmax(reached > at, axis=1) for at in ((total - 1) // 2, total // 2))
        return np.asarray((ranked[below] + ranked[above]) / 2)

    return medians


def _interval(
    group: Rows, resampled: Callable[[Floats], Floats], level: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Percentile interval of what `resampled` makes of clusters drawn with replacement, a chunk at a time."""
    if not 0 < level < 1:
        raise BadInput(f"level: {level} is no share of certainty; give one between 0 and 1, such as 0.95")
    found = np.concatenate([resampled(times) for times in _draws(group, resamples, seed)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _sizes(n: int, resamples: int) -> Iterator[int]:
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        yield min(step, resamples - start)


def _draws(group: Rows, resamples: int, seed: int) -> Iterator[Floats]:
    """(some resamples, clusters) how many times each cluster is drawn, a chunk of resamples at a time."""
    rng, m = np.random.default_rng(seed), int(group.max()) + 1
    for size in _sizes(len(group), resamples):
        drawn = rng.integers(0, m, (size, m)) + m * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * m).reshape(size, m).astype(float)
