"""From a line of text to a query; the grammar is in docs/reference/query-language.md."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from diptych.collection.query.tokens import PICTURE, QUOTED_WEIGHT, WEIGHT, Token, tokens
from diptych.collection.query.tree import (
    COLUMNS,
    AllOf,
    AnyOf,
    Comparison,
    Field,
    Filter,
    Has,
    Near,
    Not,
    Query,
    Term,
    Value,
    flat,
    number,
)
from diptych.kinds import BadInput

LENGTH = 4000
"""Characters a query may have."""
PARTS = 100
"""Terms and conditions a query may have."""
DEPTH = 8
"""How deep parentheses and NOT may stand in one another."""

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
PURE = {"": 1.0}
BYTES = {"": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
BYTES |= {"kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40}
PIXELS = {"": 1.0, "px": 1.0, "pixels": 1.0}
UNITS = {"size": BYTES, "width": PIXELS, "height": PIXELS}
KILOMETRES = {"km": 1.0, "m": 1e-3, "mi": 1.609344}
DATE = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?)?)?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
ITEM = re.compile(r"#([0-9]+)")
KEY = re.compile(r"[^\W\d][\w.:-]*")
OTHER_NAMES = {
    "taken": "date datetime time created captured day shot",
    "camera": "model make device",
    "name": "file filename",
    "folder": "album dir directory",
    "caption": "captions comment description text title words",
    "tag": "tags keyword keywords label labels subject",
    "size": "bytes filesize",
    "lat": "latitude",
    "lon": "lng long longitude",
    "near(48.85, 2.35, 20km)": "gps location place position",
}
COLUMN_OF = {name: column for column, names in OTHER_NAMES.items() for name in names.split()}
"""What other programs call a column; a hint only, since a collection may have metadata of such a name."""
MOST_NAMES = 30
"""Names that a message lists."""


def parse(text: str, metadata: Iterable[str] | None = None, refuse: bool = True) -> Query:
    """Read a query; the grammar is in docs/reference/query-language.md.

    metadata   the metadata keys there are, which stand before a colon like a column
    refuse     any other key, with the nearest right name; where `metadata` is None every key is taken

    Raises BadInput: `query, column 12: expected a number after >=, found "cat"`; columns count from 1.
    """
    return _Parser(text, frozenset(metadata or ()), refuse and metadata is not None).query()


def hint(name: str, metadata: Iterable[str]) -> str:
    """What a name that is neither a column nor among these metadata keys may mean; else the names there are."""
    if column := COLUMN_OF.get(name.lower()):
        return f"; it is called {column} here"
    keys = frozenset(metadata)
    if close := difflib.get_close_matches(name, sorted(keys.union(COLUMNS)), n=1, cutoff=0.7):
        return f"; did you mean {_line(close[0])!r}?"
    some = [_line(key) for key in sorted(keys)[:MOST_NAMES]] + ["…"] * (len(keys) > MOST_NAMES)
    known = f"the metadata {', '.join(some)}" if some else "no metadata"
    return f"; there are: {', '.join(sorted(COLUMNS))}, and {known}"


class _Parser:
    """Recursive descent over the tokens, one token ahead (two to see the comparison after a field)."""

    def __init__(self, text: str, metadata: frozenset[str], refuse: bool) -> None:
        if len(text) > LENGTH:
            raise BadInput(f"query, column {LENGTH + 1}: expected at most {LENGTH:,} characters, found {len(text):,}")
        halves = re.search("[\ud800-\udfff]", text)
        if halves:
            raise BadInput(f"query, column {halves.start() + 1}: expected Unicode text, found half of a character")
        self.text, self.metadata, self.refuse = text, metadata, refuse
        self.tokens, self.next, self.parts = tokens(text), 0, 0
        self.terms: list[Term] = []
        self.never: list[Term] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    @property
    def following(self) -> Token:
        return self.tokens[min(self.next + 1, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        self.next += token.kind != "end"
        return token

    def cut(self, length: int) -> None:
        """Leave the first characters of the next token; what remains of it, if anything, is the next one."""
        token = self.token
        if len(token.text) > length:
            self.tokens[self.next] = Token(token.kind, token.text[length:], token.at + length, True)
        else:
            self.next += 1

    def is_word(self, *words: str) -> bool:
        return self.token.kind == "word" and self.token.text in words

    def bad(self, expected: str, at: int | None = None, found: str | None = None) -> NoReturn:
        token = self.token
        if found is None:
            found = "the end" if token.kind == "end" else _shown(token.text)
        raise BadInput(f"query, column {(token.at if at is None else at) + 1}: expected {expected}, found {found}")

    def count(self) -> None:
        self.parts += 1
        if self.parts > PARTS:
            self.bad(f"at most {PARTS} terms and conditions", found="one more")

    # ------------------------------------------------------------------------------------------------------ expressions

    def query(self) -> Query:
        where = self.expression(0)
        if self.token.kind == ")":
            self.bad("no ) without its (")
        return Query(tuple(self.terms), tuple(self.never), where, self.text)

    def expression(self, depth: int) -> Filter | None:
        """Everything up to the end or the closing parenthesis. Only the outermost may hold terms."""
        choices: list[list[Filter]] = [[]]
        first_or: Token | None = None
        joint = ""  # what was read and still wants something after it
        fresh = True
        while self.token.kind not in ("end", ")"):
            if self.is_word("AND", "OR"):
                if fresh:
                    self.bad(f"a term or a filter {f'after {joint}' if joint else 'first'}")
                joint, fresh = self.take().text, True
                if joint == "OR":
                    first_or = first_or or self.tokens[self.next - 1]
                    choices.append([])
                continue
            if depth == 0 and not joint and self.is_word("+", "-"):
                sign = self.take().text
                self.terms.append(self.term(1 if sign == "+" else -1, f"words, a picture or an item after {sign}"))
            else:
                part = self.part(depth)
                if part is not None:
                    choices[-1].append(part)
            joint, fresh = "", False
        if fresh:
            self.bad("a filter" if depth else f"a term or a filter{f' after {joint}' if joint else ''}")
        if first_or and (self.terms or self.never) and depth == 0:
            # `dog AND year = 2020 OR tag:family` means one thing to logic and another to most who write it.
            example = "dog (year = 2020 OR tag:family)"
            self.bad(f"OR between filters only, in parentheses beside words, as in {example}", first_or.at, '"OR"')
        filters = [flat(AllOf, choice) for choice in choices if choice]
        return flat(AnyOf, filters) if filters else None

    def part(self, depth: int) -> Filter | None:
        """One filter; or one term, which goes to where terms are kept."""
        if self.is_word("NOT"):
            self.take()
            if self.is_word("NOT") or self.at_filter():
                return Not(self.filter(depth + 1))
            if depth == 0:
                start = self.token.at
                term = self.term(1, "words, a picture, an item or a filter after NOT")
                if term.weight != 1:
                    self.bad("no weight after NOT, which excludes altogether", start, number(term.weight))
                self.never.append(term)
                return None
        elif self.at_filter():
            return self.filter(depth)
        elif depth == 0:
            self.terms.append(self.term(1, "words, a picture, an item or a filter"))
            return None
        self.bad("a filter such as year >= 2020 within ( ) (a text with parentheses goes in quotes)")

    # ------------------------------------------------------------------------------------------------------------ terms

    def term(self, sign: int, wanted: str) -> Term:
        """`2:dog`, `"2:golden retriever"`, a path, `#12`, or words up to the next thing that is not a word."""
        self.count()
        weight, weighted = 1.0, WEIGHT.match(self.token.text) if self.token.kind == "word" else None
        if weighted and self.following.kind != "compare":
            weight = self.weight(weighted[1], self.token.at)
            self.cut(weighted.end())
            wanted = "words, a picture or an item after the weight"
        token = self.token
        if token.kind == "quoted" and self.following.kind != "compare":
            self.take()
            value = token.text.strip()
            inside = None if weighted else QUOTED_WEIGHT.match(value)
            if inside:
                weight, value = self.weight(inside[1], token.at + 1), value[inside.end() :]
            if not value:
                self.bad("words between the quotes", token.at, "nothing")
            # A weight before the quotes makes what is inside them a text, whatever it looks like.
            return Term(sign * weight, "picture" if PICTURE.fullmatch(value) and not weighted else "text", value)
        if not self.at_words():
            self.bad(wanted)
        item = ITEM.fullmatch(token.text)
        if item:
            if int(item[1]) >= 2**63:
                self.bad("an item id below 2^63")
            self.take()
            return Term(sign * weight, "item", str(int(item[1])))
        if PICTURE.fullmatch(token.text):
            self.take()
            return Term(sign * weight, "picture", token.text)
        words = [self.take().text]
        while self.at_words() and not ITEM.fullmatch(self.token.text) and not PICTURE.fullmatch(self.token.text):
            words.append(self.take().text)
        return Term(sign * weight, "text", " ".join(words))

    def weight(self, digits: str, at: int) -> float:
        weight = float(digits)
        if not 0 < weight < math.inf:
            self.bad("a weight above 0", at, _shown(digits))
        return weight

    def at_words(self) -> bool:
        """Whether the next token is an ordinary word, neither an operator nor the start of a filter."""
        token = self.token
        if token.kind != "word" or self.is_word("AND", "OR", "NOT", "+", "-") or self.at_filter():
            return False
        if token.text[0] in "+-":
            self.bad(f"a space after {token.text[0]} or NOT before a filter (a text that starts so goes in quotes)")
        return True

    # ---------------------------------------------------------------------------------------------------------- filters

    def called(self, *names: str) -> bool:
        """Whether the next tokens are `name(`."""
        following = self.following
        return self.token.text.lower() in names and following.kind == "(" and following.glued

    def at_column(self) -> str:
        """`tag:` when the next token is `tag:family`, or the like with metadata, or what others call it; else ""."""
        name, colon, value = self.token.text.partition(":")
        if self.token.kind != "word" or not colon:
            return ""
        if name.lower() in COLUMNS:
            return f"{name}:"
        # `title: ` begins many a text.
        glued = value or (self.following.kind == "quoted" and self.following.glued)
        known = name in self.metadata and KEY.fullmatch(name)
        return f"{name}:" if glued and (known or (value and name.lower() in COLUMN_OF)) else ""

    def at_filter(self) -> bool:
        kind = self.token.kind
        if kind in ("word", "quoted") and self.following.kind == "compare":
            return True
        return kind in ("(", "compare") or (kind == "word" and (self.called("near", "has") or bool(self.at_column())))

    def filter(self, depth: int) -> Filter:
        """One condition, a group, or NOT before a filter."""
        if depth > DEPTH:
            self.bad(f"at most {DEPTH} levels of ( ) and NOT", found="one more")
        if self.is_word("NOT"):
            self.take()
            return Not(self.filter(depth + 1))
        if not self.at_filter():
            self.bad("a filter after NOT NOT")
        if self.token.kind == "(":
            return self.group(depth)
        self.count()
        if self.token.kind == "compare":
            self.bad(f"a field before {self.token.text} (a text with {self.token.text} goes in quotes)")
        if self.following.kind == "compare":
            return self.comparison(depth)
        if self.called("near"):
            return self.near()
        return self.has() if self.called("has") else self.equality()

    def group(self, depth: int) -> Filter:
        self.take()
        inside = self.expression(depth + 1)
        if inside is None or self.token.kind != ")":
            self.bad("a closing )")
        self.take()
        return inside

    def comparison(self, depth: int) -> Comparison:
        """`field op value`; the token after the field is known to be the operator."""
        start, operator = self.token.at, self.following
        field = self.field(f"a field before {operator.text} (a text with {operator.text} goes in quotes)")
        self.take()
        if operator.text == "~" and field.holds in ("number", "date"):
            self.bad(f"=, !=, <, <=, > or >= after {field.name}", operator.at, '"~"')
        value = self.token
        found = self.compared(field, operator.text.replace("==", "="), f"after {operator.text}")
        if value.kind == "word" and isinstance(found.value, str) and field.holds != "date":
            self.refuse_words_behind(found, start, value, depth)
        return found

    def equality(self) -> Comparison:
        """`tag:family`, which is `tag = family`."""
        column = self.at_column()
        name = column[:-1]
        is_key = name.lower() not in COLUMNS and name in self.metadata
        if (called := COLUMN_OF.get(name.lower())) and not is_key:
            as_here = called if "(" in called else f"{called}:{self.token.text[len(column) :]}"
            self.bad(f"{as_here} (a text with {column} goes in quotes)")
        self.cut(len(column))
        if not self.token.glued:
            self.bad(f"a value right after {column} (a text with {column} goes in quotes)")
        return self.compared(Field(name, True) if is_key else Field(name.lower()), "=", f"after {column}")

    def compared(self, field: Field, operator: str, after: str) -> Comparison:
        """The comparison, once its value has the form the field wants."""
        self.join_unit(field)
        token = self.token
        what = {"number": "a number", "date": "a date such as 2020-05-01"}.get(field.holds, "a value")
        if token.kind not in ("word", "quoted") or self.is_word("AND", "OR", "NOT"):
            self.bad(f"{what} {after}")
        value: Value | None = token.text
        if field.holds == "number":
            value = _with_unit(token.text, UNITS.get(field.name, PURE))
        elif field.holds == "date":
            value = _date(token.text)
        elif field.metadata and token.kind == "word" and operator != "~":
            number = _with_unit(token.text, PURE)
            value = token.text if number is None else number
        if value is None:
            self.bad(f"{what} {after}")
        self.take()
        return Comparison(field, operator, value)

    def join_unit(self, field: Field) -> None:
        """Make `2 MB` after a size, and `2020-05-01 10:30` after a date, the one value that they are."""
        token, then = self.token, self.following
        if token.kind == then.kind == "word":
            is_unit = then.text.lower() in UNITS.get(field.name, ()) and NUMBER.fullmatch(token.text)
            if is_unit or (field.holds == "date" and TIME.fullmatch(then.text) and DAY.fullmatch(token.text)):
                self.take()
                self.tokens[self.next] = Token("word", f"{token.text} {then.text}", token.at, token.glued)

    def refuse_words_behind(self, found: Comparison, start: int, value: Token, depth: int) -> None:
        """`camera = Canon EOS 5D` means the name to most who write it, and words to look for to the grammar."""
        last = None
        while self.at_words() and not ITEM.fullmatch(self.token.text) and not PICTURE.fullmatch(self.token.text):
            last = self.take()
        if last is not None:
            end = last.at + len(last.text)
            before, several, rest = self.text[:start], self.text[value.at : end], self.text[end:]
            whole = f"{before}{replace(found, value=several)}{rest}"
            apart = f"{before}{found} AND {several[len(value.text) :].strip()}{rest}"
            wanted = f"quotes around a value of several words, as in {_line(whole)}"
            if depth == 0:  # else words may not stand here
                wanted += f" (or AND before words to look for: {_line(apart)})"
            self.bad(wanted, value.at, _shown(several))

    def field(self, wanted: str) -> Field:
        """A column by its name in any case, a metadata key by its exact name; a name in quotes is a metadata key."""
        token = self.token
        if token.kind == "word" and token.text.lower() in COLUMNS:
            return Field(self.take().text.lower())
        if not (token.kind == "quoted" or (token.kind == "word" and KEY.fullmatch(token.text))):
            self.bad(wanted)
        if self.refuse and token.text not in self.metadata:
            self.bad(
                "a column or a metadata key of this collection",
                found=_shown(token.text) + hint(token.text, self.metadata),
            )
        return Field(self.take().text, metadata=True)

    def has(self) -> Has:
        """`has(field)`."""
        self.next += 2
        field = self.field("the name of a field, as in has(caption)")
        if self.token.kind != ")":
            self.bad("a closing )")
        self.take()
        return Has(field)

    def near(self) -> Near:
        """`near(lat, lon, distance)`, read from the text itself, since commas are parts of words elsewhere."""
        self.take()
        at = self.take().at + 1
        while self.token.kind not in (")", "end"):
            self.take()
        if self.token.kind == "end":
            self.bad("a closing ) after near(")
        places = []
        for piece in self.text[at : self.take().at].split(","):
            places.append((piece.strip(), at + len(piece) - len(piece.lstrip())))
            at += len(piece) + 1
        if len(places) != 3:
            self.bad("three values, as in near(48.85, 2.35, 20km)", places[0][1], str(len(places)))
        km = _with_unit(places[2][0], KILOMETRES)
        if km is None or km < 0:
            self.bad("a distance such as 20km, 500m or 5mi", places[2][1], _shown(places[2][0]))
        degrees = []
        for (piece, where), (name, most) in zip(places, (("latitude", 90), ("longitude", 180)), strict=False):
            number = _with_unit(piece, PURE)
            if number is None or abs(number) > most:
                self.bad(f"a {name} from -{most} to {most}", where, _shown(piece))
            degrees.append(number)
        return Near(degrees[0], degrees[1], km)


def _with_unit(text: str, units: dict[str, float]) -> float | None:
    """A finite number with one of these units after it, in any case; None when it is not one."""
    match = NUMBER.match(text)
    unit = text[match.end() :].strip().lower() if match else None
    if match is None or unit not in units:
        return None
    value = float(match.group()) * units[unit]
    return value if math.isfinite(value) else None


def _date(text: str) -> str | None:
    """A year, month, day or minute that the calendar has, as ISO 8601; None when it is not one."""
    iso = text[:10] + text[10:].replace(" ", "T", 1)
    if not DATE.fullmatch(iso):
        return None
    try:
        datetime.fromisoformat(iso + "0001-01-01T00:00:00"[len(iso) :])
    except ValueError:
        return None
    return iso


def _line(text: str) -> str:
    """A piece of text on one line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _shown(text: str) -> str:
    """A piece of the query as a message shows it: on one line, and short."""
    line = _line(text[:31])
    return f'"{line[:30]}…"' if len(line) > 30 else f'"{line}"'
