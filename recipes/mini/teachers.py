"""The two networks that `mini` learns from, in torch: EfficientNetV2-B0 and MobileNetV2, as ONNX files.

ONNX is run node by node, so that a teacher stands beside the student, on its device and in its precision, and sees the
very crops that it sees (Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", CVPR 2022).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

EFFICIENTNET, MOBILENET = "efficientnetv2_b0.onnx", "mobilenetv2.onnx"
LABELS = "imagenet_labels.txt"
WORDS = ("glove6B_50d_union.npz", "clip_vitb32_text_lvis.npz")


@dataclass(frozen=True)
class Layers:
    """What is read of a teacher: the map that it averages to its features, and perhaps more of it.

    mean, std   taken off pixels in 0..255, and divided by
    middle      a map of twice that side
    logits      of the classes in LABELS
    """

    map: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    middle: str = ""
    logits: str = ""


READ = {
    EFFICIENTNET: Layers(
        "top_conv_o_a", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), middle="block5e_add", logits="logits"
    ),
    MOBILENET: Layers("map", (128, 128, 128), (128, 128, 128)),
}


TEACHERS = len(READ)
HOW = "teachers.json"
"""In a pack: the layers that are read of each file."""


def described(read: Mapping[str, Layers] = READ) -> bytes:
    """`HOW`."""
    return json.dumps({name: asdict(layers) for name, layers in read.items()}).encode()


class Graph(nn.Module):
    """An ONNX file of convolutions, (b, 3, h, w) -> the named tensors. It knows the operators of the two teachers.

    Raises NotImplementedError for others.
    """

    def __init__(self, model: bytes, outputs: Sequence[str]) -> None:
        super().__init__()
        graph = onnx.load_from_string(model).graph
        self.entry, self.outputs = graph.input[0].name, list(outputs)
        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        made = {output: node for node in graph.node for output in node.output}
        for node in graph.node:
            if node.op_type == "Cast":  # weights are stored as float16
                weights[node.output[0]] = weights[node.input[0]].astype(np.float32)
        self.steps: list[tuple[Callable[..., Tensor], list[str], str]] = []
        needed, kept = set(outputs), set()
        for node in reversed(graph.node):
            if node.output[0] not in needed or node.op_type == "Cast":
                continue
            operator, inputs = _operator(node, made, weights)
            kept |= {name for name in inputs if name in weights}
            needed |= set(inputs)
            self.steps.insert(0, (operator, inputs, node.output[0]))
        self.last = {name: at for at, (_, inputs, _) in enumerate(self.steps) for name in inputs}
        self.places = {name: f"w{at}" for at, name in enumerate(sorted(kept))}
        for name, place in self.places.items():
            self.register_buffer(place, torch.from_numpy(weights[name].copy()))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        values = {name: getattr(self, place) for name, place in self.places.items()}
        values[self.entry] = pixels
        for at, (operator, inputs, output) in enumerate(self.steps):
            values[output] = operator(*(values[name] for name in inputs))
            for name in inputs:  # what nobody reads any more would fill the memory
                if self.last[name] == at and name not in self.outputs:
                    values.pop(name, None)
        return [values[name] for name in self.outputs]


def _operator(node: Any, made: dict[str, Any], weights: dict[str, Any]) -> tuple[Callable[..., Tensor], list[str]]:
    """A node as a function, and what it is called with."""
    facts = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    inputs = list(node.input)
    match node.op_type:
        case "Conv":
            if facts.get("auto_pad") != b"SAME_UPPER":
                raise NotImplementedError(f"{node.output[0]}: padded otherwise than SAME_UPPER")
            stride, groups = facts.get("strides", [1, 1])[0], facts.get("group", 1)
            kernel = weights[inputs[1]].shape[-1]
            return lambda x, w, b: F.conv2d(*_same(x, w, b, kernel, stride), groups=groups), inputs
        case "Mul":
            for x, gate in (inputs, inputs[::-1]):
                if gate in made and made[gate].op_type == "Sigmoid" and made[gate].input[0] == x:
                    return F.silu, [x]
            return torch.mul, inputs
        case "Clip":
            low, high = (float(weights[name]) for name in inputs[1:])
            return lambda x: x.clamp(low, high), inputs[:1]
        case "Gemm":
            across = facts.get("transB", 0)
            return lambda x, w, b: F.linear(x, w if across else w.T, b), inputs
        case "Add" | "Sigmoid" | "GlobalAveragePool" | "Flatten":
            return _PLAIN[node.op_type], inputs
    raise NotImplementedError(f"{node.output[0]}: {node.op_type}")


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Sigmoid": torch.sigmoid,
    "GlobalAveragePool": lambda x: x.mean(dim=(2, 3), keepdim=True),
    "Flatten": lambda x: x.flatten(1),
}


def _same(x: Tensor, w: Tensor, b: Tensor, kernel: int, stride: int) -> tuple[Any, ...]:
    """Arguments of a convolution padded as TensorFlow does: as much as it takes, the odd pixel at the end."""
    total = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:]]
    if any(one % 2 for one in total):
        (top, left), (bottom, right) = ([one // 2 for one in total], [one - one // 2 for one in total])
        return F.pad(x, (left, right, top, bottom)), w, b, stride
    return x, w, b, stride, [one // 2 for one in total]


class Teachers(nn.Module):
    """(b, 3, side, side) pixels in 0..255 -> what the teachers see, of `width` numbers each.

    `maps` (b, teachers * width, side / 32, side / 32), `middle` (b, channels, side / 16, side / 16), `logits`
    """

    def __init__(self, pack: Mapping[str, bytes]) -> None:
        super().__init__()
        read = {name: Layers(**facts) for name, facts in json.loads(pack[HOW]).items()}
        wanted = [[name for name in (one.map, one.middle, one.logits) if name] for one in read.values()]
        self.graphs = nn.ModuleList([Graph(pack[name], some) for name, some in zip(read, wanted, strict=True)])
        self.register_buffer("mean", torch.tensor([one.mean for one in read.values()])[:, :, None, None])
        self.register_buffer("std", torch.tensor([one.std for one in read.values()])[:, :, None, None])
        self.requires_grad_(False).eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps, others = [], []
        for graph, mean, std in zip(self.graphs, self.mean, self.std, strict=True):
            found, *more = graph(((pixels - mean) / std).contiguous(memory_format=torch.channels_last))
            maps.append(found)
            others += more
        middle, logits = others
        return torch.cat(maps, dim=1), middle, logits


def look(teachers: Teachers, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the teachers see, as float32; on a GPU they look in bfloat16."""
    with torch.no_grad(), torch.autocast(pixels.device.type, torch.bfloat16, enabled=pixels.is_cuda):
        maps, middle, logits = teachers(pixels)
    return maps.float(), middle.float(), logits.float()


