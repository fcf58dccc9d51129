"""Encoders of random weights, small enough to be made for every test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

SIDE, DIMS = 24, 16
WORDS = ["[PAD]", "[UNK]", "a", "red", "green", "blue", "dog", "cat", "sea", "runs", "on", "the", "two"]


def saved(nodes: list, inputs: list, constants: dict[str, np.ndarray], file: Path) -> None:
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", DIMS])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())


def image_tower(file: Path, seed: int, raw: bool, half: bool = False) -> None:
    """(n, 24, 24, 3) bytes, or (n, 3, 24, 24) floats -> convolution, ReLU, the means of a 3 x 3 grid -> 16.

    half   the floats come in half precision, and nothing else is in it
    """
    rng = np.random.default_rng(seed)
    constants = {
        "kernel": rng.standard_normal((8, 3, 5, 5)).astype(np.float32) / 9,
        "out": rng.standard_normal((72, DIMS)).astype(np.float32),
    }
    node = helper.make_node
    if raw:
        entry = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3])
        constants |= {"middle": np.float32(127.5)}
        first = [
            node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
            node("Sub", ["floats", "middle"], ["centred"]),
            node("Div", ["centred", "middle"], ["scaled"]),
            node("Transpose", ["scaled"], ["x"], perm=[0, 3, 1, 2]),
        ]
    elif half:
        entry = helper.make_tensor_value_info("halves", TensorProto.FLOAT16, ["n", 3, SIDE, SIDE])
        first = [node("Cast", ["halves"], ["x"], to=TensorProto.FLOAT)]
    else:
        entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
        first = []
    nodes = [
        *first,
        node("Conv", ["x", "kernel"], ["maps"], pads=[2, 2, 2, 2]),
        node("Relu", ["maps"], ["active"]),
        node("AveragePool", ["active"], ["grid"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Flatten", ["grid"], ["flat"]),
        node("MatMul", ["flat", "out"], ["rows"]),
    ]
    saved(nodes, [entry], constants, file)


def text_tower(file: Path, seed: int, mask: bool) -> None:
    """(n, tokens) ids -> the mean of their vectors, padding left out (id 0, or as the mask says)."""
    rng = np.random.default_rng(seed + 1)
    constants = {
        "vectors": rng.standard_normal((len(WORDS), DIMS)).astype(np.float32),
        "zero": np.int64(0),
        "last": np.array([2]),
        "along": np.array([1]),
    }
    node = helper.make_node
    entries = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "t"])]
    if mask:
        entries.append(helper.make_tensor_value_info("mask", TensorProto.INT64, ["n", "t"]))
        first = [node("Cast", ["mask"], ["weight"], to=TensorProto.FLOAT)]
    else:
        first = [
            node("Equal", ["ids", "zero"], ["padding"]),
            node("Not", ["padding"], ["real"]),
            node("Cast", ["real"], ["weight"], to=TensorProto.FLOAT),
        ]
    nodes = [
        *first,
        node("Gather", ["vectors", "ids"], ["found"]),
        node("Unsqueeze", ["weight", "last"], ["column"]),
        node("Mul", ["found", "column"], ["weighed"]),
        node("ReduceSum", ["weighed", "along"], ["total"], keepdims=0),
        node("ReduceSum", ["weight", "along"], ["count"], keepdims=1),
        node("Div", ["total", "count"], ["rows"]),
    ]
    saved(nodes, entries, constants, file)


def tokenizer(file: Path) -> None:
    made = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(file))


def pair(folder: Path, seed: int = 0, raw: bool = True, mask: bool = False, **image: object) -> Path:
    """An ONNX pair. `image` is what the card says of pictures besides their side."""
    folder.mkdir(parents=True, exist_ok=True)
    image_tower(folder / "image.onnx", seed, raw)
    text_tower(folder / "text.onnx", seed, mask)
    tokenizer(folder / "tokenizer.json")
    card = {
        "name": "tiny",
        "version": "1.0",
        "space": "cosine",
        "dims": DIMS,
        "image": {"side": SIDE, **image} | ({} if raw else {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}),
        "text": {"length": 6},
        "trained_on": "nothing",
        "terms": "CC0-1.0",
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder
