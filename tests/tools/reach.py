"""Which tests guard which modules: by the path that a test mirrors, and by what it imports.

Imports inside the package are read by grimp, which import-linter brings along. Those of a test are read off its text,
so that they are found in the scripts that it hands to child processes, too. Nothing is executed.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))  # what is installed may be another tree
TOP = "diptych"
SHELVES = f"{TOP}.methods."
"""What stands here is found by its name: nobody imports it. A test of methods that asks for it quotes its name; where
tests of something else do, it is their example."""
EVERY_METHOD = re.compile(r"\bcatalogue\.methods\(\)|\bin methods\(\)")

MIRRORS, SAME_FOLDER, IMPORTS, IMPORTS_AN_IMPORTER = range(4)
"""How near a test is to a module."""

_DOTTED = re.compile(rf"\b{TOP}(?:\.\w+)+(?:\.\{{)?")  # diptych.datasets.{name} is every module there
_FROM = re.compile(rf"\bfrom ({TOP}[\w.]*) import (\([^)]*\)|[^\n(]*)")
_LOCAL = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)


@cache
def graph() -> grimp.ImportGraph:
    found = grimp.build_graph(TOP, cache_dir=None, exclude_type_checking_imports=True)
    for package in found.modules:
        for importer in found.find_modules_that_directly_import(package):
            for part in _parts(package, _source(importer).read_text(encoding="utf-8"), found.modules):
                found.add_import(importer=importer, imported=part)
    return found


def module_of(file: Path) -> str | None:
    """The module that a file of the package is; None for any other file."""
    try:
        parts = file.resolve().relative_to(ROOT / "src").with_suffix("").parts
    except ValueError:
        return None
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) if file.suffix == ".py" else None


def _source(module: str) -> Path:
    path = (ROOT / "src").joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _parts(package: str, text: str, modules: set[str]) -> set[str]:
    """The modules of an imported package that are reached through its name: `parts.losses`."""
    found = re.findall(rf"\b{package.rpartition('.')[2]}\.(\w+)", text)
    return {f"{package}.{name}" for name in found} & modules


def methods(modules: set[str]) -> set[str]:
    """The names of the methods among these modules."""
    return {name.rpartition(".")[2] for name in modules if re.fullmatch(rf"{re.escape(SHELVES)}\w+\.\w+", name)}


def importers(module: str) -> set[str]:
    """The modules that import this one themselves."""
    return set(graph().find_modules_that_directly_import(module)) if module in graph().modules else set()


def tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("test_*.py"))


@cache
def built_on(file: Path) -> frozenset[Path]:
    """The conftests and worlds that a test is built on, and what those are built on in turn."""
    worlds = {path.stem: path for path in (ROOT / "tests").rglob("*.py") if not path.stem.startswith("test_")}
    own = {worlds[name] for name in _LOCAL.findall(file.read_text(encoding="utf-8")) if name in worlds}
    own |= {folder / "conftest.py" for folder in file.parents if folder.is_relative_to(ROOT / "tests")}
    own = {path for path in own - {file} if path.is_file()}
    return frozenset(own.union(*map(built_on, own)))


@cache
def imported(file: Path) -> frozenset[str]:
    """The modules that a test names, in its own text or in that of what it is built on."""
    texts = [path.read_text(encoding="utf-8") for path in (file, *built_on(file))]
    found = frozenset().union(*map(_named, texts))
    if file.is_relative_to(ROOT / "tests" / "methods"):
        found |= _quoted("".join(texts))
    return found


def _named(text: str) -> set[str]:
    modules = graph().modules
    found: set[str] = set()
    for name in _DOTTED.findall(text):
        if name.endswith(".{"):
            found |= graph().find_children(name[:-2]) if name[:-2] in modules else set()
            continue
        while name not in modules:
            name = name.rpartition(".")[0]
        found |= _whole(name)
    for package, names in _FROM.findall(text):
        for name in {f"{package}.{name}" for name in re.findall(r"\w+", names)} & modules:
            found |= _whole(name) | _parts(name, text, modules)
    return found


def _quoted(text: str) -> set[str]:
    words = set(re.findall(r"[\"'](\w+)[\"']", text))
    return {module for module in graph().modules if module.startswith(SHELVES) and module.rpartition(".")[2] in words}


def _whole(package: str) -> set[str]:
    """A package and what its `__init__` brings in from its own folder, and that in turn."""
    if package == TOP:
        return set()
    found, new = set(), {package}
    while new:
        found |= new
        new = {
            name
            for module in new
            for name in graph().find_modules_directly_imported_by(module)
            if name.startswith(f"{package}.")
        } - found
    return found


def nearness(test: Path, module: str) -> int | None:
    """How near the test is to the module; None where it does not reach it."""
    words = "_".join(module.split(".")[1:]) + "_"
    folder = "_".join(module.split(".")[1:-1]) + "_"
    place = test.relative_to(ROOT / "tests")
    own = "_".join([*place.parent.parts, place.stem.removeprefix("test_")]) + "_"
    if own.startswith(words):
        return MIRRORS
    if module in imported(test):
        return SAME_FOLDER if own.startswith(folder) else IMPORTS
    return IMPORTS_AN_IMPORTER if importers(module) & imported(test) else None


def guards(module: str, at_most: int = IMPORTS_AN_IMPORTER) -> dict[Path, int]:
    """The tests that reach a module, the nearest first, and how near each is."""
    near = {test: nearness(test, module) for test in tests()}
    return dict(
        sorted(((test, n) for test, n in near.items() if n is not None and n <= at_most), key=lambda one: one[1])
    )
