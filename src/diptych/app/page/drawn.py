"""Templates that are filled, and the files beside them: known by their sha256, so that browsers keep them for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from diptych import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = files("diptych.app.page")

KINDS = {
    "page.js": "text/javascript",
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    "manifest.webmanifest": "application/manifest+json",
}


@dataclass(frozen=True)
class File:
    data: bytes
    kind: str
    version: str


def _read(name: str) -> File:
    data = (HERE / "static" / name).read_bytes()
    return File(data, KINDS[name], hashlib.sha256(data).hexdigest()[:16])


FILES = {name: _read(name) for name in KINDS}


def address(name: str) -> str:
    """Of one of the files, as it is now."""
    return f"/page/{name}?v={FILES[name].version}"


@cache
def _stage() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    stage = Environment(
        loader=FileSystemLoader(str(HERE / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    stage.globals |= {"file": address, "version": __version__}
    return stage


def drawn(request: Request, template: str, status: int = 200, **facts: Any) -> Response:
    """A page. It is never kept by others, since it may hold a token of the session."""
    csrf = getattr(request.state, "csrf", "")
    reports = bool(request.app.state.settings.reports)
    html = _stage().get_template(template).render(csrf=csrf, reports=reports, **facts)
    return HTMLResponse(html, status, {"Cache-Control": "no-store"})
