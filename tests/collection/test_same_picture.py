"""What was done to a picture is told by its name, whichever of the two comes first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from diptych.collection.same_picture import PREPROCESSING, Glance, same


def scene(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    picture = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((480, 360))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y, size = random.uniform(0, 480), random.uniform(0, 360), random.uniform(12, 40)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=tuple(random.integers(0, 256, 3).tolist()))
    return picture


def glance(picture: Image.Image) -> Glance:
    return Glance.of(PREPROCESSING.of(picture))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda picture: picture.copy(), "saved again"),
        (lambda picture: picture.resize((240, 180), Image.Resampling.LANCZOS), "saved again"),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(0.5)), "saved again"),
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.7), "recoloured"),
        (lambda picture: picture.convert("L").convert("RGB"), "recoloured"),
        (lambda picture: picture.crop((30, 20, 450, 350)), "cropped"),
        (lambda picture: picture.crop((140, 0, 480, 360)), None),  # more than may be missing
        (lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), None),
    ],
)
def test_each_change_has_its_name(seed: int, change: Callable[[Image.Image], Image.Image], told: str | None) -> None:
    first = scene(seed)
    second = change(first)
    assert same(glance(first), glance(second)) == same(glance(second), glance(first)) == told


def test_two_scenes_are_two_and_colours_are_one_only_where_they_are_the_same() -> None:
    assert same(glance(scene(0)), glance(scene(1))) is None
    plain = [Image.new("RGB", (64, 48), colour) for colour in ((200, 30, 30), (203, 30, 30), (30, 30, 200))]
    assert same(glance(plain[0]), glance(plain[1])) == "saved again"
    assert same(glance(plain[0]), glance(plain[2])) is None and same(glance(plain[0]), glance(scene(0))) is None


def test_what_counts_as_nothing_left_follows_the_contrast() -> None:
    """A faint copy of another scene is as far away as that scene itself: what is left is measured by the deviation."""
    faint = [ImageEnhance.Contrast(scene(seed)).enhance(0.2) for seed in (0, 1)]
    assert same(glance(faint[0]), glance(faint[1])) is None
    assert same(glance(faint[0]), glance(scene(0))) == same(glance(scene(0)), glance(faint[0])) == "recoloured"


def test_a_blurred_picture_is_less_sharp() -> None:
    sharp = scene(0)
    assert glance(sharp).sharpness > 2 * glance(sharp.filter(ImageFilter.GaussianBlur(2))).sharpness > 0
    assert glance(sharp).small.shape == (64, 64, 3) and glance(sharp).small.dtype == np.uint8
