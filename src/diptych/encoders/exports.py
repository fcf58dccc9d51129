"""ONNX exports in the layouts that the hub has, made into pairs, whose cards say what their configuration says.

transformers.js (Xenova/*, onnx-community/*): `onnx/vision_model{_VARIANT}.onnx` and `onnx/text_model{_VARIANT}.onnx`,
with the tokenizer and the configuration of transformers beside the folder. immich (immich-app/*): `visual/model.onnx`
and `textual/model.onnx`, with the configuration of open_clip. Everything that the graphs say themselves, names of
outputs, widths, whether padding matters, is asked of them: see `pair.complete`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diptych.encoders import configuration, pair
from diptych.kinds import BadInput, nearest

FULL = "fp32"
"""The variant whose files have no suffix."""


@dataclass(frozen=True)
class Export:
    """The files of a repository that make a pair.

    towers      where it has what a pair calls `image.onnx`, `text.onnx` and `tokenizer.json`
    beside      the configuration, where it is there
    """

    towers: tuple[str, str, str]
    beside: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        return self.towers + self.beside

    def make(self, folder: Path, name: str, version: str, terms: str = "") -> None:
        """Turn what was brought to a folder into a pair.

        Raises BadInput naming the file, for a model that looks or reads in a way that is not known here, too.
        """
        for brought, file in zip(self.towers, pair.FILES, strict=True):
            (folder / brought).replace(folder / file)
        image, text = _open_clip(folder) if self == IMMICH else _transformers(folder)
        pair.complete(folder, {"name": name, "version": version, "terms": terms, "image": image, "text": text})


def _transformers_js(suffixes: Sequence[str]) -> Export:
    towers = [f"onnx/{side}_model{suffix}.onnx" for side, suffix in zip(("vision", "text"), suffixes, strict=True)]
    return Export((towers[0], towers[1], "tokenizer.json"), _TRANSFORMERS)


_TRANSFORMERS = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json")

IMMICH = Export(
    ("visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json"),
    ("config.json", "visual/preprocess_cfg.json", "textual/tokenizer_config.json"),
)


def of(names: Iterable[str], variant: str = "") -> Export | None:
    """The export among the files of a repository; None where there is none.

    variant   `fp16`, `quantized`, `q4` and so on, as its files are called; two of them, `fp32+quantized`, of pictures
              and of texts; "" is full precision
    Raises BadInput where it is not there, naming those that are, and where weights lie in files of their own.
    """
    names = set(names)
    here = {side: _variants(names, side) for side in ("vision", "text")}
    if not variant and set(IMMICH.towers) <= names:
        export = IMMICH
    elif not variant and not (here["vision"] and here["text"]):
        return None
    else:
        wanted = (variant or FULL).split("+")
        export = _transformers_js(["" if one == FULL else f"_{one}" for one in (wanted[0], wanted[-1])])
    both = sorted(here["vision"] & here["text"])
    said = nearest(variant, both) if both else "; it has no ONNX export of two towers"
    if missing := [name for name in export.towers if name not in names]:
        raise BadInput(f"has no {missing[0]}{said}")
    for name in export.towers:
        if outside := sorted(names & {f"{name}_data", f"{name}.data"}):
            raise BadInput(f"keeps weights of {name} in {outside[0]}, and files of weights alone are not read{said}")
    return export


def _variants(names: set[str], side: str) -> set[str]:
    found = (re.fullmatch(rf"onnx/{side}_model(?:_(\w+))?\.onnx", name) for name in names)
    return {match[1] or FULL for match in found if match}


def _transformers(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a card says of pictures and of texts, from the configuration of transformers."""
    seen, mean, std = configuration.preprocessing(folder)
    config, tokens = configuration.read(folder / "config.json"), _tokens(folder / "tokenizer_config.json")
    siglip = str(config.get("model_type", "")).startswith("siglip")
    length = configuration.number(config, ("text_config", "max_position_embeddings"), 64 if siglip else 77)
    text: dict[str, Any] = {"length": min(length, configuration.number(tokens, ("model_max_length",), length))}
    if siglip:
        # It never saw a text that was not padded to the end, nor one with capitals; the first of them no punctuation.
        first = tokens.get("tokenizer_class") in ("SiglipTokenizer", "SiglipTokenizerFast")
        text |= {"padding": "length", "clean": "canonicalize" if first else "lower"}
    image = {"side": seen.side, "resize": seen.resize, "resample": seen.resample, "enough": seen.enough}
    return image | {"mean": mean, "std": std}, text | _padding(folder, tokens)


def _open_clip(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same from the configuration of open_clip, as immich keeps it."""
    file = folder / IMMICH.beside[1]
    seen, config = configuration.read(file), configuration.read(folder / "config.json")
    says = config.get("text_cfg")
    says = says if isinstance(says, dict) else {}
    if "nllb" in str(says.get("hf_tokenizer_name", "")):
        raise BadInput("config.json: texts have to be marked with their language, which is not done here")
    size = seen.get("size")
    sides: list[Any] = size if isinstance(size, list) else [size]
    resize = {"squash": "squash", "shortest": "crop"}.get(str(seen.get("resize_mode", "shortest")))
    square = all(isinstance(side, int) and side == sides[0] for side in sides)
    if not (sides and square and resize) or seen.get("mode", "RGB") != "RGB":
        told = {key: seen.get(key) for key in ("size", "resize_mode", "mode")}
        raise BadInput(f"{file}: {json.dumps(told)}; one square of RGB, squash or shortest, is what is read")
    image = {"side": sides[0], "resize": resize, "resample": seen.get("interpolation", "bicubic")}
    image["enough"] = 2 * sides[0]
    arguments = says.get("tokenizer_kwargs")
    clean = arguments.get("clean") if isinstance(arguments, dict) else None
    text = {
        "length": configuration.number(config, ("text_cfg", "context_length"), 77),
        "padding": "length",
        "clean": "canonicalize" if clean == "canonicalize" else "whitespace",
    }
    tokens = _tokens(folder / IMMICH.beside[2])
    return image | {key: seen.get(key) for key in ("mean", "std")}, text | _padding(folder, tokens)


def _tokens(file: Path) -> dict[str, Any]:
    return configuration.read(file) if file.is_file() else {}


def _padding(folder: Path, tokens: dict[str, Any]) -> dict[str, int]:
    """The id of the token that pads, which newer tokenizers name beside their file."""
    token = tokens.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    id = pair.tokenizer(folder / pair.FILES[2]).token_to_id(token) if isinstance(token, str) else None
    return {} if id is None else {"pad": id}
