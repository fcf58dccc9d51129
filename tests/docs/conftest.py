"""Pages, the code blocks in them, and the scripts that render them."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    """A script of docs/ as a module."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
        assert spec and spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    return script("generate")


@pytest.fixture(scope="session")
def reproduce(generate: ModuleType) -> ModuleType:
    return script("reproduce")


@pytest.fixture(scope="session")
def blocks():
    """blocks(page): (language, code) of each fenced block, in order."""

    def read(page: Path) -> list[tuple[str, str]]:
        return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

    return read