def of_tflite(file: Path) -> bytes:
    """The quantised MobileNetV2 of TensorFlow Lite as an ONNX file of floats, up to its last map ("map").

    What a quantised layer cannot hold it cuts off: a ReLU6 is no more than that, and so is what stands in its place.
    """
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises against reading inner tensors, which is what we are here for
        network = Interpreter(str(file), experimental_preserve_all_tensors=True)
    network.allocate_tensors()
    tensors = {tensor["index"]: tensor for tensor in network.get_tensor_details()}
    nodes, weights = [], []
    names = {network.get_input_details()[0]["index"]: "input"}

    def real(index: int) -> Any:
        scale, zero = tensors[index]["quantization"]
        return ((network.get_tensor(index).astype(np.float64) - zero) * scale).astype(np.float32)

    def constant(name: str, values: Any, half: bool = False) -> str:
        weights.append(numpy_helper.from_array(values.astype(np.float16) if half else values, name + ".half" * half))
        if half:
            nodes.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
        return name

    for operation in network._get_ops_details():  # the only place that says which tensors belong together
        kind, (*inputs, out) = operation["op_name"], [*operation["inputs"], *operation["outputs"]]
        if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD"):
            break
        names[out] = name = f"t{out}"
        if kind == "ADD":
            nodes.append(helper.make_node("Add", [names[index] for index in inputs], [name + ".all"]))
        else:
            w, b = real(inputs[1]), real(inputs[2])
            w = w.transpose(3, 0, 1, 2) if kind == "DEPTHWISE_CONV_2D" else w.transpose(0, 3, 1, 2)
            stride = -(-tensors[inputs[0]]["shape"][1] // tensors[out]["shape"][1])
            arguments = [names[inputs[0]], constant(name + ".w", w, half=True), constant(name + ".b", b)]
            groups = len(w) if kind == "DEPTHWISE_CONV_2D" else 1
            nodes.append(
                helper.make_node(
                    "Conv",
                    arguments,
                    [name + ".all"],
                    auto_pad="SAME_UPPER",
                    group=groups,
                    kernel_shape=w.shape[2:],
                    strides=[int(stride)] * 2,
                )
            )
        scale, zero = tensors[out]["quantization"]
        bounds = [
            constant(name + end, np.float32((of - zero) * scale).reshape(()))
            for end, of in ((".low", 0), (".high", 255))
        ]
        nodes.append(helper.make_node("Clip", [name + ".all", *bounds], [name]))
    nodes[-1].output[0] = "map"
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "h", "w"])
    found = helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", len(w), "y", "x"])
    model = helper.make_model(
        helper.make_graph(nodes, "mobilenetv2", [entry], [found], weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
