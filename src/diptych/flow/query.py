"""The little query language: text, pictures and filters in one line.

    two dogs in the snow
    dog + beach - people                     soft: the vectors are added and subtracted
    "2:golden retriever" + ./pool.jpg        weights and pictures
    dog NOT people                           hard: nothing that shows people
    dog year >= 2020 AND tag:family AND near(48.85, 2.35, 20km)

Terms rank the items, filters decide which items may appear. `parse` is total: every string gives a Query or a BadInput
that names the column. `Filter.sql` gives a parameterised condition over the tables of a collection:

    items(id, path, name, folder, size, width, height, taken, camera, lat, lon)   taken: local time, ISO 8601 with T
    captions(item, text)   tags(item, tag)   metadata(item, key, value)
"""

from __future__ import annotations

import math
import re
import sqlite3
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal, NoReturn

from diptych.kinds import BadInput, nearest

LENGTH = 4000
"""Characters a query may have."""
PARTS = 100
"""Terms and conditions a query may have."""
DEPTH = 8
"""How deep parentheses and NOT may stand in one another."""
EARTH = 6371.0088
"""Mean radius of the Earth in km (IUGG)."""

Value = str | float
Sql = tuple[str, tuple[Value, ...]]

# ------------------------------------------------------------------------------------------------------ what a query is


@dataclass(frozen=True)
class Term:
    """One thing to look for. `value` is the text, the path of the picture as it was written, or the digits of an id."""

    weight: float
    kind: Literal["text", "picture", "item"]
    value: str

    def __str__(self) -> str:
        """The term with the size of its weight; the sign is what joins it to the others."""
        weight = "" if abs(self.weight) == 1 else f"{_number(abs(self.weight))}:"
        if self.kind == "item":
            return f"{weight}#{self.value}"
        if (PLAIN_PATH if self.kind == "picture" else PLAIN_TEXT).fullmatch(self.value):
            return weight + self.value
        # A weight before the quotes makes what is inside them literal.
        return (weight or ("1:" if QUOTED_WEIGHT.match(self.value) else "")) + _quoted(self.value)


@dataclass(frozen=True)
class Query:
    """What a person asked for. `str` writes it in the canonical form, which parses back to an equal query.

    terms   what to rank by; a negative weight pushes away
    never   what no answer may show
    where   which items may appear at all, or None
    text    the query as it was written
    """

    terms: tuple[Term, ...]
    never: tuple[Term, ...]
    where: Filter | None
    text: str = field(compare=False)

    def __str__(self) -> str:
        signed = "".join(f" {'-' if term.weight < 0 else '+'} {term}" for term in self.terms)
        parts = [signed.removeprefix(" + ").removeprefix(" ")] if signed else []
        parts += [f"NOT {term}" for term in self.never]
        if self.where is not None:
            parts.append(_grouped(self.where, AnyOf) if parts else str(self.where))
        return " AND ".join(parts)


class Filter(ABC):
    """A condition on items. `str` writes it in the query language."""

    @abstractmethod
    def sql(self) -> Sql:
        """(condition, parameters) for a WHERE over `items`. The connection must be known to `register`.

        The condition holds constants of this module and `?` alone, whatever the query was. It may be NULL for an item
        that lacks the field, which WHERE takes for false.
        """


@dataclass(frozen=True)
class Column:
    """A field every collection knows: what it holds, and where SQL finds it."""

    holds: Literal["number", "text", "date"]
    value: str
    table: str = "items"


COLUMNS = {
    "year": Column("number", "CAST(substr(items.taken, 1, 4) AS INTEGER)"),
    "month": Column("number", "CAST(substr(items.taken, 6, 2) AS INTEGER)"),
    "taken": Column("date", "items.taken"),
    "width": Column("number", "items.width"),
    "height": Column("number", "items.height"),
    "size": Column("number", "items.size"),
    "lat": Column("number", "items.lat"),
    "lon": Column("number", "items.lon"),
    "path": Column("text", "items.path"),
    "name": Column("text", "items.name"),
    "folder": Column("text", "items.folder"),
    "camera": Column("text", "items.camera"),
    "caption": Column("text", "captions.text", "captions"),
    "tag": Column("text", "tags.tag", "tags"),
}


