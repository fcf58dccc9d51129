import colorsys

import numpy as np
import pytest
from PIL import Image

from diptych.features.colour import Colour
from diptych.features.composition import read


def test_a_picture_of_two_colours_by_hand(tmp_path):
    pixels = np.zeros((96, 96, 3), dtype=np.uint8)
    pixels[:, :48] = (255, 0, 0)
    pixels[:, 48:] = (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    parts = Colour(grid=2).transform([tmp_path / "a.png"]).reshape(5, 8, 3, 3)

    def bin_of(red, green, blue):
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        return int(hue * 8), min(int(saturation * 3), 2), min(int(value * 3), 2)

    assert np.allclose(parts.sum(axis=(1, 2, 3)), 1)
    assert parts[0][bin_of(1, 0, 0)] == parts[0][bin_of(0, 0, 1)] == 0.5
    for cell, colour in enumerate([(1, 0, 0), (0, 0, 1), (1, 0, 0), (0, 0, 1)]):
        assert parts[1 + cell][bin_of(*colour)] == 1


@pytest.mark.parametrize("grid", [1, 2, 3])
def test_the_whole_is_the_histogram_numpy_counts(pictures, grid):
    rows = Colour(grid=grid, hue=4, saturation=2, value=2).transform(pictures)
    assert rows.shape == (6, (1 + grid**2) * 16) and rows.dtype == np.float32
    for row, path in zip(rows, pictures, strict=True):
        square = Image.open(path).resize((96, 96), Image.Resampling.BOX).convert("HSV")
        counts, _ = np.histogramdd(np.asarray(square).reshape(-1, 3), bins=(4, 2, 2), range=[(0, 256)] * 3)
        assert np.allclose(row[:16], counts.ravel() / 96**2, atol=1e-6)


def test_it_follows_with_power_and_takes_any_picture(pictures):
    assert np.allclose(np.linalg.norm(read("colour", "image").transform(pictures), axis=1), 1)
