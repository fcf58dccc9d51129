"""A contact sheet of answers: one page with its pictures inside, that asks nothing of the network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from diptych.collection import Answer, Hit

SIDE = 192
"""Pixels of a thumbnail's longer side."""

_EDGE = ("#000000", "#ffd400")
"""The two lines of a region's edge: one of them shows on any picture."""


def write(answers: Sequence[Answer], path: Path) -> None:
    """Queries with their answers, best first, on one page."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(files("diptych.app").joinpath("sheet.html").read_text("utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    # What is no Unicode, a name from a disk of other habits, shows as a question mark.
    text = page.render(answers=answers, thumbnail=thumbnail, name=lambda at: Path(at).name)
    path.write_text(text, encoding="utf-8", errors="replace")


def thumbnail(hit: Hit) -> str:
    """A small JPEG of a hit as a data URI, its region framed; empty where it cannot be read any more."""
    picture = small(hit.path) if hit.path is not None else None
    if picture is None:
        return ""
    if hit.region is not None:
        _frame(picture, hit.region.left, hit.region.top, hit.region.right, hit.region.bottom)
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(kept.getvalue()).decode()


def small(path: str) -> Image.Image | None:
    """A picture file scaled to fit SIDE; None where it cannot be read any more."""
    from diptych.kinds import BadInput
    from diptych.sources import pictures

    try:
        picture = pictures.load(path, enough=SIDE)
    except BadInput:
        return None
    picture.thumbnail((SIDE, SIDE))
    return picture


def _frame(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> None:
    from PIL import ImageDraw

    width, height = picture.size
    for inset, colour in enumerate(_EDGE):
        corners = (left * width + inset, top * height + inset, right * width - 1 - inset, bottom * height - 1 - inset)
        if corners[0] < corners[2] and corners[1] < corners[3]:
            ImageDraw.Draw(picture).rectangle(corners, outline=colour)
