"""What an evaluation leaves in a folder: numbers for machines, runs for trec_eval and one page for people.

Also how two reports differ. The page is `report.html` beside this file: one self-contained file without scripts.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log10
from pathlib import Path

import numpy as np

from diptych.flow.evaluate import DIRECTIONS, RUN_DEPTH, Direction, Evaluation
from diptych.kinds import Array, BadInput, Floats, Ints, Pairs, Report
from diptych.metrics import measures, ranking, statistics
from diptych.sources import pictures

ASK = {"i2t": "Pictures ask for texts", "t2i": "Texts ask for pictures"}
"""What a direction is called on a page."""

SHOWN_QUERIES, SHOWN_ANSWERS = 12, 10
THUMBNAIL = 144
"""Longer side of a picture on the page, in pixels."""

CURVE_POINTS = 400
"""A curve over more ranks than this is drawn at ranks that grow by a constant factor."""


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Write `report.html`, `report.json`, a TREC run of each direction and, for annotated pairs, its qrels.

    Returns the path of the page. Relevance by label is left out: nearly every item may be relevant to a query, and the
    data set's labels say the same in less. Raises BadInput when the folder cannot be made.
    """
    writable(folder)
    evaluation.report.save(folder / "report.json")
    for side, direction in evaluation.directions.items():
        direction.run(RUN_DEPTH).write_trec(folder / f"{side}.run", tag=evaluation.report.method)
        if direction.qrels.sparse:
            direction.qrels.write_trec(folder / f"{side}.qrels")
    page = folder / "report.html"
    page.write_text(_page(evaluation), encoding="utf-8", errors="replace")
    return page


def writable(folder: Path) -> Path:
    """The folder, made if need be. Raises BadInput when it cannot be made or written to; ask before long work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise BadInput(f"{folder}: no folder can be made here ({error.strerror}); give another one") from None


# ----------------------------------------------------------------------------------------------- how figures are said


def is_rank(metric: str) -> bool:
    """Whether a metric is a rank, where smaller is better, and not a share."""
    return metric in ("medr", "meanr")


def figure(metric: str, value: float) -> str:
    """A value as it is printed: percent with one decimal, or a rank with one."""
    return f"{value if is_rank(metric) else 100 * value:.1f}"


def meaning(metric: str) -> str:
    """A metric in words, e.g. `r@5`: a right answer among the first 5."""
    name, _, rest = metric.partition("@")
    k, _, normaliser = rest.partition(":")
    first = f"the first {k}" if k not in ("", "all") else "the whole ranking"
    if name == "map":
        divided = {"": f"min(R, {k})", "hits": "the right answers found", "first": "the answers looked at"}[normaliser]
        return f"mean average precision over {first}" + ("" if k == "all" else f", divided by {divided}")
    return {
        "r": f"queries with a right answer in {first}",
        "recall": f"right answers that are in {first}",
        "p": f"share of {first} that is right",
        "ndcg": f"discounted cumulative gain of {first}, of its best value",
        "mrr": f"1 / rank of the first right answer, in {first}",
        "medr": "rank of the first right answer, median",
        "meanr": "rank of the first right answer, mean",
    }[name]


# ------------------------------------------------------------------------------------------------------------ compare


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


def rsum(report: Report) -> str:
    """The rsum as papers print it, in percent, so at most 600; "" where it was not measured."""
    return "" if report.rsum is None else f"rsum {100 * report.rsum:.1f} of 600 (r@1, r@5 and r@10, both directions)"


# ------------------------------------------------------------------------------------------------------------- charts

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


# ------------------------------------------------------------------------------------------------------ contact sheet


@dataclass(frozen=True)
class Tile:
    """One picture or text on the page.

    side      "image" or "text"
    picture   a data URI; "" for a text, or where there is no picture file to be read
    text      the text, or a picture's first caption; "" where there are only features
    classes   the numbers of its classes, from 1
    """

    side: str
    name: str
    picture: str
    text: str
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """An item at a rank, which is fractional where ties make it an expectation."""

    rank: str
    tile: Tile
    score: float
    right: bool


@dataclass(frozen=True)
class Asked:
    """A query of the contact sheet with its best answers.

    first   the first right answer, when it is not among those
    """

    query: Tile
    answers: tuple[Answer, ...]
    first: Answer | None
    quality: float
    n_right: int

    @property
    def n_found(self) -> int:
        return sum(answer.right for answer in self.answers)


def spread(quality: Floats, n: int, seed: int) -> list[int]:
    """Rows of n queries from the best to the worst: one drawn from each of n equal parts of the queries by quality.

    quality   (n_q,) NaN for queries that nothing answers; they are never drawn
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(~np.isnan(quality)))
    rows = rows[np.argsort(-quality[rows], kind="stable")]
    return [int(rng.choice(part)) for part in np.array_split(rows, min(n, len(rows)) or 1) if len(part)]


