"""What a person wants left out of a walk: patterns as in `.gitignore`, one a line of a file, or given.

https://git-scm.com/docs/gitignore. Not known are classes of letters such as `[[:alpha:]]`, which are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Self

from diptych.kinds import BadInput

FILE = ".diptychignore"
"""Its patterns hold in the folder where it lies, and in all below."""

USUAL = (
    "@eaDir/",  # thumbnails of a Synology
    "@Recycle/",
    "#recycle/",
    "#snapshot/",
    "$RECYCLE.BIN/",
    "System Volume Information/",
    "lost+found/",
    "__MACOSX/",
    "Thumbs.db",
    "desktop.ini",
    "*.lrdata/",  # previews of Lightroom
    "**/*.photoslibrary/resources/",  # Photos on a Mac keeps what it made of the originals beside them
    "**/*.photoslibrary/Thumbnails/",
    "**/*.photoslibrary/Previews/",
)
"""What other programs keep beside pictures and nobody means; `!@eaDir/` takes one of them back."""

_PIECE = re.compile(
    r"""(?P<folders>(?:^|(?<=/))\*\*/)      # **/ is any number of folders, none too
      | (?P<inside>(?<=/)\*\*$)             # /** is all that lies inside
      | (?P<all>(?:^|(?<=/))\*+(?=/|$))      # a part that is only a star has a letter
      | (?P<some>\*+)
      | (?P<one>\?)
      | \[(?P<not>[!^]?)(?P<set>\]?(?:\\.|[^\]\\])*)\]
      | (?P<letter>\\?.)""",
    re.VERBOSE | re.DOTALL,
)


class Patterns:
    """The patterns of one place; of those that match, the last decides.

    where   named in errors
    Raises BadInput for a pattern that cannot be read.
    """

    def __init__(self, patterns: Iterable[str], where: str) -> None:
        # Patterns without a slash look at the name alone, which is most of them: one expression for all of a run.
        self._runs: list[tuple[bool, re.Pattern[str] | None, re.Pattern[str] | None]] = []
        for back, run in groupby(filter(None, map(_trimmed, patterns)), lambda pattern: pattern.startswith("!")):
            of: dict[bool, list[str]] = {True: [], False: []}
            for pattern in run:
                body = pattern.removeprefix("!")
                of["/" in body.rstrip("/")].append(_expression(body, where))
            names, paths = (re.compile("|".join(of[way])) if of[way] else None for way in (False, True))
            self._runs.insert(0, (not back, names, paths))

    def decide(self, way: str, name: str) -> bool | None:
        """Whether `name` is left out; None where no pattern says so or otherwise.

        way    the folders from where the patterns hold to where it lies, each with a / behind it
        name   of a file; of a folder with a / behind it
        """
        for out, names, paths in self._runs:
            if (names and names.fullmatch(name)) or (paths and paths.fullmatch(way + name)):
                return out
        return None


@dataclass(frozen=True)
class Rules:
    """The patterns that hold in one folder, the strongest first, each with the way from where they hold to here."""

    rules: tuple[tuple[Patterns, str], ...] = ()

    @classmethod
    def of(cls, root: Path, given: Sequence[str]) -> Self:
        """What holds in a folder that a walk begins in; `given` patterns are told from here.

        A file of patterns in a folder above holds as well: else the same picture would be left out or not by the folder
        one begins in.
        """
        above, way = [], ""
        for folder, below in zip(root.parents, (root, *root.parents), strict=False):
            way = f"{below.name}/{way}"
            if (folder / FILE).is_file():
                above.append((_own(folder), way))
        return cls(((Patterns(given, "--exclude"), ""), *above, (Patterns(USUAL, ""), "")))

    def inside(self, name: str) -> Rules:
        """What holds in a folder of this one, its own file not read yet."""
        return Rules(tuple((patterns, f"{way}{name}/") for patterns, way in self.rules))

    def read(self, here: Path) -> Rules:
        """With the patterns of the file that lies here: stronger than those above, weaker than what was given."""
        return Rules((*self.rules[:1], (_own(here), ""), *self.rules[1:]))

    def leave_out(self, name: str) -> bool:
        """name   of a file here; of a folder with a / behind it"""
        for patterns, way in self.rules:
            out = patterns.decide(way, name)
            if out is not None:
                return out
        return False


def _own(folder: Path) -> Patterns:
    """Raises BadInput where the file cannot be read: what is to be left out is not taken in by mistake."""
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise BadInput(f"{file}: not readable ({why}); it holds a pattern a line, in UTF-8") from None
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return Patterns((line for line in lines if not line.startswith("#")), str(file))


def _trimmed(pattern: str) -> str:
    """Without the blanks at its end, unless a backslash stands before one."""
    while pattern.endswith(" ") and not pattern.endswith("\\ "):
        pattern = pattern[:-1]
    return pattern


def _expression(pattern: str, where: str) -> str:
    """A pattern without its `!` as a regular expression over names, in which a folder has a / behind it."""
    body = pattern.rstrip("/")
    anchored = body.removeprefix("/")
    pieces = []
    for match in _PIECE.finditer(anchored):
        kind, text = match.lastgroup, match.group()
        if kind == "folders":
            pieces.append("(?:.*/)?")
        elif kind == "inside":
            pieces.append(".+")
        elif kind == "all":
            pieces.append("[^/]+")
        elif kind == "some":
            pieces.append("[^/]*")
        elif kind == "one":
            pieces.append("[^/]")
        elif kind == "set" and "[:" not in text:
            letters = re.sub(r"\\?(.)", lambda one: one[1] if one[0] == "-" else re.escape(one[1]), match["set"])
            pieces.append(f"(?!/)[{'^' if match['not'] else ''}{letters}]")
        elif kind == "set" or text == "[":
            raise BadInput(f"{where}: pattern {pattern!r} has a [ that is not understood; write \\[ for the letter")
        else:
            pieces.append(re.escape(text[-1]))
    try:
        return re.compile("".join(pieces) + ("/" if pattern.endswith("/") else "/?"), re.DOTALL).pattern
    except re.error:
        raise BadInput(f"{where}: pattern {pattern!r} has a range in [ ] that runs backwards") from None
