import numpy as np
import pytest
from scipy import sparse

from diptych.kinds import Pairs, hamming

torch = pytest.importorskip("torch", reason="what is remembered are buffers")

from diptych.parts import memory  # noqa: E402


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_array])
def test_stored_codes_are_found_by_the_features_of_either_side(form):
    rng = np.random.default_rng(0)
    images, texts = rng.standard_normal((4, 3)).astype(np.float32), rng.standard_normal((6, 5)).astype(np.float32)
    texts[5] = texts[0]  # of pictures 0 and 3
    owner = np.array([0, 0, 1, 2, 3, 3])
    codes = np.where(rng.random((6, 16)) < 0.5, 1.0, -1.0).astype(np.float32)
    stored = memory.Stored(6, 16)
    stored.remember(Pairs(form(images), form(texts), owner), torch.from_numpy(codes))
    new = rng.standard_normal((2, 5)).astype(np.float32)
    asked = form(np.concatenate([texts, new]))
    packed = hamming.normalise(rng.standard_normal((8, 16)))
    found = stored.instead(packed, asked, "texts")
    np.testing.assert_array_equal(found[6:], packed[6:])
    np.testing.assert_array_equal(found[1:5], hamming.normalise(codes[1:5]))
    np.testing.assert_array_equal(found[[0, 5]], hamming.normalise(codes[[0]] + codes[[5]]).repeat(2, axis=0))
    summed = np.stack([codes[owner == picture].sum(axis=0) for picture in range(4)])
    np.testing.assert_array_equal(stored.instead(packed[:4], form(images), "images"), hamming.normalise(summed))


def test_nothing_stored_changes_nothing():
    stored, packed = memory.Stored(0, 16), hamming.normalise(np.ones((2, 16)))
    stored.remember(Pairs(np.ones((2, 3)), np.ones((2, 3)), np.arange(2)), torch.ones(2, 16))
    np.testing.assert_array_equal(stored.instead(packed, np.ones((2, 3)), "images"), packed)
