"""Marks of the answers to one query, and the query moved by them at once.

Whatever a query is moved by, it stays one vector, so index, filters, pages and keywords go on as they are. Moved, it
scores a row x by its old score and an inner product with what the marked rows x_j come to,

    s'(x) = s(x) + u · x,        u = Σ_j a_j (x_j - mean)

with the mean of the background, rows that stand for the collection. The ways to move it differ in a:

Rocchio    β over the number of those marked yes, -γ over that of those marked no (Rocchio 1971; α 1, β .75, γ .15 as in
           Salton & Buckley, JASIS 1990)
ridge      what is marked yes is to score so much more than before, what is marked no so much less: least squares with
           a ridge on u (Hoerl & Kennard, Technometrics 12, 1970)
logistic   how likely a row is meant, by s' and a constant: s is the offset of a logistic regression with a ridge on u
           (le Cessie & van Houwelingen, Applied Statistics 41, 1992). The constant stands for the background, which as
           a rule is not meant

So all are drawn back to the query as it was. Which of them moves it, if any, the marks say themselves. Each is held out
from what scores it, by the formula that needs no second fit (ridge: exact; logistic: Cawley & Talbot, Machine Learning
71, 2008), and counted is how often one marked yes scores more than one marked no. Ridge is taken without evidence.
Another way takes its place that does better by more than chance does, two deviations of Mann & Whitney's statistic
(1947); and so does the query as it was, where marks contradict each other.

Where a mark stands in the whole collection says less: marked is what was shown, and what was shown stood high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from diptych.collection import arguments
from diptych.kinds import Array, BadInput, Floats, Space

MOST = 1000
"""Marks of one query."""

BACKGROUND = 500
"""Rows that are enough for a background."""

BETA, GAMMA = 0.75, 0.15

RIDGE = 1.0
"""Of both ways, for rows whose length is 1 in the mean."""

MORE, LESS = 1.0, 0.3
"""What ridge wants of those marked yes and no, in deviations of the background's scores."""

SELDOM = -3.5
"""The constant of the logistic way: a row is meant in half of the cases where it scores so many deviations above the
middle."""

STEPS = 8
"""Of Newton's method."""

Way = Literal["Rocchio", "ridge", "logistic", "none"]
WAYS: tuple[Way, ...] = ("ridge", "logistic", "Rocchio", "none")


@dataclass(frozen=True)
class Marks:
    """What a person says of answers to one query: `yes`, such ones; `no`, not these. Each by its id or its key.

    What is marked has been seen: a search goes on with what has not.

    Raises BadInput for what is no list of items, and for more than 1,000.
    """

    yes: Sequence[int | str | Path] = ()
    no: Sequence[int | str | Path] = ()

    def __post_init__(self) -> None:
        for side in ("yes", "no"):
            object.__setattr__(self, side, tuple(dict.fromkeys(arguments.names(getattr(self, side)))))
        if len(self.yes) + len(self.no) > MOST:
            raise BadInput(f"marks: {len(self.yes) + len(self.no):,} of one query; give {MOST:,} at most")

    def __bool__(self) -> bool:
        return bool(self.yes or self.no)


@dataclass(frozen=True)
class Moved:
    """vector   (1, d) the query as it is asked now
    by       in plain words what ranks
    """

    vector: Array
    by: str


def moved(space: Space, query: Array, yes: Array, no: Array, background: Array, way: Way | None = None) -> Moved:
    """A query (1, d) moved towards the rows marked yes and away from those marked no; the same marks move it the same.

    background   (n, d) rows that stand for the collection, without marked ones
    way          None: the one that the marks speak for

    Raises BadInput in the space `hamming`, where rows have no sum.
    """
    if space.name not in ("cosine", "dot", "l2"):
        raise BadInput(f"marks: rows of the space {space!r} have no sum, so marks cannot move a query; search without")
    fits = Fits.of(space, query, yes, no, background)
    chosen = way or fits.choice()
    if chosen == "none":
        return Moved(query, "query (its marks contradict each other)")
    u = fits.step(chosen)
    return Moved(space.normalise(query + (u / 2 if space.name == "l2" else u)[None]), f"marks ({chosen})")