@dataclass(frozen=True)
class Field:
    """A column of COLUMNS, or a metadata key. Captions, tags and metadata may have many values an item."""

    name: str
    metadata: bool = False

    def __str__(self) -> str:
        plain = PLAIN_KEY.fullmatch(self.name) and (self.name.lower() in COLUMNS) != self.metadata
        return self.name if plain else _quoted(self.name)

    @property
    def holds(self) -> str:
        return "anything" if self.metadata else COLUMNS[self.name].holds

    def some(self, test: str, *values: Value) -> Sql:
        """Whether some value of the item passes `test`, in which {} stands for the value."""
        if self.metadata:
            passing = f"SELECT metadata.item FROM metadata WHERE metadata.key = ? AND {test.format('metadata.value')}"
            return f"items.id IN ({passing})", (self.name, *values)
        column = COLUMNS[self.name]
        test = test.format(column.value)
        if column.table != "items":
            test = f"items.id IN (SELECT {column.table}.item FROM {column.table} WHERE {test})"
        return test, values


@dataclass(frozen=True)
class Has(Filter):
    """The item has the field."""

    field: Field

    def __str__(self) -> str:
        return f"has({self.field})"

    def sql(self) -> Sql:
        return self.field.some("{} IS NOT NULL")


@dataclass(frozen=True)
class Comparison(Filter):
    """Some value of the field compares so, by = != < <= > >= or ~.

    `!=` means that the item has the field and no value of it is equal.

    Text is compared without regard to case, and `~` is "contains". A number is compared with numbers alone. A date is
    compared as far as it is written: `taken = 2020-05` is any time in that May.
    """

    field: Field
    operator: str
    value: Value

    def __str__(self) -> str:
        value = _quoted(self.value) if isinstance(self.value, str) else _number(self.value)
        return f"{self.field} {self.operator} {value}"

    def sql(self) -> Sql:
        if self.operator == "!=":
            return AllOf((Has(self.field), Not(replace(self, operator="=")))).sql()
        if isinstance(self.value, float):
            test = f"diptych_number({{}}) {self.operator} ?" if self.field.metadata else f"{{}} {self.operator} ?"
            return self.field.some(test, self.value)
        if self.field.holds == "date":
            return self.field.some(f"substr({{}}, 1, {len(self.value)}) {self.operator} ?", self.value)
        test = "instr(diptych_fold({}), ?) > 0" if self.operator == "~" else f"diptych_fold({{}}) {self.operator} ?"
        return self.field.some(test, _folded(self.value))


@dataclass(frozen=True)
class Near(Filter):
    """Taken at most `km` from a place, along the great circle; latitude and longitude in degrees."""

    lat: float
    lon: float
    km: float

    def __str__(self) -> str:
        return f"near({_number(self.lat)}, {_number(self.lon)}, {_number(self.km)}km)"

    def sql(self) -> Sql:
        # The box that holds the circle (J. P. Matuschek, "Finding points within a distance of a latitude/longitude
        # using bounding coordinates") spares the arithmetic on most items. It is a little too large, so that rounding
        # never cuts off what the exact distance lets in.
        reach = math.degrees(self.km / EARTH) + 1e-6
        box, bounds = "items.lat BETWEEN ? AND ?", [self.lat - reach, self.lat + reach]
        if abs(self.lat) + reach < 90:  # else a pole is inside, and with it every longitude
            sideways = math.degrees(
                math.asin(min(1.0, math.sin(math.radians(reach)) / math.cos(math.radians(self.lat))))
            )
            west, east = self.lon - sideways, self.lon + sideways
            if west < -180 or east > 180:  # across the date line
                box += " AND (items.lon >= ? OR items.lon <= ?)"
                west, east = (west + 360 if west < -180 else west), (east - 360 if east > 180 else east)
            else:
                box += " AND items.lon BETWEEN ? AND ?"
            bounds += [west, east]
        return f"({box} AND diptych_km(items.lat, items.lon, ?, ?) <= ?)", (*bounds, self.lat, self.lon, self.km)


@dataclass(frozen=True)
class Not(Filter):
    """Every item that `part` does not hold of, those that lack the field among them."""

    part: Filter

    def __str__(self) -> str:
        return f"NOT {_grouped(self.part, AllOf, AnyOf)}"

    def sql(self) -> Sql:
        condition, values = self.part.sql()
        return f"({condition}) IS NOT TRUE", values  # NOT NULL is NULL, and would lose the items without the field


