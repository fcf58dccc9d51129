"""Every ranking measure, as one formula over tie groups; one value a query.

    name          what it is
    map@all       average precision over the whole database
    map@50        the same cut at rank 50, divided by min(R, 50): the IR standard
    map@50:hits   divided by the relevant items found in the first 50, as the DJSRH line of code does; flatters
    map@50:first  over the first min(R, 50) relevant items wherever they stand, as the DCHMT and DSPH code does
    r@1           1 when a relevant item is in the first k: the "R@K" that papers print
    recall@10     share of the relevant items that is in the first k: true recall
    p@10          share of the first k that is relevant
    ndcg@10       discounted cumulative gain over its best possible value; gain is the grade, discount log2(rank + 1)
    mrr, mrr@10   1 / rank of the first relevant item, 0 beyond the cut
    medr, meanr   rank of the first relevant item; medr is summed up by its median

R is the number of relevant items of a query in the database. A cut-off is a number or `all`. Each value is the exact
expectation over random order inside tie groups (but see `interpolated_precision`); the closed form for average
precision is that of McSherry & Najork (ECIR 2008). A query without relevant items has no value: NaN.

A new measure is one function here, with its name in `CUT` or `WHOLE` below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from diptych.kinds import Array, BadInput, Floats, Ints, Qrels, named, nearest
from diptych.metrics.ranking import Ranking, distance_histograms

Longs = npt.NDArray[np.longdouble]

# ---------------------------------------------------------------------------------------------------- one value a query


def average_precision(ranking: Ranking, k: int) -> Floats:
    """map@k: precision at each relevant item of the first k, summed and divided by min(R, k)."""
    reached = _reached(ranking, k)
    total = ranking.per_query(_precisions(ranking, reached))
    return total / np.minimum(ranking.relevant, k)


def average_precision_of_hits(ranking: Ranking, k: int) -> Floats:
    """map@k:hits: the same sum divided by the number of relevant items in the first k; 0 when there is none."""
    whole = ranking.above + ranking.size <= k
    total = ranking.per_query(np.where(whole, _precisions(ranking, ranking.size), 0.0))
    found = ranking.per_query(np.where(whole, ranking.hits, 0))
    value = total / np.maximum(found, 1)
    # The group that rank k cuts in two: sum over the number of its relevant items that come before the cut.
    for g in np.flatnonzero(~whole & (ranking.above < k)):
        query, above, size, hits, hits_above = _group(ranking, g)
        reached = k - above
        x = np.arange(max(0, reached - (size - hits)), min(reached, hits) + 1)
        chance = np.exp(
            _log_choose(hits, x) + _log_choose(size - hits, reached - x) - _log_choose(size, np.array(reached))
        )
        inside = _precision_sum(above, reached, x, hits_above, reached)
        value[query] = float(np.sum(chance * (total[query] + inside) / np.maximum(hits_above + x, 1)))
    return value


def average_precision_of_first(ranking: Ranking, k: int) -> Floats:
    """map@k:first: mean precision at the first min(R, k) relevant items, at whatever rank they stand."""
    wanted = np.minimum(ranking.relevant, k)
    left = wanted[ranking.query] - ranking.hits_above
    whole = left >= ranking.hits
    total = ranking.per_query(np.where(whole, _precisions(ranking, ranking.size), 0.0))
    # In the group that holds the last one wanted, `s` relevant items count. The one at place j has Y relevant ones of
    # the group before it, Y hypergeometric; it counts while Y < s, and its precision is (hits above + Y + 1) / rank.
    for g in np.flatnonzero(~whole & (left > 0)):
        query, above, size, hits, hits_above = _group(ranking, g)
        s = int(left[g])
        before = np.arange(size)
        counts = _at_most(s - 1, hits - 1, size - 1)
        mean = np.zeros(size, dtype=np.longdouble)
        mean[1:] = before[1:] * (hits - 1) / max(size - 1, 1) * _at_most(s - 2, hits - 2, size - 2)
        terms = ((hits_above + 1) * counts + mean) / (above + 1 + before)
        total[query] += float(hits / size * terms.sum())
    return total / wanted


def hit_rate(ranking: Ranking, k: int) -> Floats:
    """r@k: the chance that the first k hold a relevant item."""
    value = np.zeros(ranking.n_queries)
    first = ranking.first
    reached = _reached(ranking, k)[first]
    size, hits = ranking.size[first], ranking.hits[first]
    value[ranking.query[first]] = 1.0 - np.exp(_log_choose(size - reached, hits) - _log_choose(size, hits))
    return value


def recall(ranking: Ranking, k: int) -> Floats:
    """recall@k: relevant items in the first k, divided by R."""
    return _found(ranking, k) / ranking.relevant


def precision(ranking: Ranking, k: int) -> Floats:
    """p@k: relevant items in the first k, divided by k."""
    return _found(ranking, k) / k


def ndcg(ranking: Ranking, k: int) -> Floats:
    """ndcg@k: sum of grade / log2(rank + 1) over the first k, divided by what the best ranking has (Järvelin 2002)."""
    if ranking.ideal is None:
        raise BadInput("ndcg: this ranking was made without grades; rank with graded=True")
    return _gain(ranking, k) / _gain(ranking.ideal, k)


def reciprocal_rank(ranking: Ranking, k: int) -> Floats:
    """mrr: 1 / rank of the first relevant item when it is in the first k, else 0."""
    value = np.zeros(ranking.n_queries)
    first = ranking.first[ranking.above[ranking.first] < k]
    certain = ranking.size[first] == ranking.hits[first]  # its first is relevant, in whatever order it stands
    value[ranking.query[first[certain]]] = 1 / (ranking.above[first[certain]] + 1)
    for g in first[~certain]:
        query, above, size, hits, _ = _group(ranking, g)
        place = np.arange(1, min(size - hits + 1, k - above) + 1)
        chance = np.exp(_log_choose(size - place, hits - 1) - _log_choose(size, np.array(hits)))
        value[query] = float(np.sum(chance / (above + place)))
    return value


def first_rank(ranking: Ranking) -> Floats:
    """medr, meanr: the rank of the first relevant item; in a tie group with r of n relevant it is (n + 1) / (r + 1) on.

    A relevant item that a run leaves out has no rank: infinity.
    """
    value = np.full(ranking.n_queries, np.inf)
    first = ranking.first
    value[ranking.query[first]] = ranking.above[first] + (ranking.size[first] + 1) / (ranking.hits[first] + 1)
    return value


CUT: dict[str, Callable[[Ranking, int], Floats]] = {
    "map": average_precision,
    "map:hits": average_precision_of_hits,
    "map:first": average_precision_of_first,
    "r": hit_rate,
    "recall": recall,
    "p": precision,
    "ndcg": ndcg,
    "mrr": reciprocal_rank,
}
"""Measures with a cut-off: the `k` of `name@k`."""

WHOLE: dict[str, Callable[[Ranking], Floats]] = {
    "mrr": lambda ranking: reciprocal_rank(ranking, ranking.n_items),
    "medr": first_rank,
    "meanr": first_rank,
}
"""Measures without one."""

# ------------------------------------------------------------------------------------------------------------ by name


def known(name: str) -> str:
    """The name, if a measure has it. Raises BadInput with the nearest one there is."""
    _read(named(name, "metrics"))
    return name


def measure(name: str, ranking: Ranking) -> Floats:
    """(n_q,) the measure of this name, e.g. `map@50:hits`; NaN for a query with no relevant item.

    Raises BadInput for a name that is not one of those above.
    """
    function, k = _read(name)
    with np.errstate(divide="ignore", invalid="ignore"):
        if k is None:
            value = WHOLE[function](ranking)
        else:
            value = CUT[function](ranking, k or ranking.n_items)
    return np.where(ranking.relevant > 0, value, np.nan)


def evaluate(names: Sequence[str], rankings: Iterable[Ranking]) -> dict[str, Floats]:
    """Name -> (n_q,) values over consecutive blocks of queries, each block seen once."""
    for name in names:
        _read(name)
    blocks: dict[str, list[Floats]] = {name: [] for name in names}
    for ranking in rankings:
        for name, values in blocks.items():
            values.append(measure(name, ranking))
    return {name: np.concatenate(values) for name, values in blocks.items()}


def wants_grades(names: Iterable[str]) -> bool:
    """Whether a measure among these asks for `rankings(..., graded=True)`."""
    return any(_read(name)[0] == "ndcg" for name in names)


def summary(name: str, values: Floats, unanswerable: Literal["drop", "zero"] = "drop") -> float:
    """One number for all queries: the mean, for `medr` the median.

    unanswerable   queries with no relevant item (NaN): "drop" leaves them out of the mean (UCCH code, trec_eval);
                   "zero" divides by all queries (DCMH, DJSRH and DCHMT code). They are `np.isnan(values).sum()`.
    """
    base = _read(name)[0]
    if unanswerable == "zero":
        if base in ("medr", "meanr"):
            raise BadInput(f"{name}: a query with no relevant item has no rank to count as zero; drop such queries")
        return float(np.nan_to_num(values, nan=0.0).mean())
    kept = values[~np.isnan(values)]
    if not len(kept):
        return float("nan")
    return float(np.median(kept) if base == "medr" else kept.mean())


def rsum(i2t: Mapping[str, float], t2i: Mapping[str, float]) -> float:
    """The sum of r@1, r@5 and r@10 in both directions, at most 6 as fractions (papers print percent, at most 600)."""
    names = ("r@1", "r@5", "r@10")
    for direction, scores in (("i2t", i2t), ("t2i", t2i)):
        missing = [name for name in names if name not in scores]
        if missing:
            raise BadInput(f"rsum: {direction} lacks {', '.join(missing)}; measure {', '.join(names)} both ways")
    return sum(scores[name] for scores in (i2t, t2i) for name in names)


def _read(name: str) -> tuple[str, int | None]:
    """The function's name and the cut-off: 0 for `all`, None where the measure has none."""
    match = re.fullmatch(r"([a-z]+)(?:@(all|[1-9][0-9]{0,14}))?(:[a-z]+)?", name)
    base = (match[1] + (match[3] or "")) if match else name
    if match and match[2] and base in CUT:
        return base, 0 if match[2] == "all" else int(match[2])
    if match and not match[2] and base in WHOLE:
        return base, None
    cut = [f"{known}@10".replace(":", "") if ":" not in known else known.replace(":", "@10:") for known in CUT]
    raise BadInput(f"no measure {name!r}{nearest(name, [*cut, *(key.replace('@10', '@all') for key in cut), *WHOLE])}")


