"""Least squares of rows against numpy's own, on the rows themselves."""

import numpy as np
import pytest
from scipy.linalg import solve_sylvester

from diptych.parts.rows import Rows, ridge, squares


def penalised(A, b, strength):
    """argmin ||b - A w||² + strength ||w||², the penalty written out as further rows."""
    A = np.vstack([A, np.sqrt(strength) * np.eye(A.shape[1])])
    return np.linalg.lstsq(A, np.vstack([b, np.zeros((A.shape[1], b.shape[1]))]), rcond=None)[0]


@pytest.mark.parametrize("width", [4, 50])
def test_functions_and_factors_are_least_squares(width):
    rng = np.random.default_rng(0)
    X, V, other = rng.standard_normal((30, width)), rng.standard_normal((30, 3)), rng.standard_normal((30, 3))
    rows = Rows(X, 0.5)
    for latent in (V, other, V):  # what is kept of one is not taken for another
        W, U = rows.function(latent), rows.factor(latent, 2.0)
        np.testing.assert_allclose(W, penalised(X, latent, 0.5), atol=1e-9)
        np.testing.assert_allclose(U, penalised(latent, X, 2.0).T, atol=1e-9)
        np.testing.assert_allclose(ridge(latent, X, 2.0), U, atol=1e-9)
        assert rows.untold(latent, W) == pytest.approx(squares(latent - X @ W), rel=1e-9, abs=1e-9)
        assert rows.lost(latent, U) == pytest.approx(squares(X - latent @ U.T), rel=1e-9)


@pytest.mark.parametrize("width", [4, 50])
def test_one_matrix_both_ways_solves_the_sylvester_equation(width):
    rng = np.random.default_rng(0)
    X, V = rng.standard_normal((30, width)), rng.standard_normal((30, 3))
    expected = solve_sylvester(X.T @ X, V.T @ V, 2 * X.T @ V)
    np.testing.assert_allclose(Rows(X, 1.0).tied(V), expected, atol=1e-9)
