"""The curves of an evaluation, and the charts that show them on the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log10

import numpy as np

from diptych.flow.evaluate import Direction, Evaluation
from diptych.flow.report.words import ASK
from diptych.kinds import Array, Floats, Ints
from diptych.metrics import measures, ranking

CURVE_POINTS = 400
"""A curve over more ranks than this is drawn at ranks that grow by a constant factor."""

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 14, 48


@dataclass(frozen=True)
class Line:
    """A line of a chart, for one direction. Points that are not finite are left out."""

    direction: str
    x: Array
    y: Array


@dataclass(frozen=True)
class Chart:
    """A chart in SVG coordinates, which `report.html` draws: y from 0, x from 0 or, when `log`, from 1."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    note: str = ""
    log: bool = False

    @cached_property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Position and label."""
        top = max(float(line.x.max()) for line in self.lines)
        if not self.log:
            return [(self._x(value), f"{value:g}") for value in _ticks(1.0)]
        steps = (1, 2, 5) if top <= 100 else (1,)
        values = [step * 10**power for power in range(7) for step in steps if step * 10**power <= top]
        return [(self._x(value), f"{value:,}") for value in values]

    @cached_property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Position and label."""
        return [(self._y(value), f"{value:g}") for value in _ticks(self._highest)]

    def points(self, line: Line) -> list[tuple[float, float]]:
        """The line in the coordinates of the picture."""
        there = np.isfinite(line.x) & np.isfinite(line.y)
        return [(round(self._x(x), 1), round(self._y(y), 1)) for x, y in zip(line.x[there], line.y[there], strict=True)]

    @cached_property
    def alt(self) -> str:
        """The lines in words: their first, middle and last points."""
        said = []
        for line in self.lines:
            there = np.flatnonzero(np.isfinite(line.x) & np.isfinite(line.y))
            at = [f"{line.y[i]:.3g} at {line.x[i]:.3g}" for i in there[[0, len(there) // 2, -1]]] if len(there) else []
            said.append(f"{ASK[line.direction]}: {', '.join(at) or 'no points'}")
        return f"{self.y_label} over {self.x_label}. " + "; ".join(said)

    @cached_property
    def _highest(self) -> float:
        return max((float(np.nanmax(line.y)) for line in self.lines if np.isfinite(line.y).any()), default=1.0)

    def _x(self, value: float) -> float:
        if self.log:
            value = log10(value) / max(log10(max(float(line.x.max()) for line in self.lines)), 1e-9)
        return LEFT + value * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / _ticks(self._highest)[-1] * (HEIGHT - TOP - BOTTOM)


def _ticks(highest: float) -> list[float]:
    """0 and round numbers at equal steps up to the first that is not below `highest`."""
    highest = max(highest, 1e-6)
    power = 10.0 ** floor(log10(highest / 4))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if highest / (step * power) <= 5)
    return [round(i * step, 12) for i in range(ceil(highest / step - 1e-9) + 1)]


@dataclass(frozen=True)
class Curves:
    """What one pass over the rankings of a direction gives.

    cutoffs, precision, recall   at these ranks, means over queries
    levels, interpolated         the 11 points
    quality, first               (n_q,) average precision and rank of the first right answer
    """

    cutoffs: Ints
    precision: Floats
    recall: Floats
    levels: Floats
    interpolated: Floats
    quality: Floats
    first: Floats

    @classmethod
    def of(cls, direction: Direction, ties: ranking.Ties) -> Curves:
        n_items = direction.qrels.shape[1]
        cutoffs = np.unique(np.geomspace(1, n_items, CURVE_POINTS).round().astype(np.int64))
        if n_items <= CURVE_POINTS:
            cutoffs = np.arange(1, n_items + 1)
        levels = np.linspace(0.0, 1.0, 11)
        at_rank, points, n = np.zeros((2, len(cutoffs))), np.zeros(11), 0
        quality, first = [], []
        for block in direction.rankings(ties):
            answerable = int(np.count_nonzero(block.relevant))
            at_rank += answerable * np.stack(measures.rank_curve([block], cutoffs))
            points += answerable * measures.interpolated_precision([block])[1]
            n += answerable
            quality.append(measures.measure("map@all", block))
            first.append(measures.measure("medr", block))
        precision, recall = at_rank / max(n, 1)
        return cls(
            cutoffs, precision, recall, levels, points / max(n, 1), np.concatenate(quality), np.concatenate(first)
        )


def charts(evaluation: Evaluation, curves: dict[str, Curves]) -> Iterator[Chart]:
    """The charts of the page; those of hash lookup for binary codes only."""
    yield Chart(
        "Precision and recall, 11 points",
        "recall",
        "precision",
        tuple(Line(side, c.levels, c.interpolated) for side, c in curves.items()),
        "Best precision at this recall or beyond, mean over queries.",
    )
    yield Chart(
        "Precision and recall at every rank",
        "recall",
        "precision",
        tuple(Line(side, c.recall, c.precision) for side, c in curves.items()),
        "Both in the first N answers, for N from 1 to all.",
    )
    yield Chart(
        "Precision of the first N",
        "N",
        "precision",
        tuple(Line(side, c.cutoffs, c.precision) for side, c in curves.items()),
        "Share of the first N answers that is right.",
        log=True,
    )
    yield Chart(
        "Recall of the first N",
        "N",
        "recall",
        tuple(Line(side, c.cutoffs, c.recall) for side, c in curves.items()),
        "Share of the right answers that is among the first N.",
        log=True,
    )
    if evaluation.encoder.space.name != "hamming":
        return
    balls = {side: measures.radius_curve(d.queries, d.items, d.qrels) for side, d in evaluation.directions.items()}
    yield Chart(
        "Hash lookup, micro",
        "recall",
        "precision",
        tuple(Line(side, b.micro_recall, b.micro_precision) for side, b in balls.items()),
        "Hamming balls of radius 0, 1, 2, …; the items of all queries pooled.",
    )
    yield Chart(
        "Hash lookup, macro",
        "recall",
        "precision",
        tuple(Line(side, b.macro_recall, b.macro_precision) for side, b in balls.items()),
        "Hamming balls of radius 0, 1, 2, …; mean over queries whose ball is not empty.",
    )
