"""ONNX exports of the hub, in its own layouts, become pairs that give what transformers gives, without torch."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

pytest.importorskip("torch")

import torch
from exported import COMMIT, LENGTH, immich, served, transformers_js
from tiny_torch import features

from diptych.encoders import exports, pair
from diptych.encoders.dual import normal
from diptych.encoders.pair import OnnxPair
from diptych.kinds import BadInput
from diptych.sources import pictures as files

TEXTS = ["a red dog", "two cat", "the sea", "a dog runs on the sea and never stops"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exports, each made once: `exported(kind)` gives a folder with the model, its processor and tokenizer."""

    @functools.cache
    def one(kind: str) -> tuple[Path, tuple]:
        folder = tmp_path_factory.mktemp(kind)
        return folder, immich(folder) if kind == "immich" else transformers_js(folder, kind, VARIANTS[kind])

    return one


VARIANTS = {"clip": ("quantized", "fp16"), "siglip": (), "siglip2": ()}


def made(folder: Path, at: Path, variant: str = "", **config: object) -> OnnxPair:
    """What comes of a repository that lies in a folder, when it is fetched to another.

    config   what its config.json says otherwise
    """
    shutil.copytree(folder, at)
    (at / "config.json").write_text(json.dumps(json.loads((at / "config.json").read_text()) | config))
    names = [file.relative_to(at).as_posix() for file in at.rglob("*") if file.is_file()]
    exports.of(names, variant).make(at, "them/it", COMMIT, "cc0-1.0")
    return OnnxPair(at)


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
def test_rows_are_those_of_transformers(tmp_path, exported, small, no_network, kind):
    folder, (model, processor, words) = exported(kind)
    encoder = made(folder, tmp_path / "it")
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


@pytest.mark.parametrize(
    "says",
    [
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "resample": 2, "do_normalize": False},
        {"size": {"height": 32, "width": 32}, "do_center_crop": False, "resample": 2, "image_mean": [0.5, 0.4, 0.3]},
    ],
    ids=["mobileclip", "siglip2"],
)
def test_pictures_are_prepared_as_their_configuration_says(tmp_path, exported, small, says):
    folder, (model, processor, words) = exported("clip")
    other = type(processor)(**says)
    folder = shutil.copytree(folder, tmp_path / "theirs")
    kept = json.loads(other.to_json_string())
    (folder / "preprocessor_config.json").write_text(
        json.dumps({key: value for key, value in kept.items() if key in says or key.startswith(("do_", "image_"))})
    )
    encoder = made(folder, tmp_path / "it")
    expected, _ = theirs(model, other, words, small, TEXTS)
    assert (encoder.encode_images(small) * expected).sum(axis=1).min() >= 0.9999


