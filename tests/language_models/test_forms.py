"""An answer reads as its form, or it is none."""

from __future__ import annotations

import json
import random
import string

import pytest

from diptych.language_models.forms import MOST, Choice, Form, Order, Share, Unanswered, Words

FORMS = (Words("caption", 20), Share("share"), Choice("choice", 4), Order("order", 4))


@pytest.mark.parametrize(
    ("form", "value", "read"),
    [
        (Words("caption"), "  a red\n boat ", "a red boat"),
        (Words("caption"), "<b>a boat</b> {x}", "b a boat /b x"),
        (Share("share"), 1, 1.0),
        (Share("share"), 0.25, 0.25),
        (Choice("choice", 4), 4, 4),
        (Order("order", 4), [3, 1], (3, 1)),
    ],
)
def test_an_answer_in_its_form_is_read(form: Form, value: object, read: object) -> None:
    assert form.read(json.dumps({form.field: value})) == read


def test_prose_and_a_fence_around_the_object_are_let_go() -> None:
    assert Choice("choice", 4).read('Sure!\n```json\n{"choice": 2}\n```') == 2


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Words("caption", 5), "too long"),
        (Words("caption"), ""),
        (Words("caption"), "…!?"),
        (Words("caption"), 3),
        (Words("caption"), None),
        (Share("share"), 1.01),
        (Share("share"), -0.1),
        (Share("share"), True),
        (Share("share"), "0.5"),
        (Share("share"), float("nan")),
        (Choice("choice", 4), 0),
        (Choice("choice", 4), 5),
        (Choice("choice", 4), True),
        (Choice("choice", 4), 2.0),
        (Order("order", 4), []),
        (Order("order", 4), [1, 1]),
        (Order("order", 4), [1, 5]),
        (Order("order", 4), {"1": 2}),
    ],
)
def test_a_value_out_of_its_form_is_no_answer(form: Form, value: object) -> None:
    with pytest.raises(Unanswered, match=form.field):
        form.read(json.dumps({form.field: value}))


@pytest.mark.parametrize("text", ["", "no", "{", "}{", "[1]", '{"other": 1}', '{"caption": ', "{" * 5000, "null"])
def test_a_text_without_the_object_is_no_answer(text: str) -> None:
    with pytest.raises(Unanswered):
        Words("caption").read(text)


def test_a_flood_is_not_read() -> None:
    with pytest.raises(Unanswered, match="characters"):
        Words("caption").read(json.dumps({"caption": "a"}) + " " * MOST)


def test_whatever_comes_is_read_or_unanswered() -> None:
    rng = random.Random(5)
    values = [
        None,
        True,
        -1,
        2,
        0.5,
        1e400,
        "a boat",
        "",
        [1, 2],
        [2, 2],
        ["1"],
        {},
        {"choice": 1},
        [[1]],
        "\x00\ud800",
    ]
    for _ in range(200):
        form = rng.choice(FORMS)
        text = json.dumps({rng.choice([form.field, "x"]): rng.choice(values)})
        place = rng.randrange(len(text) + 1)
        text = rng.choice([text, text[:place], text[:place] + rng.choice(string.printable) + text[place:], text * 2])
        try:
            value = form.read(text)
        except Unanswered:
            continue
        assert form.checked(list(value) if isinstance(value, tuple) else value) == value


def test_the_schema_allows_what_is_read_and_forbids_what_is_not() -> None:
    import jsonschema

    for form in FORMS:
        for value in (0, 1, 4, 5, 0.5, "a", "", "a" * 21, [1], [5], [], None):
            told = {form.field: value}
            try:
                form.read(json.dumps(told))
                fits = True
            except Unanswered:
                fits = False
            allowed = jsonschema.Draft202012Validator(form.schema()).is_valid(told)
            assert allowed or not fits, (form, value)
            # Words without a letter are beyond a schema.
            assert fits or not allowed or isinstance(form, Words), (form, value)
