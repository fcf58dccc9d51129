"""TDH: its triplets are allowed ones, its terms by loops, its codes from the whole matrix."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.tdh import TDH, smoothed

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)


def test_with_one_triplet_allowed_an_item_the_likelihood_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((2, 2, 6))
    method = TDH(bits=6, margin=0.4, triplets=3)
    found = method.likelihood(torch.from_numpy(U), torch.from_numpy(V), torch.eye(2, dtype=torch.double)).item()
    expected = 0.0
    for q, n in ((0, 1), (1, 0)):
        z = U[q] @ V[q] / 2 - U[q] @ V[n] / 2 - 0.4 * 3
        expected -= np.log(1 / (1 + np.exp(-z))) / 2
    assert found == pytest.approx(expected)


def test_triplets_are_of_those_that_share_a_label_and_those_that_do_not():
    """Items of one kind lie in one place, so that each triplet that is allowed gives the same."""
    method, S = TDH(bits=4, margin=0.0, triplets=50), torch.from_numpy(L @ L.T > 0).double()
    items = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=torch.double)
    assert method.likelihood(items, items, S).item() == pytest.approx(np.log(1 + np.exp(-0.5)))
    assert method.likelihood(items, items, torch.ones(4, 4)).item() == 0  # nobody is no match


def test_the_other_terms_are_those_of_the_paper():
    U, V = np.tanh(np.random.default_rng(0).standard_normal((2, 4, 5)))
    method = TDH(bits=5, hidden=4, quantise=0.3, balance=0.6)
    net = method.network({"image_width": 3, "text_width": 3, "texts": 6}).double()
    B = np.where(np.random.default_rng(1).random((6, 5)) < 0.5, 1.0, -1.0)
    net.memory.B.copy_(torch.from_numpy(B))
    rows = [5, 0, 2, 3]
    batch = Batch(None, None, torch.tensor(rows), None, torch.from_numpy(L), 0.0)
    found = method.loss(net, torch.from_numpy(U), torch.from_numpy(V), batch)
    assert found["quantise"].item() == pytest.approx(0.3 * sum(np.square(side - B[rows]).mean() for side in (U, V)))
    balance = 0.6 * sum(np.square(side.mean(axis=0)).mean() for side in (U, V))
    assert found["balance"].item() == pytest.approx(balance)


def test_codes_are_those_of_the_whole_laplacian():
    rng = np.random.default_rng(0)
    H, labels = rng.standard_normal((9, 4)), (rng.random((9, 3)) < 0.5).astype(float)
    labels[0] = 0  # one without labels
    unit = labels / np.maximum(np.linalg.norm(labels, axis=1, keepdims=True), 1e-12)
    A = unit @ unit.T
    Lap = (np.diag(A.sum(axis=1)) - A) / A.sum(axis=1).mean()
    np.testing.assert_allclose(smoothed(H, labels, 0.7), np.linalg.solve(2 * np.eye(9) + 0.7 * Lap, H))


def test_the_graph_brings_codes_of_shared_labels_together(latent):
    pairs = latent(n=60)
    one = (pairs.text_labels[:, None] == pairs.text_labels[None]).all(axis=2)
    apart = []
    for graph in (0.0, 30.0):
        method = TDH(bits=16, hidden=8, graph=graph)
        torch.manual_seed(0)
        net = method.network({"image_width": 12, "text_width": 9, "texts": 60})
        method.epoch_start(net, pairs, 0)
        B = net.memory.B.numpy()
        apart.append((B @ B.T)[one].mean())
    assert apart[1] > apart[0]
