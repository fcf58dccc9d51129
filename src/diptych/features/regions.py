"""Parts of a picture, each with what it shows and where it stands, for methods that read tokens.

Boxes come from elsewhere: a detector, annotators, or the hand that painted the picture. What a box shows is told by its
pixels, and where it stands by its edges and its area, as in Karpathy & Fei-Fei, "Deep visual-semantic alignments for
generating image descriptions", CVPR 2015, and in Lee, Chen, Hua, Hu & He, "Stacked cross attention", ECCV 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from PIL import Image

from diptych.features.feature import Feature, Side, paths_of
from diptych.kinds import Array, BadInput, Progress
from diptych.parts.fitted import AtLeast
from diptych.sources import jsonl, pictures

Box = tuple[float, float, float, float]


@dataclass
class Regions(Feature):
    """(n, most, 3 pixels² + 5) float32; rows of zeros follow the last region as padding.

    pixels   a region is squeezed into a square of so many by so many, its colours from -1 to 1; behind them stand left,
             top, right, bottom and area. Each of the two halves is scaled to a length of about one
    most     only the first so many boxes of a picture; fewer where no training picture has so many
    file     JSON lines `{"image": "images/a.png", "boxes": [[left, top, right, bottom], …]}`, edges as parts of width
             and height; the name of a file in the folder that `image` counts from

    Raises BadInput for a picture that the file does not tell of, and for a box that is none.
    """

    pixels: Annotated[int, AtLeast(1)] = 12
    most: Annotated[int, AtLeast(1)] = 36
    file: str = "regions.jsonl"

    side: ClassVar[Side] = "image"

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        self.length_ = max([1, *(min(len(found), self.most) for found in self._boxes(items).values())])
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        boxes = self._boxes(items)
        made = np.zeros((len(boxes), self.length_, 3 * self.pixels**2 + 5), dtype=np.float32)
        for row, (path, found) in enumerate(boxes.items()):
            if found:
                image = pictures.load(path)
                made[row, : len(found)] = [self._region(image, box) for box in found[: self.length_]]
            if progress is not None:
                progress("regions: pictures", row + 1, len(boxes))
        return made

    def _region(self, image: Image.Image, box: Box) -> Array:
        left, top, right, bottom = box
        edges = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        square = image.resize((self.pixels, self.pixels), Image.Resampling.BOX, box=edges)
        shown = np.asarray(square, dtype=np.float32).ravel() / 127.5 - 1
        stands = np.array([*box, (right - left) * (bottom - top)], dtype=np.float32) * 2 - 1
        return np.concatenate([shown / np.sqrt(len(shown)), stands / np.sqrt(len(stands))])

    def _boxes(self, items: Any) -> dict[Path, list[Box]]:
        """The boxes of each picture, in the order of the pictures."""
        paths = paths_of(self.paper_name(), items)
        known: dict[Path, list[Box]] = {}
        read: set[Path] = set()
        for path in paths:
            for home in path.parents[:2]:
                if home not in read and (home / self.file).is_file():
                    known |= _read(home / self.file)
                    read.add(home)
                if path in known:
                    break
            else:
                raise BadInput(
                    f"regions: {self.file} beside {path.parent} tells of no {path.name}; write a line "
                    '{"image", "boxes"} for each picture'
                )
        return {path: known[path] for path in paths}


def _read(file: Path) -> dict[Path, list[Box]]:
    found: dict[Path, list[Box]] = {}
    for number, told in jsonl.objects(file):
        try:
            boxes = [tuple(map(float, box)) for box in told["boxes"]]
            path = file.parent / told["image"]
        except (KeyError, TypeError, ValueError):
            raise BadInput(f"{file}, line {number}: expected `image`, and `boxes` of four numbers each") from None
        for box in boxes:
            if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
                raise BadInput(f"{file}, line {number}: {list(box)} is no [left, top, right, bottom] between 0 and 1")
        found[path] = boxes  # type: ignore[assignment]
    return found
