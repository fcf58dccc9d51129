"""A collection under an encoder that was fitted: remembered by its folder, and honest about what is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diptych import catalogue, postcards
from diptych.collection import Collection, OtherEncoder
from diptych.encoder import Encoder
from diptych.kinds import BadInput, Pairs

N = 160


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Postcards, a file of their captions, and an encoder fitted on them."""
    home = tmp_path_factory.mktemp("world")
    scenes = postcards.write(home / "cards", N, workers=1)
    pairs = Pairs(
        [str(home / "cards" / "images" / f"{scene.index:05d}.png") for scene in scenes],
        [text for scene in scenes for text in scene.captions],
        np.repeat(np.arange(N), [len(scene.captions) for scene in scenes]),
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DIPTYCH_CACHE", str(home / "cache"))
        encoder = Encoder.of("colour", "tfidf", catalogue.method("cca")(dims=32))
        encoder.fit(pairs).save_pretrained(home / "encoder")
        with Collection.open(home / "c", home / "encoder", write=True) as collection:
            collection.add(home / "cards" / "images", captions=home / "cards" / "scenes.jsonl")
            collection.reindex()
    return home


def test_the_encoder_is_remembered_by_its_folder(world):
    with Collection.open(world / "c") as collection, Collection.open(world / "c", world / "encoder") as given:
        assert collection.search("snow").results == given.search("snow").results
        assert collection.status()["encoder"]["name"] == "cca"
        assert collection.status()["encoder"]["images"] == "colour"
        assert collection.verify() == []


def test_an_encoder_of_other_weights_is_refused_wherever_it_comes_from(world, tmp_path):
    other = Encoder.from_pretrained(world / "encoder")
    other.method_.A_ = other.method_.A_ + 1e-6
    with pytest.raises(OtherEncoder, match="reindex"):
        Collection.open(world / "c", other)
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(OtherEncoder, match=f"reindex --model {tmp_path / 'other'} --collection "):
        Collection.open(world / "c", tmp_path / "other")
    with pytest.raises(BadInput, match="not a fitted folder"):
        Collection.open(world / "c", tmp_path)


def test_every_picture_is_found_by_itself_first(world):
    with Collection.open(world / "c") as collection:
        for id in collection.ids():
            best = collection.search(f'"{collection.get(id).path}"', k=1).results[0]
            assert best.score == pytest.approx(1, abs=1e-5) and best.verdict == "match"


def test_vectors_rank_the_picture_a_caption_was_written_for_far_above_chance(world):
    with Collection.open(world / "c") as collection:
        ranks = []
        for id in collection.ids()[::4]:
            found = [
                hit.id for hit in collection.search(f'"1:{collection.get(id).captions[0]}"', k=N, keywords=0).results
            ]
            ranks.append(found.index(id) + 1)
        assert np.median(ranks) < N / 8, "chance is N / 2"


def test_what_nobody_says_and_no_picture_shows_is_no_good_match(world):
    with Collection.open(world / "c") as collection:
        for nonsense in ("qwzx glorp", "zzyzx", "frumious bandersnatch"):
            assert collection.search(nonsense).verdict == "none", nonsense
        answer = collection.search("snow")
        assert answer.verdict == "match"
        assert any("caption" in why and "snow" in why.lower() for why in answer.results[0].why)


def test_the_same_collection_is_measured_the_same(world):
    with Collection.open(world / "c", write=True) as collection:
        assert collection.reindex() == collection.reindex()
