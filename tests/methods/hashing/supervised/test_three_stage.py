"""Three stages: codes of texts alone, each step of them downhill, and who learns which codes."""

import numpy as np
import pytest

from diptych.kinds import Pairs
from diptych.methods.hashing.supervised.three_stage import ThreeStage

pytest.importorskip("torch", reason="this method needs torch")


def world(seed: int) -> Pairs:
    rng, kind = np.random.default_rng(0), np.arange(40) % 4
    texts = rng.standard_normal((4, 6))[kind] + 0.1 * rng.standard_normal((40, 6))
    return Pairs(np.random.default_rng(seed).standard_normal((40, 5)), texts, labels=np.eye(4)[kind])


def test_codes_are_of_texts_and_their_labels_alone():
    made = ThreeStage(bits=12, landmarks=30)
    B = made.codes(world(1))
    np.testing.assert_array_equal(B, made.codes(world(2)))  # other pictures
    near = B @ B.T / 12
    same = np.equal.outer(np.arange(40) % 4, np.arange(40) % 4)
    assert near[same].mean() > near[~same].mean() + 0.5


def test_pictures_learn_the_codes_of_texts_and_texts_what_pictures_made_of_them():
    train = world(1)
    for rebuilt in (True, False):
        made = ThreeStage(bits=8, hidden=8, landmarks=30, rebuilt=rebuilt)
        net = made.network({"texts": 40, "image_width": 5, "text_width": 6})
        made.epoch_start(net, train, 0)
        first = net.memory.of_texts.clone()
        made.epoch_start(net, train, 1)
        assert (net.memory.of_texts == first).all()
        said = np.where(made.outputs(net.images, train.images) >= 0, 1, -1)
        assert np.array_equal(net.memory.rebuilt.numpy(), said if rebuilt else first.numpy())
