"""DMFH: its terms by loops, and that a code hears every layer."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.dmfh import DMFH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=float)


def test_the_terms_are_those_of_the_paper():
    U, V = np.tanh(np.random.default_rng(0).standard_normal((2, 4, 5)))
    method = DMFH(bits=5, quantise=0.3, balance=0.7)
    batch = Batch(None, None, None, None, torch.from_numpy(L), 0.0)
    found = {name: t.item() for name, t in method.loss(None, torch.from_numpy(U), torch.from_numpy(V), batch).items()}
    pairs, B = 0.0, np.where(U + V >= 0, 1, -1)
    for i in range(4):
        for j in range(4):
            theta = U[i] @ V[j] / 2
            pairs += (np.log(1 + np.exp(theta)) - (L[i] @ L[j] > 0) * theta) / 16
    assert found == pytest.approx(
        {
            "pairs": pairs,
            "quantise": 0.3 * sum(np.square(side - B).mean() for side in (U, V)),
            "balance": 0.7 * sum(np.square(side.mean(axis=0)).mean() for side in (U, V)),
        }
    )


def test_a_code_hears_every_layer():
    net = DMFH(bits=5, hidden=4, scales=3).network({"image_width": 6, "text_width": 3}).eval()
    taps, last = net.images[1], net.images[2]
    assert last.in_features == 12
    net.images(torch.rand(4, 6)).sum().backward()
    assert all(layer[0].weight.grad.abs().max() > 0 for layer in taps.layers)
    assert (last.weight.grad.view(5, 3, 4).abs().amax(dim=(0, 2)) > 0).all()
