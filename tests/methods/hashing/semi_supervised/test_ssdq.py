"""SSDQ: what is kept of an item, and that pairs without labels are neither alike nor read."""

import numpy as np
import pytest

from diptych.methods.hashing.semi_supervised.ssdq import SSDQ

torch = pytest.importorskip("torch", reason="this method needs torch")

QUICK = {"books": 2, "words": 8, "dims": 8, "hidden": 16, "epochs": 2, "batch": 32}


def test_an_item_has_a_byte_a_book_and_distances_are_those_of_a_loop(latent):
    pairs = latent(n=40)
    method = SSDQ(**QUICK).fit(pairs)
    asked, items = method.encode_images(pairs.images), method.stored(method.encode_texts(pairs.texts))
    assert (items.dtype, items.shape) == (np.uint8, (40, 2))
    books, net = method.weights_["images.head.words"], method.trained()
    z = method.outputs(net.images.body, pairs.images)
    scores = method.space.score(asked, items)
    for q, i in ((0, 0), (3, 17), (39, 5)):
        chosen = books[[0, 1], items[i]]
        assert -scores[q, i] == pytest.approx(
            np.square(z[q] - chosen.sum(axis=0)).sum() - 2 * float(chosen[0] @ chosen[1]), abs=1e-3
        )


def test_pairs_without_labels_are_told_by_features_alone(latent):
    from diptych.method import Batch

    method, pairs = SSDQ(**QUICK), latent(n=6)
    net = method.network({"image_width": 12, "text_width": 9, "classes": 4}).double()
    rows = [torch.from_numpy(side) for side in (pairs.images, pairs.texts)]
    labels = torch.from_numpy(pairs.labels).double()
    z = [net.images(rows[0]), net.texts(rows[1])]
    whole = Batch(*rows, None, None, labels, 0.0)
    none = Batch(*rows, None, None, torch.zeros_like(labels), 0.0)
    assert method.loss(net, *z, whole).keys() - method.loss(net, *z, none).keys() == {"alike", "labels"}
    half = labels * (torch.arange(6) % 2 == 0)[:, None]
    other = labels.roll(1, 0) * (torch.arange(6) % 2 == 1)[:, None] + half
    found = method.loss(net, *z, Batch(*rows, None, None, half, 0.0))["alike"].item()
    few = method.loss(net, *(one[::2] for one in z), Batch(*(one[::2] for one in rows), None, None, labels[::2], 0.0))
    assert found == pytest.approx(few["alike"].item())
    assert found != method.loss(net, *z, Batch(*rows, None, None, other, 0.0))["alike"].item()
