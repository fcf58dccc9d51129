"""`diptych models`, as people and scripts meet it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "diptych.app.cli", *arguments]
    environment = {**os.environ, "DIPTYCH_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_list_says_which_there_are_and_which_are_here(tmp_path: Path) -> None:
    found = {row["name"]: row for row in json.loads(run("models", "--json", cache=tmp_path).stdout)}
    assert next(iter(found)) == "mini" and {"clip-vit-b32", "siglip-b16"} <= set(found)
    assert set(found["mini"]) == {"name", "what", "source", "bytes", "terms", "languages", "here"}
    assert found["siglip-b16"]["here"] is None and found["siglip-b16"]["terms"] == "Apache-2.0"
    table = run("models", cache=tmp_path)
    assert table.returncode == 0 and table.stderr == ""
    assert "siglip-b16" in table.stdout and "models get NAME" in table.stdout
    assert "for a first look" in table.stdout and "over 100" in table.stdout, "for whom, and in which languages"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["models", "get", "siglip"], "siglip"),
        (["models", "get", "hub:nobody/nothing"], "hub:nobody/nothing: not fetched"),
        (["index", ".", "--collection", "TMP/c", "--model", "siglip-b16"], "diptych models get siglip-b16"),
        (["evaluate", "siglip-b16", "--dataset", "postcards"], "diptych models get siglip-b16"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], named: str) -> None:
    answer = run(*(argument.replace("TMP", str(tmp_path)) for argument in arguments), cache=tmp_path)
    assert answer.returncode == 2, answer.stdout
    assert answer.stderr.count("\n") == 1 and named in answer.stderr, answer.stderr
