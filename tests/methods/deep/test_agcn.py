"""AGCN: its terms by hand, and who is whose neighbour."""

import numpy as np
import pytest

from diptych.kinds import Pairs
from diptych.methods.deep.agcn import AGCN

torch = pytest.importorskip("torch", reason="this method needs torch")


def test_the_bank_is_of_training_rows_and_asking_does_not_depend_on_company():
    rng = np.random.default_rng(0)
    pairs = Pairs(rng.standard_normal((80, 6)), rng.standard_normal((80, 5)), labels=rng.random((80, 3)) < 0.5)
    method = AGCN(epochs=1, hidden=8, dims=4, landmarks=20).fit(pairs)
    bank = method.weights_["images.0.rows"]
    unit = pairs.images / np.linalg.norm(pairs.images, axis=1, keepdims=True)
    assert bank.shape == (20, 6)
    assert (np.abs(bank[:, None] - unit[None]).max(axis=2).min(axis=1) < 1e-6).all()
    alone = np.vstack([method.encode_images(pairs.images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, method.encode_images(pairs.images)[:5], atol=1e-6)


def test_the_terms_are_by_hand(six):
    method, told = AGCN(hidden=5, dims=4, similarity=0.3, adversary=0.5), six.batch()
    net = six.network(method)
    images, texts = six.drawn(6, 4), six.drawn(6, 4, seed=2)
    terms = six.values(method.loss(net, images, texts, told))
    assert terms["labels"] == pytest.approx(sum(six.entropy(net.labels(side), told.labels) for side in (images, texts)))
    both = ((images, texts), (images, images), (texts, texts))
    assert terms["similarity"] == pytest.approx(0.3 * sum(six.likelihood(u, v, told.labels) for u, v in both))
    assert terms["modality"] == pytest.approx(six.told_apart(net.modality(images), net.modality(texts)))
