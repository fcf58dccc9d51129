"""Encrypt, erase and tell strangers, as a person does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("sqlcipher3", reason="encrypted collections need sqlcipher3")

pytestmark = pytest.mark.usefixtures("own_cache")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "diptych.app.cli", *map(str, arguments)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIPTYCH_KEY")}
    kept["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    return subprocess.run(command, capture_output=True, text=True, check=False, env=kept | environment)


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (40, 30), colour).save(folder / f"{number}.png")
    return folder


def test_from_a_new_key_to_an_answer_and_an_erased_picture(tmp_path, pictures):
    key = tmp_path / "key"
    made = run("index", pictures, "--encrypt", "--key-file", key)
    assert made.returncode == 0, made.stderr
    assert "nobody can read the collection" in made.stderr and f"DIPTYCH_KEY_FILE={key}" in made.stderr
    assert key.read_text().strip() not in made.stdout + made.stderr
    home = pictures / ".diptych"
    refused = run("search", "red", "--collection", home)
    assert refused.returncode == 2 and "DIPTYCH_KEY_FILE" in refused.stderr
    there = {"DIPTYCH_KEY_FILE": str(key)}
    found = run("search", "a red picture", "--collection", home, "--json", **there)
    assert len(json.loads(found.stdout)["results"]) == 3, found.stderr
    missing = run("erase", pictures / "0.png", "nothing.png", "--collection", home, **there)
    assert missing.returncode == 2 and "nothing.png" in missing.stderr
    assert run("erase", pictures / "0.png", "--collection", home, **there).stdout == "1 erased\n"
    told = run("export", tmp_path / "told.jsonl", "--anonymous", "2", "--collection", home, **there)
    assert told.stdout.startswith("2 records"), told.stderr
    assert "png" not in (tmp_path / "told.jsonl").read_text()


def test_one_that_is_plain_is_encrypted_in_place(tmp_path, pictures):
    assert run("index", pictures).returncode == 0
    home = pictures / ".diptych"
    refused = run("encrypt", "--collection", home)
    assert refused.returncode == 2 and "--key-file" in refused.stderr
    refused = run("index", pictures, "--encrypt", "--key-file", tmp_path / "key")
    assert refused.returncode == 2 and "diptych encrypt" in refused.stderr
    assert run("encrypt", "--collection", home, "--key-file", tmp_path / "key").returncode == 0
    assert b"SQLite format" not in (home / "diptych.db").read_bytes()
    again = run("encrypt", "--collection", home, "--key-file", tmp_path / "key", DIPTYCH_KEY_FILE=str(tmp_path / "key"))
    assert again.returncode == 2 and "already" in again.stderr
    assert run("index", pictures, DIPTYCH_KEY_FILE=str(tmp_path / "key")).stdout.count("3 unchanged") == 1
