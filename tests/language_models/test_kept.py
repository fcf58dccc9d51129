"""What was answered is not asked again."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from diptych.language_models.forms import Choice, Form, Unanswered, Words
from diptych.language_models.kept import Kept
from diptych.language_models.model import LanguageModel, Prompt

CAPTION = Words("caption")


class Counting(LanguageModel):
    """Says which of its answers it is; every `fails`-th is none."""

    def __init__(self, name: str = "counting", fails: int = 0) -> None:
        super().__init__()
        self.name, self.fails, self.asked = name, fails, 0

    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        self.asked += 1
        if self.fails and self.asked % self.fails == 0:
            raise Unanswered("not now")
        return f"answer {self.asked}" if isinstance(form, Words) else 1


def test_the_same_prompt_is_asked_once(tmp_path: Path) -> None:
    model = Kept(Counting(), tmp_path / "kept.sqlite")
    assert model.answer(Prompt("?"), CAPTION) == model.answer(Prompt("?"), CAPTION) == "answer 1"
    assert (model.spent.calls, model.spent.kept) == (1, 1)
    again = Kept(Counting(), tmp_path / "kept.sqlite")  # another program, another day
    assert again.answer(Prompt("?"), CAPTION) == "answer 1" and again.spent.calls == 0


@pytest.mark.parametrize(
    ("prompt", "form", "name"),
    [
        (Prompt("!"), CAPTION, "counting"),
        (Prompt("?", (b"picture",)), CAPTION, "counting"),
        (Prompt("?"), Words("caption", 9), "counting"),
        (Prompt("?"), Choice("caption", 2), "counting"),
        (Prompt("?"), CAPTION, "another"),
    ],
)
def test_another_prompt_form_or_model_is_asked_anew(tmp_path: Path, prompt: Prompt, form: Form, name: str) -> None:
    Kept(Counting(), tmp_path / "kept.sqlite").answer(Prompt("?"), CAPTION)
    model = Kept(Counting(name), tmp_path / "kept.sqlite")
    model.answer(prompt, form)
    assert (model.spent.calls, model.spent.kept) == (1, 0)


def test_pictures_in_another_order_are_another_prompt() -> None:
    assert Prompt("?", (b"a", b"b")).digest() != Prompt("?", (b"b", b"a")).digest() != Prompt("?", (b"ab",)).digest()


def test_what_was_left_unanswered_is_asked_again(tmp_path: Path) -> None:
    model = Kept(Counting(fails=2), tmp_path / "kept.sqlite")
    model.answer(Prompt("1"), CAPTION)
    with pytest.raises(Unanswered):
        model.answer(Prompt("2"), CAPTION)
    assert model.answer(Prompt("2"), CAPTION) == "answer 3"
    assert (model.spent.calls, model.spent.unanswered) == (2, 1)


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "kept.sqlite"
    file.write_bytes(b"no database" * 100)
    model = Kept(Counting(), file)
    assert model.answer(Prompt("?"), CAPTION) == "answer 1"
    assert model.answer(Prompt("?"), CAPTION) == "answer 1"


def test_one_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = Kept(Counting(), tmp_path / "file" / "kept.sqlite")
    assert [model.answer(Prompt("?"), CAPTION) for _ in range(2)] == ["answer 1", "answer 2"]


def test_an_answer_that_does_not_read_any_more_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "kept.sqlite"
    model = Kept(Counting(), file)
    model.answer(Prompt("?"), CAPTION)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE answers SET answer = '{\"caption\": 7}'")
    assert model.answer(Prompt("?"), CAPTION) == "answer 2"


def test_prompts_are_not_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kept.sqlite"
    Kept(Counting(), file).answer(Prompt("where is Ann?", (b"picture of ann",)), CAPTION)
    assert b"Ann" not in file.read_bytes() and b"ann" not in file.read_bytes()
