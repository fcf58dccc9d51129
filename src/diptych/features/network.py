"""What a layer of a trained network says about a picture.

Reads ONNX files (onnxruntime), TensorFlow Lite files (`diptych[tflite]`) and vision models of transformers
(`diptych[torch]`: a folder, or the name of a model on the hub). AlexNet, VGG and ResNet load from their ONNX files.
Donahue et al., "DeCAF: A deep convolutional activation feature for generic visual recognition", ICML 2014.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from PIL import Image

from diptych.features.feature import Feature, Side, paths_of
from diptych.kinds import Array, BadInput, Floats, Progress
from diptych.parts.fitted import Above, AtLeast, Triple
from diptych.sources import cache

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Network(Feature):
    """(n, d) one layer of a network, a spatial map or a row of tokens averaged to one vector; or a grid of its cells.

    file      *.onnx, *.tflite, or a folder or hub name of transformers; a bare name is also looked for in
              $DIPTYCH_DATA/pretrained
    layer     name of the layer: an output or any inner tensor (ONNX, TFLite), a field of the output (transformers);
              "" is the first output, and in transformers what the model calls its picture vector
    size      side in pixels; 0 is what the file says, 224 where it says nothing
    mean, std taken off and divided by, channel by channel, where pixels are in [0, 1]. Empty is what a transformers
              model says, 0.5 and 0.5 for TFLite, ImageNet's for ONNX. A net that wants 0..255 has std 0.00392157.
              A quantised TFLite net takes the bytes as they are
    resize    squash: the whole picture, whatever its shape. crop: the middle square
    channels  rgb, or bgr for networks from Caffe
    grid      0 averages a map to one vector; g averages it to g by g cells, left to right and top to bottom: rows are
              then (n, g * g, d) sets of tokens, which `power` and `pooled` take, and `raw` leaves alone

    Rows are cached by the content of the picture, rounded to float16. Raises BadInput where the file, its layer or the
    library it needs is missing.
    """

    file: str = ""
    layer: str = ""
    size: Annotated[int, AtLeast(0)] = 0
    mean: Annotated[tuple[float, ...], Triple()] = ()
    std: Annotated[tuple[float, ...], Triple(), Above(0)] = ()
    resize: Literal["squash", "crop"] = "squash"
    channels: Literal["rgb", "bgr"] = "rgb"
    grid: Annotated[int, AtLeast(0)] = 0

    side: ClassVar[Side] = "image"
    then: ClassVar[str] = "power"

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        return self.run(paths_of(self.paper_name(), items), progress)

    def run(self, paths: list[Path], progress: Progress | None = None) -> Floats:
        """(n, d) or (n, cells, d) float32 rows of these pictures, through the cache or the network."""
        if not paths:  # how wide a row is, only the network knows
            blank = self._describe([Image.new("RGB", (8, 8))])
            return np.empty((0, *blank[0].shape), dtype=np.float32)
        file = self._file()
        facts = {field.name: getattr(self, field.name) for field in fields(Network) if field.name != "file"}
        facts["layer"] = self._layer()
        if not self.grid:  # averages that were kept before there were grids stay known
            del facts["grid"]
        rows = cache.per_picture(
            paths,
            cache.fingerprint(extractor="network", version=1, file=_identity(file), **facts),
            self._describe,
            what=f"{self.paper_name()}: pictures",
            enough=2 * (self.size or 224),
            progress=progress,
        )
        return np.stack(rows).astype(np.float32)

    def outside(self) -> Any:
        return _identity(self._file())

    def _layer(self) -> str:
        """The layer that is read."""
        return self.layer

    def _describe(self, images: list[Image.Image]) -> list[Array]:
        return [_kept(row) for row in self._loaded(images)]

    @cached_property
    def _loaded(self) -> Callable[[list[Image.Image]], Array]:
        file = self._file()
        if file.suffix == ".onnx":
            return self._onnx(file)
        return self._tflite(file) if file.suffix == ".tflite" else self._transformers(file)

    def _file(self) -> Path:
        """The file, the folder, or the hub name as a path. Raises BadInput saying what to get and where to put it."""
        if not self.file:
            raise BadInput(
                "network: name an ONNX or TFLite file or a transformers model, as in network@file=alexnet.onnx"
            )
        if Path(self.file).exists():
            return Path(self.file)
        data = os.environ.get("DIPTYCH_DATA")
        beside = Path(data or "", "pretrained", self.file)
        if data and beside.exists():
            return beside
        if Path(self.file).suffix not in (".onnx", ".tflite") and self.file.count("/") <= 1:
            return Path(self.file)
        where = f"put it in {beside.parent}" if data else "set DIPTYCH_DATA to the folder that holds pretrained/"
        raise BadInput(f"{self.paper_name()}: no {self.file}; {where}, or give its path with @file=")

    def _pixels(self, images: list[Image.Image], size: int) -> Array:
        """(n, size, size, 3) uint8."""
        squares = []
        for image in images:
            short = min(image.size)
            left, top = (image.width - short) / 2, (image.height - short) / 2
            box = None if self.resize == "squash" else (left, top, left + short, top + short)
            squares.append(np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box)))
        pixels = np.stack(squares)
        return pixels if self.channels == "rgb" else pixels[..., ::-1]

    def _normal(self, pixels: Array, mean: tuple[float, ...], std: tuple[float, ...]) -> Floats:
        """(n, size, size, 3) float32: pixels in [0, 1], minus mean, over std."""
        shift = np.array(self.mean or mean, dtype=np.float32)
        scale = np.array(self.std or std, dtype=np.float32)
        return (pixels.astype(np.float32) / np.float32(255) - shift) / scale

    def _onnx(self, file: Path) -> Callable[[list[Image.Image]], Array]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.log_severity_level = 4
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(file.parent))
        model, processors = file.read_bytes(), ["CPUExecutionProvider"]
        try:
            session = onnxruntime.InferenceSession(model, options, providers=processors)
            outputs = [output.name for output in session.get_outputs()]
        except Exception as error:  # onnxruntime's own classes, defined in C++
            raise BadInput(f"{file}: onnxruntime does not read it ({_first_line(error)})") from None
        layer = self._layer() or outputs[0]
        if layer not in outputs:
            try:
                session = onnxruntime.InferenceSession(model + as_output(layer), options, providers=processors)
            except Exception:
                raise BadInput(f"{file}: no tensor {layer!r} in it; its outputs are {', '.join(outputs)}") from None
        entry = session.get_inputs()[0]
        shape = [side if isinstance(side, int) else 0 for side in entry.shape]
        first = not (shape[3] == 3 and shape[1] != 3)  # channels before height and width, as all but TensorFlow have it
        size = self.size or shape[2] or 224
        kind = np.float16 if entry.type == "tensor(float16)" else np.float32

        def rows(images: list[Image.Image]) -> Array:
            values = self._normal(self._pixels(images, size), *_IMAGENET).astype(kind)
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if first else values
            step = shape[0] or len(values)
            runs = [session.run([layer], {entry.name: values[at : at + step]})[0] for at in range(0, len(values), step)]
            return _pooled(np.concatenate(runs), channels=1 if first else -1, grid=self.grid)

        return rows

    def _tflite(self, file: Path) -> Callable[[list[Image.Image]], Array]:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise BadInput(f"{file.name} needs TensorFlow Lite: pip install 'diptych[tflite]'") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it advises against reading inner tensors, which is what we are here for
            try:
                network = Interpreter(str(file), num_threads=2, experimental_preserve_all_tensors=True)
            except ValueError as error:
                raise BadInput(f"{file}: TensorFlow Lite does not read it ({_first_line(error)})") from None
        network.allocate_tensors()
        entry = network.get_input_details()[0]
        outputs = network.get_output_details()
        tensors = {tensor["name"]: tensor for tensor in [*network.get_tensor_details(), *outputs]}
        found = tensors.get(self._layer() or outputs[0]["name"])
        if found is None:
            names = ", ".join(output["name"] for output in outputs)
            raise BadInput(f"{file}: no tensor {self._layer()!r} in it; its outputs are {names}")
        scale, zero = found["quantization"]

        def rows(images: list[Image.Image]) -> Array:
            pixels = self._pixels(images, self.size or int(entry["shape"][1]))
            if entry["dtype"] == np.int8:
                pixels = (pixels.astype(np.int16) - 128).astype(np.int8)
            elif entry["dtype"] != np.uint8:
                pixels = self._normal(pixels, (0.5,), (0.5,))
            values = []
            for picture in pixels:
                network.set_tensor(entry["index"], picture[None])
                network.invoke()
                values.append(network.get_tensor(found["index"]))
            layer = np.concatenate(values).astype(np.float32)
            return _pooled((layer - zero) * np.float32(scale) if scale else layer, channels=-1, grid=self.grid)

        return rows

    def _transformers(self, file: Path) -> Callable[[list[Image.Image]], Array]:
        try:
            import torch
            from transformers import AutoModel
            from transformers.models.auto.image_processing_auto import get_image_processor_config
        except ImportError:
            raise BadInput(f"{self.file} needs torch and transformers: pip install 'diptych[torch]'") from None
        try:
            model = AutoModel.from_pretrained(file.as_posix()).eval()
        except (OSError, ValueError) as error:
            raise BadInput(f"{self.file}: transformers does not load it ({_first_line(error)})") from None
        says = get_image_processor_config(file.as_posix())
        edges = says.get("crop_size") or says.get("size") or {}
        edge = edges if isinstance(edges, int) else edges.get("height") or edges.get("shortest_edge")
        size = self.size or edge or getattr(model.config, "image_size", None) or 224
        mean = tuple(says.get("image_mean") or _IMAGENET[0])
        std = tuple(says.get("image_std") or _IMAGENET[1])

        def rows(images: list[Image.Image]) -> Array:
            values = self._normal(self._pixels(images, size), mean, std).transpose(0, 3, 1, 2)
            pixels = torch.from_numpy(np.ascontiguousarray(values))
            with torch.inference_mode():
                if not self.layer and hasattr(model, "get_image_features"):
                    out = model.get_image_features(pixel_values=pixels)
                else:
                    out = getattr(model, "vision_model", model)(pixel_values=pixels)
            if not isinstance(out, torch.Tensor):
                name = self.layer or ("pooler_output" if out.get("pooler_output") is not None else "last_hidden_state")
                if out.get(name) is None:
                    raise BadInput(f"{self.file}: no output {name!r}; there are: {', '.join(out.keys())}")
                out = out[name]
            return _pooled(out.float().numpy(), channels=1 if out.ndim == 4 else -1, grid=self.grid)

        return rows


@dataclass
class ArrayOrNetwork(Network):
    """A network whose rows of a known set of pictures lie beside them.

    `<set>/<array>` holds `features` (n, d) uint8, `names` and `scale` (and perhaps `offset`): the row of the picture
    `<set>/images/<name>` is features * scale + offset. The picture itself need not exist. Other pictures go through the
    network.

    given   take the rows that lie there; false runs the network on every picture, and so does a grid, of which none lie
            anywhere
    """

    given: bool = True

    array: ClassVar[str]
    width: ClassVar[int]
    """Of a row that lies there, and of the network where no other layer is named."""
    map: ClassVar[str]
    """The layer whose average a row is: a grid reads it where no other layer is named."""

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        paths = paths_of(self.paper_name(), items)
        if not paths:
            own = (self.file, self.layer) == (type(self).file, type(self).layer)
            shape = (0, self.grid**2, self.width) if self.grid else (0, self.width)
            return np.empty(shape, dtype=np.float32) if own else self.run([], progress)
        rows: dict[int, Floats] = {}
        if self.given and not self.grid:
            for folder in {path.parent.parent for path in paths}:
                file = folder / self.array
                if not file.is_file():
                    continue
                values, scale, offset, row_of = _array(file, file.stat().st_mtime_ns)
                here = [at for at, path in enumerate(paths) if path.parent.parent == folder and path.name in row_of]
                dense = values[[row_of[paths[at].name] for at in here]].astype(np.float32) * scale + offset
                rows.update(zip(here, dense, strict=True))
        others = [at for at in range(len(paths)) if at not in rows]
        if others:
            rows.update(zip(others, self.run([paths[at] for at in others], progress), strict=True))
        return np.stack([rows[at] for at in range(len(paths))])

    def _layer(self) -> str:
        return self.map if self.grid and self.layer == type(self).layer else self.layer


@lru_cache(maxsize=4)
def _array(file: Path, changed: int) -> tuple[Array, Any, Any, dict[str, int]]:
    """Values, scale, offset and the row of each name; read once for as long as the file does not change."""
    try:
        with np.load(file, allow_pickle=False) as data:
            offset = data["offset"] if "offset" in data else np.float32(0)
            return data["features"], data["scale"], offset, {str(name): row for row, name in enumerate(data["names"])}
    except Exception as error:  # zip, zlib and numpy each have their own
        raise BadInput(f"{file}: not an array of features with names and scale ({_first_line(error)})") from None


def _pooled(values: Array, channels: int, grid: int = 0) -> Floats:
    """(n, d) float32 of (n, d), (n, tokens, d), or a spatial map whose channels stand on that axis.

    With a grid (n, grid * grid, d) of a map. Raises BadInput where there is none, or a coarser one.
    """
    values = np.asarray(values, dtype=np.float32)
    if values.ndim == 4:
        maps = np.moveaxis(values, channels, -1)
        return _cells(maps, grid).reshape(len(maps), grid**2, -1) if grid else np.asarray(maps.mean(axis=(1, 2)))
    if grid:
        raise BadInput(f"grid={grid} needs a layer that is a map, and this one is {values.shape[1:]}; name another")
    return np.asarray(values.mean(axis=1) if values.ndim == 3 else values.reshape(len(values), -1))


def _cells(maps: Floats, grid: int) -> Floats:
    """(n, grid, grid, d) means of (n, height, width, d); cells share what a line between them runs through."""
    if grid > min(maps.shape[1:3]):
        raise BadInput(f"grid={grid} is finer than the map, which is {maps.shape[1]} x {maps.shape[2]}; lower it")
    for axis in (1, 2):
        side = maps.shape[axis]
        edges = [(at * side // grid, -(-(at + 1) * side // grid)) for at in range(grid)]
        maps = np.stack([maps.take(range(*edge), axis=axis).mean(axis=axis) for edge in edges], axis=axis)
    return maps


def _kept(row: Floats) -> Array:
    """As float16, unless a value is beyond it."""
    with np.errstate(over="ignore"):
        half = row.astype(np.float16)
    return half if np.isfinite(half).all() else row


@lru_cache(maxsize=16)
def _hash(file: Path, changed: int) -> str:
    return cache.file_fingerprint(file)


def _identity(file: Path) -> Any:
    """What tells one network from another: the content of its files; the name of one that the hub has."""
    files = sorted(path for path in file.rglob("*") if path.is_file()) if file.is_dir() else [file]
    return [_hash(path, path.stat().st_mtime_ns) if path.is_file() else path.as_posix() for path in files]


def as_output(tensor: str) -> bytes:
    """Bytes that, put after those of an ONNX file, make an inner tensor an output.

    A message of protocol buffers that stands twice is merged, and its lists are joined. So `graph` (field 7) is written
    once more, with nothing in it but an `output` (12) that has nothing but a `name` (1).
    """
    message = tensor.encode()
    for field in (1, 12, 7):
        length, digits = len(message), b""
        while length > 127:
            digits, length = digits + bytes([length & 127 | 128]), length >> 7
        message = bytes([field << 3 | 2]) + digits + bytes([length]) + message
    return message


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
