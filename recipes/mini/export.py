"""From trained networks to the folder that `diptych.encoders` reads: two ONNX files, a tokenizer, a card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from student import PREPROCESSING
from torch import Tensor, nn
from torch.nn import functional as F
from words import LENGTH, Phrases

from diptych.encoders import pair

CARD = {
    "name": "mini",
    "version": "2",
    "space": "cosine",
    "image": {
        "side": PREPROCESSING.side,
        "resize": PREPROCESSING.resize,
        "resample": PREPROCESSING.resample,
        "enough": PREPROCESSING.enough,
    },
    "text": {"length": LENGTH},
    "trained_on": "Pictures: 6,000 of Flickr8k and 3,000 of COCO val2017 (our own training part) with their captions, "
    "12,500 unlabelled photographs, 1,320 Noto emoji with names and keywords, 4,000 painted postcards; {passes:.0f} "
    "passes over them. The picture tower learned from the maps of an EfficientNetV2-B0 and a MobileNetV2 (ImageNet); "
    "the surest classes of the former also served as words. The text tower starts from GloVe 6B (50-d) and keeps the "
    "neighbours that CLIP ViT-B/32 gives to 1,203 object names. At the end both learned from the texts together.",
    "terms": "Apache-2.0 for these weights, which were trained from scratch. Some of the pictures were for research "
    "only; ask yourself whether that suits a product, or bring an encoder of your own.",
    "weak": "English only. It knows everyday scenes: people, animals, sports, streets, food, rooms, vehicles. It reads "
    "no text in pictures, knows no persons, places or brands by name, hardly counts, and takes little notice of the "
    "order of words.",
}


class Picture(nn.Module):
    """(n, side, side, 3) bytes -> (n, dims) rows of length 1."""

    def __init__(self, student: nn.Module, look: nn.Module) -> None:
        super().__init__()
        self.student, self.look = student, look

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize(self.look.said(self.student(pixels.float())), dim=-1)


class Text(nn.Module):
    """(n, tokens) numbers -> (n, dims) rows of length 1; zeros where no word is known.

    The table stays float16 and what is looked up is widened, so that a search need not wait for all of it to be.
    """

    def __init__(self, texts: Phrases) -> None:
        super().__init__()
        self.texts = texts
        with torch.no_grad():
            self.table = nn.Parameter(texts.vectors(torch.arange(len(texts.meanings))).half())

    def forward(self, tokens: Tensor) -> Tensor:
        return F.normalize(self.texts.said(F.embedding(tokens, self.table).float(), tokens > 1), dim=-1)


def write(
    folder: Path,
    student: nn.Module,
    look: nn.Module,
    texts: Phrases,
    tokenizer: Any,
    pixels: Tensor,
    tokens: Tensor,
    passes: float,
) -> dict[str, float]:
    """Write the folder; returns how far its rows are from those of the networks, as the least cosine of each side.

    look     the head on what the student sees, and
    texts    the text tower that it was trained with
    pixels   (n, side, side, 3) uint8 and
    tokens   (n, LENGTH) numbers to compare by
    passes   over the pictures, for the card
    """
    folder.mkdir(parents=True, exist_ok=True)
    picture, text = Picture(student, look).eval(), Text(texts.eval()).eval()
    least = {}
    for name, network, example, entry in (("image", picture, pixels, "pixels"), ("text", text, tokens, "tokens")):
        file = folder / f"{name}.onnx"
        axes = {entry: {0: "n", 1: "tokens"} if name == "text" else {0: "n"}, "rows": {0: "n"}}
        with torch.no_grad():
            torch.onnx.export(
                network,
                (example,),
                str(file),
                input_names=[entry],
                output_names=["rows"],
                dynamic_axes=axes,
                opset_version=17,
                dynamo=False,
            )
            expected = network(example).numpy()
        onnx.save(shrunk(onnx.load(file)), file)
        (found,) = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(
            None, {entry: example.numpy()}
        )
        cosines = (found * expected).sum(axis=1)
        least[name] = float(cosines[expected.any(axis=1)].min())  # a text without a known word is a row of zeros
    tokenizer.save(str(folder / "tokenizer.json"))
    card = {
        **CARD,
        "trained_on": CARD["trained_on"].format(passes=passes),
        "dims": int(texts.own.weight.shape[1]),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    pair.seal(folder)
    return least


def shrunk(model: Any) -> Any:
    """The same model with its large tensors stored in fewer bytes; they are widened again when it is loaded.

    The matrices of the head become int8 with a scale for each output. The rest is float16: what a convolution gets
    wrong, the head would enlarge, since it takes the mean of all pictures off.
    """
    widened, scales = [], []
    for tensor in model.graph.initializer:
        values, name = numpy_helper.to_array(tensor), tensor.name
        if values.dtype != np.float32 or values.size < 256:
            continue
        if values.ndim != 2:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + ".half"))
            widened.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
            continue
        scale = np.abs(values).max(axis=1, keepdims=True) / 127 + np.float32(1e-12)
        tensor.CopyFrom(numpy_helper.from_array(np.round(values / scale).astype(np.int8), name + ".bytes"))
        scales.append(numpy_helper.from_array(scale, name + ".scale"))
        widened.append(helper.make_node("Cast", [name + ".bytes"], [name + ".whole"], to=TensorProto.FLOAT))
        widened.append(helper.make_node("Mul", [name + ".whole", name + ".scale"], [name]))
    model.graph.initializer.extend(scales)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*widened, *nodes])
    onnx.checker.check_model(model)
    return model
