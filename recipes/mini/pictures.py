"""The pictures that `mini` learns from, and what the teacher sees in each part of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from diptych import catalogue
from diptych.features.network import as_output
from diptych.sources.pictures import Preprocessing

Say = Callable[[str, int, int], None]

STORED = Preprocessing(side=144, enough=288)
"""How pictures are kept for training: the student looks at parts of them."""
SIGHT = Preprocessing(side=128, enough=192)
"""How the student looks at a picture once it is trained: the whole of it, squashed. `card.json` says the same."""
TEACHER = "efficientnetv2_b0.onnx"
LAYER = "top_conv_o_a"
"""The map that the teacher averages to its features."""
GRID = 8
WIDTH = 1280
MEAN, STD = np.float32((0.485, 0.456, 0.406)), np.float32((0.229, 0.224, 0.225))


def captioned() -> list[Path]:
    """The photographs of the training splits; none that something is measured on."""
    return [
        Path(path) for name in ("flickr8k", "coco_val2017") for path in catalogue.dataset(name).read("train").images
    ]


def unlabelled(data: Path) -> list[Path]:
    return sorted((data / "photos_unlabelled" / "images").iterdir())


def pixels(paths: list[Path], preprocessing: Preprocessing, file: Path, say: Say) -> Any:
    """(n, side, side, 3) uint8, read once into `file`."""
    if not file.exists():
        part = file.with_suffix(".part")
        rows = np.lib.format.open_memmap(part, "w+", np.uint8, (len(paths), preprocessing.side, preprocessing.side, 3))
        for at, path in enumerate(paths):
            rows[at] = preprocessing.of(path)
            say("reading pictures", at + 1, len(paths))
        rows.flush()
        part.rename(file)
    return np.load(file, mmap_mode="r")


def maps(paths: list[Path], data: Path, file: Path, say: Say) -> Any:
    """(n, GRID * GRID, WIDTH) float16: the teacher's last map of each picture. Goes on where it was stopped."""
    part, mark = file.with_suffix(".part"), file.with_suffix(".done")
    if file.exists():
        return np.load(file, mmap_mode="r")
    model = (data / "pretrained" / TEACHER).read_bytes() + as_output(LAYER)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    look = Preprocessing(side=32 * GRID)
    done = int(mark.read_text()) if mark.exists() and part.exists() else 0
    if done:
        rows = np.lib.format.open_memmap(part, "r+")
    else:
        rows = np.lib.format.open_memmap(part, "w+", np.float16, (len(paths), GRID * GRID, WIDTH))
    for at in range(done, len(paths), 16):
        images = np.stack([look.of(path) for path in paths[at : at + 16]])
        values = ((images.astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
        (found,) = session.run([LAYER], {"input": np.ascontiguousarray(values)})
        rows[at : at + 16] = found.reshape(len(found), WIDTH, -1).transpose(0, 2, 1)
        say("what the teacher sees", min(at + 16, len(paths)), len(paths))
        if at % 1600 == 0:
            rows.flush()
            mark.write_text(str(at))
    rows.flush()
    part.rename(file)
    mark.unlink(missing_ok=True)
    return np.load(file, mmap_mode="r")
