"""How far to trust a mean over queries, and a difference between two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from diptych.kinds import BadInput, Floats

CHUNK = 1_000_000
"""Random numbers held at a time."""


@dataclass(frozen=True)
class Comparison:
    """The mean of a minus the mean of b over the same queries, its interval and the two-sided p value."""

    difference: float
    low: float
    high: float
    p: float
    n: int


def bootstrap_interval(
    values: Floats,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    statistic: Literal["mean", "median"] = "mean",
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean or median over queries (Efron 1979).

    values   (n,) one a query; NaN ones (queries without a relevant item) are left out
    Raises BadInput when none is left.
    """
    kept = values[~np.isnan(values)]
    if not len(kept):
        raise BadInput("values: no query has one, so there is no interval; does any query have a relevant item?")
    if not 0 < level < 1:
        raise BadInput(f"level: {level} is no share of certainty; give one between 0 and 1, such as 0.95")
    centre: Callable[..., Floats] = np.mean if statistic == "mean" else np.median
    centres = np.concatenate([centre(kept[rows], axis=1) for rows in _draws(len(kept), resamples, seed)])
    low, high = np.quantile(centres, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_test(a: Floats, b: Floats, level: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Comparison:
    """Whether two systems differ on the same queries: Fisher's paired randomisation test (Smucker et al., CIKM 2007).

    Under the null hypothesis each query's two values might as well change places: p is the share of random exchanges
    whose difference of means is at least as large as the one seen, the one seen counted among them. The interval is a
    bootstrap of the difference. a, b (n,); a query where either is NaN is left out. Raises BadInput for unequal lengths
    and when no query is left.
    """
    if a.shape != b.shape:
        raise BadInput(
            f"a has {a.shape} values and b {b.shape}; a paired test wants the same queries in the same order"
        )
    both = ~(np.isnan(a) | np.isnan(b))
    gap = a[both] - b[both]
    low, high = bootstrap_interval(gap, level, resamples, seed)
    rng = np.random.default_rng(seed)
    # Exchanges that equal the one seen up to rounding count as equal.
    seen = abs(gap.sum()) * (1 - 1e-12)
    extreme = 0
    for size in _sizes(len(gap), resamples):
        signs = rng.integers(0, 2, (size, len(gap)), dtype=np.int8)
        extreme += int(np.count_nonzero(np.abs((2 * signs - 1) @ gap) >= seen))
    return Comparison(float(gap.mean()), low, high, (extreme + 1) / (resamples + 1), len(gap))


def _sizes(n: int, resamples: int) -> Iterator[int]:
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        yield min(step, resamples - start)


def _draws(n: int, resamples: int, seed: int) -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Rows drawn with replacement, a chunk of resamples at a time."""
    rng = np.random.default_rng(seed)
    for size in _sizes(n, resamples):
        yield rng.integers(0, n, (size, n))
