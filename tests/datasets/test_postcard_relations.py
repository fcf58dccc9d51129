import numpy as np
import pytest

from diptych.catalogue import Dataset
from diptych.datasets import postcard_relations
from diptych.flow.evaluate import evaluate
from diptych.kinds import BadInput
from diptych.postcards import FAMILY, families


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(postcard_relations.CARD.__dict__, "splits", {"train": 24, "test": 16, "all": 40})
    rules = postcard_relations.CARD.protocols[0]
    monkeypatch.setitem(rules.__dict__, "folds", 16 // FAMILY)


def test_splits_are_whole_families_and_share_none(small, tmp_path):
    train, test = (postcard_relations.read(split, tmp_path) for split in ("train", "test"))
    assert (train.n_images, train.n_texts, test.n_images) == (24, 72, 16)
    assert not set(train.image_ids) & set(test.image_ids)
    scenes = families(16, first=24)
    assert test.texts == [caption for scene in scenes for caption in scene.captions]
    everything = postcard_relations.read("all", tmp_path)
    assert everything.images == train.images + test.images and everything.texts == train.texts + test.texts
    assert (tmp_path / "test" / "regions.jsonl").exists()
    with pytest.raises(BadInput, match="no split 'tset'"):
        postcard_relations.read("tset", tmp_path)


def test_the_card_ranks_each_picture_among_its_family():
    card = postcard_relations.CARD
    rules = card.protocol("relations")
    assert card.splits["test"] / rules.folds == FAMILY and card.splits["train"] % FAMILY == 0
    assert card.splits["train"] + card.splits["test"] == card.splits["all"]


def test_a_bag_of_words_is_at_chance_exactly(small, tmp_path):
    dataset = Dataset(postcard_relations.CARD, lambda split: postcard_relations.read(split, tmp_path))
    found = evaluate("cca", dataset, image_features="colour", text_features="tfidf").report
    assert found.i2t["r@1"] == pytest.approx(1 / FAMILY) and found.t2i["r@1"] == pytest.approx(1 / FAMILY)
    assert len(set(np.array(found.per_query["t2i"]["r@1"]))) == 2


def test_token_methods_read_its_regions_and_words(small, tmp_path):
    dataset = Dataset(postcard_relations.CARD, lambda split: postcard_relations.read(split, tmp_path))
    found = evaluate("sgm", dataset, settings={"epochs": "1", "dims": "8"})
    images, texts = (found.prepared.rows("test").images, found.prepared.rows("test").texts)
    assert images.shape[:2] == (16, 2) and texts.ndim == 3 and texts.shape[1] > 5
    assert found.report.protocol_text.endswith("mean of 4 folds")
