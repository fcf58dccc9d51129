"""A page for those who measure: the reports of one folder, as `diptych evaluate --out` wrote them, and how they differ.

A report is named by where it lies in the folder, and looked up among those that are there. No address becomes a path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse

from diptych.app.page.drawn import drawn
from diptych.app.server.guard import needs, router
from diptych.app.server.problems import Problem
from diptych.app.server.settings import Settings
from diptych.kinds import BadInput, Report

routes = router("/reports", "reports")

MOST = 1_000
"""Reports that are listed."""
DEPTH = 6
"""Folders in folders that are looked into."""
COMPARED = 8
"""Reports that are compared at a time."""

INERT = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""A report brings its styles and pictures along; nothing in it runs, whoever wrote it."""


@dataclass(frozen=True)
class Found:
    """A report of the folder. name: where it lies there, with slashes."""

    name: str
    folder: Path
    report: Report

    @property
    def group(self) -> tuple[object, ...]:
        """What has to be equal for reports to be compared."""
        one = self.report
        return (one.dataset, one.protocol, one.protocol_text, one.ties, str(dict(one.counts)), one.data)

    @property
    def has_page(self) -> bool:
        return (self.folder / "report.html").is_file()


@routes.get("", response_class=Response, include_in_schema=False, **needs("admin"))
def list_reports(request: Request) -> Response:
    """All of them, those that compare under one heading."""
    from diptych.flow.report import figure, is_rank

    found, unread = _all(_root(request))
    groups: dict[tuple[object, ...], list[Found]] = {}
    for one in found.values():
        groups.setdefault(one.group, []).append(one)
    told = [(some, _columns(some)) for some in groups.values()]
    return drawn(request, "reports.html", groups=told, unread=unread, figure=figure, is_rank=is_rank, most=COMPARED)


@routes.get("/compare", response_class=Response, include_in_schema=False, **needs("admin"))
def compare_reports(request: Request, of: Annotated[list[str], Query(max_length=COMPARED)]) -> Response:
    """How the first differs from each of the others."""
    from diptych.flow.report import compare, figure, is_rank

    if len(of) < 2:
        raise Problem(400, "of: one report has nothing to be compared with; choose two or more")
    some = [_named(request, name) for name in dict.fromkeys(of)]
    rows = compare(*(one.report for one in some))
    return drawn(request, "comparison.html", some=some, rows=rows, figure=figure, is_rank=is_rank)


@routes.get("/of/{name:path}", response_class=Response, include_in_schema=False, **needs("admin"))
def show_report(request: Request, name: str) -> Response:
    """The page of one, as it was written."""
    found = _named(request, name)
    try:
        page = (found.folder / "report.html").read_bytes()
    except OSError:
        raise Problem(404, f"{name}: there is no report.html beside its report.json") from None
    return HTMLResponse(page, headers={"Content-Security-Policy": INERT, "Cache-Control": "no-store"})


def _root(request: Request) -> Path:
    settings: Settings = request.app.state.settings
    if not settings.reports:
        raise Problem(404, "no folder of reports is shown; start the server with --reports FOLDER")
    return Path(settings.reports)


def _named(request: Request, name: str) -> Found:
    found, _ = _all(_root(request))
    if name not in found:
        raise Problem(404, f"there is no report {name!r}; /reports lists them")
    return found[name]


def _all(root: Path) -> tuple[Mapping[str, Found], list[str]]:
    """The reports of a folder by name; and why others cannot be read, a line each."""
    found, unread = {}, []
    for folder in _folders(root):
        name = folder.relative_to(root).as_posix()
        name = root.resolve().name if name == "." else name
        try:
            found[name] = Found(name, folder, Report.load(folder))
        except (BadInput, OSError) as error:
            unread.append(str(error).replace(str(root), root.name))
        if len(found) == MOST:
            unread.append(f"there are more than {MOST:,} reports; the first are shown")
            break
    return found, unread


def _folders(root: Path) -> Iterator[Path]:
    """Folders with a report of their own; what a link leads to is not followed, since it may lie anywhere."""
    for at, below, files in os.walk(root, followlinks=False):
        below.sort()
        folder = Path(at)
        if len(folder.relative_to(root).parts) >= DEPTH:
            below.clear()
        if "report.json" in files and not any((folder / one).is_symlink() for one in ("report.json", "report.html")):
            yield folder


def _columns(some: list[Found]) -> list[str]:
    """The metrics that say most, of those that all of them have."""
    wanted = ("r@1", "r@5", "r@10", "map@all", "ndcg@10", "medr")
    both = [metric for metric in wanted if all(metric in one.report.i2t for one in some)]
    return both[:4] or [metric for metric in some[0].report.i2t if all(metric in one.report.i2t for one in some)][:4]
