"""Visual words: which small patterns a picture is made of.

Sivic & Zisserman, "Video Google", ICCV 2003; on a dense grid as in Fei-Fei & Perona, "A Bayesian hierarchical model
for learning natural scene categories", CVPR 2005; roots of SIFT as in Arandjelović & Zisserman, "Three things everyone
should know to improve object retrieval", CVPR 2012; cells as in Lazebnik, Schmid & Ponce, "Beyond bags of features:
Spatial pyramid matching for recognizing natural scene categories", CVPR 2006.
"""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from PIL import Image

from diptych.features.feature import Feature, Side, paths_of
from diptych.kinds import Array, BadInput, Floats, Progress
from diptych.parts.fitted import AtLeast
from diptych.sources import cache

# Pixels: the long side pictures are brought to, the size of a keypoint (a patch is six times as wide), the step of the
# grid. Size 4 ranks as well as 8 in a third of the time, and better than keypoints that are detected.
_SIDE, _SIZE, _STEP = 144, 4.0, 8
_PATCHES = 40
"""Patches of one training picture that the words are learned from."""


@dataclass
class SiftWords(Feature):
    """(n, parts words) float32 shares of each word in each part of the picture. Needs OpenCV (`diptych[sift]`).

    words     how many are learned, by k-means
    grid      1 has one part, the whole; more has the whole and grid x grid cells
    sample    training pictures that the words are learned from, at most
    """

    words: Annotated[int, AtLeast(1)] = 256
    grid: Annotated[int, AtLeast(1)] = 1
    sample: Annotated[int, AtLeast(1)] = 1000
    seed: Annotated[int, AtLeast(0)] = 0

    side: ClassVar[Side] = "image"
    then: ClassVar[str] = "power"

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        from sklearn.cluster import MiniBatchKMeans

        paths = paths_of(self.paper_name(), items)
        rng = np.random.default_rng(self.seed)
        chosen = np.sort(rng.choice(len(paths), min(self.sample, len(paths)), replace=False))
        patches = np.concatenate(
            cache.per_picture(
                [paths[row] for row in chosen],
                cache.fingerprint(extractor="sift patches", version=1),
                lambda images: _on_every_core(_some_patches, images),
                what="sift_words: patches",
                enough=2 * _SIDE,
                progress=progress,
            )
        )
        if len(patches) < self.words:
            raise BadInput(
                f"sift_words: {len(paths)} pictures are too few to learn {self.words} words; set words lower"
            )
        model = MiniBatchKMeans(self.words, batch_size=4096, max_iter=10, n_init=1, random_state=self.seed)
        self.words_ = model.fit(_root(patches)).cluster_centers_.astype(np.float32)
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        rows = cache.per_picture(
            paths_of(self.paper_name(), items),
            cache.fingerprint(extractor="sift_words", version=1, grid=self.grid, words=self.words_.tobytes().hex()),
            lambda images: _on_every_core(self._counts, images),
            what="sift_words: pictures",
            enough=2 * _SIDE,
            progress=progress,
        )
        cells = np.reshape(rows, (len(rows), self.grid**2, self.words)).astype(np.float32)
        whole = cells.sum(axis=1, keepdims=True)
        parts = whole if self.grid == 1 else np.concatenate([whole, cells], axis=1)
        return (parts / np.maximum(parts.sum(axis=2, keepdims=True), 1)).reshape(len(rows), parts.shape[1] * self.words)

    def _counts(self, image: Image.Image) -> Array:
        """(grid² words,) uint16 patches of each word in each cell."""
        places, patches = _patches(image)
        distance = np.square(self.words_).sum(axis=1) - 2 * _root(patches) @ self.words_.T
        column, row = (places * self.grid).astype(np.int64).T
        entry = (row * self.grid + column) * self.words + distance.argmin(axis=1)
        return np.bincount(entry, minlength=self.grid**2 * self.words).astype(np.uint16)


def _patches(image: Image.Image) -> tuple[Floats, Array]:
    """(m, 2) places x, y in [0, 1) and (m, 128) uint8 SIFT of the patches of a dense grid."""
    try:
        import cv2
    except ImportError:
        raise BadInput("sift_words needs OpenCV: pip install 'diptych[sift]'") from None
    scale = _SIDE / max(image.size)
    width, height = (max(round(side * scale), _STEP) for side in image.size)
    grey = np.asarray(image.convert("L").resize((width, height), Image.Resampling.BICUBIC))
    points = [
        cv2.KeyPoint(float(x), float(y), _SIZE, 0.0)
        for y in range(_STEP // 2, height, _STEP)
        for x in range(_STEP // 2, width, _STEP)
    ]
    kept, sift = cv2.SIFT.create().compute(grey, points)
    return np.array([point.pt for point in kept]) / (width, height), sift.astype(np.uint8)


def _some_patches(image: Image.Image) -> Array:
    """A few of its SIFT descriptors, chosen by its content: the same picture always gives the same."""
    _, sift = _patches(image)
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    return sift[rng.choice(len(sift), min(_PATCHES, len(sift)), replace=False)]


def _root(sift: Array) -> Floats:
    """Square roots of shares: the Euclidean distance between two is then their Hellinger distance."""
    values = sift.astype(np.float32)
    return np.asarray(np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), np.float32(1))))


def _on_every_core(work: Any, images: list[Image.Image]) -> list[Array]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and numpy let go of the interpreter lock
        return list(pool.map(work, images))
