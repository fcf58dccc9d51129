"""Worked examples: a file put on the shelf is a method, and nothing else has to be touched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import diptych
from diptych import postcards

CARDS = 120
EXAMPLES = {
    "ridge_regression": ("CONTRIBUTING.md", "subspace", 1970, {"ridge": 100.0}),
    "vsepp": ("docs/tutorials/add-a-method.md", "towers", 2018, {"dims": 64}),
}
"""Name: the page that has it, the shelf it is for, the year of its paper, and a setting."""


@pytest.fixture(scope="module", params=EXAMPLES)
def name(request) -> str:
    if request.param == "vsepp":
        pytest.importorskip("torch")
    return str(request.param)


@pytest.fixture(scope="module")
def example(name, root, blocks) -> str:
    return next(code for language, code in blocks(root / EXAMPLES[name][0]) if language == "python")


@pytest.fixture(scope="module")
def shelf(name, example, tmp_path_factory) -> dict[str, str]:
    """The environment of a copy of the package that has the example on its shelf."""
    home = tmp_path_factory.mktemp("copy")
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(diptych.__file__).parent, home / "diptych", ignore=leave)
    (home / "diptych" / "methods" / EXAMPLES[name][1] / f"{name}.py").write_text(example, encoding="utf-8")
    clean = {key: value for key, value in os.environ.items() if key != "DIPTYCH_DATA"}
    return clean | {"PYTHONPATH": str(home), "DIPTYCH_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "1"}


def run(shelf, *arguments) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], env=shelf, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_the_file_that_the_page_names(name, root):
    page, on, *_ = EXAMPLES[name]
    assert f"`src/diptych/methods/{on}/{name}.py`" in (root / page).read_text(encoding="utf-8")
    assert not (root / "src" / "diptych" / "methods" / on / f"{name}.py").exists()


def test_it_is_listed_measured_and_far_better_than_chance(name, shelf, tmp_path):
    facts = {fact["name"]: fact for fact in json.loads(run(shelf, "diptych.app.cli", "methods", "--json"))}
    _, _, year, changed = EXAMPLES[name]
    assert facts[name]["year"] == year
    postcards.write(tmp_path / "cards", CARDS, workers=1)
    asked = ("--dataset", str(tmp_path / "cards" / "scenes.jsonl"), "--image-features", "colour", "--json")
    report = json.loads(run(shelf, "diptych.app.cli", "evaluate", name, *asked))
    n_images = report["counts"]["images"]
    assert n_images == CARDS / 5
    # A caption finds its picture among the first 5 of 24 by chance in one case out of five.
    assert report["t2i"]["r@5"] > 2.5 * 5 / n_images
    assert report["intervals"]["t2i"]["r@5"][0] > 2 * 5 / n_images
    [(field, value)] = changed.items()
    other = json.loads(run(shelf, "diptych.app.cli", "evaluate", name, *asked, "--set", f"{field}={value}"))
    assert other["settings"] == report["settings"] | changed
    assert other["t2i"] != report["t2i"]


def test_it_keeps_the_contract_of_every_method(name, shelf, root):
    contract = root / "tests" / "methods" / "test_contract.py"
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_timeout"}
    told = run(shelf | plugins, "pytest", str(contract), "-k", name, "-p", "no:cacheprovider")
    assert int(re.search(r"(\d+) passed", told)[1]) > 10
