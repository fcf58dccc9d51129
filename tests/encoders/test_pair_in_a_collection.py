"""Folders under an encoder that was brought: indexed without a network, decoded once, and not mixed with another."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny

from diptych.collection import Collection, OtherEncoder
from diptych.encoders import shelf
from diptych.encoders.pair import OnnxPair, seal
from diptych.kinds import BadInput
from diptych.sources import pictures as files


@pytest.fixture(autouse=True)
def one_worker(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.fixture
def encoder(tmp_path) -> Path:
    return tiny.pair(tmp_path / "encoder")


def test_every_picture_finds_itself_first_from_a_copy_of_its_pixels(tmp_path, pictures, encoder, no_network):
    with Collection.open(tmp_path / "c", encoder, write=True) as collection:
        assert collection.add(tmp_path / "pictures").added == 8
        for id in collection.ids():
            path = Path(collection.get(id).path)
            # A copy with another sha256 goes through the eyes of the query; the pixels are the same.
            copy = tmp_path / f"copy{path.suffix}"
            copy.write_bytes(path.read_bytes() + b"\0")
            best = collection.search(f'"{copy}"', k=1).results[0]
            assert best.id == id and best.score == pytest.approx(1, abs=1e-6), path.name
        assert collection.search("a red dog", k=8).results
        assert collection.verify() == []


def test_pixels_of_the_workers_are_those_of_a_query_bit_for_bit(tmp_path, pictures, encoder):
    own = OnnxPair(encoder)
    with Collection.open(tmp_path / "c", own, write=True) as collection:
        collection.add(tmp_path / "pictures")
        paths = [collection.get(id).path for id in collection.ids()]
        kept = collection._vectors.of(collection.ids())
    seen = np.stack([own.preprocessing.of(path) for path in paths])
    assert np.abs(kept - own.encode_pixels(seen)).max() <= 1e-6
    assert np.array_equal(own.encode_images(paths), own.encode_pixels(seen))


def test_a_file_is_decoded_by_its_worker_alone(tmp_path, pictures, encoder, monkeypatch):
    monkeypatch.setattr(files, "load", lambda *a, **k: pytest.fail("decoded once more"))
    with Collection.open(tmp_path / "c", encoder, write=True) as collection:
        assert collection.add(tmp_path / "pictures").encoded == 8


def test_a_new_collection_takes_mini_and_remembers_it_by_name(tmp_path, pictures, encoder, monkeypatch):
    monkeypatch.setattr(shelf, "_BUNDLED", encoder)
    with Collection.open(tmp_path / "c", write=True) as collection:
        collection.add(tmp_path / "pictures")
    with Collection.open(tmp_path / "c") as collection:
        kept = collection.status()["encoder"]
        assert (kept["folder"], kept["name"], kept["revision"], kept["width"]) == ("mini", "tiny", "1.0", 16)
        assert kept["images"] == "24 pixels, squash, bicubic"
        assert len(collection.search("dog", k=3).results) == 3
    moved = shutil.copytree(encoder, tmp_path / "moved")
    monkeypatch.setattr(shelf, "_BUNDLED", moved)
    with Collection.open(tmp_path / "c") as collection:
        assert collection.search("dog").results, "a name, not a place, is remembered"


def test_without_mini_a_new_collection_asks_for_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "_BUNDLED", tmp_path / "nothing")
    with pytest.raises(BadInput, match="mini is not in this installation"):
        Collection.open(tmp_path / "c", write=True)


@pytest.mark.parametrize("change", ["weights", "preprocessing", "tokens"])
def test_another_encoder_in_the_same_place_is_refused_with_the_command_that_mends_it(
    tmp_path, pictures, encoder, change
):
    seal(encoder)
    with Collection.open(tmp_path / "c", encoder, write=True) as collection:
        collection.add(tmp_path / "pictures")
    if change == "weights":
        tiny.image_tower(encoder / "image.onnx", 7, raw=True)
    card = json.loads((encoder / "card.json").read_text())
    if change == "preprocessing":
        card["image"]["resize"] = "crop"
    if change == "tokens":
        card["text"]["length"] = 5
    (encoder / "card.json").write_text(json.dumps(card))
    seal(encoder)
    command = f"diptych reindex --model {encoder} --collection {tmp_path / 'c'}"
    with Collection.open(tmp_path / "c") as collection, pytest.raises(OtherEncoder) as error:
        collection.search("dog")
    assert command in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(OtherEncoder):
        Collection.open(tmp_path / "c", encoder)
    with Collection.open(tmp_path / "c", write=True) as collection:
        collection.reindex(encoder)
        assert collection.search("dog").results and collection.verify() == []


def test_prose_on_the_card_makes_no_other_encoder(tmp_path, pictures, encoder):
    with Collection.open(tmp_path / "c", encoder, write=True) as collection:
        collection.add(tmp_path / "pictures")
    card = json.loads((encoder / "card.json").read_text())
    (encoder / "card.json").write_text(json.dumps(card | {"name": "renamed", "weak": "at night"}))
    with Collection.open(tmp_path / "c") as collection:
        assert collection.search("dog").results


def test_what_does_not_decode_is_reported_and_the_rest_is_indexed(tmp_path, pictures, encoder):
    (tmp_path / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    data = (tmp_path / "pictures" / "large.jpg").read_bytes()
    (tmp_path / "pictures" / "half.jpg").write_bytes(data[: len(data) // 2])
    with Collection.open(tmp_path / "c", encoder, write=True) as collection:
        report = collection.add(tmp_path / "pictures")
        assert report.added == 8 and {Path(path).name for path, _ in report.failures} == {"broken.jpg", "half.jpg"}


def test_nothing_is_loaded_when_nothing_changed(tmp_path, pictures, encoder):
    with Collection.open(tmp_path / "c", encoder, write=True) as collection:
        collection.add(tmp_path / "pictures")
    shutil.rmtree(encoder)
    with Collection.open(tmp_path / "c", write=True) as collection:
        assert collection.add().unchanged == 8
