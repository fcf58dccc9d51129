"""The operator against the n x n matrices that it never makes."""

import numpy as np
import pytest
from scipy import sparse
from scipy.linalg import solve_sylvester
from sklearn.neighbors import kneighbors_graph

from diptych.parts.affinities import (
    Affinity,
    anchored,
    assigned,
    neighbours,
    shared,
    spread,
    to_anchors,
    told_by,
)


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return neighbours(rng.standard_normal((20, 3)), 4), rng.random((20, 2)), rng.standard_normal((20, 5))


def test_neighbours_are_those_of_scikit_learn_both_ways():
    rows = np.random.default_rng(1).standard_normal((20, 3))
    one_way = kneighbors_graph(rows, 4).toarray()
    near = neighbours(rows, 4)
    np.testing.assert_array_equal(near.toarray(), np.maximum(one_way, one_way.T))
    assert neighbours(rows[:3], 9).shape == (3, 3)


@pytest.mark.parametrize("given", ["near", "thin", "both", "both, degrees told"])
def test_it_is_the_laplacian_of_its_matrix(parts, given):
    near, thin, V = parts
    degrees = np.full(20, 30.0) if "degrees" in given else None
    graph = Affinity(None if given == "thin" else near, None if given == "near" else thin, degrees)
    S = (given != "thin") * near.toarray() + (given != "near") * thin @ thin.T
    D = np.diag(S.sum(axis=1) if degrees is None else degrees)
    np.testing.assert_allclose(graph @ V, S @ V, atol=1e-12)
    np.testing.assert_allclose(graph.laplacian(V), (D - S) @ V, atol=1e-12)
    assert graph.roughness(V) == pytest.approx(np.trace(V.T @ (D - S) @ V))
    if degrees is None:
        apart = np.square(V[:, None] - V[None]).sum(axis=2)
        assert graph.roughness(V) == pytest.approx(0.5 * (S * apart).sum())


def test_smoothing_goes_down_with_every_turn_and_ends_at_the_sylvester_equation(parts):
    near, thin, V = parts
    rng = np.random.default_rng(2)
    root, target = rng.standard_normal((5, 5)), rng.standard_normal((20, 5))
    M, graph = root @ root.T + np.eye(5), Affinity(near, thin)

    def height(Z):
        return np.trace(Z @ M @ Z.T) + 3 * graph.roughness(Z) - 2 * np.vdot(Z, target)

    found = [graph.smooth(V, M, 3.0, target, turns) for turns in range(30)]
    assert (np.diff([height(Z) for Z in found]) <= 1e-9).all()
    np.testing.assert_array_less(found[0] - V, 1e-9)
    lap = np.diag((near.toarray() + thin @ thin.T).sum(axis=1)) - near.toarray() - thin @ thin.T
    np.testing.assert_allclose(found[-1], solve_sylvester(3 * lap, M, target), atol=1e-6)
    assert sparse.issparse(graph.near)


def test_what_neighbours_share_is_factorised_without_negative_numbers_ever_closer(parts):
    near, _, _ = parts
    found = [shared(near, 3, 0, turns) for turns in range(15)]
    assert min(H.min() for H in found) >= 0
    heights = [np.square(near.toarray() - H @ H.T).sum() for H in found]
    assert (np.diff(heights) < 0).all()


def test_a_row_is_assigned_the_best_bits_with_all_others_held(parts):
    near, _, pull = parts
    rng = np.random.default_rng(3)
    signed = near.toarray() - 2 * (np.triu(rng.random((20, 20)) < 0.1, 1) & (near.toarray() > 0))
    S = np.triu(signed) + np.triu(signed, 1).T
    start = np.where(rng.random((20, 5)) < 0.5, 1.0, -1.0)

    def height(B):
        return -np.trace(B.T @ (0.7 * S @ B + 2 * pull))

    found, heights = start, [height(start)]
    for _ in range(10):
        found = assigned(sparse.csr_matrix(S), found, 0.7, pull)
        heights.append(height(found))
    assert (np.diff(heights) <= 1e-12).all()
    for row, bit in np.ndindex(20, 5):
        other = found.copy()
        other[row, bit] *= -1
        assert height(other) >= heights[-1] - 1e-12


def test_rows_of_an_anchor_graph_sum_to_one_and_join_those_of_the_same_place():
    rng = np.random.default_rng(0)
    places = np.repeat([[0.0, 0.0], [9.0, 0.0]], 15, axis=0)
    away = to_anchors(places + 0.1 * rng.standard_normal((30, 2)), 12, seed=0)
    F = anchored(away, 3)
    graph = F @ F.T
    assert away.shape == (30, 12)
    np.testing.assert_allclose(graph.sum(axis=1), 1)
    assert ((F > 0).sum(axis=1) == 3).all()
    assert graph[:15, 15:].max() == 0


@pytest.mark.parametrize("farthest", [False, True])
def test_anchors_tell_a_row_as_a_loop_does(farthest):
    rows = np.random.default_rng(1).standard_normal((6, 2))
    apart = np.square(rows[:, None] - rows[None]).sum(axis=2)
    order = np.argsort(-apart if farthest else apart, axis=1)[:, :2]
    mean = np.mean([apart[i, j] for i in range(6) for j in order[i]])
    expected = np.zeros((6, 6))
    for i in range(6):
        expected[i, order[i]] = np.exp(-apart[i, order[i]] / mean)
        expected[i] /= expected[i].sum()
    np.testing.assert_allclose(told_by(to_anchors(rows, 99, seed=0), 2, farthest), expected)


def test_labels_spread_to_where_the_inverse_has_them():
    rng = np.random.default_rng(4)
    near, Y = neighbours(rng.standard_normal((12, 3)), 3), rng.random((12, 2))
    scale = np.diag(np.asarray(near.sum(axis=1)).ravel() ** -0.5)
    wanted = 0.4 * np.linalg.solve(np.eye(12) - 0.6 * scale @ near.toarray() @ scale, Y)
    np.testing.assert_allclose(spread(near, Y, 0.6, turns=60), wanted, atol=1e-9)
