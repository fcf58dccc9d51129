"""Names and folders lead to encoders, and what leads nowhere says where to go."""

import json
import os
import shutil

import numpy as np
import pytest
import tiny

from diptych.encoder import Encoder
from diptych.encoders import hub, shelf
from diptych.encoders.pair import OnnxPair
from diptych.kinds import BadInput, Pairs
from diptych.methods.subspace.cca import CCA


@pytest.fixture
def mini(tmp_path, monkeypatch):
    """Something small in the place of what comes with Diptych."""
    folder = tiny.pair(tmp_path / "bundled")
    monkeypatch.setattr(shelf, "_BUNDLED", folder)
    return folder


def test_a_name_a_pair_and_a_fitted_folder_are_opened(tmp_path, mini):
    assert isinstance(shelf.open("mini"), OnnxPair)
    assert isinstance(shelf.open(tiny.pair(tmp_path / "pair")), OnnxPair)
    assert isinstance(shelf.open(str(tmp_path / "pair")), OnnxPair)
    rng = np.random.default_rng(0)
    encoder = Encoder.of("given", "given", CCA(dims=2))
    encoder.fit(Pairs(rng.standard_normal((20, 3)), rng.standard_normal((20, 3)))).save_pretrained(tmp_path / "cca")
    assert isinstance(shelf.open(tmp_path / "cca"), Encoder)


def test_what_finds_an_encoder_again_is_a_name_or_a_folder_in_full(tmp_path, mini, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.pair(tmp_path / "mini")
    assert shelf.canonical("mini") == "mini" and shelf.open("mini").folder == mini
    assert shelf.canonical("./mini") == str(tmp_path / "mini"), "a folder of the same name is written as one"
    assert shelf.canonical("bundled") == str(mini)


def test_a_model_of_the_hub_settles_on_the_commit_that_is_here(tmp_path):
    folder = hub.home() / "them--clip" / ("a" * 40)
    folder.mkdir(parents=True)
    record = {"repo": "them/clip", "asked": "", "commit": "a" * 40, "files": {"model.safetensors": 7}}
    (folder / hub.RECORD).write_text(json.dumps(record))
    assert shelf.canonical("hub:them/clip") == shelf.canonical("hub:them/clip@aaaaaaa") == "hub:them/clip@" + "a" * 40
    source = "hub:them/clip@" + "a" * 40
    assert shelf.models()[-1] == shelf.Model(source, "fetched from the hub", source, 7, "")
    assert shelf.models()[-1].here == folder


def test_a_model_of_the_shelf_that_was_fetched_is_here_and_listed_once(tmp_path):
    before = shelf.models()
    of_the_shelf = next(model for model in before if model.name == "siglip-b16")
    assert of_the_shelf.here is None
    repo, commit = hub.split(of_the_shelf.source)
    folder = hub.home() / repo.replace("/", "--") / commit
    folder.mkdir(parents=True)
    (folder / hub.RECORD).write_text(json.dumps({"repo": repo, "asked": commit, "commit": commit, "files": {}}))
    assert shelf.models() == before and of_the_shelf.here == folder
    assert shelf.canonical("siglip-b16") == "siglip-b16"
    assert shelf.canonical(of_the_shelf.source) == of_the_shelf.source


def test_what_can_only_be_meant_as_an_encoder(tmp_path, mini, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    for name in ("mini", "hub:them/clip", "bundled", mini, "model", tmp_path / "model"):
        assert shelf.is_encoder(name), name
    for name in ("minni", tmp_path / "mini", "cca", tmp_path, "them/hub:clip"):
        assert not shelf.is_encoder(name), name


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("clip-vit-b23", "did you mean 'clip-vit-b32'"),
        ("nowhere/at/all", "there is no model 'nowhere/at/all', and no folder of that name"),
        ("clip-vit-b32", "fetch it once: diptych models get clip-vit-b32"),
        ("hub:them/clip@v2", "fetch it once: diptych models get hub:them/clip@v2"),
        ("hub:clip", "hub:owner/name"),
    ],
)
def test_names_that_lead_nowhere(name, named):
    with pytest.raises(BadInput) as error:
        shelf.open(name)
    assert named in str(error.value) and "\n" not in str(error.value)


def test_an_installation_without_the_bundled_encoder_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "_BUNDLED", tmp_path / "nothing")
    with pytest.raises(
        BadInput, match=r"mini is not in .* lacks card\.json, image\.onnx, text\.onnx.* name another model"
    ):
        shelf.open("mini")
    assert shelf.models()[0].here is None


def test_an_empty_folder_is_no_encoder(tmp_path):
    with pytest.raises(BadInput, match=r"no card\.json and no config\.json in it; not a fitted folder"):
        shelf.open(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadInput, match="does not read as a fitted thing"):
        shelf.open(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(BadInput, match=r"no model\.safetensors in it"):
        shelf.open(tmp_path)


def test_fetching_asks_for_the_commit_that_stands_on_the_shelf(mini, monkeypatch):
    asked = []
    monkeypatch.setattr(hub, "fetch", lambda *arguments: asked.append(arguments))
    shelf.fetch("siglip-b16", print)
    shelf.fetch("hub:them/clip@v1")
    assert asked[0][0] == "google/siglip-base-patch16-224" and len(asked[0][1]) == 40
    assert asked[0][2] is print and asked[1] == ("them/clip", "v1", None)
    assert shelf.fetch("mini") == mini and len(asked) == 2, "what comes with Diptych is here"
    with pytest.raises(BadInput, match="did you mean 'siglip-b16'"):
        shelf.fetch("siglip-b17")


def test_every_entry_of_the_shelf_names_one_commit():
    for model in shelf.models():
        if model.source:
            repo, revision = hub.split(model.source)
            assert len(revision) == 40 and model.bytes and model.terms and model.languages, repo


def test_a_variant_is_another_model_of_the_same_commit(tmp_path):
    for variant, kept in (("", "them--clip"), (":fp16", "them--clip--fp16")):
        folder = tiny.pair(hub.home() / kept / ("a" * 40))
        record = {
            "repo": f"them/clip{variant}",
            "asked": "",
            "commit": "a" * 40,
            "files": {"onnx/vision_model.onnx": 7},
        }
        (folder / hub.RECORD).write_text(json.dumps(record))
        assert shelf.canonical(f"hub:them/clip{variant}") == f"hub:them/clip{variant}@" + "a" * 40
        assert shelf.open(f"hub:them/clip{variant}@aaaaaaa").folder == folder
    with pytest.raises(BadInput, match="fetch it once: diptych models get hub:them/clip:q4"):
        shelf.open("hub:them/clip:q4")


@pytest.mark.skipif(shelf.models()[0].here is None, reason="mini is not in this tree")
def test_the_bundled_encoder_is_sealed_and_small():
    encoder = shelf.open("mini")
    card = json.loads((encoder.folder / "card.json").read_text())
    assert set(card["digest"]) == {"image.onnx", "text.onnx", "tokenizer.json"}
    assert card["trained_on"] and card["terms"] and card["weak"]
    assert sum(path.stat().st_size for path in encoder.folder.iterdir()) <= 24e6
    assert encoder.encode_texts(["two dogs in the snow"]).shape == (1, encoder.width)


def test_a_folder_may_lie_anywhere(tmp_path, mini):
    away = tmp_path / "with blanks and ü"
    shutil.copytree(mini, away)
    assert shelf.canonical(os.path.relpath(away)) == str(away)
