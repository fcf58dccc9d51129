"""A dataset seen through features, once for any number of methods."""

import json

import pytest
from flow_world import MadeUp
from PIL import Image

from diptych.features.composition import Composition
from diptych.flow.evaluate import measure
from diptych.flow.prepare import prepare
from diptych.kinds import BadInput


def test_several_methods_share_features_that_are_computed_once(monkeypatch):
    world, done = MadeUp(), []
    viewed = Composition.viewed
    monkeypatch.setattr(
        Composition, "viewed", lambda self, items, told=None: done.append(len(items)) or viewed(self, items, told)
    )
    prepared = prepare(world.dataset)
    first = measure("cca", prepared, settings={"dims": "3"}).report
    assert sorted(done) == [20, 40, 60, 120] and sorted(world.asked) == ["test", "train"]
    other = measure("pls", prepared).report
    again = measure("cca", prepared, settings={"dims": "3"}).report
    assert len(done) == 4 and len(world.asked) == 2
    assert again.i2t == first.i2t != other.i2t
    assert prepared.rows("test") is prepared.rows("test")


@pytest.mark.parametrize(
    ("written", "seeds"),
    [
        ("sift_words", [5]),
        ("sift_words@seed=3", [3]),
        ("colour+sift_words@words=9@seed=0:power", [0]),
        ("sift_words@words=9:raw+sift_words@seed=3", [5, 3]),
    ],
)
def test_a_seed_that_is_written_down_stands_before_the_common_one(written, seeds):
    features = prepare(MadeUp().dataset, image_features=written, seed=5).images
    parts = [part for chain in features.chains() for part in chain]
    assert [part.settings()["seed"] for part in parts if "seed" in part.settings()] == seeds


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_bad_input(seed):
    with pytest.raises(BadInput, match=f"seed {seed}: a seed is a whole number from 0 to"):
        prepare(MadeUp().dataset, seed=seed)


def test_a_split_that_is_asked_of_itself_is_another_protocol():
    assert prepare(MadeUp().dataset, split="test").rules == MadeUp().dataset.card.protocol()
    rules = prepare(MadeUp().dataset, split="train").rules
    assert (rules.name, rules.query, rules.database) == ("pairs@train", "train", "train")
    assert prepare(MadeUp().dataset, protocol="labels", split="test").rules.name == "labels@test"


def test_a_digest_tells_data_apart():
    one, same, other = prepare(MadeUp().dataset), prepare(MadeUp().dataset), prepare(MadeUp(seed=1).dataset)
    assert one.digest("train") == same.digest("train")
    assert len({one.digest("train"), one.digest("test"), other.digest("train"), one.digest("test", "train")}) == 4
    assert prepare(MadeUp(labelled=False).dataset).digest("train") != one.digest("train")


def test_a_text_without_a_word_is_named(tmp_path):
    lines = []
    for number in range(10):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
        caption = "..." if number == 4 else f"a boat number {number}"
        line = {"image": f"{number}.png", "captions": ["a sail", caption], "split": "test" if number > 6 else "train"}
        lines.append(json.dumps(line))
    (tmp_path / "boats.jsonl").write_text("\n".join(lines))
    with pytest.raises(BadInput, match=r"text 4\.png#\d \('\.\.\.'\) holds no word"):
        prepare(tmp_path / "boats.jsonl", image_features="colour").rows("train")
