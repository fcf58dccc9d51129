"""How reports differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from diptych.flow.evaluate import DIRECTIONS
from diptych.kinds import BadInput, Report, shown
from diptych.metrics import statistics


@dataclass(frozen=True)
class Difference:
    """One metric of two reports over the queries that both answer: a, b and a - b with its 95 % interval and p.

    Shares are fractions of 1, `medr` is a median and its difference one of medians. p is two-sided, of Fisher's paired
    randomisation test, for this row alone; holm is p corrected for all rows of the comparison.

    n, pictures   how many queries, and to how many pictures they belong: a picture is drawn, and changes places, with
                  all its queries. None where neither report knows, and each query was taken for itself
    against       which of the reports b is: 1 is the one after the first
    """

    direction: str
    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    n: int
    holm: float = float("nan")
    against: int = 1
    pictures: int | None = None


def compare(first: Report, *others: Report) -> list[Difference]:
    """How the first report differs from each of the others, for each direction and metric that both hold by query.

    Whoever looks at many rows finds a small p by chance; `holm` keeps the chance of one such row at what it says (Holm,
    Scandinavian Journal of Statistics 1979). Raises BadInput without others, and when two reports did not ask the same
    queries of the same database under the same protocol and ties.
    """
    for report in (first, *others):
        if not isinstance(report, Report):
            raise BadInput(f"compare: {shown(report)} is no report; give reports one by one, compare(a, b, c)")
    if not others:
        raise BadInput("one report has nothing to be compared with; give two or more")
    rows = [row for place, other in enumerate(others, 1) for row in _differences(first, other, place)]
    order = {metric: place for place, metric in enumerate(dict.fromkeys(row.metric for row in rows))}
    rows.sort(key=lambda row: (DIRECTIONS.index(row.direction), order[row.metric], row.against))
    corrected = statistics.holm(np.array([row.p for row in rows]))
    return [replace(row, holm=float(p)) for row, p in zip(rows, corrected, strict=True)]


def _differences(a: Report, b: Report, place: int) -> Iterator[Difference]:
    for name in ("dataset", "protocol", "protocol_text", "ties", "counts", "data"):
        ours, its = getattr(a, name), getattr(b, name)
        if ours != its:
            what = "data (names and texts of queries and items)" if name == "data" else name
            raise BadInput(
                f"{what} differs: {_said(ours)} against {_said(its)}; evaluate both methods in the same way to compare"
            )
    if not any(metric in b.per_query.get(side, {}) for side in DIRECTIONS for metric in a.per_query.get(side, {})):
        raise BadInput("the two reports have no metric in common; evaluate both with the same --metrics")
    for direction in DIRECTIONS:
        mine, theirs = a.per_query.get(direction, {}), b.per_query.get(direction, {})
        owner = a.owners.get(direction) or b.owners.get(direction)  # the queries are the same
        for metric in (metric for metric in mine if metric in theirs):
            x, y = (np.array(values[metric], dtype=float) for values in (mine, theirs))
            if len(x) != len(y):
                raise BadInput(f"{direction} {metric}: {len(x)} queries against {len(y)}; evaluate both on one dataset")
            centre: statistics.Centre = "median" if metric == "medr" else "mean"
            test = statistics.paired_test(x, y, statistic=centre, clusters=owner)
            both = ~(np.isnan(x) | np.isnan(y))
            of_a, of_b = (float(getattr(np, centre)(side[both])) for side in (x, y))
            found = (test.difference, test.low, test.high, test.p, test.n)
            pictures = None if owner is None else test.clusters
            yield Difference(direction, metric, of_a, of_b, *found, against=place, pictures=pictures)


def _said(value: object) -> str:
    return ", ".join(f"{n} {name}" for name, n in value.items()) if isinstance(value, dict) else repr(value)
