"""The sampler finds a fault that no test notices, and no other, in a package made for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = "def larger(a, b):\n    return a if a > b else b\n\n\ndef unseen():\n    return 7\n\n\nSIDES = 4\n"
TEST = """

def test_it_is_there():
    import diptych.sizes  # what is executed here for the first time is all of the file

def test_the_larger_one_is_found():
    from diptych.sizes import larger
    assert larger(1, 2) == larger(2, 1) == 2

def test_a_square_has_four_sides():
    from diptych import sizes
    assert sizes.SIDES == 4
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, text in {
        "src/diptych/__init__.py": "",
        "src/diptych/sizes.py": SOURCE,
        "tests/test_sizes.py": TEST,
        "tests/equivalent_mutants.toml": "",
        "pyproject.toml": "",
        ".gitignore": "build/\n__pycache__/\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    shutil.copytree(HERE, tmp_path / "tests" / "tools", ignore=shutil.ignore_patterns("__pycache__", "test_*", "conf*"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def mutants(tree: Path, *more: str) -> str:
    command = [sys.executable, "tests/tools/mutants.py", "src/diptych/sizes.py", "-n", "99", "-j", "1", *more]
    env = {"PYTHONPATH": str(tree / "src"), "PATH": "/usr/bin:/bin"}
    # Most of the second that each of many a pytest would take goes into plug-ins that nothing here asks for.
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin,pytest_timeout"}
    return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=True).stdout


def test_what_no_test_notices_is_printed_and_tried_again_when_the_tests_have_changed(tree: Path) -> None:
    told = mutants(tree)
    assert "- return 7\n+ return 8" in told and "- return 7\n+ return None" in told
    survivors = told.partition("\n\n")[2]
    # Of two that are equal either is the larger: a fault that changes nothing.
    assert "SIDES" not in survivors, "a test that calls nothing notices it"
    assert survivors.count("sizes.py:2") == 1 and "+ return a if (a >= b) else b" in survivors
    assert (tree / "src/diptych/sizes.py").read_text() == SOURCE
    assert "1 files of tests" in told and "a watched run" in told
    assert "files of tests" not in mutants(tree), "everything is known already"

    (tree / "tests/test_sizes.py").write_text(TEST + "    assert sizes.unseen() == 7\n")
    line, mutated = "return a if a > b else b", "return a if (a >= b) else b"
    judged = {"file": "src/diptych/sizes.py", "line": line, "mutated": mutated, "why": "either of two equals"}
    entry = "\n".join(f"{key} = {json.dumps(value)}" for key, value in judged.items())
    (tree / "tests/equivalent_mutants.toml").write_text(f"[[mutant]]\n{entry}\n")
    again = mutants(tree)
    assert "a watched run" in again, "of other tests than before"
    assert "a watched run" not in mutants(tree, "--seed", "5"), "and not once more for other faults"
    assert "SURVIVED" not in again and again.count("caught by") == 3, "only what had survived is tried"
