"""The faults that one line of a Python file can have: what `mutants.py` draws from.

Each is a slip that a person makes: a bound off by one, a comparison turned, a condition, an argument or a statement
forgotten. Docstrings, annotations, assertions, formatted strings and what is said in errors stay as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

COMPARED = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
SUMS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "minimum": "maximum"}
CALLED |= {"maximum": "minimum", "argmin": "argmax", "argmax": "argmin", "startswith": "endswith", "floor": "ceil"}
SQL = ((" AND ", " OR "), (" < ", " <= "), (" > ", " >= "), (" = ", " != "), (" DESC", ""), ("DISTINCT ", ""))
SQL += (("LEFT JOIN", "JOIN"), (" OR IGNORE", ""), (" IS NULL", " IS NOT NULL"), (" >= ", " > "), (" <= ", " < "))

_TIGHT = (ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Attribute, ast.Subscript, ast.comprehension)
_LOOSE = (ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Lambda)


class Scope(NamedTuple):
    """The first and the last line of a function, a class or a whole file; and whether it is one that can be called."""

    first: int
    last: int
    function: bool


@dataclass(frozen=True, order=True)
class Fault:
    """A line of a file (from 1), what it says and what it says instead; the scope it stands in."""

    file: str
    number: int
    line: str
    mutated: str
    scope: Scope

    def written(self, source: str) -> str:
        """The source with this fault in it."""
        lines = source.splitlines(keepends=True)
        assert lines[self.number - 1].rstrip("\n") == self.line
        lines[self.number - 1] = self.mutated + "\n"
        return "".join(lines)


def faults(source: str, file: str) -> list[Fault]:
    """Every fault of a file, in order. A few do not parse: see `parses`."""
    lines = source.splitlines()
    found = set()
    for node, start, end, text, scope in _Walk(lines).of(ast.parse(source), None, Scope(1, len(lines), False)):
        line = lines[node.lineno - 1].encode()
        mutated = (line[:start] + text.encode() + line[end:]).decode()
        if mutated.rstrip() != lines[node.lineno - 1].rstrip():
            found.add(Fault(file, node.lineno, lines[node.lineno - 1], mutated, scope))
    return sorted(found)


def parses(fault: Fault, source: str) -> bool:
    try:
        ast.parse(fault.written(source))
    except SyntaxError:
        return False
    return True


class _Walk:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def of(self, node: ast.AST, parent: ast.AST | None, scope: Scope) -> Iterator[tuple]:
        """(node, first byte, last byte, text instead, scope) of every fault in a node."""
        if isinstance(node, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom):
            if isinstance(node, ast.Raise):
                yield from self.instead(node, parent, ast.Pass(), scope)
            return
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            return
        if isinstance(node, ast.keyword) and node.arg == "strict":  # of zip: it asserts
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            scope = Scope(first, node.end_lineno or first, isinstance(node, ast.FunctionDef))
        for new in _instead_of(node):
            yield from self.instead(node, parent, new, scope)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from self.words(node, scope)
        for test in _conditions(node):
            yield from self.instead(test, node, ast.UnaryOp(ast.Not(), test), scope)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _docstring(node, child):
                    yield from self.of(child, node, scope)

    def instead(self, node: ast.AST, parent: ast.AST | None, new: ast.AST, scope: Scope) -> Iterator[tuple]:
        if node.lineno == node.end_lineno:  # type: ignore[attr-defined]
            text = ast.unparse(ast.fix_missing_locations(new))
            tight = isinstance(parent, _TIGHT) or (isinstance(parent, ast.Call) and parent.func is node)
            text = f"({text})" if tight and isinstance(new, _LOOSE) else text
            yield node, node.col_offset, node.end_col_offset, text, scope  # type: ignore[attr-defined]

    def words(self, node: ast.Constant, scope: Scope) -> Iterator[tuple]:
        """A statement of SQL with one of its words turned, wherever it stands in the string; else another string."""
        if node.value == "stable":  # numpy knows a kind of sorting by its first letter
            return
        found = False
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            line = self.lines[number - 1]
            for right, wrong in SQL:
                if right in node.value and right in line and _is_sql(node.value):
                    start = len(line[: line.index(right)].encode())
                    here = ast.Constant(None, lineno=number)
                    yield here, start, start + len(right.encode()), wrong, scope
                    found = True
        if not found and not _is_sql(node.value) and node.lineno == node.end_lineno and " " not in node.value:
            new = node.value[:-1] if len(node.value) > 1 else node.value + "_"
            yield from self.instead(node, None, ast.Constant(new), scope)


def _conditions(node: ast.AST) -> list[ast.expr]:
    return (
        node.ifs if isinstance(node, ast.comprehension) else [node.test] if isinstance(node, ast.If | ast.While) else []
    )


def _is_sql(text: str) -> bool:
    return any(word in text for word in ("SELECT ", "UPDATE ", "INSERT ", "DELETE ", "WHERE ", "CREATE "))


def _docstring(parent: ast.AST, child: ast.AST) -> bool:
    """A string that stands by itself says something and does nothing."""
    return isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and hasattr(parent, "body")


def _with(node: ast.AST, **changed: object) -> ast.AST:
    return type(node)(**{**dict(ast.iter_fields(node)), **changed})


def _instead_of(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in place of a node, but for strings."""
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in COMPARED[type(op)]:
                    yield _with(node, ops=[*ops[:place], other(), *ops[place + 1 :]])
        case ast.BinOp(op=op) if type(op) in SUMS:
            yield _with(node, op=SUMS[type(op)]())
        case ast.BoolOp(op=op, values=[*values]):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for place in range(len(values)):
                rest = values[:place] + values[place + 1 :]
                yield _with(node, values=rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=float(value)):
            yield from (ast.Constant(value * 2 or 1.0), ast.Constant(value + 1))
        case ast.Call(func=func, args=args, keywords=keywords):
            if len(args) > 1:  # a call that is left without any fails at once
                yield _with(node, args=args[:-1])
            for place in range(len(args) - 1):
                yield _with(node, args=[*args[:place], args[place + 1], args[place], *args[place + 2 :]])
            for place in (place for place, keyword in enumerate(keywords) if keyword.arg != "strict"):
                yield _with(node, keywords=keywords[:place] + keywords[place + 1 :])
            if isinstance(func, ast.Name) and func.id in CALLED:
                keep = [] if func.id == "sorted" else keywords
                yield _with(node, func=ast.Name(CALLED[func.id]), keywords=keep)
            if isinstance(func, ast.Attribute):
                if func.attr in CALLED:
                    yield _with(node, func=_with(func, attr=CALLED[func.attr]))
                if not args and not keywords:
                    yield func.value
        case ast.Slice(lower=lower, upper=upper):
            one = ast.Constant(1)
            yield _with(node, lower=ast.BinOp(lower, ast.Add(), one) if lower else one)
            yield _with(node, upper=ast.BinOp(upper, ast.Sub(), one) if upper else ast.Constant(-1))
        case ast.IfExp(body=body, orelse=orelse):
            yield _with(node, body=orelse, orelse=body)
        case ast.Return(value=ast.Constant(value=False)):
            return  # None is as false; that it may be true is a fault of the constant
        case ast.Return(value=ast.expr()):
            yield ast.Return(ast.Constant(None))
        case ast.AugAssign(op=op):
            yield ast.Pass()
            if type(op) in SUMS:
                yield _with(node, op=SUMS[type(op)]())
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Delete():
            yield ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Yield()):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield from (ast.Break(), ast.Pass())
