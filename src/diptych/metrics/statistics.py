"""How far to trust a mean over queries, and a difference between two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from diptych.kinds import BadInput, Floats

Rows = npt.NDArray[np.int64]
CHUNK = 1_000_000
"""Random numbers held at a time."""


Centre = Literal["mean", "median"]


@dataclass(frozen=True)
class Comparison:
    """The mean (or median) of a minus that of b over the same queries, its interval and the two-sided p value."""

    difference: float
    low: float
    high: float
    p: float
    n: int


def bootstrap_interval(
    values: Floats, level: float = 0.95, resamples: int = 2000, seed: int = 0, statistic: Centre = "mean"
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean or median over queries (Efron 1979).

    values   (n,) one a query; NaN ones (queries without a relevant item) are left out
    Raises BadInput when none is left.
    """
    kept = values[~np.isnan(values)]
    centre = _centre(statistic)
    return _interval(len(kept), lambda rows: centre(kept[rows], axis=1), level, resamples, seed)


def paired_test(
    a: Floats, b: Floats, level: float = 0.95, resamples: int = 10_000, seed: int = 0, statistic: Centre = "mean"
) -> Comparison:
    """Whether two systems differ on the same queries: Fisher's paired randomisation test (Smucker et al., CIKM 2007).

    Under the null hypothesis each query's two values might as well change places: p is the share of random exchanges
    after which means (or medians) differ at least as much as those seen, the ones seen counted among them. The interval
    is a bootstrap of the difference. a, b (n,); a query where either is NaN is left out. Raises BadInput for unequal
    lengths and when no query is left.
    """
    if a.shape != b.shape:
        raise BadInput(
            f"a has {a.shape} values and b {b.shape}; a paired test wants the same queries in the same order"
        )
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    gap, centre = a - b, _centre(statistic)

    def resampled(rows: Rows) -> Floats:
        """The difference in each resample of the queries."""
        return centre(gap[rows], axis=1) if statistic == "mean" else centre(a[rows], axis=1) - centre(b[rows], axis=1)

    def exchanged(change: npt.NDArray[np.bool_]) -> Floats:
        """The difference where these queries' values have changed places."""
        if statistic == "mean":
            return np.asarray((1 - 2 * change.astype(np.int8)) @ gap) / len(gap)
        return centre(np.where(change, b, a), axis=1) - centre(np.where(change, a, b), axis=1)

    low, high = _interval(len(gap), resampled, level, resamples, seed)
    rng = np.random.default_rng(seed)
    difference = float(exchanged(np.zeros((1, len(gap)), dtype=bool))[0])
    # Exchanges that equal the one seen up to rounding count as equal.
    seen, extreme = abs(difference) * (1 - 1e-12), 0
    for size in _sizes(len(gap), resamples):
        change = rng.integers(0, 2, (size, len(gap)), dtype=np.int8) == 0
        extreme += int(np.count_nonzero(np.abs(exchanged(change)) >= seen))
    return Comparison(difference, low, high, (extreme + 1) / (resamples + 1), len(gap))


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


def _interval(
    n: int, resampled: Callable[[Rows], Floats], level: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Percentile interval of what `resampled` makes of rows (resamples, n), a chunk at a time."""
    if not n:
        raise BadInput("values: no query has one, so there is no interval; does any query have a relevant item?")
    if not 0 < level < 1:
        raise BadInput(f"level: {level} is no share of certainty; give one between 0 and 1, such as 0.95")
    found = np.concatenate([resampled(rows) for rows in _draws(n, resamples, seed)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _sizes(n: int, resamples: int) -> Iterator[int]:
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        yield min(step, resamples - start)


def _draws(n: int, resamples: int, seed: int) -> Iterator[Rows]:
    """Rows drawn with replacement, a chunk of resamples at a time."""
    rng = np.random.default_rng(seed)
    for size in _sizes(n, resamples):
        yield rng.integers(0, n, (size, n))
