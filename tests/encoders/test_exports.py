"""ONNX exports of the hub, in its own layouts, become pairs that give what transformers gives, without torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

pytest.importorskip("torch")

import torch  # noqa: E402
from exported import COMMIT, LENGTH, immich, served, transformers_js  # noqa: E402
from tiny_torch import features  # noqa: E402

from diptych.encoders import exports, pair  # noqa: E402
from diptych.encoders.pair import OnnxPair  # noqa: E402
from diptych.kinds import BadInput  # noqa: E402
from diptych.sources import pictures as files  # noqa: E402

TEXTS = ["a red dog", "two cat", "the sea", "a dog runs on the sea and never stops"]


def made(folder: Path, variant: str = "") -> OnnxPair:
    """What is fetched of a repository that lies in a folder."""
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    exports.of(names, variant).make(folder, "them/it", COMMIT, "cc0-1.0")
    return OnnxPair(folder)


def theirs(model, processor, words, paths, texts, padding=True):
    """The rows of transformers for pictures and texts."""
    values = processor([files.load(path) for path in paths], return_tensors="pt")["pixel_values"]
    tokens = words(texts, padding=padding, truncation=True, max_length=LENGTH, return_tensors="pt")
    with torch.inference_mode():
        images = model.get_image_features(values)
        return features(images), features(model.get_text_features(input_ids=tokens["input_ids"]))


@pytest.fixture
def small(pictures):
    return [path for path in pictures if path.name != "large.jpg"]  # which would be decoded at half size


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "immich"])
def test_rows_are_those_of_transformers(tmp_path, small, no_network, kind):
    if kind == "immich":
        model, processor, words = immich(tmp_path / "it")
    else:
        model, processor, words = transformers_js(tmp_path / "it", kind)
    encoder = made(tmp_path / "it")
    assert (encoder.name, encoder.revision, encoder.width) == (
        "them/it",
        COMMIT,
        24 if kind in ("clip", "immich") else 32,
    )
    assert encoder.trained_on_["terms"] == "cc0-1.0"
    images, texts = theirs(model, processor, words, small, TEXTS, "max_length" if "siglip" in kind else True)
    found = encoder.encode_images(small), encoder.encode_texts(TEXTS)
    for ours, expected in zip(found, (images, texts), strict=True):
        assert (ours * expected).sum(axis=1).min() >= 0.9999
        assert (ours @ expected.T).argmax(axis=1).tolist() == list(range(len(ours))), "and each is nearest to its own"


ALL = """
import json, socket, sys
sys.modules |= dict.fromkeys(("torch", "transformers", "sentencepiece"))
from diptych.app.cli import main
from diptych.encoders import shelf

def diptych(*arguments):
    sys.argv = ["diptych", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, arguments

folder, mini, *models = sys.argv[1:]
shelf._BUNDLED = shelf.Path(mini)
for model in models:
    diptych("models", "get", model, "--json")
socket.socket.connect = None  # from now on nobody asks the network
diptych("index", folder, "--json")
for model in (*models, "mini"):
    diptych("reindex", "--collection", folder + "/.diptych", "--model", model, "--json")
    diptych("search", "a red dog", "--collection", folder + "/.diptych", "--json")
    diptych("status", "--collection", folder + "/.diptych", "--json")
    diptych("verify", "--collection", folder + "/.diptych", "--json")
"""


def test_every_layout_is_fetched_indexed_searched_and_left_again_without_torch(tmp_path, pictures):
    hub, names = tmp_path / "hub" / "them", ["clip", "siglip", "siglip2", "immich"]
    for name in names[:3]:
        transformers_js(hub / name, name, ("quantized", "fp16") if name == "clip" else ())
    immich(hub / "immich")
    asked = [f"hub:them/{name}" for name in (*names, "clip:quantized", "clip:fp16", f"clip:fp32+quantized@{COMMIT}")]
    with served(tmp_path / "hub") as address:
        arguments = [str(tmp_path / "pictures"), str(tiny.pair(tmp_path / "mini")), *asked]
        there = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-c", ALL, *arguments], env=os.environ | there, capture_output=True, text=True
        )
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for model, got in zip(asked, told, strict=False):
        assert got["model"] == f"{model.partition('@')[0]}@{COMMIT}"
        folder = Path(got["folder"])
        card = json.loads((folder / "card.json").read_text())
        assert set(card["digest"]) == set(pair.FILES) and card["terms"] == "cc0-1.0"
        assert not {file.name for file in folder.rglob("*.onnx")} - set(pair.FILES), "nothing else was brought"
    rounds = [told[at : at + 4] for at in range(len(asked) + 1, len(told), 4)]
    assert [status["encoder"]["folder"] for _, _, status, _ in rounds] == [
        got["model"] for got in told[: len(asked)]
    ] + ["mini"]
    for _, found, status, _ in rounds:
        assert status["items"] == len(found["results"]) == 8
