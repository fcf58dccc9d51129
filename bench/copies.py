"""How alike an encoder finds a photograph and its copies, and two different photographs: what `duplicates` starts from.

300 photographs of COCO val2017 in $DIPTYCH_DATA, saved again, made smaller, cropped and recoloured; and all pairs of
different photographs there.

python bench/copies.py [--model mini] [--json]
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from diptych import catalogue
from diptych.encoders import shelf

Picture = Image.Image
LEVELS = (0.97, 0.95, 0.93, 0.90)


def saved(quality: int) -> Callable[[Picture], Picture]:
    def copy(picture: Picture) -> Picture:
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=quality)
        return Image.open(written).convert("RGB")

    return copy


def smaller(by: int) -> Callable[[Picture], Picture]:
    return lambda picture: picture.resize((max(1, picture.width // by), max(1, picture.height // by)))


def cropped(share: float) -> Callable[[Picture], Picture]:
    def copy(picture: Picture) -> Picture:
        x, y = round(share * picture.width), round(share * picture.height)
        return picture.crop((x, y, picture.width - x, picture.height - y))

    return copy


def levels(of: Callable[[Any], Any]) -> Callable[[Picture], Picture]:
    """Each channel (h, w, 3) in 0..1, changed."""
    return lambda picture: Image.fromarray(
        np.clip(255 * of(np.asarray(picture, dtype=np.float32) / 255), 0, 255).round().astype(np.uint8)
    )


COPIES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG quality 50": saved(50),
    "JPEG quality 20": saved(20),
    "half the width": smaller(2),
    "a quarter of the width": smaller(4),
    "2 % cropped on each side": cropped(0.02),
    "5 % cropped on each side": cropped(0.05),
    "10 % cropped on each side": cropped(0.1),
    "20 % brighter": levels(lambda pixels: 1.2 * pixels),
    "gamma .7": levels(lambda pixels: pixels**0.7),
    "warmer by a fifth": levels(lambda pixels: pixels * np.array([1.2, 1.0, 0.8], dtype=np.float32)),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
}


def measured(model: str, count: int = 300) -> dict[str, dict[str, float]]:
    """Of each kind of copy: the likeness that 5 % stay below, the median, and the part at or above LEVELS."""
    encoder = shelf.open(model)
    data = catalogue.dataset("coco_val2017")
    paths = [path for split in ("train", "dev") for path in data.read(split).images]
    some = []
    for path in paths[:count]:
        with Image.open(path) as picture:
            some.append(picture.convert("RGB"))
    rows = encoder.encode_images(some)
    found = {}
    for name, copy in COPIES.items():
        alike = (rows * encoder.encode_images([copy(picture) for picture in some])).sum(axis=1)
        found[name] = {"5 % below": float(np.quantile(alike, 0.05)), "median": float(np.median(alike))}
        found[name] |= {f">= {level}": float((alike >= level).mean()) for level in LEVELS}
    everything = encoder.encode_images(paths)
    pairs = np.zeros(len(LEVELS), dtype=int)
    for at in range(0, len(everything), 512):
        alike = np.triu(everything[at : at + 512] @ everything.T, at + 1)
        pairs += [int((alike >= level).sum()) for level in LEVELS]
    found["pairs of different photographs"] = {f">= {level}": int(n) for level, n in zip(LEVELS, pairs, strict=True)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measured(asked.model)
    if asked.json:
        print(json.dumps(found, indent=1))
        return
    for name, facts in found.items():
        print(f"{name:32}", "  ".join(f"{key} {value:.3f}".rstrip() for key, value in facts.items()))


if __name__ == "__main__":
    main()
