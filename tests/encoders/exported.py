"""Repositories of ONNX exports as the hub has them, of small networks of random weights, and a hub that serves them."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from tiny_torch import model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SIDE, LENGTH = 32, 9


class _Tower(torch.nn.Module):
    def __init__(self, of: Callable, inside: torch.nn.Module) -> None:
        super().__init__()
        self.of, self.inside = of, inside

    def forward(self, x: torch.Tensor) -> object:
        return self.of(self.inside, x)


def exported(file: Path, inside: torch.nn.Module, of: Callable, x: torch.Tensor, takes: str, gives: list[str], **axes):
    """`of(inside, x)` as an ONNX file, as torch.onnx writes it for whoever publishes exports."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Tower(of, inside).eval(), (x,), str(file), input_names=[takes], output_names=gives, dynamo=False, **axes
        )


def transformers_js(
    folder: Path, kind: str, variants: tuple[str, ...] = (), train: Callable[..., None] | None = None
) -> tuple[object, object, object]:
    """As Xenova and onnx-community lay it out, a `clip`, `siglip` or `siglip2`: the model, its processor and tokenizer.

    variants   of `quantized`, `fp16`
    train      what is done with the three before they are exported
    """
    made, processor, words = model(folder, "clip" if kind == "clip" else "siglip")
    if train:
        train(made, processor, words)
        made.eval()
    (folder / "model.safetensors").unlink()
    says = json.loads((folder / "tokenizer_config.json").read_text())
    says["tokenizer_class"] = {"clip": "CLIPTokenizer", "siglip": "SiglipTokenizer", "siglip2": "GemmaTokenizer"}[kind]
    (folder / "tokenizer_config.json").write_text(json.dumps(says))
    if kind != "clip":  # whose tokenizers leave capitals to whoever calls them
        told = json.loads((folder / "tokenizer.json").read_text())
        (folder / "tokenizer.json").write_text(json.dumps(told | {"normalizer": None}))
    pixels, ids = torch.zeros(2, 3, SIDE, SIDE), torch.ones(2, 5 if kind == "clip" else LENGTH, dtype=torch.int64)
    if kind == "clip":
        outputs = {"vision": ["image_embeds"], "text": ["text_embeds"]}
        towers = {
            "vision": lambda inside, x: inside.get_image_features(pixel_values=x).pooler_output,
            "text": lambda inside, x: inside.get_text_features(input_ids=x).pooler_output,
        }
    else:
        outputs = {key: ["last_hidden_state", "pooler_output"] for key in ("vision", "text")}
        towers = {
            "vision": lambda inside, x: inside.vision_model(pixel_values=x).to_tuple(),
            "text": lambda inside, x: inside.text_model(input_ids=x).to_tuple(),
        }
    for side, takes, x in (("vision", "pixel_values", pixels), ("text", "input_ids", ids)):
        axes = {takes: {0: "batch_size"} | ({1: "sequence_length"} if side == "text" else {})}
        axes |= {name: {0: "batch_size"} for name in outputs[side]}
        file = folder / "onnx" / f"{side}_model.onnx"
        exported(file, made, towers[side], x, takes, outputs[side], dynamic_axes=axes)
        for variant in variants:
            in_precision(file, variant)
    return made, processor, words


def in_precision(file: Path, variant: str) -> Path:
    """The network in another precision beside it, made as the scripts of transformers.js make it."""
    other = file.with_name(f"{file.stem}_{variant}.onnx")
    if variant == "fp16":
        onnx.save(convert_float_to_float16(onnx.load(file), keep_io_types=True), other)
    else:
        kind = (
            QuantType.QUInt8 if "vision" in file.name else QuantType.QInt8
        )  # there is no convolution of signed weights
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(file, other, weight_type=kind)
        finally:
            logging.disable(logging.NOTSET)
    return other


def immich(folder: Path, resize: str = "shortest") -> tuple[object, object, object]:
    """As immich-app lays it out: one item at a time, rows of unit length."""
    made, processor, words = model(folder / "of", "clip")

    def unit(rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(rows, dim=-1)

    for side, takes, x, of in (
        ("visual", "image", torch.zeros(1, 3, SIDE, SIDE),
         lambda inside, x: unit(inside.get_image_features(pixel_values=x).pooler_output)),
        ("textual", "text", torch.ones(1, LENGTH, dtype=torch.int32),
         lambda inside, x: unit(inside.get_text_features(input_ids=x.long()).pooler_output)),
    ):  # fmt: skip
        exported(folder / side / "model.onnx", made, of, x, takes, ["embedding"])
        (folder / side / "model.armnn").write_text("of another device")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / "of" / name).rename(folder / "textual" / name)
    config = {"embed_dim": 24, "vision_cfg": {"image_size": SIDE}, "text_cfg": {"context_length": LENGTH}}
    (folder / "config.json").write_text(json.dumps(config))
    seen = {"size": [SIDE, SIDE], "mode": "RGB", "mean": processor.image_mean, "std": processor.image_std}
    seen |= {"interpolation": "bicubic", "resize_mode": resize, "fill_color": 0}
    (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(seen))
    for file in (folder / "of").iterdir():
        file.unlink()
    (folder / "of").rmdir()
    return made, processor, words


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a hub, on this machine, of the repositories `owner/name` below a folder; all are at one commit."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, with_body: bool) -> None:
            path, headers = self.path.partition("?")[0].split("/")[1:], {}
            if path[:2] == ["api", "models"]:
                body = json.dumps(self.told("/".join(path[2:4]))).encode()
                headers["Content-Type"] = "application/json"
            elif path[2:4] == ["resolve", COMMIT]:
                body = (folder / "/".join(path[:2] + path[4:])).read_bytes()
                headers |= {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}
            else:
                self.send_error(404)
                return
            self.send_response(200)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def told(self, repo: str) -> dict:
            files = sorted(file for file in (folder / repo).rglob("*") if file.is_file())
            siblings = []
            for file in files:
                facts = {"rfilename": file.relative_to(folder / repo).as_posix(), "size": file.stat().st_size}
                if file.suffix == ".onnx":
                    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
                    facts["lfs"] = {"sha256": sha256, "size": facts["size"], "pointerSize": 130}
                siblings.append(facts)
            return {"id": repo, "sha": COMMIT, "siblings": siblings, "cardData": {"license": "cc0-1.0"}, "tags": []}

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