# ------------------------------------------------------------------------------------------------------------- curves


def rank_curve(rankings: Iterable[Ranking], cutoffs: Sequence[int] | Ints) -> tuple[Floats, Floats]:
    """Mean precision and mean recall in the first N items, for each N of `cutoffs`: top-N precision, and PR by rank.

    Queries with no relevant item are left out. Exact under ties: expected hits grow linearly inside a group.
    """
    cut = np.asarray(cutoffs)
    hits, share, n = np.zeros(len(cut)), np.zeros(len(cut)), 0
    for ranking in rankings:
        for groups in _by_query(ranking):
            end = ranking.above[groups] + ranking.size[groups]
            at = np.column_stack([ranking.above[groups], end]).ravel()
            so_far = np.column_stack(
                [ranking.hits_above[groups], ranking.hits_above[groups] + ranking.hits[groups]]
            ).ravel()
            found = np.interp(cut, at, so_far)
            hits += found
            share += found / ranking.relevant[ranking.query[groups.start]]
        n += int(np.count_nonzero(ranking.relevant))
    return hits / cut / max(n, 1), share / max(n, 1)


def interpolated_precision(rankings: Iterable[Ranking], levels: int = 11) -> tuple[Floats, Floats]:
    """Recall levels 0 … 1 and the mean over queries of the best precision at that recall or beyond (11-point PR).

    Queries with no relevant item are left out. The best of several precisions has no closed expectation under ties, so
    the relevant items of a tie group stand at their expected ranks; without ties this is exact.
    """
    recalls = np.linspace(0.0, 1.0, levels)
    total, n = np.zeros(levels), 0
    for ranking in rankings:
        for groups in _by_query(ranking):
            above, hits_above = ranking.above[groups], ranking.hits_above[groups]
            hits = ranking.hits[groups]
            step = (ranking.size[groups] + 1) / (hits + 1)
            last = (hits_above + hits) / (above + hits * step)
            # Precision inside a group rises or falls all the way, so its best is at one of its ends.
            ends = np.maximum((hits_above + 1) / (above + step), last)
            later = np.append(np.maximum.accumulate(ends[::-1])[::-1], 0.0)
            needed = np.maximum(np.ceil(recalls * ranking.relevant[ranking.query[groups.start]] - 1e-9), 1)
            at = np.searchsorted(hits_above + hits, needed)
            there = np.flatnonzero(at < len(hits))
            g = at[there]
            i = needed[there] - hits_above[g]
            here = np.maximum((hits_above[g] + i) / (above[g] + i * step[g]), last[g])
            total[there] += np.maximum(here, later[g + 1])
        n += int(np.count_nonzero(ranking.relevant))
    return recalls, total / max(n, 1)


