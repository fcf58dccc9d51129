"""Schemes are measured on what is sought, beside what is reached without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diptych import catalogue, postcards
from diptych.catalogue import Dataset
from diptych.flow import schemes
from diptych.kinds import BadInput, Sought
from diptych.language_models.forms import Form, Unanswered
from diptych.language_models.model import LanguageModel, Prompt
from diptych.language_models.oracle import PostcardsOracle
from diptych.postcards.sought import PROTOCOLS

N = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The dataset `postcards` with sixty pictures to search."""
    home = tmp_path_factory.mktemp("world") / "cards"
    scenes = postcards.write(home, N, workers=1)
    paths = [home / "images" / f"{scene.index:05d}.png" for scene in scenes]
    few: dict[str, Any] = {
        name: (lambda what=what: replace(what(scenes), pictures=paths)) for name, what in PROTOCOLS.items()
    }
    return replace(catalogue.dataset("postcards"), sought=few)


@pytest.fixture(scope="module")
def mini() -> Any:
    from diptych.encoder import load

    return load("mini")


def oracle(sought: Sought, noise: float = 0.0) -> LanguageModel:
    return PostcardsOracle(postcards.load(Path(sought.pictures[0]).parents[1]), sought.pictures, noise)


class Away(LanguageModel):
    name = "away"

    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        raise Unanswered("nobody is there")


def test_cirevl_with_the_oracle_finds_what_neither_half_of_the_query_does(world: Dataset, mini: Any) -> None:
    told = schemes.measure("cirevl", world, oracle, encoder=mini, protocol="composed_once")
    assert len(told.rows) == 4 and told.rows["cirevl"]["r@1"] > told.rows["the change alone"]["r@1"] + 0.3
    assert told.spent["calls"] == 2 * told.queries and not told.failed
    for row, measures in told.rows.items():
        for metric, value in measures.items():
            low, high = told.intervals[row][metric]
            assert low <= value <= high


def test_the_picture_that_is_started_from_is_no_answer(world: Dataset, mini: Any) -> None:
    sought = world.sought["composed_once"]()
    gallery = schemes._Gallery(sought, mini, None)
    order = gallery.order(gallery.rows[sought.reference])
    assert (order[:, -1] == sought.reference).all()


def test_a_dialogue_finds_more_with_every_answer(world: Dataset, mini: Any) -> None:
    told = schemes.measure("chatir", world, oracle, encoder=mini, queries=20)
    hits, looked = (list(told.rows[row].values()) for row in ("chatir", "looking at 10 more"))
    assert len(hits) == schemes.ROUNDS + 1 and hits == sorted(hits) and hits[0] == looked[0]
    assert hits[-1] > hits[0] + 0.2 and told.queries == 20


def test_marks_find_what_was_meant_and_not_said(world: Dataset, mini: Any) -> None:
    told = schemes.measure("eiirwqr", world, oracle, encoder=mini, queries=20)
    found, turned = (list(told.rows[row].values()) for row in ("eiirwqr", "turning pages"))
    assert found == sorted(found) and found[0] == turned[0] and found[-1] <= 1
    assert found[-1] == pytest.approx(1) == turned[-1]  # six pages are all there is
    assert found[2] > turned[2]


@pytest.mark.parametrize("scheme", ["yesno", "listwise", "internlm_choice"])
def test_looking_closer_brings_the_right_ones_forward(world: Dataset, mini: Any, scheme: str) -> None:
    told = schemes.measure(scheme, world, oracle, encoder=mini, queries=20)
    before, after, best = (told.rows[row]["r@1"] for row in ("the encoder alone", scheme, "at best"))
    assert before < after <= best
    assert told.rows[scheme]["r@10"] <= told.rows["at best"]["r@10"]


def test_a_model_that_says_anything_is_worse_than_the_oracle(world: Dataset, mini: Any) -> None:
    def noisy(sought: Sought) -> LanguageModel:
        return oracle(sought, noise=1.0)

    good = schemes.measure("cirevl", world, oracle, encoder=mini, protocol="composed_once", queries=20)
    bad = schemes.measure("cirevl", world, noisy, encoder=mini, protocol="composed_once", queries=20)
    assert bad.rows["cirevl"]["r@1"] < good.rows["cirevl"]["r@1"] - 0.3
    assert bad.rows["the change alone"] == good.rows["the change alone"]


@pytest.mark.parametrize("scheme", ["cirevl", "chatir", "eiirwqr", "yesno"])
def test_a_model_that_is_away_is_told_of(world: Dataset, mini: Any, scheme: str) -> None:
    with pytest.raises(BadInput, match="away answered nothing: nobody is there"):
        schemes.measure(scheme, world, Away(), encoder=mini, queries=6)


def test_what_a_model_leaves_is_looked_for_as_it_was(world: Dataset, mini: Any) -> None:
    class Sometimes(PostcardsOracle):
        def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
            if "Change:" in prompt.text and int(prompt.digest()[:2], 16) % 2:
                raise Unanswered("not now")
            return super()._answer(prompt, form, until)

    sought = world.sought["composed_once"]()
    model = Sometimes(postcards.load(Path(sought.pictures[0]).parents[1]), sought.pictures)
    told = schemes.measure("cirevl", world, model, encoder=mini, protocol="composed_once")
    assert 0 < told.failed < told.queries and told.failed == told.spent["unanswered"]


@pytest.mark.parametrize(
    ("scheme", "dataset", "protocol", "says"),
    [
        ("cirevI", "postcards", "", "did you mean 'cirevl'"),
        ("cirevl", "postcards", "compsed", "has composed, composed_once"),
        ("cirevl", "postcards", "dialogue", "is for the protocol 'composed'"),
        ("cirevl", "wikipedia", "", "no protocol 'composed'"),
    ],
)
def test_what_does_not_go_together_is_one_line(scheme: str, dataset: str, protocol: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        schemes.measure(scheme, dataset, Away(), protocol=protocol)


def test_its_facts_are_plain_json(world: Dataset, mini: Any) -> None:
    import json

    told = schemes.measure("internlm_choice", world, oracle, encoder=mini, queries=6)
    assert json.loads(json.dumps(told.facts()))["rows"] == told.rows
    assert np.isfinite([value for row in told.rows.values() for value in row.values()]).all()
