"""Language models on the command line: measured, and asked about one's own pictures."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collection_world import paint
from command_line import Run
from PIL import Image
from talking_server import Server, said

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()

    def reply(body: dict[str, Any]) -> Any:
        """The lightest of the pictures."""
        shown = [part["image_url"]["url"] for part in body["messages"][1]["content"] if part["type"] == "image_url"]
        light = [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))).mean() for url in shown]
        field = body["response_format"]["json_schema"]["name"]
        if field == "question":
            return said({"question": f"question {len(server.asked)}?"}) if len(server.asked) < 3 else (500, {}, b"")
        value = {"choice": int(np.argmax(light)) + 1 if light else 1, "caption": "a card", "description": "white"}[
            field
        ]
        return said({field: value})

    server.reply = reply
    yield server
    server.close()


@pytest.fixture
def album(tmp_path: Path, here: Run) -> Path:
    for colour in ("red", "blue", "black", "white"):
        paint(tmp_path / "album" / f"{colour}.png", colour, size=(64, 64))
    answer = here("index", tmp_path / "album")
    assert answer.returncode == 0, answer.stderr
    return tmp_path / "album"


def test_a_search_is_looked_at_closer(album: Path, server: Server, here: Run) -> None:
    options = ("--rerank", "internlm_choice", "--language-model", f"{server.url}#eyes")
    answer = here("search", "a card", "--json", *options, "--collection", album / ".diptych")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["results"][0]["path"].endswith("white.png")
    assert found["ranked_by"] == "query, looked at closer by internlm_choice (4 of 4)"
    assert "127.0.0.1" in answer.stderr and "go to" in answer.stderr
    asked = len(server.asked)
    again = here("search", "a card", "--json", *options, "--collection", album / ".diptych")
    assert json.loads(again.stdout)["results"] == found["results"] and len(server.asked) == asked == 1


def test_a_picture_and_a_change_are_rewritten(album: Path, server: Server, here: Run) -> None:
    query = f"{album / 'black.png'} + 'but white'"
    options = ("--rewrite", "cirevl", "--language-model", f"{server.url}#eyes")
    answer = here("search", query, "-t", "3", *options, "--collection", album / ".diptych")
    assert answer.returncode == 0, answer.stderr
    assert "'white', as cirevl rewrote the query" in answer.stderr and "black.png" not in answer.stdout


def test_a_server_that_is_away_costs_nothing_but_a_line(album: Path, here: Run) -> None:
    plain = here("search", "a card", "--paths", "--collection", album / ".diptych")
    options = ("--rerank", "yesno", "--language-model", "http://127.0.0.1:9/v1#eyes", "--seconds", "5")
    answer = here("search", "a card", "--paths", *options, "--collection", album / ".diptych")
    assert answer.returncode == 0 and answer.stdout == plain.stdout
    assert "yesno looked at none: http://127.0.0.1:9/v1 is not there" in answer.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rerank", "yesno"], "--language-model http://HOST/v1#MODEL"),
        (["--rerank", "yes", "--language-model", "http://h/v1#m"], "'yesno'"),
        (["--rerank", "cirevl", "--language-model", "http://h/v1#m"], "there are: internlm_choice, listwise, yesno"),
        (["--rewrite", "yesno", "--language-model", "http://h/v1#m"], "there are: chatir, cirevl, eiirwqr"),
        (["--language-model", "http://h/v1#m"], "name a scheme"),
        (["--rewrite", "cirevl", "--calls", "3", "--language-model", "http://h/v1#m"], "--calls and --seconds"),
        (["--rerank", "yesno", "--language-model", "oracle"], "no pictures of yours"),
        (["--rerank", "yesno", "--language-model", "http://h/v1"], "#MODEL"),
        (["--rerank", "yesno", "--language-model", "http://h/v1#m", "--calls", "-1"], "calls"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, options: list[str], says: str, here: Run) -> None:
    answer = here("search", "a card", *options, "--collection", tmp_path)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1, answer.stderr
    assert says in answer.stderr and not answer.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cirevl", "--dataset", "postcards"], "--language-model http://HOST/v1#MODEL"),
        (["cca", "--dataset", "postcards", "--encoder", "mini"], "are for: chatir"),
        (
            ["cirevl", "--dataset", "postcards", "--language-model", "oracle", "--out", "x", "--ties", "stable"],
            "--out, --ties",
        ),
        (["cca", "--dataset", "cirr"], "no method is measured on it"),
        (["cirevl", "--dataset", "cirr", "--language-model", "oracle"], "$DIPTYCH_DATA/cirr"),
        (["cca", "--dataset", "postcards", "--language-model", "oracle"], "are for: chatir"),
        (["cirevl", "--dataset", "postcards", "--language-model", "oracle", "--protocol", "pairs"], "composed_once"),
        (["cirevl", "--dataset", "postcards", "--language-model", "oracle@noise=9"], "noise"),
        (["cirevl", "--dataset", "postcards", "--language-model", "oracle", "--set", "look=no"], "'looks'"),
    ],
)
def test_measuring_what_does_not_go_together_is_one_line(arguments: list[str], says: str, here: Run) -> None:
    answer = here("evaluate", *arguments)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1, answer.stderr
    assert says in answer.stderr


def test_schemes_are_listed_with_the_methods(here: Run) -> None:
    found = {row["name"]: row for row in json.loads(here("methods", "--json").stdout)}
    assert found["cirevl"]["family"] == "mllm" and found["cirevl"]["needs"] == "language model"
    assert re.search(r"cirevl\s+mllm\s+language model", here("methods").stdout)


def test_a_dialogue_looks_for_what_was_answered(
    album: Path, server: Server, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a white one\nin the snow\nnever read\n"))
    options = ("--language-model", f"{server.url}#eyes", "--collection", album / ".diptych", "-t", "2")
    answer = here("chat", "a card", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    turns = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [turn["query"] for turn in turns] == ["a card", "a card, a white one", "a card, a white one, in the snow"]
    assert [turn["question"] for turn in turns] == ["question 1?", "question 2?", ""]
    assert all(len(turn["results"]) == 2 for turn in turns) and turns[1]["results"][0]["key"].endswith("white.png")
    assert "asks nothing more" in answer.stderr and "Question: question 1?" in _said(server.asked[1])


def _said(body: dict[str, Any]) -> str:
    return str(body["messages"][1]["content"][0]["text"])


def test_an_empty_line_ends_a_dialogue(album: Path, server: Server, here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--language-model", f"{server.url}#eyes", "--collection", album / ".diptych")
    for typed in ("", "\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        answer = here("chat", "a card", *options)
        assert answer.returncode == 0 and len(answer.stdout.splitlines()) == 4
        assert "question 1?" in answer.stderr