@dataclass(frozen=True)
class RadiusCurve:
    """Precision and recall of the Hamming ball of radius 0 … K around each query: hash lookup. All (K + 1,).

    micro pools the items of all queries; macro is the mean over queries, for precision over those whose ball is not
    empty (NaN where all are), for recall over those with a relevant item.
    """

    micro_precision: Floats
    micro_recall: Floats
    macro_precision: Floats
    macro_recall: Floats


def radius_curve(queries: Array, items: Array, qrels: Qrels) -> RadiusCurve:
    """Precision and recall by Hamming radius of packed codes (n_q, K / 8) against (n_d, K / 8)."""
    sums: Floats = np.zeros((7, 8 * queries.shape[1] + 1))
    for _, everything, relevant in distance_histograms(queries, items, qrels):
        ball, hits = np.cumsum(everything, axis=1), np.cumsum(relevant, axis=1)
        total = np.broadcast_to(hits[:, -1:], hits.shape)
        sums += [
            ball.sum(axis=0),
            hits.sum(axis=0),
            total.sum(axis=0),
            (hits / np.maximum(ball, 1)).sum(axis=0),
            (ball > 0).sum(axis=0),
            (hits / np.maximum(total, 1)).sum(axis=0),
            (total > 0).sum(axis=0),
        ]
    ball, hits, total, precisions, filled, recalls, answerable = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return RadiusCurve(hits / ball, hits / total, precisions / filled, recalls / answerable)


