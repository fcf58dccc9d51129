"""The contact sheet of an evaluation: some queries from the best answered to the worst, with their best answers."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.flow.evaluate import Evaluation
from diptych.flow.report.charts import Curves
from diptych.kinds import BadInput, Floats, Pairs
from diptych.sources import pictures

SHOWN_QUERIES, SHOWN_ANSWERS = 12, 10
THUMBNAIL = 144
"""Longer side of a picture on the page, in pixels."""


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
class SheetQuery:
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


def contact_sheet(evaluation: Evaluation, side: str, curves: Curves) -> list[SheetQuery]:
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
        found.append(SheetQuery(asked, answers, first, float(curves.quality[row]), int(right.sum())))
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
