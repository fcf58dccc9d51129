"""The page that names the test of each promise names tests that there are, and what is long is long in `make soak`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = "docs/reference/tested.md"


@pytest.fixture(scope="module")
def lines(root: Path) -> dict[int, str]:
    """The promises by their numbers."""
    text = (root / PAGE).read_text(encoding="utf-8")
    return {int(number): line for number, line in re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)}


def named(line: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", line)


def test_every_promise_has_tests_and_they_are_there(lines, root):
    assert set(lines) == set(range(1, 31)) - {10}
    for number, line in lines.items():
        assert named(line), number
        assert line.count("::") == len(named(line)), number
        for file, name in named(line):
            assert re.search(rf"^def {name}\(", (root / file).read_text(encoding="utf-8"), re.MULTILINE), (file, name)


@pytest.fixture(scope="module")
def recipe(root: Path) -> str:
    """Of `make soak`."""
    found = re.search(r"^soak:.*\n((?:\t.*\n)+)", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[1]


READS = r'(?:int|float)\(os\.environ\.get\("(DIPTYCH_\w+)"'
"""A number of the environment by which a test is made long."""


def test_whatever_can_be_made_long_is_made_so_by_make_soak(root, recipe):
    for file in sorted((root / "tests").rglob("test_*.py")):
        for name in set(re.findall(READS, file.read_text(encoding="utf-8"))) - {"DIPTYCH_SEED"}:
            assert f" {name}=" in f" {recipe}".replace("\t", " "), name
            assert f"{file.relative_to(root).as_posix()}" in recipe.split(), file


def test_what_is_long_is_run_by_make_soak_with_the_number_that_is_told(lines, root, recipe):
    """A file of each, and the number in a variable that it reads."""
    given = dict(re.findall(r"(DIPTYCH_\w+)=(\S+)", recipe)) | {"DIPTYCH_SOAK": "30"}
    assert int(given["DIPTYCH_CASES"]) >= 2_000
    for number, line in lines.items():
        if "*long*" not in line:
            continue
        long = [file for file, _ in named(line) if file in recipe]
        assert long, number
        read = {name for file in long for name in re.findall(READS, (root / file).read_text(encoding="utf-8"))}
        told = {figure.replace(",", "") for figure in re.findall(r"\d[\d,]*", line.replace("thirty", "30"))}
        assert {given[name] for name in read & given.keys()} & told, (number, read)
