"""Which part of a picture answers a query: a few crops are encoded, and the nearest of them is it.

A crop is half as wide and half as high as the picture, at nine places that overlap, or one of its halves. Smaller ones
would tell an encoder of whole scenes less and less.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diptych.collection.identity import EncoderProtocol
from diptych.collection.vectors import Vectors
from diptych.kinds import Array
from diptych.sources import pictures

ENOUGH = 448
"""Pixels of a side of the picture that the crops are taken from: a half of it is what most encoders look at."""


@dataclass(frozen=True)
class Region:
    """A part of a picture, upright; from its left and upper edge, in parts of its width and height.

    score   of this part with the query, in the measure of the encoder's space
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float
    score: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} ({self.left:g}, {self.top:g}, {self.right:g}, {self.bottom:g})"


def _crops() -> list[Region]:
    rows, columns = ("upper", "middle", "lower"), ("left", "middle", "right")
    grid = [
        Region("middle" if row == column == "middle" else f"{row} {column}", x / 4, y / 4, x / 4 + 0.5, y / 4 + 0.5)
        for y, row in enumerate(rows)
        for x, column in enumerate(columns)
    ]
    halves = ("left half", 0, 0, 0.5, 1), ("right half", 0.5, 0, 1, 1), ("upper half", 0, 0, 1, 0.5)
    return [*grid, *(Region(*half) for half in halves), Region("lower half", 0, 0.5, 1, 1)]


CROPS = _crops()


def best(vectors: Vectors, encoder: EncoderProtocol, query: Array, path: str | Path) -> Region:
    """The crop of a picture file that is nearest to a query, (1, d). Raises BadInput where it cannot be read."""
    picture = pictures.load(path, ENOUGH)
    width, height = picture.size
    parts = []
    for crop in CROPS:
        left, top = int(crop.left * width), int(crop.top * height)
        parts.append(
            picture.crop((left, top, max(left + 1, int(crop.right * width)), max(top + 1, int(crop.bottom * height))))
        )
    scores = vectors.space.score(query, vectors.checked(encoded(encoder, parts), len(parts)))[0]
    place = int(np.argmax(scores))
    found = CROPS[place]
    return Region(found.name, found.left, found.top, found.right, found.bottom, float(scores[place]))


def encoded(encoder: EncoderProtocol, parts: list[Any]) -> Any:
    """Rows of pictures that are open; by way of files, for an encoder that reads nothing else."""
    if preprocessing := getattr(encoder, "preprocessing", None):
        return getattr(encoder, "encode_pixels")(np.stack([preprocessing.square(part) for part in parts]))  # noqa: B009
    with tempfile.TemporaryDirectory(prefix="diptych-") as folder:
        files = [str(Path(folder) / f"{number}.bmp") for number in range(len(parts))]
        for part, file in zip(parts, files, strict=True):
            part.save(file)
        return encoder.encode_images(files)
