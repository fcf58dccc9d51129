import sys

import numpy as np
import pytest
from PIL import Image

from diptych.features.feature import Feature
from diptych.features.sift_words import SiftWords, _patches, _root
from diptych.kinds import BadInput

cv2 = pytest.importorskip("cv2")


def test_every_patch_counts_for_its_nearest_word(pictures):
    fitted = SiftWords(words=8).fit(pictures)
    rows = fitted.transform(pictures)
    assert rows.shape == (6, 8) and rows.dtype == np.float32 and np.allclose(rows.sum(axis=1), 1)
    for row, path in zip(rows, pictures, strict=True):
        _, sift = _patches(Image.open(path))
        distance = ((_root(sift)[:, None] - fitted.words_[None]) ** 2).sum(axis=2)
        assert np.allclose(row, np.bincount(distance.argmin(axis=1), minlength=8) / len(sift), atol=1e-6)


def test_cells_are_where_the_patches_are(tmp_path):
    pixels = np.full((144, 144, 3), 128, dtype=np.uint8)
    pixels[:56, :56] = np.random.default_rng(0).integers(0, 256, (56, 56, 1), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    parts = SiftWords(words=4, grid=2).fit([tmp_path / "a.png"] * 2).transform([tmp_path / "a.png"]).reshape(5, 4)
    assert np.allclose(parts[0], parts[1:].mean(axis=0))
    assert parts[4].max() == 1 and parts[1][parts[4].argmax()] < 0.5


def test_the_descriptors_are_those_of_opencv_on_a_grid():
    grey = np.random.default_rng(0).integers(0, 256, (144, 72), dtype=np.uint8)
    places, sift = _patches(Image.fromarray(grey))
    assert sift.shape == (18 * 9, 128) and places.min() > 0 and places.max() < 1
    x, y = places[25] * (72, 144)
    _, expected = cv2.SIFT_create().compute(grey, [cv2.KeyPoint(float(x), float(y), 4.0, 0.0)])
    assert np.abs(sift[25].astype(float) - expected[0]).max() <= 1


def test_same_seed_same_words_and_a_loaded_one_gives_the_same_rows(pictures, tmp_path, monkeypatch):
    fitted = SiftWords(words=5, seed=3).fit(pictures)
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "another"))
    assert np.array_equal(SiftWords(words=5, seed=3).fit(pictures).words_, fitted.words_)
    fitted.save_pretrained(tmp_path / "f")
    assert np.array_equal(Feature.from_pretrained(tmp_path / "f").transform(pictures), fitted.transform(pictures))


def test_roots_of_flat_patches_are_zero_and_of_others_unit():
    assert np.allclose(np.linalg.norm(_root(np.array([[1, 0, 3], [0, 0, 0]], np.uint8)), axis=1), [1, 0])


def test_too_few_pictures_and_a_missing_opencv_are_told_of(pictures, monkeypatch):
    with pytest.raises(BadInput, match="6 pictures are too few to learn 256 words"):
        SiftWords().fit(pictures)
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setenv("DIPTYCH_CACHE", str(pictures[0].parent / "fresh"))
    with pytest.raises(BadInput, match=r"pip install 'diptych\[sift\]'"):
        SiftWords(words=4).fit(pictures)
