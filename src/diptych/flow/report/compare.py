"""How two reports differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diptych.flow.evaluate import DIRECTIONS
from diptych.kinds import BadInput, Report
from diptych.metrics import statistics


@dataclass(frozen=True)
class Difference:
    """One metric of two reports over the queries that both answer: a, b and a - b with its 95 % interval and p.

    Shares are fractions of 1. p is two-sided, of Fisher's paired randomisation test, for this row alone: whoever looks
    at many rows will find a small p by chance.
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


def compare(a: Report, b: Report) -> list[Difference]:
    """How a differs from b, for each direction and metric that both hold query by query.

    `medr` is compared by its mean (`meanr`), since a paired test is one of means. Raises BadInput when the two did not
    ask the same queries of the same database under the same protocol and ties.
    """
    for name in ("dataset", "protocol", "protocol_text", "ties", "counts", "data"):
        of_a, of_b = getattr(a, name), getattr(b, name)
        if of_a != of_b:
            what = "data (names and texts of queries and items)" if name == "data" else name
            raise BadInput(
                f"{what} differs: {_said(of_a)} against {_said(of_b)}; evaluate both methods in the same way to compare"
            )
    found = []
    for direction in DIRECTIONS:
        mine, theirs = a.per_query.get(direction, {}), b.per_query.get(direction, {})
        for metric in (metric for metric in mine if metric in theirs):
            if metric == "medr" and "meanr" in mine and "meanr" in theirs:
                continue
            x, y = (np.array(values[metric], dtype=float) for values in (mine, theirs))
            if len(x) != len(y):
                raise BadInput(f"{direction} {metric}: {len(x)} queries against {len(y)}; evaluate both on one dataset")
            test = statistics.paired_test(x, y)
            both = ~(np.isnan(x) | np.isnan(y))
            name = "meanr" if metric == "medr" else metric
            means = float(x[both].mean()), float(y[both].mean())
            found.append(Difference(direction, name, *means, test.difference, test.low, test.high, test.p, test.n))
    if not found:
        raise BadInput("the two reports have no metric in common; evaluate both with the same --metrics")
    return found


def _said(value: object) -> str:
    return ", ".join(f"{n} {name}" for name, n in value.items()) if isinstance(value, dict) else repr(value)
