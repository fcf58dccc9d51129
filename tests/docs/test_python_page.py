"""The page of the Python interface: all is there, its program runs, and type checkers and an installed wheel agree."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import diptych

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def program(blocks) -> str:
    return "\n".join(code for language, code in blocks(PAGE) if language == "python")


def headings(level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (\S+)$", TEXT, re.MULTILINE)


def test_every_public_name_is_told_and_used(program):
    told = set(headings(3))
    assert set(diptych.__all__) <= told
    for name in diptych.__all__:
        if name not in ("Method", "ClosedForm", "Descent", "Streaming"):  # what their methods do, methods.md shows
            assert re.search(rf"\bd\.{name}\b", program), name


def test_every_public_method_is_told_and_used(program):
    told = headings(4)
    assert len(told) > 60 and len(set(told)) == len(told)
    abstract = {"Method", "ClosedForm", "Streaming", "Descent", "Space", "Item"}
    for name in told:
        owner, _, member = name.partition(".")
        assert inspect.getattr_static(getattr(diptych, owner), member)
        if owner not in abstract:
            assert re.search(rf"\.{member}\b", program), name


def test_everything_on_the_page_has_something_to_say():
    assert "```text\nNone\n" not in TEXT and "```text\n```" not in TEXT


def test_what_the_page_says_of_errors_is_true():
    for name in ("Damaged", "Locked", "OtherEncoder"):
        assert issubclass(getattr(diptych, name), diptych.BadInput)


@pytest.fixture(scope="module")
def script(program, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("page") / "page.py"
    file.write_text(program, encoding="utf-8")
    return file


def run(python: Path | str, script: Path, folder: Path, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if key not in ("DIPTYCH_DATA", "PYTHONPATH")}
    clean |= {"DIPTYCH_CACHE": str(folder / "cache"), **environment}
    done = subprocess.run([python, script], cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_program_of_the_page_runs(script, tmp_path):
    told = run(sys.executable, script, tmp_path, PYTHONPATH=str(Path(diptych.__file__).parents[1]))
    assert f"{diptych.__version__}\n60 pictures, 60 in found\n" in told and "mend this: nowhere:" in told


# ----------------------------------------------------------------------------------------------------------- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The package as pip builds it; the build backend is fetched if need be."""
    if not importlib.util.find_spec("pip"):
        pytest.skip("pip is not installed here")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(out), str(ROOT)]
    if importlib.util.find_spec("hatchling"):
        command.insert(4, "--no-build-isolation")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "hatchling" in done.stderr and not importlib.util.find_spec("hatchling"):
        pytest.skip(f"the build backend cannot be fetched here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return next(out.glob("diptych-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The Python of an environment with the wheel in it; what it depends on is that of this one."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    places = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    site = Path(places["purelib"])
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    # A line of a .pth is a folder; the .pth files in it, which may lead to this very tree, are not read again.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return Path(places["scripts"]) / ("python.exe" if os.name == "nt" else "python")


def test_the_wheel_has_the_marker_of_types_and_all_that_is_read_at_run_time(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name.startswith(f"diptych-{diptych.__version__}-")
    package = Path(diptych.__file__).parent
    files = {
        f"diptych/{file.relative_to(package).as_posix()}"
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert "diptych/py.typed" in files and files <= names


def test_a_strict_type_checker_passes_over_the_page_and_sees_what_is_wrong(installed, script, tmp_path):
    pytest.importorskip("mypy")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import diptych as d\n"
        "d.Colection\n"
        "d.evaluate(3, 'cards')\n"
        "report: d.Evaluation = d.evaluate('cca', 'cards').report\n"
        "d.compare(1, 2)\n",
        encoding="utf-8",
    )
    # Of what diptych imports, numpy's types are in its signatures; reading those of torch would take minutes.
    unread = ",".join(f"{name}.*" for name in ("torch", "transformers", "scipy", "sklearn", "faiss", "onnxruntime"))
    settings = f"[mypy]\nstrict = true\n[mypy-{unread}]\nfollow_imports = skip\n"
    (tmp_path / "mypy.ini").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", tmp_path / "mypy.ini", "--python-executable", installed]
    command += ["--cache-dir", tmp_path / "cache", script, wrong]
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if "error:" in line]
    assert [re.sub(r"^.*?wrong\.py:(\d).*$", r"\1", line) for line in lines] == ["2", "3", "4", "5", "5"], done.stdout


def test_the_program_of_the_page_runs_from_the_wheel(installed, script, tmp_path):
    where = tmp_path / "where.py"
    where.write_text("import diptych\nprint(diptych.__file__)\n", encoding="utf-8")
    assert Path(run(installed, where, tmp_path).strip()).is_relative_to(installed.parents[1])
    assert "60 pictures, 60 in found" in run(installed, script, tmp_path)
