"""What every dataset owes: a card that agrees with itself, and words for the one who has no data."""

import importlib
import pkgutil
from dataclasses import replace

import pytest

import diptych.datasets
from diptych.kinds import BadInput

NAMES = [
    module.name
    for module in pkgutil.iter_modules(diptych.datasets.__path__)
    if not module.name.startswith("_") and module.name not in ("local", "postcards", "postcard_relations")
]
REAL = ["coco_val2017", "emoji", "fashion", "flickr8k", "wikipedia"]


@pytest.fixture(params=NAMES)
def dataset(request):
    return importlib.import_module(f"diptych.datasets.{request.param}")


def test_the_sets_are_found():
    assert set(REAL) < set(NAMES)
    assert len(NAMES) >= 14


def test_a_card_agrees_with_itself(dataset):
    card = dataset.CARD
    assert card.name == dataset.__name__.rpartition(".")[2]
    assert card.title and card.source.startswith("http") and card.licence and card.citation and card.folder
    assert "$DIPTYCH_DATA/" + card.folder in card.get
    assert dataset.__doc__ and any(char.isdigit() for char in dataset.__doc__)
    for protocol in card.protocols:
        assert {protocol.train, protocol.query, protocol.database} <= card.splits.keys()
        assert protocol.relevance in ("pair", "label")
        # A pair protocol asks for the partner, so queries and database are the same pictures.
        assert protocol.relevance == "label" or protocol.query == protocol.database
    for prefix in ("", "labelled_"):
        if f"{prefix}database" in card.splits:
            assert card.splits[f"{prefix}query"] + card.splits[f"{prefix}database"] == card.splits[f"{prefix}all"]
            learned, unseen = card.splits[f"{prefix}train"], card.splits[f"{prefix}unseen"]
            assert learned + unseen == card.splits[f"{prefix}database"]
        elif f"{prefix}all" in card.splits:
            others = ("all", "few", "labelled_", "seen_", "unseen_")
            parts = [n for name, n in card.splits.items() if not name.startswith(others)]
            assert sum(parts) == card.splits["all"]


def test_a_database_that_was_learned_from_has_a_protocol_beside_it_that_was_not():
    for name in [*NAMES, "postcards"]:
        protocols = importlib.import_module(f"diptych.datasets.{name}").CARD.protocols
        for protocol in protocols:
            if protocol.database in (protocol.train, protocol.train.replace("train", "database")):
                asked = replace(protocol, name="", note="", database="")
                beside = {p.database for p in protocols if replace(p, name="", note="", database="") == asked}
                assert beside & {protocol.query, protocol.train.replace("train", "unseen")}, protocol.name


def test_without_data_it_says_what_to_get(dataset, tmp_path):
    for split in dataset.CARD.splits:
        with pytest.raises(BadInput) as error:
            dataset.read(split, tmp_path)
        assert dataset.CARD.get in str(error.value)
        assert str(tmp_path) in str(error.value)
        assert "\n" not in str(error.value)


def test_an_unknown_split_is_told_the_nearest(dataset, tmp_path):
    known = "|".join(["train"] if "train" in dataset.CARD.splits else dataset.CARD.splits)
    with pytest.raises(BadInput, match=rf"{dataset.CARD.name} has no split 'trian'.*({known})"):
        dataset.read("trian", tmp_path)


@pytest.mark.data
@pytest.mark.parametrize("name", ["coco_val2017", "fashion", "wikipedia"])
def test_an_unseen_database_shares_nothing_with_what_was_learned_from(name, data):
    dataset = importlib.import_module(f"diptych.datasets.{name}")
    protocol = dataset.CARD.protocol("test" if name == "wikipedia" else "labels_unseen")
    read = {split: dataset.read(split, data / dataset.CARD.folder) for split in (protocol.train, protocol.database)}
    train, database = read.values()
    assert not set(train.image_ids) & set(database.image_ids)
    if name == "fashion":  # whole names are drawn
        assert not set(train.texts) & set(database.texts)
    assert database.labels.any(axis=1).mean() > 0.98


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_splits_that_are_told_apart_are_apart(name, data):
    dataset = importlib.import_module(f"diptych.datasets.{name}")
    read = {split: dataset.read(split, data / dataset.CARD.folder) for split in dataset.CARD.splits}
    everything = read.pop("all")
    assert len(set(everything.image_ids)) == everything.n_images
    assert len(set(everything.text_ids)) == everything.n_texts
    asked = next(split for split in ("query", "test", "dev") if split in read)
    assert not set(read["train"].image_ids) & set(read[asked].image_ids)
    assert {name for pairs in read.values() for name in pairs.image_ids} == set(everything.image_ids)
    row = {name: i for i, name in enumerate(everything.image_ids)}
    for split, pairs in read.items():
        assert pairs.n_images == dataset.CARD.splits[split]
        if pairs.labels is not None:
            assert (pairs.labels == everything.labels[[row[name] for name in pairs.image_ids]]).all()
