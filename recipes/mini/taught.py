"""What `mini` is told about pictures: captions, names of emoji, what is on postcards, what the teacher recognises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from pictures import TEACHER

from diptych import catalogue
from diptych.kinds import Array, Pairs

SETS = ("flickr8k", "coco_val2017", "emoji", "postcards")


def told() -> Pairs:
    """Paths and texts of the training splits, one after another."""
    images: list[str] = []
    texts: list[str] = []
    owner: list[int] = []
    for name in SETS:
        part = catalogue.dataset(name).read("train")
        owner += (np.asarray(part.owner) + len(images)).tolist()
        images += [str(path) for path in part.images]
        texts += part.texts
    return Pairs(images, texts, np.array(owner))


def recognised(data: Path, maps: Any, sure: float = 0.4) -> tuple[Array, list[str]]:
    """Rows of the pictures whose class the teacher is sure of, and "a photo of a" that class."""
    names = [line.split(",")[0] for line in (data / "pretrained" / "imagenet_labels.txt").read_text().splitlines()]
    model = onnx.load(data / "pretrained" / TEACHER)
    tensors = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in model.graph.initializer}
    heads = next(node for node in model.graph.node if node.output[0] == "logits")
    casts = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Cast"}
    weights, bias = (tensors[casts.get(name, name)] for name in heads.input[1:3])
    seen = np.concatenate([maps[at : at + 512].mean(axis=1, dtype=np.float32) for at in range(0, len(maps), 512)])
    logits = seen @ (weights.T if weights.shape[0] == len(bias) else weights) + bias
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    first = len(names) - chances.shape[1]  # the list of labels may begin with "background"
    rows = np.flatnonzero(chances.max(axis=1) > sure)
    return rows, [f"a photo of a {names[first + kind]}" for kind in chances[rows].argmax(axis=1)]
