"""The order of the first answers learned from what people preferred.

A handful of facts of an answer, weighed: w · f(query, item). The weights are those of a pairwise logistic regression
(what was liked before what was passed: Burges et al., ICML 2005, with one layer), with a ridge that draws them back to
the order there was. So nothing learned is nothing changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diptych.collection.feedback.preferences import Preferences
from diptych.kinds import Floats, Ints

FIRST = 100
"""Answers whose order may change."""

FACTS = ("order", "vector", "keywords", "this query", "similar queries", "any query", "newer")
"""order, vector   minus the logarithm (2) of the place in the answer, and in that of the vectors alone
keywords        1 where its words fit best, falling as the logarithm of the place rises; 0 where they do not
this query …    what `Preferences` know
newer           0 for the item that came first, to 1 for the last
"""

RIDGE = 1.0
"""Of the weights, in pairs."""

RANK = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke & Büttcher, SIGIR 2009)."""

_STEPS = 20


@dataclass(frozen=True)
class Candidates:
    """The first answers to a query, in their order.

    ids        (n,)
    vector     (n,) their places by the vectors alone, from 0
    keywords   (n,) their places by keywords, from 0; -1 where their words do not fit
    last       the highest id of the collection
    """

    ids: Ints
    vector: Ints
    keywords: Ints
    last: int

    def weighed(self, keywords: float) -> Ints:
        """(n,) the order, as places, with another weight of keywords against vectors."""
        by_word = np.where(self.keywords >= 0, 1 / (RANK + 1 + self.keywords), 0.0)
        fused = (1 - keywords) / (RANK + 1 + self.vector) + keywords * by_word
        return np.lexsort((self.ids, -fused))


def facts(candidates: Candidates, query: str, known: Preferences, without: str | None) -> Floats:
    """(n, len(FACTS)). without: as of `Preferences.of`."""
    n = len(candidates.ids)
    said = candidates.keywords >= 0
    return np.column_stack(
        [
            -np.log2(1.0 + np.arange(n)),
            -np.log2(1.0 + candidates.vector),
            np.where(said, 1 / (1 + np.log2(1.0 + np.maximum(candidates.keywords, 0))), 0.0),
            known.of(query, candidates.ids.tolist(), without),
            candidates.ids / max(candidates.last, 1),
        ]
    )


def plain() -> Floats:
    """(len(FACTS),) the weights that leave the order as it is."""
    return np.asarray(np.eye(len(FACTS))[0])


def order(rows: Floats, weights: Floats) -> Ints:
    """(n,) places of the answers in their new order; ties stay in the old one."""
    return np.argsort(-(rows @ weights), kind="stable")


def fit(pairs: Sequence[Floats], shares: Sequence[float]) -> Floats:
    """(len(FACTS),) the weights; that of the order is 1.

    What was passed stood above what was liked, good or bad. So the order is weighed with all else when it is fitted,
    and takes that upon itself, and then gets its old weight back.

    pairs    of each session the facts of what was liked less those of what was passed, (m, len(FACTS))
    shares   what each session counts for
    """
    start = plain()
    weights = start.copy()
    if not pairs:
        return weights
    rows = np.vstack(pairs)
    share = np.concatenate([np.full(len(some), part / len(some)) for some, part in zip(pairs, shares, strict=True)])
    for _ in range(_STEPS):  # of Newton's method; the curve is bounded, so that a step is never too long
        wrong = 1 / (1 + np.exp(np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (share * wrong) - RIDGE * (weights - start)
        curve = np.maximum(wrong * (1 - wrong), 0.05)
        weights = weights + np.linalg.solve((rows.T * (share * curve)) @ rows + RIDGE * np.eye(len(start)), slope)
    weights[0] = start[0]
    return weights


def told(weights: Floats) -> Mapping[str, float]:
    return dict(zip(FACTS, map(float, weights), strict=True))