# ------------------------------------------------------------------------------------------------ inside a tie group


def _reached(ranking: Ranking, k: int) -> Ints:
    """How many items of each group are among the first k."""
    return np.clip(k - ranking.above, 0, ranking.size)


def _found(ranking: Ranking, k: int) -> Floats:
    """(n_q,) relevant items expected in the first k."""
    return ranking.per_query(ranking.hits * (_reached(ranking, k) / ranking.size))


def _gain(ranking: Ranking, k: int) -> Floats:
    """(n_q,) discounted cumulative gain of the first k."""
    table = _discounts(_room(ranking))
    share = table[ranking.above + _reached(ranking, k)] - table[ranking.above]
    return ranking.per_query(ranking.gain / ranking.size * share.astype(np.float64))


def _precisions(ranking: Ranking, reached: Ints) -> Floats:
    """(G,) see `_precision_sum`."""
    return _precision_sum(ranking.above, ranking.size, ranking.hits, ranking.hits_above, reached)


def _precision_sum(
    above: int | Ints, size: int | Ints, hits: int | Ints, hits_above: int | Ints, reached: int | Ints
) -> Floats:
    """Expected sum of the precision at each relevant item among the first `reached` places of a tie group.

    At place j stands a relevant item with chance r / n; before it in the group stand (j - 1)(r - 1) / (n - 1) others.
    Sum over j of r/n (R + 1 + (j - 1)(r - 1)/(n - 1)) / (N + j), with the sums of 1 / (N + j) from harmonic numbers.
    """
    if isinstance(size, np.ndarray) and size.max(initial=1) == 1:  # no ties: no need of sums
        return np.asarray(reached * (hits_above + 1.0) / (above + 1.0))
    end = above + np.asarray(reached)
    table = _harmonic(int(end.max(initial=0)))
    gained = table[end] - table[above]
    slope = (np.asarray(hits) - 1) / np.maximum(np.asarray(size) - 1, 1)
    value = np.asarray(hits) / size * ((hits_above + np.asarray(1)) * gained + slope * (reached - (above + 1) * gained))
    return np.asarray(value, dtype=np.float64)


