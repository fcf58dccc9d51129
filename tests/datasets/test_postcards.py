import numpy as np
import pytest
from PIL import Image

from diptych.datasets import postcards
from diptych.kinds import BadInput, SharedLabels
from diptych.postcards import CLASSES, generate

SMALL = {"train": 40, "val": 6, "test": 10, "unseen": 8, "all": 64}


@pytest.fixture
def small(monkeypatch):
    # The same code with fewer cards a split: painting all 6,000 takes most of a minute.
    monkeypatch.setitem(postcards.CARD.__dict__, "splits", SMALL)


def test_splits_are_painted_one_by_one_and_do_not_overlap(small, tmp_path):
    seen = set()
    for split, n in list(SMALL.items())[:4]:
        pairs = postcards.read(split, tmp_path)
        assert pairs.n_images == n and pairs.n_texts == 5 * n
        assert (tmp_path / split / "scenes.jsonl").exists()
        assert not seen & set(pairs.image_ids)
        seen |= set(pairs.image_ids)
        assert Image.open(pairs.images[-1]).size == (144, 144)
        if split == "train":
            assert not (tmp_path / "test").exists()  # a split waits for no other


def test_all_is_every_split_one_after_another(small, tmp_path):
    everything = postcards.read("all", tmp_path)
    parts = [postcards.read(split, tmp_path) for split in ("train", "val", "test", "unseen")]
    assert everything.images == [path for part in parts for path in part.images]
    assert everything.texts == [text for part in parts for text in part.texts]
    assert everything.text_ids == tuple(name for part in parts for name in part.text_ids)
    assert (everything.labels == np.concatenate([part.labels for part in parts])).all()
    assert len(set(everything.image_ids)) == everything.n_images == 64


def test_texts_and_labels_belong_to_their_pictures(small, tmp_path):
    pairs = postcards.read("val", tmp_path)
    scenes = generate(6, seed=0, first=40)
    for row, scene in enumerate(scenes):
        assert [pairs.texts[i] for i in np.flatnonzero(pairs.owner == row)] == list(scene.captions)
        assert [CLASSES[j] for j in np.flatnonzero(pairs.labels[row])] == [f"{scene.place} at {scene.time}"]
        assert pairs.images[row].endswith(f"{scene.index:05d}.png")


def test_the_card_counts_six_thousand_and_its_protocols_name_its_splits():
    card = postcards.CARD
    *parts, everything = card.splits.values()
    assert sum(parts) == everything == 6000
    for protocol in card.protocols:
        assert {protocol.train, protocol.query, protocol.database} <= set(card.splits)
    assert card.protocol().name == "pairs"


def test_few_pictures_share_a_label():
    from diptych.postcards import class_table

    labels = class_table(generate(1000, seed=0))
    share = SharedLabels(labels, labels).relevant(0, 1000).mean()
    assert 0.03 < share < 0.06


def test_a_split_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(BadInput, match="no split 'tset'; did you mean 'test'"):
        postcards.read("tset", tmp_path)