@dataclass(frozen=True)
class AllOf(Filter):
    """Every part holds."""

    parts: tuple[Filter, ...]

    def __str__(self) -> str:
        return " AND ".join(_grouped(part, AnyOf) for part in self.parts)

    def sql(self) -> Sql:
        return _joined(" AND ", self.parts)


@dataclass(frozen=True)
class AnyOf(Filter):
    """At least one part holds."""

    parts: tuple[Filter, ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.parts))

    def sql(self) -> Sql:
        return _joined(" OR ", self.parts)


def _joined(between: str, parts: tuple[Filter, ...]) -> Sql:
    conditions, values = zip(*(part.sql() for part in parts), strict=True)
    return f"({between.join(conditions)})", tuple(value for some in values for value in some)


def _flat(kind: type[AllOf] | type[AnyOf], parts: list[Filter]) -> Filter:
    """The parts under one AND or OR: groups of the same kind dissolve, and one part stands alone."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, kind) else (part,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _grouped(part: Filter, *kinds: type[Filter]) -> str:
    return f"({part})" if isinstance(part, kinds) else str(part)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(value: float) -> str:
    """The shortest digits that read back as this number, without an exponent."""
    return format(Decimal(repr(value).removesuffix(".0")), "f")


# ---------------------------------------------------------------------------------------------------- functions for SQL


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that `Filter.sql` calls. They are deterministic, so an index may be over them."""
    connection.create_function("diptych_fold", 1, _fold, deterministic=True)
    connection.create_function("diptych_number", 1, _as_number, deterministic=True)
    connection.create_function("diptych_km", 4, great_circle_km, deterministic=True)


def great_circle_km(lat: float | None, lon: float | None, to_lat: float, to_lon: float) -> float | None:
    """Distance over the sphere (haversine) between two places in degrees; None when the first is not known."""
    if lat is None or lon is None:
        return None
    up = math.sin(math.radians(to_lat - lat) / 2) ** 2
    across = math.sin(math.radians(to_lon - lon) / 2) ** 2
    haversine = up + math.cos(math.radians(lat)) * math.cos(math.radians(to_lat)) * across
    return 2 * EARTH * math.asin(math.sqrt(min(1.0, haversine)))


def _folded(text: str) -> str:
    """A text as it is compared: without case, and the same however its accents are composed (Unicode 3.13, D145)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _fold(value: str | float | bytes | None) -> str | None:
    return None if value is None or isinstance(value, bytes) else _folded(str(value))


def _as_number(value: str | float | bytes | None) -> float | None:
    """A metadata value as a number, None when it is something else."""
    if value is None or isinstance(value, bytes):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# -------------------------------------------------------------------------------------------------------------- reading

TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<parenthesis>[()])
      | (?P<compare><=|>=|!=|==|[<>=]|~(?!\S))
      | (?P<word>(?:[^\s"()<>=!]|!(?!=))+)""",
    re.VERBOSE | re.DOTALL,
)
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
PURE = {"": 1.0}
BYTES = {"": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
KILOMETRES = {"km": 1.0, "m": 1e-3, "mi": 1.609344}
DATE = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?)?)?")
# 2:30 and 16:9 stay words: no digit follows the colon of a weight.
WEIGHT = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+):(?![0-9])")
QUOTED_WEIGHT = re.compile(WEIGHT.pattern + r"\s*(?=[^\s0-9])")
PICTURE = re.compile(r"(?:~|\.{1,2})?/[^\s/].*|.*\.(?:jpe?g|png|webp|gif|bmp|tiff?|hei[cf]|avif)", re.I | re.DOTALL)
ITEM = re.compile(r"#([0-9]+)")
KEY = re.compile(r"[^\W\d][\w.:-]*")
COLON = re.compile(r"([a-z]+:)", re.I)
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


