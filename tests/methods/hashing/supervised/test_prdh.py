"""PRDH: what it adds to DCMH, by loops over the batch and its bits."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.dcmh import DCMH
from diptych.methods.hashing.supervised.prdh import PRDH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=float)


def test_it_adds_pairs_of_one_side_and_the_covariance_of_bits_to_dcmh():
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((2, 4, 5))
    facts = {"image_width": 3, "text_width": 3, "texts": 4, "classes": 3}
    batch = Batch(None, None, torch.arange(4), torch.arange(4), torch.from_numpy(L), 0.0)
    found = []
    for method in (PRDH(bits=5, hidden=4, within=0.6, decorrelate=0.3), DCMH(bits=5, hidden=4)):
        net = method.network(facts).double()
        net.memory.labels.copy_(torch.from_numpy(L))
        net.memory.F.copy_(torch.from_numpy(U))
        net.memory.G.copy_(torch.from_numpy(V))
        terms = method.loss(net, torch.from_numpy(U), torch.from_numpy(V), batch)
        found.append({name: term.item() for name, term in terms.items()})
    within = decorrelate = 0.0
    for side in (U, V):
        for i in range(4):
            for j in range(4):
                theta = side[i] @ side[j] / 2
                within += 0.6 * (np.log(1 + np.exp(theta)) - (L[i] @ L[j] > 0) * theta) / 16
        covariance = np.cov(side.T, bias=True)
        decorrelate += 0.3 * np.mean([covariance[k, m] ** 2 for k in range(5) for m in range(5) if k != m])
    assert found[0] == pytest.approx(found[1] | {"within": within, "decorrelate": decorrelate})