def contact_sheet(evaluation: Evaluation, side: str, curves: Curves) -> list[Asked]:
    """Queries of a direction from the best answered to the worst, with their best answers; only these are ranked."""
    direction = evaluation.directions[side]
    asking, answering = ("image", "text") if side == "i2t" else ("text", "image")
    rows = spread(curves.quality, SHOWN_QUERIES, evaluation.report.seed)
    run = direction.run(SHOWN_ANSWERS, np.array(rows, dtype=np.int64))
    found = []
    for row, items, scores in zip(rows, run.items, run.scores, strict=True):
        right = direction.qrels.relevant(row, row + 1)[0]
        answers = tuple(
            Answer(str(rank), _tile(evaluation.database, answering, item), score, bool(right[item]))
            for rank, (item, score) in enumerate(zip(items.tolist(), scores.tolist(), strict=True), 1)
        )
        first = None
        if not right[items].any():
            every = direction.space.score(direction.queries[row : row + 1], direction.items)[0]
            best = int(np.flatnonzero(right)[np.argmax(every[right])])
            rank = f"{curves.first[row]:,.1f}".removesuffix(".0")
            first = Answer(rank, _tile(evaluation.database, answering, best), float(every[best]), True)
        asked = _tile(evaluation.query, asking, row)
        found.append(Asked(asked, answers, first, float(curves.quality[row]), int(right.sum())))
    return found


def _tile(pairs: Pairs, side: str, row: int) -> Tile:
    image = row if side == "image" else int(pairs.owner[row])
    classes = () if pairs.labels is None else tuple((np.flatnonzero(pairs.labels[image]) + 1).tolist())
    if side == "text":
        text = pairs.texts[row]
        return Tile(side, pairs.text_ids[row], "", text if isinstance(text, str) else "", classes)
    caption = next((pairs.texts[text] for text in np.flatnonzero(pairs.owner == row)), "")
    text = caption if isinstance(caption, str) else ""
    return Tile(side, pairs.image_ids[row], _thumbnail(pairs.images[row]), text, classes)


def _thumbnail(picture: object) -> str:
    """A small JPEG as a data URI; "" for a row of features and for a file that is missing or does not decode."""
    if not isinstance(picture, str | Path):
        return ""
    try:
        small = pictures.load(picture, enough=THUMBNAIL)
    except BadInput:
        return ""
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=72, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def cut(text: str, most: int) -> str:
    """At most about `most` characters, cut between words, or inside one that is very long."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    head = text[:most]
    at = head.rfind(" ")
    return head[: at if at > most // 2 else most].rstrip(" ,;:.") + " …"


# --------------------------------------------------------------------------------------------------------------- page


def _thirds(asked: Sequence[Asked]) -> list[tuple[str, list[Asked]]]:
    names = ("The best third", "The middle third", "The worst third")
    parts = np.array_split(np.arange(len(asked)), len(names))
    return [(name, [asked[i] for i in part]) for name, part in zip(names, parts, strict=True) if len(part)]


def _page(evaluation: Evaluation) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    report = evaluation.report
    policy = ranking.policy(report.ties)
    curves = {side: Curves.of(direction, policy) for side, direction in evaluation.directions.items()}
    stage = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    stage.filters |= {"cut": cut, "meaning": meaning}
    return stage.get_template("report.html").render(
        report=report,
        card=evaluation.card,
        # A note speaks of the card's own splits, not of those that took their place.
        note=evaluation.protocol.note if evaluation.protocol in evaluation.card.protocols else "",
        folds=evaluation.protocol.folds,
        trained_on=evaluation.encoder.trained_on_,
        space=evaluation.encoder.space,
        ask=ASK,
        is_rank=is_rank,
        figure=figure,
        rsum=rsum(report),
        headline=[metric for metric in ("map@all", "r@1", "r@5", "r@10") if metric in report.i2t],
        charts=list(charts(evaluation, curves)),
        box={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        sheets={side: _thirds(contact_sheet(evaluation, side, of)) for side, of in curves.items()},
    )
