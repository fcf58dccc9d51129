"""SRCH: edges and their weights by loops, and that it lets go of what codes contradict."""

import numpy as np
import pytest
from sklearn.neighbors import kneighbors_graph

from diptych.methods.hashing.unsupervised.srch import SRCH, edges


def test_edges_are_those_of_neighbours_and_weigh_less_of_those_of_many():
    rows = np.random.default_rng(0).standard_normal((15, 3))
    one_way = kneighbors_graph(rows, 3).toarray()
    near = np.maximum(one_way, one_way.T)
    degree = near.sum(axis=1)
    i, j, c = edges(rows, 3)
    assert sorted(zip(i, j, strict=True)) == [(a, b) for a in range(15) for b in range(a + 1, 15) if near[a, b]]
    expected = 1 / np.sqrt(degree[i] * degree[j])
    np.testing.assert_allclose(c, expected / expected.mean())


def test_the_graph_is_that_of_the_objective_and_its_strengths_are_the_best():
    rng = np.random.default_rng(1)
    X, Y = (rng.standard_normal((20, width)) for width in (6, 5))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    method = SRCH(bits=4, smooth=0.5, rebase=0.7, link=2.0, neighbours=3)
    now = method.start(X, Y, None)
    now.Z = rng.standard_normal((20, 4))
    method.rebased(now)

    def height(S):
        total = 2.0 * np.square(now.Z - now.B).sum()
        for (i, j, c), s in zip(now.edges, S, strict=True):
            far = np.square(now.Z[i] - now.Z[j]).sum(axis=1)
            total += 0.5 * (c * (s**2 * far + 4 * 0.7 * (s - 1) ** 2)).sum()
        for side, W in zip(now.sides, now.W, strict=True):
            total += np.square(side.X @ W - now.B).sum() + np.square(side.X - now.B @ W.T).sum()
        return total

    assert method.objective(now) == pytest.approx(height(now.S))
    for step in (-1e-3, 1e-3):
        assert height([s + step for s in now.S]) > height(now.S)


def test_edges_that_codes_contradict_are_let_go():
    kept = SRCH(bits=2, rebase=1.0).kept(
        np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]]), np.array([0, 0]), np.array([1, 2])
    )
    np.testing.assert_allclose(kept, [1, 2 / (2 + 8)])
