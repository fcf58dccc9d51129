"""CLIP networks with random weights: how fast an encoder is does not depend on what it learned.

The architecture is that of Radford et al. 2021 as OpenCLIP has it; `VIT_B_32_256` is the one that rclip 3 downloads
(151 M weights, 256-px pictures, 77 tokens). The vocabulary is CLIP's real one, from the `open_clip_torch` wheel on
PyPI; without a network, one of random merges of the same length takes its place.

    pip install -e ".[torch,bench]"
    python bench/random_clip.py [--small] [FOLDER]     # writes an ONNX pair there, and times it
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diptych.encoders import pair
from diptych.sources import cache

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
MERGES = 49152 - 256 - 2
START, END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Shape:
    """Of a vision transformer and a text transformer: columns, layers and heads of each, and the width of the rows."""

    name: str
    dims: int
    side: int
    patch: int
    image: tuple[int, int, int]
    text: tuple[int, int, int]
    tokens: int = 77
    merges: int = MERGES


VIT_B_32_256 = Shape("ViT-B-32-256", 512, 256, 32, (768, 12, 12), (512, 12, 8))
SMALL = Shape("ViT-Ti-16-144", 512, 144, 16, (192, 6, 3), (256, 4, 4), tokens=48, merges=8000)
"""About as small as the encoder that Diptych brings: 3 M weights for pictures, 5 M for texts."""


def prepared(shape: Shape) -> Path:
    """The folder of an ONNX pair of this shape, made once and kept in the cache."""
    folder = cache.home() / "bench" / f"{shape.name}-{shape.dims}"
    if not (folder / pair.CARD).is_file():
        write(shape, folder)
    return folder


def write(shape: Shape, folder: Path) -> None:
    """An ONNX pair: `image.onnx`, `text.onnx`, `tokenizer.json`, and last of all `card.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    _export(shape, folder)
    words(folder / "vocabulary.txt.gz")
    _tokenizer(folder / "vocabulary.txt.gz", shape).save(str(folder / "tokenizer.json"))
    card = {
        "name": f"random {shape.name}",
        "version": "0",
        "dims": shape.dims,
        "image": {"side": shape.side, "resize": "crop", "resample": "bicubic", "mean": MEAN, "std": STD},
        "text": {"length": shape.tokens},
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
    pair.seal(folder)


def words(file: Path) -> None:
    """CLIP's merges, as OpenAI published them: one a line behind a heading."""
    with tempfile.TemporaryDirectory() as folder:
        got = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "open_clip_torch==3.3.0"]
        wheel = None if subprocess.run(got, check=False).returncode else next(Path(folder).glob("*.whl"), None)
        if wheel is not None:
            with zipfile.ZipFile(wheel) as kept:
                file.write_bytes(kept.read("open_clip/bpe_simple_vocab_16e6.txt.gz"))
            return
    print("open_clip_torch is not to be had: made-up merges take the place of CLIP's", file=sys.stderr)
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    known, merges = [*letters, *(letter + "</w>" for letter in letters)], {}
    rng = np.random.default_rng(0)
    while len(merges) < MERGES:
        first, second = (known[place] for place in rng.integers(0, len(known), 2))
        if not first.endswith("</w>") and f"{first} {second}" not in merges:
            merges[f"{first} {second}"] = None
            known.append(first + second)
    file.write_bytes(gzip.compress("\n".join(["#", *merges]).encode()))


def _tokenizer(file: Path, shape: Shape) -> Any:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    lines = gzip.decompress(file.read_bytes()).decode().split("\n")[1 : shape.merges + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges), START, END]
    vocabulary = {name: place for place, name in enumerate(dict.fromkeys(names))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token=END))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    parts = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(parts, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    ends = [(name, vocabulary[name]) for name in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(f"{START} $A {END}", special_tokens=ends)
    tokenizer.enable_truncation(shape.tokens)
    return tokenizer


def _export(shape: Shape, folder: Path) -> None:
    import torch
    from transformers import (
        CLIPTextConfig,
        CLIPTextModelWithProjection,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    def sizes(columns: int, layers: int, heads: int) -> dict[str, int]:
        own = {"hidden_size": columns, "intermediate_size": 4 * columns, "num_attention_heads": heads}
        return own | {"num_hidden_layers": layers, "projection_dim": shape.dims}

    class First(torch.nn.Module):
        """The rows alone of what a tower gives."""

        def __init__(self, tower: torch.nn.Module) -> None:
            super().__init__()
            self.tower = tower

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return self.tower(input)[0]

    torch.manual_seed(0)
    eyes = CLIPVisionConfig(**sizes(*shape.image), image_size=shape.side, patch_size=shape.patch, hidden_act="gelu")
    reader = CLIPTextConfig(
        **sizes(*shape.text), max_position_embeddings=shape.tokens, vocab_size=shape.merges + 514,
        hidden_act="gelu", bos_token_id=shape.merges + 512, eos_token_id=shape.merges + 513,
    )  # fmt: skip
    pictures = torch.zeros(2, 3, shape.side, shape.side)
    texts = torch.full((2, 8), shape.merges + 513)
    towers = (
        ("image.onnx", CLIPVisionModelWithProjection(eyes), pictures, {0: "n"}),
        ("text.onnx", CLIPTextModelWithProjection(reader), texts, {0: "n", 1: "tokens"}),
    )
    for file, tower, example, free in towers:
        torch.onnx.export(
            First(tower).eval(), (example,), folder / file, input_names=["input"], output_names=["output"],
            dynamic_axes={"input": free, "output": {0: "n"}}, opset_version=17, dynamo=False,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="default: in Diptych's cache, where the others look")
    parser.add_argument("--small", action="store_true", help="the shape that stands for a small encoder")
    parser.add_argument("--dims", type=int, default=512)
    asked = parser.parse_args()
    shape = replace(SMALL if asked.small else VIT_B_32_256, dims=asked.dims)
    if asked.folder:
        write(shape, asked.folder)
    folder = asked.folder or prepared(shape)
    encoder = pair.OnnxPair(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (32, shape.side, shape.side, 3), dtype=np.uint8)
    print(f"{shape.name}, {shape.dims} wide, in {folder}")
    for what, n, way in (
        ("picture, 32 at a time", 32, lambda: encoder.encode_pixels(pixels)),
        ("text alone", 1, lambda: encoder.encode_texts(["two dogs in the snow"])),
    ):
        way()
        start = time.perf_counter()
        for _ in range(3):
            way()
        print(f"{1e3 * (time.perf_counter() - start) / 3 / n:8.2f} ms a {what}")


if __name__ == "__main__":
    main()
