"""The graph layer against the formula on each local graph."""

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
