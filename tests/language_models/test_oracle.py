"""The oracle speaks as a model does, and is right unless it is told not to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diptych import postcards
from diptych.kinds import BadInput
from diptych.language_models.forms import Choice, Order, Share, Unanswered, Words
from diptych.language_models.model import Prompt, seen
from diptych.language_models.oracle import PostcardsOracle
from diptych.postcards.oracle import described
from diptych.postcards.scene import SETTING
from diptych.postcards.words import read

N = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("cards") / "cards"
    postcards.write(home, N, workers=1)
    return home


@pytest.fixture(scope="module")
def oracle(folder: Path) -> PostcardsOracle:
    return made(folder)


def made(folder: Path, noise: float = 0.0, seed: int = 0) -> PostcardsOracle:
    scenes = postcards.load(folder)
    return PostcardsOracle(scenes, [folder / "images" / f"{scene.index:05d}.png" for scene in scenes], noise, seed)


def picture(folder: Path, index: int) -> bytes:
    return seen(folder / "images" / f"{index:05d}.png")


def test_it_knows_each_picture_again_as_it_was_sent(folder: Path, oracle: PostcardsOracle) -> None:
    for scene in oracle.scenes:  # of which every second differs from its neighbour in one thing
        caption = oracle.answer(Prompt("", (picture(folder, scene.index),)), Words("caption"))
        assert list(read(caption).clauses) == _positive(scene)


def _positive(scene: postcards.Scene) -> list:
    clauses = [clause for clause in described(scene) if not clause[0].denied]
    things = [clause for clause in clauses if clause[0].kind]
    return things + [clause for name in SETTING for clause in clauses if clause[0].attribute == name]


def test_it_edits_a_description_by_a_change(oracle: PostcardsOracle) -> None:
    prompt = Prompt("Picture: a dog, two red boats, at night\nChange: the same but by day and without the dog")
    assert oracle.answer(prompt, Words("description")) == "two red boats, by day"


def test_it_merges_what_pictures_have_in_common_into_a_text(oracle: PostcardsOracle) -> None:
    prompt = Prompt("Text: a dog\nPicture: a cat, a dog, in the forest\nPicture: two cats, in the forest, at night")
    assert oracle.answer(prompt, Words("query")) == "a dog, in the forest"


def test_it_says_what_is_true_of_a_picture(folder: Path, oracle: PostcardsOracle) -> None:
    scene = oracle.scenes[3]
    shown = (picture(folder, 3),)
    assert oracle.answer(Prompt(f"Text: {scene.captions[0]}", shown), Share("share")) == 1
    denied = next(kind for kind in ("dog", "cat", "car") if kind not in {group.kind for group in scene.things})
    assert oracle.answer(Prompt(f"Text: {denied} and {scene.place}", shown), Share("share")) == 0.5


def test_it_puts_pictures_in_order_and_chooses(folder: Path, oracle: PostcardsOracle) -> None:
    caption = oracle.scenes[5].captions[0]
    right = {row + 1 for row, scene in enumerate(oracle.scenes[:8]) if _true(caption, scene)}
    prompt = Prompt(f"Text: {caption}", tuple(picture(folder, index) for index in range(8)))
    order = oracle.answer(prompt, Order("order", 8))
    assert set(order[: len(right)]) == right and sorted(order) == list(range(1, 9))
    assert oracle.answer(prompt, Choice("choice", 8)) == order[0]


def _true(text: str, scene: postcards.Scene) -> bool:
    return all(any(atom.holds(scene) for atom in clause) for clause in read(text).clauses)


def test_a_dialogue_tells_of_a_scene_all_but_how_it_looks_in_detail(folder: Path, oracle: PostcardsOracle) -> None:
    scene = max(oracle.scenes, key=lambda scene: len(scene.things))
    shown, turns = (picture(folder, scene.index),), ""
    start = f"Text: {scene.things[0].kind}"
    for _ in range(2 * len(scene.things) + 4):  # a colour and a thing, and the four sides of the setting
        question = oracle.answer(Prompt(f"{start}\n{turns}"), Words("question"))
        answer = oracle.answer(Prompt(f"{start}\n{turns}Question: {question}", shown), Words("answer"))
        assert f"Question: {question}\nAnswer: nothing else" not in turns  # which is not asked again
        turns += f"Question: {question}\nAnswer: {answer}\n"
    said = [line.removeprefix("Answer: ") for line in turns.splitlines() if line.startswith("Answer: ")]
    told = read(", ".join(answer for answer in said if answer != "nothing else"))
    assert all(atom.holds(scene) for clause in told.clauses for atom in clause)
    spoken_of = {atom.subject for clause in told.clauses for atom in clause}
    assert spoken_of == {*SETTING, *(group.kind for group in scene.things)}


def test_noise_makes_it_wrong_so_often_and_each_time_alike(folder: Path) -> None:
    prompts = [Prompt(f"{k}\nText: {postcards.load(folder)[0].captions[0]}", (picture(folder, 0),)) for k in range(300)]
    noisy = made(folder, noise=0.3)
    fits = [noisy.answer(prompt, Share("share")) for prompt in prompts]
    wrong = np.mean(np.array(fits) < 1)
    assert 0.2 < wrong < 0.4
    assert [made(folder, noise=0.3).answer(prompt, Share("share")) for prompt in prompts[:20]] == fits[:20]
    assert [made(folder, noise=0.3, seed=1).answer(prompt, Share("share")) for prompt in prompts] != fits


def test_words_that_no_postcard_knows_are_left_unanswered(folder: Path, oracle: PostcardsOracle) -> None:
    with pytest.raises(Unanswered, match="zeppelin"):
        oracle.answer(Prompt("Text: a zeppelin", (picture(folder, 0),)), Share("share"))


def test_noise_is_a_share(folder: Path) -> None:
    with pytest.raises(BadInput, match="noise"):
        made(folder, noise=2)
