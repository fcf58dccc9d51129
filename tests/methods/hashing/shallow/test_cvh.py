"""CVH: the paper's eigenproblem with S as the n x n matrix that the method never makes."""

import numpy as np
import pytest
from scipy.linalg import eigh

from diptych.methods.hashing.shallow.cvh import CVH
from diptych.parts.algebra import bilinear, ridged


@pytest.mark.parametrize("similarity", ["labels", "pairs"])
def test_its_directions_lower_the_papers_objective_most(centred, similarity):
    X, Y, L = centred
    unit = L / np.linalg.norm(L, axis=1, keepdims=True)
    S = unit @ unit.T if similarity == "labels" else np.eye(30)
    D = np.diag(S.sum(axis=1))
    whole = [[X.T @ (3 * D - 2 * S) @ X, -X.T @ S @ Y], [-Y.T @ S @ X, Y.T @ (3 * D - 2 * S) @ Y]]
    M = np.block([[X.T @ X, np.zeros((5, 4))], [np.zeros((4, 5)), Y.T @ Y]])
    values, vectors = eigh(np.block(whole), M)
    agree = np.einsum("dk,de,ek->k", vectors[:5], X.T @ S @ Y, vectors[5:])
    assert similarity == "labels" or (agree[:4] > 0).all()  # the smallest are of sides that agree, and else not all are
    values = values[agree > 1e-6 * agree.max()]
    A, B = CVH(bits=4, similarity=similarity, ridge=0.0).solve(X, Y, L)
    W = np.vstack([A, B])
    found = values[: W.shape[1]].sum()
    np.testing.assert_allclose(W.T @ M @ W / 30, np.eye(W.shape[1]), atol=1e-6)
    np.testing.assert_allclose(np.trace(W.T @ np.block(whole) @ W) / 30, found, rtol=1e-6)
    a, b = X @ A, Y @ B  # the objective itself, pair by pair
    within = sum(S[i, j] * np.square(rows[i] - rows[j]).sum() for rows in (a, b) for i in range(30) for j in range(30))
    across = sum(S[i, j] * np.square(a[i] - b[j]).sum() for i in range(30) for j in range(30))
    assert (within + across) / 30 == pytest.approx(found, rel=1e-6)


def test_where_each_pair_is_like_itself_alone_it_is_cca(centred):
    X, Y, L = centred
    A, _ = CVH(bits=3, similarity="pairs", ridge=0.0).solve(X, Y, L)
    C, _, _ = bilinear(X.T @ Y / 30, *(ridged(rows.T @ rows / 30, 0.0) for rows in (X, Y)), 3)
    for bit in range(3):
        found = {abs(A[:, bit] @ C[:, one]) / np.linalg.norm(A[:, bit]) / np.linalg.norm(C[:, one]) for one in range(3)}
        assert max(found) == pytest.approx(1.0, abs=1e-6)
