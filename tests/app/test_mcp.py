"""The command `diptych mcp`: which collections it opens, and whom it asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from served_world import Served, served

pytest.importorskip("mcp")

from mcp import Client as Assistant
from mcp import StdioServerParameters

pytestmark = pytest.mark.xdist_group("assistant")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with served(tmp_path_factory.mktemp("served")) as one:
        yield one


def test_a_running_server_is_asked_with_the_key_of_the_environment(server: Served, tmp_path: Path):
    def found(key: str) -> tuple[bool, str]:
        async def asked() -> tuple[bool, str]:
            command = ["-m", "diptych.app.cli", "mcp", "--server", server.url]
            environment = {**os.environ, "DIPTYCH_API_KEY": key, "DIPTYCH_HOME": str(tmp_path / "home")}
            async with Assistant(
                StdioServerParameters(command=sys.executable, args=command, env=environment)
            ) as client:
                answer = await client.call_tool("collections", {})
                return answer.is_error, answer.content[0].text

        return anyio.run(asked)

    assert found("read") == (
        False,
        '<data>[{"collection":"cards","pictures":40},{"collection":"album","pictures":4}]</data>',
    )
    assert found("blinkered") == (False, '<data>[{"collection":"album","pictures":4}]</data>')
    is_error, text = found("nothing")
    assert is_error and "show an API key" in text
    assert not (tmp_path / "home").exists()  # it keeps nothing here


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere"),
        (["--server", "http://127.0.0.1:1", "."], "leave the folders out"),
        (["--server", "127.0.0.1:1"], "give the address"),
        ([], "no collection"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line_and_not_made(tmp_path: Path, arguments: list[str], told: str):
    environment = {**os.environ, "DIPTYCH_HOME": str(tmp_path / "home"), "DIPTYCH_CACHE": str(tmp_path / "cache")}
    (tmp_path / "here").mkdir()
    command = [sys.executable, "-m", "diptych.app.cli", "mcp", *arguments]
    done = subprocess.run(
        command,
        cwd=tmp_path / "here",
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and told in done.stderr
    assert not list((tmp_path / "here").iterdir())
