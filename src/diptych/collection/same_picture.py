"""Whether two files show one and the same picture: saved again, made smaller, recoloured or cropped a little.

An encoder cannot tell: it calls two photographs of one scene as alike as a photograph and its small copy. Pixels can.
Whatever was done to the colours of a whole picture, the grey of each of its pixels follows from the colours of that
pixel in the other, by one rule for all of them. Where something moved, no such rule holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from diptych.kinds import Array
from diptych.sources.pictures import Preprocessing

PREPROCESSING = Preprocessing(512, "squash", "box", enough=512)
"""How files are looked at to be compared: large enough that blur shows."""

CROPPED = 0.15
"""The part of the width or height that may be missing on one side."""

_KEPT = 64  # pixels a side of what is kept of a picture
_SIDE = 32  # pixels a side of what is compared
_TILES = 8  # tiles a side of that
_FLAT = 3.0  # levels of grey, of 256: a picture that deviates less shows nothing but its colour
_SAME_COLOUR = 6.0  # levels a channel between two pictures of one colour
_SPREAD, _TILE = 0.14, 0.2  # what the rule may leave unexplained: on the whole, and in any tile; see `same`

_SAVED_AGAIN = 0.7  # times that, where the colours are the same: compression alone explains less
_ELSEWHERE = 0.06  # of what is left in the worst tile, what is left in the middle one: less is a change of one place
_HOPELESS = 5.0  # times what is allowed, after the first steps of looking for the window: no two crops are so far apart

Change = Literal["saved again", "recoloured", "cropped"]


@dataclass(frozen=True)
class Glance:
    """What is kept of a file to compare it.

    small       (64, 64, 3) uint8, the whole picture whatever its shape
    sharpness   variance of the Laplacian of its grey levels at 512 x 512 (Pech-Pacheco et al., ICPR 2000)
    """

    small: Array
    sharpness: float

    @classmethod
    def of(cls, pixels: Array) -> Glance:
        """Of (512, 512, 3) uint8, as `PREPROCESSING` gives them."""
        grey = _grey(pixels.astype(np.float32))
        centre = grey[1:-1, 1:-1]
        laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
        step = len(pixels) // _KEPT
        small = pixels.reshape(_KEPT, step, _KEPT, step, 3).mean(axis=(1, 3))
        return cls(small.round().astype(np.uint8), float(laplacian.var()))


def same(first: Glance, second: Glance) -> Change | None:
    """What was done to one picture to make the other; None where they are two pictures.

    They are one when the rule from colours to grey leaves at most 14 % of the deviation of the grey levels unexplained,
    and 20 % of it in the mean of any of 8 x 8 tiles; seven tenths of both where the colours are the same, too. Pictures
    of a single colour are one when the colour is the same. The window of a crop is looked for only where what is left
    stands all over the picture: in the middle tile at least 6 % of what is left in the worst.
    """
    pictures = [Image.fromarray(glance.small) for glance in (first, second)]
    greys = [_grey(_resized(picture)) for picture in pictures]
    deviations = [float(grey.std()) for grey in greys]
    flat = [deviation < _FLAT for deviation in deviations]
    apart = np.abs(_tiles(first.small) - _tiles(second.small))
    if any(flat):
        return "saved again" if all(flat) and apart.max() <= _SAME_COLOUR else None
    targets = [grey / deviation for grey, deviation in zip(greys, deviations, strict=True)]
    ways = [(pictures[0], targets[1]), (pictures[1], targets[0])]
    left = min((_left(*way) for way in ways), key=lambda left: left.part)
    whole = left.part
    if whole <= 1 and apart.mean() <= _SAME_COLOUR:
        return "saved again" if whole <= _SAVED_AGAIN else None
    if whole <= 1:
        return "recoloured"
    if left.elsewhere < _ELSEWHERE:  # a crop moves every edge; here something moved, and a window may only hide it
        return None
    return "cropped" if any(_cropped(*way) for way in ways) else None


def _cropped(larger: Image.Image, target: Array) -> bool:
    """Whether some window of the larger picture shows what the target does; it is as that of `_left`."""

    @cache
    def unexplained(*cut: float) -> float:
        return _left(larger, target, cut).part

    starts: list[tuple[float, ...]] = [(even,) * 4 for even in (0.0, 0.05, 0.1)]
    best = min((unexplained(*start), start) for start in starts)
    for step in (0.06, 0.03, 0.015, 0.0075):
        while True:
            found = best
            for side in range(4):
                for way in (-step, step):
                    moved = tuple(cut + way * (at == side) for at, cut in enumerate(best[1]))
                    if min(moved) >= 0 and max(moved) <= CROPPED:
                        found = min(found, (unexplained(*moved), moved))
            if found == best:
                break
            best = found
        if best[0] > _HOPELESS:
            break
    return best[0] <= 1


class _Left(NamedTuple):
    """What the best rule from the colours of a picture leaves of a grey target.

    part    of what is allowed
    tiles   (8, 8, 1) what is left in each
    """

    part: float
    tiles: Array

    @property
    def elsewhere(self) -> float:
        """What is left in the middle one of the tiles, as a part of what is left in the worst."""
        return float(np.median(self.tiles)) / max(float(self.tiles.max()), 1e-6)


def _left(picture: Image.Image, target: Array, cut: tuple[float, ...] = (0.0,) * 4) -> _Left:
    """target: (32, 32) grey, of deviation 1; cut: the parts to cut off first: left, top, right, bottom."""
    source = _resized(picture, cut).reshape(-1, 3) / 255
    grey = _grey(source)
    rule = np.column_stack([np.ones_like(grey), source, grey**2, grey**3])
    products = rule.T @ rule + 1e-3 * np.eye(rule.shape[1])  # a grey picture has three channels that are one
    left = target - (rule @ np.linalg.solve(products, rule.T @ target.ravel())).reshape(target.shape)
    tiles = np.abs(_tiles(left[..., None]))
    return _Left(max(float(left.std()) / _SPREAD, float(tiles.max()) / _TILE), tiles)


def _tiles(pixels: Array) -> Array:
    """(8, 8, channels) the means of the tiles of a square."""
    size = len(pixels) // _TILES
    return np.asarray(pixels.reshape(_TILES, size, _TILES, size, -1).mean(axis=(1, 3), dtype=np.float32))


def _resized(picture: Image.Image, cut: tuple[float, ...] = (0.0,) * 4) -> Array:
    left, top, right, bottom = (part * _KEPT for part in cut)
    box = (left, top, _KEPT - right, _KEPT - bottom)
    return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=box), dtype=np.float32)


def _grey(pixels: Array) -> Array:
    """Luma of (…, 3), as ITU-R BT.601 weighs the channels."""
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114], dtype=pixels.dtype))
