"""Two networks into one space, trained elsewhere and taken as they are: one for pictures, one for texts."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diptych.kinds import Array, BadInput, Floats, Progress, Space, batches, cosine, listed, shown
from diptych.sources import pictures
from diptych.sources.pictures import Preprocessing

_PICTURES = 32
_TEXTS = 64
"""Taken at a time: more of them are no faster, and hold more memory."""


class DualEncoder(ABC):
    """Pictures and strings in, normalised rows out. Nothing is loaded before the first picture or text comes.

    name, revision   what it is called, and which of its versions it is
    preprocessing            how it looks at pictures
    reads            how it reads texts, in words
    width            of its rows, float32
    trained_on_      what it was trained on and under which terms, as plain JSON values
    """

    name: str
    revision: str
    preprocessing: Preprocessing
    reads: str
    width: int
    trained_on_: dict[str, Any]

    @property
    def space(self) -> Space:
        return cosine

    @property
    @abstractmethod
    def digest(self) -> str:
        """sha256, hexadecimal, over everything it computes with: files and preprocessing."""

    @abstractmethod
    def encode_pixels(self, pixels: Array) -> Array:
        """One normalised row for each of (n, side, side, 3) uint8, as `preprocessing` sees pictures."""

    @abstractmethod
    def _read(self, texts: list[str]) -> Array:
        """(n, width) of a batch of texts."""

    def encode_images(self, items: Any, progress: Progress | None = None) -> Array:
        """One normalised row for each path, open picture of PIL, or array of pixels, (height, width, 3) uint8.

        Raises BadInput naming the first that does not decode.
        """
        items = listed(items, "encode_images", "pictures")
        for item in items:
            if not (isinstance(item, str | Path | Image.Image) or pictures.is_pixels(item)):
                what = f"an array {item.shape} of {item.dtype}" if isinstance(item, np.ndarray) else f"{shown(item)}"
                raise BadInput(
                    f"{self.name} looks at pictures, and was given {what}; give paths, open pictures, or pixels "
                    "(height, width, 3) of uint8, several of them in a list"
                )
        rows = [np.empty((0, self.width), dtype=np.float32)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ahead: list[Iterator[Array]] = []
            for part in [*batches(items, _PICTURES), []]:
                # One batch ahead: the next is decoded while this one is encoded.
                ahead.append(pool.map(self.preprocessing.of, part))
                if len(ahead) == 1:
                    continue
                rows.append(self.encode_pixels(np.stack(list(ahead.pop(0)))))
                if progress:
                    progress(f"{self.name}: pictures", sum(map(len, rows)), len(items))
        return np.concatenate(rows)

    def encode_texts(self, items: Any, progress: Progress | None = None) -> Array:
        """One normalised row a text."""
        texts = listed(items, "encode_texts", "texts")
        for text in texts:
            if not isinstance(text, str):
                raise BadInput(f"{self.name} reads texts, and was given {shown(text)}; give strings")
        rows = [np.empty((0, self.width), dtype=np.float32)]
        for part in batches(texts, _TEXTS):
            rows.append(self.space.normalise(self._read(part)))
            if progress:
                progress(f"{self.name}: texts", sum(map(len, rows)), len(texts))
        return np.concatenate(rows)


def normal(pixels: Array, mean: tuple[float, ...], std: tuple[float, ...]) -> Floats:
    """(n, 3, side, side) float32 of (n, side, side, 3) bytes: in [0, 1], less the mean, over the deviation."""
    shift, scale = (np.array(three, dtype=np.float32) for three in (mean, std))
    values = (pixels.astype(np.float32) / np.float32(255) - shift) / scale
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