def test_texts_are_padded_to_the_end_where_that_makes_a_difference(tmp_path, exported):
    assert not made(exported("clip")[0], tmp_path / "causal").full, "where what comes first knows nothing of the rest"
    folder, (model, _, words) = exported("siglip")
    encoder = made(
        folder, tmp_path / "it", model_type="clip"
    )  # of which nobody would think it: MobileCLIP is such a one
    ids = words(TEXTS, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = features(model.get_text_features(input_ids=ids))
    assert encoder.full and (encoder.encode_texts(TEXTS) * expected).sum(axis=1).min() >= 0.9999


@pytest.mark.parametrize(
    ("kind", "asked", "read"),
    [
        ("siglip", "A red, DOG!\n the  sea", "a red dog the sea"),
        ("siglip2", "A red, DOG!\n the  sea", "a red, dog!\n the  sea"),
    ],
)
def test_texts_are_cleaned_as_the_network_saw_them(tmp_path, exported, kind, asked, read):
    folder, (model, _, words) = exported(kind)
    ids = words([read], padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = features(model.get_text_features(input_ids=ids))
    assert (made(folder, tmp_path / "it").encode_texts([asked]) * expected).sum() >= 0.9999


def test_a_row_of_a_quantised_network_does_not_depend_on_others(tmp_path, exported, small):
    encoder = made(exported("clip")[0], tmp_path / "it", "quantized")
    assert encoder.at_a_time == {"image.onnx": 1, "text.onnx": 1}
    for rows, ask, items in (
        (encoder.encode_images(small), encoder.encode_images, small),
        (encoder.encode_texts(TEXTS), encoder.encode_texts, TEXTS),
    ):
        assert np.abs(rows - np.concatenate([ask([item]) for item in items])).max() <= 1e-6


def test_a_trained_pair_finds_nearly_as_much_in_lower_precision(tmp_path, capsys):
    """Pictures of three stripes of four colours, each for a word; R@10 of 100 captions among as many new pictures."""
    rng, words = np.random.default_rng(0), tiny.WORDS[2:]
    stripes = rng.integers(0, 256, (3, len(words), 1, 4, 3)).repeat(8, 2).repeat(8, 3)
    told = rng.permutation(len(words) ** 3)[:100, None] // len(words) ** np.arange(3) % len(words)
    texts = [" ".join(words[word] for word in three) for three in told]

    def seen():
        stacked = np.concatenate([stripes[place, told[:, place]] for place in range(3)], axis=1)
        clear = np.pad(stacked, [(0, 0), (0, 8), (0, 0), (0, 0)])
        return np.clip(clear + rng.normal(0, 30, clear.shape), 0, 255).astype(np.uint8)

    def train(model, processor, tokenizer):
        torch.nn.init.constant_(model.logit_scale, 2.7)
        ids = tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
        descent = torch.optim.AdamW(model.train().parameters(), lr=3e-3)
        for _ in range(50):
            values = torch.from_numpy(normal(seen(), processor.image_mean, processor.image_std))
            descent.zero_grad()
            model(input_ids=ids, pixel_values=values, return_loss=True).loss.backward()
            descent.step()

    transformers_js(tmp_path / "it", "clip", ("fp16", "quantized"), train)
    pixels, recall = seen(), {}
    for variant in ("fp32", "fp16", "quantized"):
        encoder = made(tmp_path / "it", tmp_path / variant, variant)
        scores = encoder.encode_texts(texts) @ encoder.encode_pixels(pixels).T
        recall[variant] = float(((scores > np.diag(scores)[:, None]).sum(axis=1) < 10).mean())
    with capsys.disabled():
        print(", ".join(f"R@10 {variant} {value:.2f}" for variant, value in recall.items()))  # noqa: T201
    assert recall["fp32"] > 0.5, "it learned something"
    assert abs(recall["fp16"] - recall["fp32"]) <= 0.01 and recall["quantized"] >= recall["fp32"] - 0.05


CLIP = {f"onnx/{side}_model{one}.onnx" for side in ("vision", "text") for one in ("", "_fp16", "_quantized")}
CLIP |= {"config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"}


@pytest.mark.parametrize(
    ("variant", "vision", "text"),
    [("", "", ""), ("fp32", "", ""), ("fp16", "_fp16", "_fp16"), ("fp32+quantized", "", "_quantized")],
)
def test_a_variant_is_called_as_its_files_are(variant, vision, text):
    towers = exports.of(CLIP, variant).towers
    assert towers == (f"onnx/vision_model{vision}.onnx", f"onnx/text_model{text}.onnx", "tokenizer.json")


@pytest.mark.parametrize(
    ("names", "variant", "named"),
    [
        (CLIP, "fp61", "has no onnx/vision_model_fp61.onnx; did you mean 'fp16'?"),
        (CLIP - {"onnx/vision_model.onnx"}, "", "has no onnx/vision_model.onnx; there are: fp16, quantized"),
        (CLIP - {"tokenizer.json"}, "fp16", "has no tokenizer.json"),
        (
            CLIP | {"onnx/text_model.onnx_data"},
            "",
            "keeps weights of onnx/text_model.onnx in onnx/text_model.onnx_data",
        ),
        (set(exports.IMMICH.files), "fp16", "it has no ONNX export of two towers"),
        ({"model.safetensors"}, "fp16", "it has no ONNX export of two towers"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(names, variant, named):
    with pytest.raises(BadInput) as error:
        exports.of(names, variant)
    assert named in str(error.value) and "\n" not in str(error.value)


def test_a_repository_without_towers_is_left_to_others():
    assert exports.of({"model.safetensors", "config.json", "onnx/model.onnx"}) is None


@pytest.mark.parametrize(
    ("file", "says", "named"),
    [
        ("visual/preprocess_cfg.json", {"size": [32, 16]}, "one square of RGB"),
        ("visual/preprocess_cfg.json", {"size": None}, "one square of RGB"),
        ("visual/preprocess_cfg.json", {"size": []}, "one square of RGB"),
        ("visual/preprocess_cfg.json", {"resize_mode": "longest"}, "one square of RGB"),
        ("visual/preprocess_cfg.json", {"mean": None}, "one of mean and std"),
        ("visual/preprocess_cfg.json", {"interpolation": "random"}, "image.resample is 'random'"),
        ("config.json", {"text_cfg": {"hf_tokenizer_name": "facebook/nllb-200"}}, "marked with their language"),
        ("textual/tokenizer.json", {"model": 7}, "tokenizer.json: not a tokenizer"),
    ],
)
def test_an_export_that_looks_or_reads_otherwise_is_refused(tmp_path, exported, file, says, named):
    folder = shutil.copytree(exported("immich")[0], tmp_path / "theirs")
    told = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(told | says))
    with pytest.raises(BadInput) as error:
        made(folder, tmp_path / "it")
    assert named in str(error.value) and "\n" not in str(error.value)


def test_a_card_says_what_open_clip_says(tmp_path, exported):
    folder = shutil.copytree(exported("immich")[0], tmp_path / "theirs")
    says = {"context_length": 7, "tokenizer_kwargs": {"clean": "canonicalize"}}
    plain = made(folder, tmp_path / "plain")
    assert plain.preprocessing == files.Preprocessing(32, "crop", "bicubic", 64) and plain.clean == "whitespace"
    seen = folder / "visual" / "preprocess_cfg.json"
    told = json.loads(seen.read_text()) | {"size": 32, "resize_mode": "squash", "interpolation": "bilinear"}
    seen.write_text(json.dumps(told))
    encoder = made(folder, tmp_path / "it", text_cfg=says)
    assert encoder.preprocessing == files.Preprocessing(32, "squash", "bilinear", 64)
    assert (encoder.length, encoder.full, encoder.pad, encoder.clean) == (7, True, 0, "canonicalize")


def test_towers_that_do_not_fit_each_other_are_refused(tmp_path, exported):
    folder = shutil.copytree(exported("clip")[0], tmp_path / "theirs")
    shutil.copy(exported("siglip")[0] / "onnx" / "text_model.onnx", folder / "onnx")
    with pytest.raises(BadInput, match=r"image\.onnx gives 24 numbers, and text\.onnx 32"):
        made(folder, tmp_path / "it")


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


def test_every_layout_is_fetched_indexed_searched_and_left_again_without_torch(tmp_path, exported, pictures):
    names = ["clip", "siglip", "siglip2", "immich"]
    for name in names:
        shutil.copytree(exported(name)[0], tmp_path / "hub" / "them" / name)
    asked = [f"hub:them/{name}" for name in (*names, "clip:quantized", f"clip:fp16+quantized@{COMMIT}")]
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
