"""Pictures inside a terminal, for those that are known to show them.

kitty: https://sw.kovidgoyal.net/kitty/graphics-protocol · iTerm2: https://iterm2.com/documentation-images.html ·
sixel: DEC VT340, https://vt100.net/docs/vt3xx-gp/chapter14.html
"""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

Form = Literal["kitty", "iterm", "sixel"]

LINES = 6
"""Lines of text that a thumbnail is as high as, where the terminal scales it."""

COLOURS = 128
"""Of a sixel picture; terminals take 256 at the most, some of them fewer."""

NONE = "standard output is no terminal that is known to show pictures (kitty, Ghostty, WezTerm, iTerm2, foot, mlterm)"


def form(environment: Mapping[str, str] = os.environ, terminal: bool | None = None) -> Form | None:
    """How standard output shows pictures; None in a pipe, in tmux or screen, which swallow them, and where unknown."""
    if terminal is None:
        terminal = sys.stdout is not None and sys.stdout.isatty()
    if not terminal or {"TMUX", "STY"} & set(environment):
        return None
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "KITTY_WINDOW_ID" in environment or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if term.split("-")[0] in ("foot", "mlterm", "contour"):
        return "sixel"
    return None


def drawn(path: str, form: Form) -> str:
    """What to print so that a thumbnail shows; empty where the picture cannot be read any more."""
    from diptych.app import sheet

    picture = sheet.small(path)
    if picture is None:
        return ""
    return {"kitty": _kitty, "iterm": _iterm, "sixel": _sixel}[form](picture)


def _kitty(picture: Image.Image) -> str:
    """a=T shows at once, f=100 is PNG, q=2 asks for no reply; in chunks of 4096 as the protocol wants."""
    data = _encoded(picture, "PNG")
    chunks = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    keys = [f"a=T,f=100,q=2,r={LINES}," if not number else "" for number in range(len(chunks))]
    more = [1] * (len(chunks) - 1) + [0]
    return "".join(f"\033_G{key}m={m};{chunk}\033\\" for key, m, chunk in zip(keys, more, chunks, strict=True))


def _iterm(picture: Image.Image) -> str:
    data = _encoded(picture, "JPEG")
    size = len(base64.b64decode(data))
    return f"\033]1337;File=inline=1;size={size};height={LINES};preserveAspectRatio=1:{data}\a"


def _sixel(picture: Image.Image) -> str:
    """Bands of six rows; in a band each colour draws where it is, and the next one begins at the left again."""
    import numpy as np

    picture.thumbnail((picture.width, 20 * LINES))  # nobody scales it, so it is as high as so many usual lines
    flat = picture.quantize(COLOURS)
    pixels = np.asarray(flat)
    palette = np.array(flat.getpalette()).reshape(-1, 3) * 100 // 255
    out = ["\033Pq", f'"1;1;{flat.width};{flat.height}']
    out += [f"#{number};2;{red};{green};{blue}" for number, (red, green, blue) in enumerate(palette.tolist())]
    for top in range(0, flat.height, 6):
        band = pixels[top : top + 6]
        for colour in np.unique(band).tolist():
            bits = (1 << np.arange(len(band))) @ (band == colour)
            out.append(f"#{colour}{_runs(bits.tolist())}$")
        out.append("-")
    return "".join([*out, "\033\\"])


def _runs(bits: list[int]) -> str:
    """`!5~` is five times `~`."""
    out, start = [], 0
    for place in range(1, len(bits) + 1):
        if place == len(bits) or bits[place] != bits[start]:
            mark, length = chr(63 + bits[start]), place - start
            out.append(f"!{length}{mark}" if length > 3 else mark * length)
            start = place
    return "".join(out)


def _encoded(picture: Image.Image, kind: str) -> str:
    kept = io.BytesIO()
    picture.save(kept, kind)
    return base64.b64encode(kept.getvalue()).decode()
