"""The pieces that a query is made of, and which words the canonical form leaves without quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from diptych.kinds import BadInput

TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<parenthesis>[()])
      | (?P<compare><=|>=|!=|==|[<>=]|~(?!\S))
      | (?P<word>(?:[^\s"()<>=!]|!(?!=))+)""",
    re.VERBOSE | re.DOTALL,
)
# 2:30 and 16:9 stay words: no digit follows the colon of a weight.
WEIGHT = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+):(?![0-9])")
QUOTED_WEIGHT = re.compile(WEIGHT.pattern + r"\s*(?=[^\s0-9])")
PICTURE = re.compile(r"(?:~|\.{1,2})?/[^\s/].*|.*\.(?:jpe?g|png|webp|gif|bmp|tiff?|hei[cf]|avif)", re.I | re.DOTALL)
# What the canonical form leaves without quotes.
PLAIN_KEY = re.compile(r"(?!(?:AND|OR|NOT)$)[^\W\d]\w*")
PLAIN_WORD = r"(?!(?:AND|OR|NOT)\b)[^\W\d_][\w'’-]*"
PLAIN_TEXT = re.compile(f"{PLAIN_WORD}(?: {PLAIN_WORD})*")
PLAIN_PATH = re.compile(r"[\w./~][\w./~-]*")


@dataclass(frozen=True)
class Token:
    """A piece of the query: word, quoted, compare, parenthesis, end. `at` counts from 0; `glued` is no space before."""

    kind: str
    text: str
    at: int
    glued: bool


def tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at, glued = 0, False
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:  # only a quote that nothing closes begins no token
            raise BadInput(f'query, column {at + 1}: expected a closing " for the one here, found the end')
        kind, piece = str(match.lastgroup), match.group()
        if kind == "quoted":
            piece = unquoted(piece)
        if kind != "space":
            found.append(Token(piece if kind == "parenthesis" else kind, piece, at, glued))
        glued = kind != "space"
        at = match.end()
    return [*found, Token("end", "", len(text), False)]


def unquoted(piece: str) -> str:
    """What stands between the quotes of a piece."""
    return re.sub(r'\\(["\\])', r"\1", piece[1:-1])
