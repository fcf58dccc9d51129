"""DSPH: its terms by loops over items, labels and pairs."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.dsph import DSPH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 0, 1]], dtype=float)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_the_terms_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    labels = np.vstack([L, [[0, 1, 0], [0, 1, 0]]])
    U, V = np.tanh(rng.standard_normal((2, 7, 16)))
    method = DSPH(bits=16, hidden=5, pairs=0.3)
    net = method.network({"image_width": 3, "text_width": 3, "classes": 3}).double()
    P = net.proxies.weight.detach().numpy()
    batch = Batch(None, None, None, None, torch.from_numpy(labels), 0.0)
    found = method.loss(net, torch.from_numpy(U), torch.from_numpy(V), batch)
    d = 1 - 2 * 14 / 16  # 3 balls of radius 6 are 44,817 of 65,536 codes, of radius 7 they are too many
    own, others, pairs = 0.0, 0.0, 0.0
    for side in (U, V):
        own += np.mean([1 - cosine(side[i], P[c]) for i in range(7) for c in range(3) if labels[i, c]])
        others += np.mean([max(0, cosine(side[i], P[c]) - d) for i in range(7) for c in range(3) if not labels[i, c]])
    several = [i for i in range(7) if labels[i].sum() > 1]
    for one, two in ((U, U), (V, V), (U, V)):
        strangers = [(i, j) for i in several for j in several if not labels[i] @ labels[j]]
        pairs += sum(max(0, cosine(one[i], two[j]) - d) for i, j in strangers) / max(len(strangers), 1)
    assert {name: term.item() for name, term in found.items()} == pytest.approx(
        {"own": own, "others": others, "pairs": 0.3 * pairs}
    )


def test_only_items_of_several_labels_that_share_none_are_kept_apart():
    method = DSPH(bits=8, hidden=5)
    net = method.network({"image_width": 3, "text_width": 3, "classes": 4})
    rows = torch.ones(3, 8, requires_grad=True)
    labels = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    apart = method.loss(net, rows, rows, Batch(None, None, None, None, labels, 0.0))["pairs"].item()
    d = 1 - 2 * 6 / 8
    assert apart == pytest.approx(0.8 * 3 * (1 - d), rel=1e-5)  # the first two, and the third is of one label
    none = method.loss(net, rows, rows, Batch(None, None, None, None, labels[:1], 0.0))["pairs"].item()
    assert none == 0
