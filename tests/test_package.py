"""The names at the top of the package, and its version."""

import ast
import importlib
import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import diptych


def test_every_name_at_the_top_is_there_and_is_listed():
    assert set(diptych.__all__) <= set(dir(diptych))
    assert len(diptych.__all__) == len(set(diptych.__all__)) > 25
    for name in diptych.__all__:
        thing = getattr(diptych, name)
        assert thing is getattr(importlib.import_module(diptych._HOME[name]), name)
        assert inspect.getdoc(thing)


def test_type_checkers_are_told_of_the_same_names_at_the_same_places():
    """The imports for type checkers, which Python never runs, against those that it does run when asked."""
    tree = ast.parse(Path(diptych.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {alias.asname: line.module for line in block.body for alias in line.names if alias.asname == alias.name}
    assert told == diptych._HOME


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'diptych' has no attribute 'Colection'"):
        _ = diptych.Colection
    assert not hasattr(diptych, "__path_to_nowhere__")


def test_every_name_that_a_module_lists_is_there():
    listing = [path for path in Path(diptych.__file__).parent.rglob("*.py") if "\n__all__ = " in path.read_text()]
    assert len(listing) > 5
    for path in listing:
        parts = path.relative_to(Path(diptych.__file__).parents[1]).with_suffix("").parts
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        missing = [name for name in module.__all__ if not hasattr(module, name)]
        assert not missing and len(set(module.__all__)) == len(module.__all__), module.__name__


def test_a_star_brings_them_all():
    code = "from diptych import *\nprint(Collection.__name__, evaluate.__name__, cosine)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Collection evaluate cosine\n"


def test_the_version_is_one_everywhere():
    command = [sys.executable, "-m", "diptych.app.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"diptych {diptych.__version__}\n"
    assert diptych.__version__ == version("diptych")
