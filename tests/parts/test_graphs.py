"""Graph layers against their formulas, node by node."""

import numpy as np
import pytest

from diptych import parts

torch = pytest.importorskip("torch", reason="graph layers are modules")


def mixed(row, bank, k, threshold):
    """The first row of D^{-1/2} (A + I) D^{-1/2} X on the local graph of one row, as it is written."""
    row, bank = row / np.linalg.norm(row), bank / np.linalg.norm(bank, axis=1, keepdims=True)
    others = [j for j in np.argsort(-bank @ row) if bank[j] @ row < 1 - 1e-6][:k]
    X = np.vstack([row, bank[others]])
    cosines = X @ X.T
    A = np.where((cosines >= threshold) & (cosines > 0), cosines, 0.0)
    np.fill_diagonal(A, 1)
    D = np.diag(A.sum(axis=1) ** -0.5)
    return (D @ A @ D @ X)[0]


@pytest.mark.parametrize(("k", "threshold"), [(3, 0.0), (5, 0.4), (40, 0.2)])
def test_the_layer_is_the_formula_on_every_local_graph(k, threshold):
    rng = np.random.default_rng(0)
    bank, rows = rng.standard_normal((30, 4)), rng.standard_normal((8, 4))
    rows[2] = 5 * bank[7]  # one that the bank holds
    layer = parts.graphs.Neighbourhood(30, 4, k, threshold).double()
    layer.remember(bank)
    if k > 29:  # the row that is itself takes a place that no other fills
        rows = np.delete(rows, 2, axis=0)
    found = layer(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found, [mixed(row, bank, k, threshold) for row in rows], atol=1e-12)


@pytest.fixture
def sets():
    """Four sets of 5, 2, 1 and 3 nodes of 6 columns, with rows of zeros behind."""
    made = np.random.default_rng(0).standard_normal((4, 5, 6))
    for nodes, number in zip(made, (5, 2, 1, 3), strict=True):
        nodes[number:] = 0
    return torch.from_numpy(made)


def test_nodes_hear_each_other_by_affinity(sets):
    torch.manual_seed(0)
    layer = parts.graphs.Affinity(6, 2).double()
    found = layer(sets).detach().numpy()
    for nodes, made in zip(sets.numpy(), found, strict=True):
        v = nodes[nodes.any(axis=1)]
        for at in range(2):
            theta, phi, g, W = (getattr(layer, name)[at].weight.detach().numpy() for name in ("theta", "phi", "g", "W"))
            u = [row / np.linalg.norm(row) for row in v]
            heard = [np.mean([(theta @ a) @ (phi @ b) * (g @ b) for b in u], axis=0) for a in u]
            v = np.array([row + W @ message for row, message in zip(v, heard, strict=True)])
        np.testing.assert_allclose(made[: len(v)], v, atol=1e-12)
        assert not made[len(v) :].any()


def test_reasoning_reads_the_nodes_in_their_order_and_shows_them_in_training_alone(sets):
    torch.manual_seed(0)
    reader = parts.graphs.Reasoning(6, 4, 2).double()
    told = reader.train()(sets)
    assert told.shape == (4, 6, 4)
    reader.eval()
    nodes = torch.zeros(4, 5, 4, dtype=sets.dtype)
    real = (sets != 0).any(dim=2)
    nodes[real] = reader.nodes(torch.nn.functional.normalize(sets, dim=2)[real])
    expected = reader.centred(reader.whole(reader.graph(nodes)))
    torch.testing.assert_close(reader(sets), expected)
    padded = torch.cat([sets, torch.zeros(4, 2, 6, dtype=sets.dtype)], dim=1)
    torch.testing.assert_close(reader(padded), expected)
    assert (reader(sets.flip(1)) - expected).abs().amax(dim=1)[[0, 1, 3]].min() > 1e-4