def parse(text: str, metadata: Iterable[str] | None = None) -> Query:
    """Read a query; the grammar is in docs/reference/query-language.md.

    metadata   the metadata keys there are: any other is refused, with the nearest right name; None takes every key
    Raises BadInput: `query, column 12: expected a number after >=, found "cat"`; columns count from 1.
    """
    return _Parser(text, None if metadata is None else frozenset(metadata)).query()


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at, glued = 0, False
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:  # only a quote that nothing closes begins no token
            raise BadInput(f'query, column {at + 1}: expected a closing " for the one here, found the end')
        kind, piece = str(match.lastgroup), match.group()
        if kind == "quoted":
            piece = re.sub(r'\\(["\\])', r"\1", piece[1:-1])
        if kind != "space":
            found.append(Token(piece if kind == "parenthesis" else kind, piece, at, glued))
        glued = kind != "space"
        at = match.end()
    return [*found, Token("end", "", len(text), False)]


class _Parser:
    """Recursive descent over the tokens, one token ahead (two to see the comparison after a field)."""

    def __init__(self, text: str, metadata: frozenset[str] | None) -> None:
        if len(text) > LENGTH:
            raise BadInput(f"query, column {LENGTH + 1}: expected at most {LENGTH:,} characters, found {len(text):,}")
        halves = re.search("[\ud800-\udfff]", text)
        if halves:
            raise BadInput(f"query, column {halves.start() + 1}: expected Unicode text, found half of a character")
        self.text, self.metadata = text, metadata
        self.tokens, self.next, self.parts = _tokens(text), 0, 0
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
        filters = [_flat(AllOf, choice) for choice in choices if choice]
        return _flat(AnyOf, filters) if filters else None

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
                    self.bad("no weight after NOT, which excludes altogether", start, _number(term.weight))
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
            return Term(sign * weight, "picture" if PICTURE.fullmatch(value) else "text", value)
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
        """`tag:` when the next token is `tag:family`, or the like with another column; else nothing."""
        colon = COLON.match(self.token.text)
        return colon[1] if self.token.kind == "word" and colon and colon[1][:-1].lower() in COLUMNS else ""

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
            return self.comparison()
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

    def comparison(self) -> Comparison:
        """`field op value`; the token after the field is known to be the operator."""
        operator = self.following
        field = self.field(f"a field before {operator.text} (a text with {operator.text} goes in quotes)")
        self.take()
        if operator.text == "~" and field.holds in ("number", "date"):
            self.bad(f"=, !=, <, <=, > or >= after {field.name}", operator.at, '"~"')
        return self.compared(field, operator.text.replace("==", "="), f"after {operator.text}")

    def equality(self) -> Comparison:
        """`tag:family`, which is `tag = family`."""
        column = self.at_column()
        self.cut(len(column))
        if not self.token.glued:
            self.bad(f"a value right after {column} (a text with {column} goes in quotes)")
        return self.compared(Field(column[:-1].lower()), "=", f"after {column}")

    def compared(self, field: Field, operator: str, after: str) -> Comparison:
        """The comparison, once its value has the form the field wants."""
        token = self.token
        what = {"number": "a number", "date": "a date such as 2020-05-01"}.get(field.holds, "a value")
        if token.kind not in ("word", "quoted") or self.is_word("AND", "OR", "NOT"):
            self.bad(f"{what} {after}")
        value: Value | None = token.text
        if field.holds == "number":
            value = _with_unit(token.text, BYTES if field.name == "size" else PURE)
        elif field.holds == "date":
            value = _date(token.text)
        elif field.metadata and token.kind == "word" and operator != "~":
            number = _with_unit(token.text, PURE)
            value = token.text if number is None else number
        if value is None:
            self.bad(f"{what} {after}")
        self.take()
        return Comparison(field, operator, value)

    def field(self, wanted: str) -> Field:
        """A column by its name in any case, a metadata key by its exact name; a name in quotes is a metadata key."""
        token = self.token
        if token.kind == "word" and token.text.lower() in COLUMNS:
            return Field(self.take().text.lower())
        if not (token.kind == "quoted" or (token.kind == "word" and KEY.fullmatch(token.text))):
            self.bad(wanted)
        if self.metadata is not None and token.text not in self.metadata:
            hint = " ".join(nearest(token.text, self.metadata.union(COLUMNS)).split())  # a key may hold a line break
            self.bad("a column or a metadata key of this collection", found=_shown(token.text) + hint)
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


def _shown(text: str) -> str:
    """A piece of the query as a message shows it: on one line, and short."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[:31])
    return f'"{line[:30]}…"' if len(line) > 30 else f'"{line}"'
