"""A small world to test collections in: an encoder whose answers are known, and pictures it can tell apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diptych.kinds import BadInput, Space, cosine
from diptych.parts.fitted import Fitted
from diptych.sources import pictures

COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 220),
    "yellow": (230, 220, 20),
    "purple": (150, 20, 170),
    "orange": (250, 140, 10),
    "black": (10, 10, 10),
    "white": (245, 245, 245),
}


@dataclass
class Palette(Fitted):
    """Pictures and words as what their colours are: a picture by its mean colour, a text by the colours it names.

    scale   multiplies nothing that shows; another value is another encoder
    """

    scale: float = 1.0

    @property
    def space(self) -> Space:
        return cosine

    def __post_init__(self) -> None:
        self.directions_ = np.random.default_rng(5).normal(size=(3, 16)).astype(np.float32)
        self.asked: list[str] = []

    def encode_images(self, items: Any) -> np.ndarray:
        means = []
        for path in items:
            self.asked.append(path)
            means.append(np.asarray(pictures.load(path), dtype=np.float32).mean(axis=(0, 1)))
        return self._rows(np.array(means, dtype=np.float32).reshape(-1, 3))

    def encode_texts(self, items: Any) -> np.ndarray:
        named = [[COLOURS[word] for word in re.findall(r"\w+", text.lower()) if word in COLOURS] for text in items]
        means = [np.mean(colours, axis=0) if colours else np.full(3, 127.5) for colours in named]
        return self._rows(np.array(means, dtype=np.float32).reshape(-1, 3))

    def _rows(self, means: np.ndarray) -> np.ndarray:
        return cosine.normalise((means / 127.5 - 1) @ self.directions_ * self.scale)


@dataclass
class Refusing(Palette):
    """The same, but one picture is beyond it."""

    def encode_images(self, items: Any) -> np.ndarray:
        for path in items:
            if "cursed" in path:
                raise BadInput(f"{path}: this one I cannot see")
        return super().encode_images(items)


def paint(path: Path, colour: str, seed: int = 0, size: tuple[int, int] = (12, 9), **options: Any) -> Path:
    """A picture of one colour, a little different for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = np.random.default_rng(seed).integers(-9, 10, 3)
    pixels = np.clip(np.array(COLOURS[colour]) + shade, 0, 255).astype(np.uint8)
    Image.fromarray(np.broadcast_to(pixels, (size[1], size[0], 3)).copy()).save(path, **options)
    return path


def album(folder: Path, n: int = 24) -> list[Path]:
    """n pictures in every colour, half of them with a caption beside them."""
    paths = []
    for number in range(n):
        colour = list(COLOURS)[number % len(COLOURS)]
        path = paint(folder / f"{number % 3}" / f"{number:03d}.png", colour, number)
        if number % 2:
            path.with_suffix(".txt").write_text(f"a {colour} card number {number}\nsomething {colour}\n")
        paths.append(path)
    return paths


FOUR = ("red", "green", "blue", "yellow")


def ids_of_four(collection: Any) -> list[int]:
    """Of the pictures of these colours, each in a file of its name."""
    return [collection.ids(collection.folder.parent / f"{colour}.png")[0] for colour in FOUR]
