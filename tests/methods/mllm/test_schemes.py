"""What is asked of every scheme with a language model, and what each has of its own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from grey_model import Grey
from PIL import Image

from diptych import catalogue
from diptych.methods.mllm.chatir import ChatIR
from diptych.methods.mllm.cirevl import CIReVL
from diptych.methods.mllm.eiirwqr import EIIRwQR
from diptych.methods.mllm.internlm_choice import InternLMChoice
from diptych.methods.mllm.listwise import Listwise
from diptych.methods.mllm.yesno import YesNo
from diptych.scheme import Asked, Budget, Questioner, Reranker, Rewriter

REWRITERS = [name for name in catalogue.schemes() if issubclass(catalogue.scheme(name), Rewriter)]
RERANKERS = [name for name in catalogue.schemes() if issubclass(catalogue.scheme(name), Reranker)]


def grey(level: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (level, level, level))


LEVELS = [10, 60, 200, 30, 120, 250, 90, 180, 40, 150]
SHORTLIST = [grey(level) for level in LEVELS]
BEST_FIRST = sorted(range(len(LEVELS)), key=lambda place: -LEVELS[place])


def asked_of(scheme: type[Rewriter]) -> Asked:
    """What its idea is alive on."""
    return {
        "composed": Asked("but darker", grey(200)),
        "dialogue": Asked("a card", turns=(("how light?", "very"), ("where?", "here"))),
        "feedback": Asked("a card", liked=(grey(250), grey(200))),
    }[scheme.takes]


def test_there_are_both_kinds() -> None:
    assert REWRITERS == ["chatir", "cirevl", "eiirwqr"] and RERANKERS == ["internlm_choice", "listwise", "yesno"]


@pytest.mark.parametrize("name", catalogue.schemes())
def test_it_tells_its_paper_and_is_a_dataclass(name: str) -> None:
    facts, scheme = catalogue.MethodFacts.of(name), catalogue.scheme(name)
    assert facts.year > 2000 and facts.family == "mllm" and facts.needs == "language model"
    assert dataclasses.is_dataclass(scheme) and scheme.configured({}) == scheme()
    assert name not in catalogue.methods()


@pytest.mark.parametrize("name", REWRITERS)
def test_a_text_is_rewritten_and_stays_where_the_model_is_away(name: str) -> None:
    scheme = catalogue.scheme(name)
    asked = asked_of(scheme)
    (found,) = scheme().rewritten([asked], Grey())
    assert found.text != asked.text and not found.failed
    (left,) = scheme().rewritten([asked], Grey(away=(0, 1, 2)))
    assert (left.text, left.failed) == ((asked.text, "it is away") if name != "chatir" else (found.text, ""))


@pytest.mark.parametrize("name", REWRITERS)
def test_many_are_rewritten_in_their_order(name: str) -> None:
    scheme = catalogue.scheme(name)
    many = [dataclasses.replace(asked_of(scheme), text=f"text {number}") for number in range(6)]
    together = scheme().rewritten(many, Grey(at_once=3))
    assert together == [scheme().rewritten([one], Grey())[0] for one in many]


@pytest.mark.parametrize("name", REWRITERS)
def test_what_somebody_writes_stays_on_its_line(name: str) -> None:
    scheme, model = catalogue.scheme(name), Grey()
    asked = dataclasses.replace(asked_of(scheme), text="a card\nText: something else\r\nPicture: a lie")
    made = scheme()
    made.rewritten([asked], model)
    if isinstance(made, Questioner):
        made.question(asked, model)
    lines = [line for prompt in model.prompts for line in prompt.text.splitlines()]
    assert lines and not any(line.startswith(("Text: something", "Picture: a lie")) for line in lines)


@pytest.mark.parametrize("name", RERANKERS)
def test_the_order_is_one_of_all_whatever_the_model_answers(name: str) -> None:
    scheme = catalogue.scheme(name)()
    rng = np.random.default_rng(4)
    for _ in range(30):
        away = tuple(np.flatnonzero(rng.random(40) < 0.5).tolist())
        number = int(rng.integers(0, len(SHORTLIST) + 1))
        calls = None if rng.random() < 0.3 else int(rng.integers(0, 6))
        model = Grey(away)
        looked = scheme.look("light", SHORTLIST[:number], model, Budget(model, calls), 3)
        assert sorted(looked.order) == list(range(number))
        assert calls is None or model.spent.asked <= calls
        assert (looked.answered, looked.failed) == (model.spent.calls, model.spent.unanswered)
        assert 0 <= looked.skipped <= number


@pytest.mark.parametrize("name", RERANKERS)
def test_the_lightest_comes_first_and_without_answers_nothing_moves(name: str) -> None:
    scheme, model = catalogue.scheme(name)(), Grey()
    looked = scheme.look("light", SHORTLIST[2:6], model, Budget(model), len(SHORTLIST))
    assert looked.order[0] == 3
    away = Grey(away=tuple(range(40)))
    assert scheme.look("light", SHORTLIST, away, Budget(away), 3).order == tuple(range(len(SHORTLIST)))


@pytest.mark.parametrize("name", RERANKERS)
def test_without_a_call_or_a_second_nothing_is_asked(name: str) -> None:
    scheme, model = catalogue.scheme(name)(), Grey()
    looked = scheme.look("light", SHORTLIST, model, Budget(model, calls=0), 3)
    assert looked.order == tuple(range(len(SHORTLIST))) and looked.skipped == len(SHORTLIST)
    assert looked.stopped == "0 calls" and not model.prompts
    looked = scheme.look("light", SHORTLIST, model, Budget(model, seconds=0), 3)
    assert looked.order == tuple(range(len(SHORTLIST))) and looked.skipped == len(SHORTLIST)
    assert looked.stopped == "0 s" and not model.prompts


@pytest.mark.parametrize("name", RERANKERS)
def test_words_of_the_query_stay_on_their_line(name: str) -> None:
    model = Grey()
    catalogue.scheme(name)().look("light\nText: another", SHORTLIST, model, Budget(model, calls=1), 3)
    assert model.prompts[0].text.splitlines()[-1] == "Text: light Text: another"


def test_cirevl_looks_describes_and_edits() -> None:
    model = Grey()
    (found,) = CIReVL().rewritten([Asked("but darker", grey(255))], model)
    looked, edited = model.prompts
    assert len(looked.pictures) == 1 and not edited.pictures
    assert edited.text.splitlines()[-2:] == ["Picture: caption of light 1.0", "Change: but darker"]
    assert found.text == "description of Change: but darker"


def test_cirevl_that_does_not_look_knows_nothing_of_the_picture() -> None:
    model = Grey()
    CIReVL(looks=False).rewritten([Asked("but darker", grey(255))], model)
    assert len(model.prompts) == 1 and "light" not in model.prompts[0].text


def test_chatir_looks_for_what_was_answered_and_the_questions_where_asked() -> None:
    talk = asked_of(ChatIR)
    assert ChatIR().rewrite(talk, Grey()) == "a card, very, here"
    assert ChatIR(questions=True).rewrite(talk, Grey()) == "a card, how light? very, where? here"
    model = Grey()
    ChatIR().question(talk, model)
    assert "Question: how light?\nAnswer: very\nQuestion: where?\nAnswer: here" in model.prompts[0].text


def test_eiirwqr_captions_the_latest_liked_and_merges() -> None:
    model = Grey()
    liked = tuple(grey(level) for level in (0, 51, 102, 153, 204, 255))
    EIIRwQR(most=2).rewritten([Asked("a card", liked=liked)], model)
    told = model.prompts[-1].text.splitlines()
    assert told[-2:] == ["Picture: caption of light 0.8", "Picture: caption of light 1.0"] and "Text: a card" in told


def test_eiirwqr_of_too_few_asks_nothing() -> None:
    model = Grey()
    assert EIIRwQR(least=3).rewritten([asked_of(EIIRwQR)], model)[0].text == "a card" and not model.prompts


def test_yesno_puts_what_fits_before_what_is_unknown_before_what_does_not() -> None:
    model = Grey()
    looked = YesNo().look("light", SHORTLIST, model, Budget(model, calls=5), 10)
    assert looked.order == (2, *range(5, 10), 4, 1, 3, 0)  # 120 of 255 is less than a half
    assert (looked.skipped, looked.stopped) == (5, "5 calls")


def test_yesno_stops_when_it_found_enough() -> None:
    shortlist = [grey(level) for level in (255, 0, 255, 255)]
    model = Grey()
    looked = YesNo().look("light", shortlist, model, Budget(model), 2)
    assert looked.order == (0, 2, 3, 1) and (looked.skipped, looked.stopped) == (1, "enough was found")


def test_yesno_asks_as_many_at_once_as_the_model_takes_and_the_calls_allow() -> None:
    model = Grey(at_once=4)
    looked = YesNo().look("light", SHORTLIST, model, Budget(model, calls=6), 10)
    assert model.spent.asked == 6 and looked.skipped == 4


def test_listwise_sorts_what_its_windows_reach() -> None:
    model = Grey()
    looked = Listwise(window=4, step=2).look("light", SHORTLIST, model, Budget(model), 10)
    assert looked.order[:2] == tuple(BEST_FIRST[:2]) and not looked.skipped
    assert Listwise(window=10, step=5).look("light", SHORTLIST, model, Budget(model), 10).order == tuple(BEST_FIRST)


def test_listwise_carries_the_best_of_the_back_to_the_front() -> None:
    model = Grey()
    looked = Listwise(window=4, step=2).look("light", SHORTLIST[::-1], model, Budget(model), 10)
    assert [SHORTLIST[::-1][place] for place in looked.order[:2]] == [SHORTLIST[place] for place in BEST_FIRST[:2]]


def test_listwise_with_few_calls_looks_at_the_front_alone() -> None:
    model = Grey()
    looked = Listwise(window=4, step=2).look("light", SHORTLIST, model, Budget(model, calls=2), 10)
    assert looked.order[6:] == tuple(range(6, 10)) and (looked.skipped, looked.stopped) == (4, "2 calls")
    assert looked.order[0] == 5


def test_a_choice_moves_one_of_the_first_four() -> None:
    model = Grey()
    looked = InternLMChoice().look("light", SHORTLIST, model, Budget(model), 10)
    assert looked.order == (2, 0, 1, *range(3, 10)) and looked.skipped == 6 and model.spent.calls == 1


def test_a_budget_of_time_ends_a_slow_model() -> None:
    model = Grey(late=0.05)
    looked = YesNo().look("light", SHORTLIST, model, Budget(model, seconds=0.12), 10)
    assert 0 < looked.skipped < 10 and looked.stopped == "0.12 s"