@dataclass(frozen=True)
class Fits:
    """What all ways start from. Rows are those marked yes, then those marked no.

    rows        (n, d) less the mean, in lengths, both of the background
    kernel      (n, n) their inner products
    old         (n,) scores with the query, less their mean, in deviations, both of the background
    yes         how many are marked so
    unit        what one of `kernel` adds to a score for one of Rocchio's weights
    scale       what makes a sum of `rows` a step of the score
    """

    rows: Floats
    kernel: Floats
    old: Floats
    yes: int
    unit: float
    scale: float

    @classmethod
    def of(cls, space: Space, query: Array, yes: Array, no: Array, background: Array) -> Fits:
        marked = np.vstack([yes, no])
        some = background if len(background) > 1 else marked
        scores, old = (space.score(query, rows)[0].astype(np.float64) for rows in (some, marked))
        mean = some.mean(axis=0, dtype=np.float64)
        deviation = max(float(scores.std()), 1e-6)
        length = max(float(np.sqrt(np.square(some - mean).sum(axis=1).mean())), 1e-6)
        rows = (marked - mean) / length
        slope = 2.0 if space.name == "l2" else 1.0  # of a score, when the query moves
        return cls(
            rows=rows,
            kernel=rows @ rows.T,
            old=(old - scores.mean()) / deviation,
            yes=len(yes),
            unit=slope * length**2 / deviation,
            scale=deviation / length,
        )

    def step(self, way: Way) -> Floats:
        """(d,) the u of this way."""
        weights, _ = self._weights(way)
        return np.asarray(self.scale * (weights @ self.rows))

    def choice(self) -> Way:
        """The way that parts yes from no where each is held out; the first where none does so much better."""
        yes, no = self.yes, len(self.rows) - self.yes
        if not (yes and no):
            return WAYS[0]
        parted = {way: self.parted(way) for way in WAYS}
        parted[WAYS[0]] += 2 * float(np.sqrt((yes + no + 1) / (12 * yes * no)))
        return max(WAYS, key=lambda way: parted[way])

    def parted(self, way: Way) -> float:
        """The part of the pairs of yes and no in which yes scores more, each mark being held out."""
        scores = self.old
        if way != "none":
            scores = scores + np.einsum("ij,ji->i", self._weights(way)[1], self.kernel)
        above = scores[: self.yes, None] - scores[None, self.yes :]
        return float((above > 0).mean() + (above == 0).mean() / 2)

    def _weights(self, way: Way) -> tuple[Floats, Floats]:
        """(n,) the a of this way, and (n, n) those without each of the marks."""
        n, is_yes = len(self.rows), np.arange(len(self.rows)) < self.yes
        if way == "Rocchio":
            sides = np.where(is_yes, BETA, -GAMMA) * self.unit
            sizes = np.where(is_yes, self.yes, n - self.yes)
            fewer = np.where(is_yes == is_yes[:, None], np.maximum(sizes - 1, 1), sizes)
            return sides / sizes, np.where(np.eye(n, dtype=bool), 0.0, sides / fewer)
        if way == "ridge":
            return _left_out(self.kernel + RIDGE * np.eye(n), np.where(is_yes, MORE, -LESS))
        added = np.zeros(n)
        for _ in range(STEPS):
            likely = 1 / (1 + np.exp(-(self.old + added + SELDOM)))
            curve = np.maximum(likely * (1 - likely), 1e-3)  # far out, a step along the curve would be too long
            system, wanted = self.kernel + RIDGE * np.diag(1 / curve), added + (is_yes - likely) / curve
            added = self.kernel @ np.linalg.solve(system, wanted)
        return _left_out(system, wanted)


def _left_out(system: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """The solution, and in each row that without one of the equations."""
    inverse = np.linalg.inv(system)
    weights = inverse @ wanted
    return weights, weights - inverse * (weights / np.diag(inverse))[:, None]
