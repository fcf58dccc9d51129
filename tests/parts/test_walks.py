"""Walks over a graph against powers of the matrix of its steps."""

from itertools import pairwise

import numpy as np

from diptych import parts


def test_walks_go_where_the_chain_goes():
    """Weighted, parallel and one-sided edges: the shares of many walks at every step, by matrix powers."""
    start, end = np.array([0, 0, 1, 1, 2, 0]), np.array([3, 4, 4, 5, 5, 3])
    weight = np.array([1.0, 2.0, 0.5, 4.0, 1.0, 3.0])
    W = np.zeros((7, 7))
    np.add.at(W, (start, end), weight)
    np.add.at(W, (end, start), weight)
    W[6, 6] = 1  # nothing leads away from it
    step = W / W.sum(axis=1, keepdims=True)
    graph = parts.walks.Graph(start, end, weight, 7)
    for vertex in range(7):
        walks = graph.walks(np.full(20000, vertex), 3, np.random.default_rng(vertex))
        assert walks.shape == (20000, 4)
        for length in range(4):
            shares = np.bincount(walks[:, length], minlength=7) / 20000
            np.testing.assert_allclose(shares, np.linalg.matrix_power(step, length)[vertex], atol=0.015)


def test_every_step_is_along_an_edge_whatever_the_weights():
    rng = np.random.default_rng(0)
    start, end = rng.integers(0, 50, 300), rng.integers(50, 100, 300)
    weight = 10.0 ** rng.integers(-9, 9, 300)
    walks = parts.walks.Graph(start, end, weight, 100).walks(np.arange(100), 40, rng)
    edges = set(zip(start.tolist(), end.tolist(), strict=True)) | set(zip(end.tolist(), start.tolist(), strict=True))
    alone = set(range(100)) - set(start.tolist()) - set(end.tolist())
    for walk in walks.tolist():
        assert all(pair in edges or (pair[0] == pair[1] in alone) for pair in pairwise(walk))


def test_the_same_seed_walks_the_same_way():
    graph = parts.walks.Graph(np.arange(5), np.arange(5) + 5, np.ones(5), 10)
    one, other = (graph.walks(np.arange(10), 3, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