def _group(ranking: Ranking, g: int | np.integer[Any]) -> tuple[int, int, int, int, int]:
    return (
        int(ranking.query[g]),
        int(ranking.above[g]),
        int(ranking.size[g]),
        int(ranking.hits[g]),
        int(ranking.hits_above[g]),
    )


def _by_query(ranking: Ranking) -> Iterable[slice]:
    """The groups of each query that has any."""
    edges = np.append(ranking.first, len(ranking.query)).tolist()
    return (slice(low, high) for low, high in pairwise(edges))


def _at_most(most: int, marked: int, population: int) -> Longs:
    """(population + 1,) chance of at most `most` marked ones in the first 0, 1, … of a shuffled population."""
    if most < 0 or population < 0:
        return np.zeros(max(population, 0) + 1, dtype=np.longdouble)
    drawn = np.arange(population)
    at_the_brink = np.exp(
        _log_choose(marked, np.array(most))
        + _log_choose(population - marked, drawn - most)
        - _log_choose(population, drawn)
    )
    leaves = at_the_brink * max(marked - most, 0) / (population - drawn)
    return np.append(np.ones(1, dtype=np.longdouble), 1 - np.cumsum(leaves))


def _log_choose(n: int | Ints, k: int | Ints) -> Longs:
    """Logarithm of the binomial coefficient; minus infinity where it is 0."""
    n, k = np.broadcast_arrays(n, k)
    fine = (k >= 0) & (k <= n)
    top, low = np.where(fine, n, 0), np.where(fine, k, 0)
    table = _log_factorial(int(top.max(initial=0)))
    return np.where(fine, table[top] - table[low] - table[top - low], -np.inf)


def _room(ranking: Ranking) -> int:
    return int((ranking.above + ranking.size).max(initial=0))


# Tables in extended precision: what is used are differences of neighbouring sums, and 1e-9 has to survive them. Their
# lengths are rounded up to a power of two so that blocks share them.


def _harmonic(n: int) -> Longs:
    return _harmonic_table(n.bit_length())


def _discounts(n: int) -> Longs:
    return _discount_table(n.bit_length())


def _log_factorial(n: int) -> Longs:
    return _log_factorial_table(n.bit_length())


@lru_cache(maxsize=2)
def _harmonic_table(bits: int) -> Longs:
    """1 + 1/2 + … + 1/n for n = 0, 1, …"""
    return _running(1 / np.arange(1, 1 << bits, dtype=np.longdouble))


@lru_cache(maxsize=2)
def _discount_table(bits: int) -> Longs:
    """Sum of 1 / log2(i + 1) over the first n ranks."""
    ranks = np.arange(1, 1 << bits, dtype=np.longdouble)
    return _running(np.reciprocal(np.log2(ranks + 1), dtype=np.longdouble))


@lru_cache(maxsize=2)
def _log_factorial_table(bits: int) -> Longs:
    """log n!"""
    return _running(np.log(np.arange(1, 1 << bits, dtype=np.longdouble)))


def _running(terms: Longs) -> Longs:
    return np.append(np.zeros(1, dtype=np.longdouble), np.cumsum(terms))
