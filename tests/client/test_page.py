"""The page of the client: its programs run against a server, and a strict type checker passes over them."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from served_world import Served

from diptych.client import Client, calls

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reference" / "client.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.xdist_group("client")


@pytest.fixture
def script(server: Served, tmp_path: Path) -> Path:
    text = "\n".join(PROGRAMS).replace("http://127.0.0.1:8642", server.url).replace("dpt_…", "admin")
    file = tmp_path / "page.py"
    file.write_text(text.replace('"pictures"', '"album"').replace(', where="year >= 2020"', ""), encoding="utf-8")
    return file


def test_every_method_is_told():
    methods = [name for name in vars(Client) if (hasattr(calls, name) and name[0] != "_") or name.startswith("each_")]
    assert len(methods) > 25 and [name for name in methods if f"`{name}`" not in TEXT] == []


def test_the_programs_of_the_page_run(script):
    done = subprocess.run([sys.executable, script], cwd=script.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "album 4 mini\n" in done.stdout and "done" in done.stdout and "(2, 256) " in done.stdout
    assert "404 there is no such item\n" in done.stdout


def test_a_strict_type_checker_passes_over_the_page_and_sees_what_is_wrong(script):
    pytest.importorskip("mypy")
    source = str(Path(inspect.getfile(Client)).parents[2])
    wrong = script.with_name("wrong.py")
    wrong.write_text(
        "from diptych.client import AsyncClient, Client\n"
        "client = Client()\n"
        "client.search('cards', k='ten')\n"
        "client.serach('cards')\n"
        "client.search('cards').result\n"
        "AsyncClient().search('cards').results\n",
        encoding="utf-8",
    )
    # The names at the top of the package lead to all of it, and that to torch, whose types take minutes.
    unread = ",".join(f"diptych.{name}" for name in ("catalogue", "collection.*", "encoder", "flow.*", "method"))
    settings = script.with_name("mypy.ini")
    settings.write_text(f"[mypy]\nstrict = true\nmypy_path = {source}\n[mypy-{unread}]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy", "--config-file", settings, "--cache-dir", script.parent / "cache"]
    done = subprocess.run([*command, script, wrong], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if "error:" in line]
    assert [re.sub(r"^.*?wrong\.py:(\d).*$", r"\1", line) for line in lines] == ["3", "4", "5", "6"], done.stdout
