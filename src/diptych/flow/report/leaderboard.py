"""Everything that was measured on one page, which a browser sorts, narrows and draws without any server.

A line is one method on one dataset under one protocol. Lines come from `leaderboard.json` beside this file, which holds
what this version was measured at (made of the rows of `reproductions/` and of nothing else), and from reports that
`evaluate --out` wrote.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diptych import catalogue
from diptych.kinds import Report

MEASURED = Path(__file__).with_name("leaderboard.json")


@dataclass(frozen=True)
class Line:
    """One measurement. Figures are fractions of 1, in both directions: pictures ask for texts, texts for pictures.

    family      the shelf of the method; "" for an encoder
    built       full, simplified, or a reconstruction, as `catalogue.MethodFacts` has it
    settings    those that are not the defaults, as they are written on the command line
    half        half the 95 % interval of the mean over `seeds` seeds; None of one run
    untrained   the method's own network as it was drawn; None where there is none
    bits        of a binary code, else None
    codes       how what answers was coded: `own`, each item by itself; or by what else it is told. "" of no binary code
    seconds     what fitting took, the mean of the seeds
    flatters    whether its settings were chosen on the very set it is measured on
    command     what was run
    why         what makes it differ from the paper
    source      the report it was read from; "" where it comes with this version
    """

    method: str
    family: str
    built: str
    dataset: str
    protocol: str
    settings: str
    metric: str
    i2t: float
    t2i: float
    half: tuple[float, float] | None
    seeds: int
    untrained: tuple[float, float] | None
    bits: int | None
    bytes_per_item: float | None
    codes: str
    seconds: float
    flatters: bool
    command: str
    why: str
    source: str = ""

    @property
    def board(self) -> tuple[str, str, str]:
        """What it may be compared under: dataset, protocol, metric."""
        return self.dataset, self.protocol, self.metric

    @property
    def mean(self) -> float:
        """Of both directions."""
        return (self.i2t + self.t2i) / 2

    @property
    def anchor(self) -> str:
        """The name of its row in docs/reproductions.md."""
        return anchor(self.command)


def anchor(command: str) -> str:
    """A short name for a command, the same wherever it is asked for."""
    return f"row-{hashlib.sha256(command.encode()).hexdigest()[:10]}"


def measured() -> list[Line]:
    """The lines that come with this version."""
    lines: list[dict[str, Any]] = json.loads(MEASURED.read_text(encoding="utf-8"))
    pairs = ("half", "untrained")
    return [Line(**line | {key: line[key] and tuple(line[key]) for key in pairs}) for line in lines]


def written(lines: Iterable[Line]) -> str:
    """`leaderboard.json`: one line of text for each, so that it shows what changed."""
    rows = (json.dumps({k: v for k, v in asdict(line).items() if k != "source"}, ensure_ascii=False) for line in lines)
    return "[\n" + ",\n".join(rows) + "\n]\n"


def reported(path: str | Path) -> Line:
    """The line of a report, by its first metric. Raises BadInput for what is no report."""
    report = Report.load(path)
    known = report.method in catalogue.methods()
    facts = catalogue.MethodFacts.of(report.method) if known else None
    defaults = catalogue.method(report.method)().settings() if known else {}
    bits = report.settings.get("bits") if facts is not None and facts.space == "hamming" else None
    metric = next(iter(report.i2t))
    changed = {key: value for key, value in report.settings.items() if key != "seed" and defaults.get(key) != value}
    settings = " ".join(f"--set {key}={value}" for key, value in changed.items()) if known else ""
    command = f"diptych evaluate {report.method} --dataset {report.dataset} --protocol {report.protocol} {settings}"
    return Line(
        method=report.method,
        family=facts.family if facts else "",
        built=facts.built if facts else "",
        dataset=report.dataset,
        protocol=report.protocol,
        settings=settings,
        metric=metric,
        i2t=report.i2t[metric],
        t2i=report.t2i[metric],
        half=None,
        seeds=1,
        untrained=None,
        bits=bits,
        bytes_per_item=report.bytes_per_item,
        codes="unified" if report.settings.get("unified") else "own" if bits else "",
        seconds=report.seconds.get("fit", 0.0),
        flatters=False,
        command=f"{command.strip()} --seed {report.seed}",
        why="",
        source=str(path),
    )


def best_first(lines: Iterable[Line]) -> list[Line]:
    """Board after board, the best of each first; what flatters stands behind what does not."""
    return sorted(lines, key=lambda line: (line.board, line.flatters, -line.mean))


def page(lines: Sequence[Line], rows: str = "") -> str:
    """The board as HTML, one file.

    rows    the address of the page that tells of every row; lines of this version link to it
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    script = (folder / "leaderboard.js").read_text(encoding="utf-8")
    # Inside an element of HTML, "</" would end it.
    told = [asdict(line) | {"anchor": "" if line.source else line.anchor} for line in best_first(lines)]
    data = json.dumps({"rows": rows, "lines": told}, ensure_ascii=False).replace("</", "<\\/")
    stage = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return stage.get_template("leaderboard.html").render(
        n=len(told),
        data=data,
        script=script,
        sum=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
