"""What an evaluation leaves in a folder. The page is `report.html` beside this file, filled: one file, no scripts."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diptych.flow.evaluate import Direction, Evaluation
from diptych.flow.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curves, charts
from diptych.flow.report.sheet import SheetQuery, contact_sheet
from diptych.flow.report.words import ASK, cut, figure, is_rank, meaning, rsum
from diptych.kinds import BadInput
from diptych.metrics import ranking

RUN_DEPTH = 100
"""Answers a query in a run, where nothing else is asked for."""
RUN_BLOCK = 1_000_000
"""Answers held at a time."""
QRELS_LINES = 1_000_000
"""Judgements by label beyond which the data set's labels say the same in less."""


def write(evaluation: Evaluation, folder: Path, depth: int | None = RUN_DEPTH) -> Path:
    """Write `report.html`, `report.json` and, for each direction, a TREC run and the qrels that go with it.

    depth   answers a query in the runs; None: all of them

    Under a protocol with folds each query has the answers of its fold. Where nearly every item is relevant to a query,
    qrels may be huge: beyond QRELS_LINES lines they are left out, unless whole runs are asked for.

    Returns the path of the page. Raises BadInput when the folder cannot be made.
    """
    writable(folder)
    evaluation.report.save(folder / "report.json")
    for side in evaluation.directions:
        parts = evaluation.ranked(side)
        for number, part in enumerate(parts):
            _write_run(part, folder / f"{side}.run", evaluation.report.method, depth, number > 0)
        qrels = folder / f"{side}.qrels"
        qrels.unlink(missing_ok=True)  # of an earlier evaluation
        if depth is None or sum(map(_judged, parts)) <= QRELS_LINES:
            for part in parts:
                part.qrels.write_trec(qrels, append=True)
    page = folder / "report.html"
    page.write_text(rendered(evaluation), encoding="utf-8", errors="replace")
    return page


def _write_run(direction: Direction, path: Path, tag: str, depth: int | None, append: bool) -> None:
    """Some queries after others, so that no n x n matrix need exist."""
    deep = min(depth or len(direction.items), len(direction.items))
    step = max(1, RUN_BLOCK // deep)
    for start in range(0, len(direction.queries), step):
        run = direction.run(deep, slice(start, start + step))
        run.untied().write_trec(path, tag, append or start > 0)


def _judged(direction: Direction) -> int:
    """How many lines the qrels have."""
    n = direction.qrels.shape[0]
    return sum(int(direction.qrels.relevant(row, min(row + 256, n)).sum()) for row in range(0, n, 256))


def writable(folder: Path) -> Path:
    """The folder, made if need be. Raises BadInput when it cannot be made or written to; ask before long work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise BadInput(f"{folder}: no folder can be made here ({error.strerror}); give another one") from None


def _thirds(asked: Sequence[SheetQuery]) -> list[tuple[str, list[SheetQuery]]]:
    names = ("The best third", "The middle third", "The worst third")
    parts = np.array_split(np.arange(len(asked)), len(names))
    return [(name, [asked[i] for i in part]) for name, part in zip(names, parts, strict=True) if len(part)]


def rendered(evaluation: Evaluation) -> str:
    """The page, as HTML."""
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
