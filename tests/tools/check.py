"""Runs the tests that a change touches: what is not committed yet, or the last commits (`make check COMMITS=3`).

A changed module touches the tests that mirror it, those that import it, and those that import one that imports it; what
lies farther off is left to `make test`. A changed method touches its cases of the contract test, too, and the tests
that list every method; so do the methods that import a changed module. A changed test touches itself, a changed world
or conftest the tests that are built on it, and any other file the tests of its folder: docs/ those in tests/docs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import reach

ROOT = reach.ROOT
TESTS = ROOT / "tests"
CONTRACT = TESTS / "methods" / "test_contract.py"
PAGES = TESTS / "docs"
"""What the pages promise is checked here."""


def changed(commits: int) -> list[Path]:
    """The files that differ from what was committed so many commits ago, deleted ones too."""

    def listed(*command: str) -> list[str]:
        told = subprocess.run(["git", *command, "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return told.rstrip("\0").split("\0")

    names = {*listed("diff", "--name-only", f"HEAD~{commits}"), *listed("ls-files", "--others", "--exclude-standard")}
    return [ROOT / name for name in sorted(names - {""})]


def touched(files: list[Path]) -> tuple[set[Path], set[str]]:
    """The files of tests that a change of these files touches, and the methods to ask of the contract test."""
    tests: set[Path] = set()
    modules = {module for file in files for module in _modules(file)}
    for module in modules:
        tests |= reach.guards(module).keys() - {CONTRACT}
    methods = reach.methods(modules.union(*map(reach.importers, modules)))
    if reach.methods(modules):
        listing = {test for test in reach.tests() if reach.EVERY_METHOD.search(test.read_text(encoding="utf-8"))}
        tests |= listing - {CONTRACT}
    for file in files:
        tests |= _beside(file)
    return tests, methods


def _modules(file: Path) -> set[str]:
    """The module that a file is; those beside it that name it, where it is data of the package."""
    module = reach.module_of(file)
    if module or not file.is_relative_to(ROOT / "src"):
        return {module} - {None} if module in reach.graph().modules else set()
    beside = [path for path in file.parent.glob("*.py") if file.name in path.read_text(encoding="utf-8")]
    return {reach.module_of(path) or "" for path in beside}


def _beside(file: Path) -> set[Path]:
    """The tests that a file touches by where it lies."""
    if file.is_relative_to(TESTS):
        if file.name.startswith("test_"):
            return {file} if file.exists() else set()
        return {test for test in reach.tests() if file in reach.built_on(test)}
    folder = file.relative_to(ROOT).parts[0]
    if folder == "src":
        return set()
    if (TESTS / folder).is_dir():
        return set((TESTS / folder).rglob("test_*.py"))
    return set(PAGES.rglob("test_*.py")) if file.suffix == ".md" or folder == "reproductions" else set()


def main() -> None:
    files = changed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    tests, methods = touched(files)
    asked = []
    if methods and CONTRACT not in tests:
        tests.add(CONTRACT)
        cases = (f"[{one}] or [{one}- or -{one}]" for one in sorted(methods))
        asked = ["-k", " or ".join([f"not {CONTRACT.stem}", *cases])]
    if not tests:
        print("no test is touched")
        return
    named = [test.relative_to(ROOT).as_posix() for test in sorted(tests)]
    print(
        f"{len(files)} changed files touch", *named, *([f"({', '.join(sorted(methods))})"] if asked else []), sep="\n  "
    )
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", *named, *asked])


if __name__ == "__main__":
    main()
