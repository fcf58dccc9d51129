"""Which colours a picture has, and roughly where.

Swain & Ballard, "Color indexing", IJCV 7, 1991, over the whole picture and the cells of a grid.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from PIL import Image

from diptych.features.feature import Feature, Side, paths_of
from diptych.kinds import Array, Progress
from diptych.parts.fitted import AtLeast
from diptych.sources import cache

_SIDE = 96


@dataclass
class Colour(Feature):
    """(n, (1 + grid²) hue saturation value) histograms over the colours of HSV, each part with sum 1.

    grid                      the picture is cut into grid x grid cells beside the whole
    hue, saturation, value    how finely each is told apart
    """

    grid: Annotated[int, AtLeast(1)] = 2
    hue: Annotated[int, AtLeast(1)] = 8
    saturation: Annotated[int, AtLeast(1)] = 3
    value: Annotated[int, AtLeast(1)] = 3

    side: ClassVar[Side] = "image"
    then: ClassVar[str] = "power"

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        rows = cache.per_picture(
            paths_of(self.paper_name(), items),
            cache.fingerprint(extractor="colour", version=1, **asdict(self)),
            lambda images: [self._counts(image) for image in images],
            what="colour: pictures",
            enough=_SIDE,
            progress=progress,
        )
        colours = self.hue * self.saturation * self.value
        cells = np.reshape(rows, (len(rows), self.grid**2, colours)).astype(np.float32)
        parts = np.concatenate([cells.sum(axis=1, keepdims=True), cells], axis=1)
        return (parts / parts.sum(axis=2, keepdims=True)).reshape(len(rows), (1 + self.grid**2) * colours)

    def _counts(self, image: Image.Image) -> Array:
        """(grid² colours,) uint16 pixels of each colour in each cell."""
        square = image.resize((_SIDE, _SIDE), Image.Resampling.BOX).convert("HSV")
        hue, saturation, value = np.moveaxis(np.asarray(square, dtype=np.int64), 2, 0)
        colour = hue * self.hue // 256
        colour = colour * self.saturation + saturation * self.saturation // 256
        colour = colour * self.value + value * self.value // 256
        place = np.arange(_SIDE) * self.grid // _SIDE
        cell = place[:, None] * self.grid + place[None, :]
        colours = self.hue * self.saturation * self.value
        return np.bincount((cell * colours + colour).ravel(), minlength=self.grid**2 * colours).astype(np.uint16)
