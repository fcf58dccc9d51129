"""Faults are drawn from every kind of line, parse, and leave alone what nothing depends on."""

from pathlib import Path

import faults as drawn
import pytest


def instead(line: str) -> set[str]:
    return {fault.mutated for fault in drawn.faults(line + "\n", "a.py")}


@pytest.mark.parametrize(
    ("line", "mutated"),
    [
        ("a < b", "a <= b"),
        ("a == b", "a != b"),
        ("c = a + b", "c = a - b"),
        ("c = a and b", "c = a or b"),
        ("c = a and b", "c = a"),
        ("c = not a", "c = a"),
        ("c = a[1:]", "c = a[1 + 1:]"),
        ("c = 7", "c = 8"),
        ("c = f(True)", "c = f(False)"),
        ("c = f(a, b)", "c = f(b, a)"),
        ("c = f(a, k=b)", "c = f(a)"),
        ("c = sorted(a, key=b)", "c = list(a)"),
        ("c = min(a)", "c = max(a)"),
        ("c = [a for a in b if a]", "c = [a for a in b if (not a)]"),
        ("c = a.strip()", "c = a"),
        ("f(a)", "pass"),
        ("a.b = 1", "pass"),
        ("a += 1", "a -= 1"),
        ("def f(a=1): return a", "def f(a=2): return a"),
        ("def f(): return 7", "def f(): return None"),
        ("def f(): raise E('no')", "def f(): pass"),
        ("c = {'key': 1}", "c = {'ke': 1}"),
        ("c = 'SELECT a FROM b WHERE a < 1'", "c = 'SELECT a FROM b WHERE a <= 1'"),
    ],
)
def test_each_slip_is_among_them(line, mutated):
    assert mutated in instead(line)


@pytest.mark.parametrize(
    "line", ["'''Says something 1 + 1.'''", "a: int | None", "import a", "c = f'{1 + 1}'", "def f(a: int) -> str: ..."]
)
def test_what_nothing_depends_on_is_left_alone(line):
    assert instead(line) == set()


def test_nothing_instead_of_false_is_no_fault():
    assert instead("def f(): return False") == {"def f(): return True"}
    assert "def f(): return None" in instead("def f(): return 0")


def test_what_zip_asserts_stays():
    assert instead("c = zip(a, b, strict=True)") == {"c = zip(a, strict=True)", "c = zip(b, a, strict=True)"}


def test_a_kind_of_sorting_is_left_as_it_is_spelt():
    assert instead("c = f(a, kind='stable')") == {"c = f(a)"}


def test_each_changes_one_line_and_nearly_all_parse():
    source = Path(drawn.__file__).read_text(encoding="utf-8")
    found = drawn.faults(source, "faults.py")
    assert len(found) > 300
    for fault in found[::20]:
        lines = zip(source.splitlines(), fault.written(source).splitlines(), strict=True)
        assert [number for number, (one, two) in enumerate(lines, 1) if one != two] == [fault.number]
    parsing = [drawn.parses(fault, source) for fault in found[::20]]
    assert sum(parsing) > 0.9 * len(parsing)


def test_the_scope_is_the_innermost_function_with_its_decorators():
    source = "A = 1\n\n@cache\ndef f():\n    return 2\n"
    assert {fault.line: fault.scope for fault in drawn.faults(source, "a.py")} == {
        "A = 1": (1, 5, False),
        "    return 2": (3, 5, True),
    }
