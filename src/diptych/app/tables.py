"""Tables for people at a terminal; in a pipe the same rows as plain lines, two blanks or more between columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diptych.app.server.access.keys import Key
from diptych.app.shell import print_line, printable
from diptych.catalogue import Dataset, MethodFacts
from diptych.encoders.shelf import Model
from diptych.flow.report import Difference, Line, figure, is_rank, rsum
from diptych.flow.robustness import METRIC, Trial
from diptych.flow.schemes import Told
from diptych.kinds import Report

DIRECTIONS = "i2t: pictures ask for texts, t2i: texts ask for pictures"


@dataclass(frozen=True)
class Column:
    """A column of a table: figures stand to the right, words to the left, and what folds may take several lines.

    A name of two lines is one line in a pipe.
    """

    name: str
    figures: bool = False
    folds: bool = False


def numbers(report: Report) -> None:
    """The metrics of a report, both directions, with their intervals."""
    columns = [Column("metric")]
    for side in ("i2t", "t2i"):
        columns += [Column(f"{side} %", figures=True), Column("95 % interval", figures=True)]
    rows = []
    for metric in report.i2t:
        row = [f"{metric} (rank)" if is_rank(metric) else metric]
        for side, values in (("i2t", report.i2t), ("t2i", report.t2i)):
            interval = report.intervals.get(side, {}).get(metric)
            row += [figure(metric, values[metric]), _interval(metric, interval[0], interval[1]) if interval else ""]
        rows.append(row)
    title = f"{report.method} on {report.dataset}"
    said = [f"protocol {report.protocol}: {report.protocol_text}", _how(report), DIRECTIONS]
    said.append(f"intervals: bootstrap over {'pictures, each with all its texts' if report.owners else 'queries'}")
    _show(title, columns, rows, *filter(None, (rsum(report), *said)))


def several(reports: Sequence[Report]) -> None:
    """Methods measured on one dataset under one protocol, a row each. The best figure of a column is marked."""
    metrics = [metric for metric in ("map@all", "r@1", "r@5", "r@10") if all(metric in r.i2t for r in reports)]
    of = [(side, metric) for side in ("i2t", "t2i") for metric in metrics]
    columns = [Column("method"), *(Column(f"{side}\n{metric}", figures=True) for side, metric in of)]
    columns += [Column("seconds", figures=True)]
    best = {(side, metric): max(_value(r, side, metric) for r in reports) for side, metric in of}
    rows = []
    for report in reports:
        figures = [
            figure(metric, value) + ("*" if value == best[side, metric] else " ")
            for side, metric in of
            for value in [_value(report, side, metric)]
        ]
        # Features are shared by the rows, so their time belongs to none of them.
        own = sum(spent for stage, spent in report.seconds.items() if stage != "features")
        rows.append([report.method, *figures, f"{own:.1f}"])
    first = reports[0]
    said = f"protocol {first.protocol}: {first.protocol_text}"
    _show(
        f"Methods on {first.dataset}, in percent",
        columns,
        rows,
        said,
        _how(first),
        f"{DIRECTIONS}; * the best of a column",
    )


def methods(facts: Sequence[MethodFacts]) -> None:
    """What there is to fit."""
    columns = [Column("method"), Column("family"), Column("needs"), Column("space"), Column("built")]
    columns += [Column("year", figures=True), Column("paper", folds=True)]
    rows = []
    for fact in facts:
        family = f"{fact.family} of {fact.distribution}" if fact.distribution else fact.family
        rows.append([fact.name, family, fact.needs, fact.space, fact.built, str(fact.year or ""), fact.paper])
    _show(f"{len(rows)} methods", columns, rows)


def told(found: Told) -> None:
    """What a scheme with a language model reached, beside what is reached without it."""
    metrics = list(next(iter(found.rows.values())))
    columns = [Column("", folds=True), *(Column(metric, figures=True) for metric in metrics)]
    if found.rounds:
        columns = [Column("measure"), *(Column(row, figures=True) for row in found.rows)]
        rows = [[metric, *(figure(metric, row[metric]) for row in found.rows.values())] for metric in metrics]
    else:
        rows = [[name, *(figure(metric, row[metric]) for metric in metrics)] for name, row in found.rows.items()]
    spent = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in found.spent.items() if number)
    _show(
        f"{found.scheme} on {found.dataset}, in percent",
        columns,
        rows,
        f"protocol {found.protocol}: {found.queries:,} queries in {found.pictures:,} pictures; {found.note}",
        f"{found.encoder} encodes, {found.language_model} answers: {spent}",
        *([f"{found.failed:,} queries were left as they were"] if found.failed else []),
    )


def leaderboard(lines: Sequence[Line]) -> None:
    """What was measured, board after board."""
    columns = [Column("dataset"), Column("protocol"), Column("method"), Column("settings", folds=True)]
    columns += [Column("metric"), *(Column(name, figures=True) for name in ("i2t %", "t2i %", "±", "seeds"))]
    columns += [Column("bytes", figures=True), Column("s to fit", figures=True), Column("codes"), Column("built")]
    rows = [
        [
            line.dataset,
            line.protocol,
            line.method + ("!" if line.flatters else ""),
            line.settings.replace("--set ", ""),
            line.metric,
            figure(line.metric, line.i2t),
            figure(line.metric, line.t2i),
            figure(line.metric, max(line.half)) if line.half else "",
            str(line.seeds),
            "" if line.bytes_per_item is None else f"{line.bytes_per_item:g}",
            f"{line.seconds:.1f}",
            line.codes,
            line.built,
        ]
        for line in lines
    ]
    _show(
        f"{len(rows)} measurements, the best of each board first",
        columns,
        rows,
        f"{DIRECTIONS}; only lines of one dataset, protocol and metric may be compared",
        "±: half the 95 % interval of the mean over seeds; codes: how binary answers were coded",
        "!: settings chosen on the very set; --out PAGE.html: to sort, narrow and draw",
    )


def robustness(trials: Sequence[Trial], title: str) -> None:
    """What was found where something is wrong, and how far that is from what is found else."""
    clean = trials[0]
    columns = [Column("what is wrong"), *(Column(name, figures=True) for name in ("by", "i2t %", "t2i %"))]
    columns += [Column(name, figures=True) for name in ("i2t lost", "t2i lost", "towards i2t %", "towards t2i %")]
    rows = [
        [
            trial.what,
            f"{trial.amount:g}" if trial.amount else "",
            figure(METRIC, trial.i2t),
            figure(METRIC, trial.t2i),
            *(_signed(METRIC, before - after) for before, after in ((clean.i2t, trial.i2t), (clean.t2i, trial.t2i))),
            *(figure(METRIC, value) for value in trial.towards or ()),
            *[""] * (0 if trial.towards else 2),
        ]
        for trial in trials
    ]
    _show(
        title,
        columns,
        rows,
        f"{METRIC}; {DIRECTIONS}",
        "by: the share of pairs or labels, or how far a row that asks was moved, as a share of its length",
        "towards: the same measure, of items of the labels that the attack wanted",
    )


def models(found: Sequence[Model]) -> None:
    """What there is to encode with."""
    columns = [Column("model"), Column("here"), Column("MB", figures=True), Column("languages"), Column("terms")]
    columns += [Column("what", folds=True)]
    rows = [
        [m.name, "yes" if m.here else "no", f"{m.bytes / 1e6:.0f}" if m.bytes else "", m.languages, m.terms, m.what]
        for m in found
    ]
    said = "fetch one with `diptych models get NAME`; any other: hub:owner/name, or a folder"
    _show(f"{len(rows)} models", columns, rows, said)


def keys(found: Sequence[Key], now: float) -> None:
    """The API keys of a server, and their state at this time."""
    columns = [Column(name) for name in ("key", "id", "tenant", "may", "state", "created", "expires", "last used")]
    rows = [
        [key.name, key.id, key.tenant or "–", key.scope, key.state(now)]
        + [_day(at) for at in (key.created, key.expires, key.used)]
        + ["all" if key.collections is None else ", ".join(key.collections) or "none"]
        for key in found
    ]
    _show(f"{len(rows)} keys", [*columns, Column("collections", folds=True)], rows)


def datasets(found: Sequence[Dataset]) -> None:
    """What there is to measure on."""
    columns = [Column("dataset"), Column("what", folds=True), Column("pictures a split", folds=True)]
    columns += [Column("protocols", folds=True), Column("licence", folds=True)]
    rows = [
        [
            dataset.card.name,
            dataset.card.title,
            ", ".join(f"{split} {n}" for split, n in dataset.card.splits.items()),
            ", ".join([*(protocol.name for protocol in dataset.card.protocols), *dataset.sought]),
            dataset.card.licence,
        ]
        for dataset in found
    ]
    _show(f"{len(rows)} datasets", columns, rows, "the first protocol is the default; --json shows everything")


def comparison(rows: Sequence[Difference], *names: str) -> None:
    """How report a differs from report b; of more reports, how a differs from each of them."""
    letters = [chr(ord("a") + place) if place < 26 else str(place) for place in range(len(names))]
    said = [f"{letter}: {name}" for letter, name in zip(letters, names, strict=True)]
    said.append("p: paired randomisation test, two-sided, of each row alone; a rank is better when smaller")
    said.append("holm: p corrected for all that this table tests (Holm 1979)")
    if any(row.pictures is None for row in rows):
        said.append(
            "these reports do not say which queries belong to one picture, so each was taken for itself and p may be "
            "too small; evaluate anew to know"
        )
    else:
        said.append("texts of one picture are one cluster: they are drawn, and change places, together")
    if len(names) > 2:
        _each_against_the_first(rows, letters, said)
        return
    columns = [Column("direction"), Column("metric")]
    columns += [Column(name, figures=True) for name in ("a %", "b %", "a - b", "95 % interval", "p", "holm", "queries")]
    cells = [
        [
            *_measured(row),
            figure(row.metric, row.a),
            figure(row.metric, row.b),
            _signed(row.metric, row.difference),
            _interval(row.metric, row.low, row.high, signed=True),
            f"{row.p:.4f}",
            f"{row.holm:.4f}",
            str(row.n),
        ]
        for row in rows
    ]
    _show("a - b", columns, cells, *said)


def _each_against_the_first(rows: Sequence[Difference], letters: Sequence[str], said: Sequence[str]) -> None:
    """A row a metric: the figure of each report, how far a is from it, and p as Holm corrects it."""
    columns = [Column("direction"), Column("metric"), Column("a %", figures=True)]
    for letter in letters[1:]:
        columns += [Column(name, figures=True) for name in (f"{letter} %", f"a - {letter}", "holm")]
    found: dict[tuple[str, str], dict[int, Difference]] = {}
    for row in rows:
        found.setdefault((row.direction, row.metric), {})[row.against] = row
    cells = []
    for of in found.values():
        one = next(iter(of.values()))
        line = [*_measured(one), figure(one.metric, one.a)]
        for place in range(1, len(letters)):
            if place in of:
                row = of[place]
                line += [figure(row.metric, row.b), _signed(row.metric, row.difference), f"{row.holm:.4f}"]
            else:  # a metric that this report does not hold
                line += ["–"] * 3
        cells.append(line)
    _show("a against each of the others", columns, cells, *said)


def _measured(row: Difference) -> list[str]:
    return [row.direction, f"{row.metric} (rank)" if is_rank(row.metric) else row.metric]


def _value(report: Report, side: str, metric: str) -> float:
    return (report.i2t if side == "i2t" else report.t2i)[metric]


def _interval(metric: str, low: float, high: float, signed: bool = False) -> str:
    said = _signed if signed else figure
    return f"[{said(metric, low)}, {said(metric, high)}]"


def _day(at: int | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _signed(metric: str, value: float) -> str:
    text = figure(metric, value)
    return text if text.startswith("-") else f"+{text}"


def _how(report: Report) -> str:
    counts = " against ".join(
        f"{report.counts[key]} {name}" for key, name in (("queries", "pictures"), ("texts", "texts")) if report.counts
    )
    return f"{counts + ', ' if counts else ''}ties {report.ties}, seed {report.seed}"


def _show(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], *captions: str) -> None:
    """A table with what it says below it; in a pipe captions are lines that begin with `#`."""
    console = Console(highlight=False)
    if not console.is_terminal:
        names = [column.name.replace("\n", " ") for column in columns]
        cells = [names, *([printable(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            padded = [
                cell.rjust(width) if column.figures else cell.ljust(width)
                for cell, column, width in zip(line, columns, widths, strict=True)
            ]
            print_line("  ".join(padded).rstrip())
        for caption in (title, *captions):
            print_line(f"# {caption}")
        return
    table = Table(title=Text(printable(title), "bold"), title_justify="left", header_style="bold cyan")
    table.box, table.show_edge, table.padding = box.SIMPLE_HEAD, False, (0, 1, 0, 0)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.figures else "left"
        table.add_column(Text(column.name), justify=justify, no_wrap=not column.folds)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
    for caption in captions:
        console.print(Text(printable(caption), "dim"))
