"""A contact sheet of answers: one page with its pictures inside, that asks nothing of the network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diptych.flow.collection import Answer

SIDE = 192
"""Pixels of a thumbnail's longer side."""


def write(answers: Sequence[Answer], path: Path) -> None:
    """Queries with their answers, best first, on one page."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(files("diptych.app").joinpath("sheet.html").read_text("utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.render(answers=answers, thumbnail=thumbnail, name=lambda at: Path(at).name), encoding="utf-8")


def thumbnail(path: str) -> str:
    """A small JPEG of a picture as a data URI; empty where it cannot be read any more."""
    from diptych.kinds import BadInput
    from diptych.sources import pictures

    try:
        picture = pictures.load(path, enough=SIDE)
    except BadInput:
        return ""
    picture.thumbnail((SIDE, SIDE))
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(kept.getvalue()).decode()
