"""SCM: both solvers against what the paper defines, with S as the n x n matrix that the method never makes."""

import numpy as np
import pytest

from diptych.flow.evaluate import evaluate
from diptych.kinds import BadInput, Pairs, hamming
from diptych.method import aligned
from diptych.methods.hashing.shallow.scm_hash import SCMHash


def target(L):
    """S of all pairs, entry by entry."""
    n = len(L)
    S = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            S[i, j] = 2 * (L[i] @ L[j]) / np.linalg.norm(L[i]) / np.linalg.norm(L[j]) - 1
    return S


def signs(rows):
    return np.where(rows >= 0, 1.0, -1.0)


@pytest.fixture
def rows(latent):
    X, Y, L = aligned(latent(n=60, texts=2), "labels")
    return X - X.mean(axis=0), Y - Y.mean(axis=0), L.astype(float)


def test_orthogonal_directions_solve_the_papers_eigenproblem(rows):
    from scipy.linalg import eigh

    X, Y, L = rows
    A, B = SCMHash(bits=4, solver="orthogonal", ridge=0.0).solve(X, Y, L)
    C, M_x, M_y = X.T @ target(L) @ Y, X.T @ X, Y.T @ Y
    values, vectors = eigh(C @ np.linalg.solve(M_y, C.T), M_x)
    for k in range(4):
        one, other = A[:, k] / np.linalg.norm(A[:, k]), vectors[:, -1 - k] / np.linalg.norm(vectors[:, -1 - k])
        assert abs(one @ other) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(A.T @ M_x @ A, len(X) * np.eye(4), atol=1e-6 * len(X))
    np.testing.assert_allclose(np.diag(A.T @ C @ B) / len(X), np.sqrt(values[::-1][:4]), rtol=1e-6)


def test_orthogonal_codes_are_no_longer_than_there_are_labels(small):
    made = SCMHash(solver="orthogonal").fit(small.train)
    classes = small.train.labels.any(axis=0).sum()
    assert made.A_.shape[1] <= classes < made.bits


@pytest.mark.parametrize("solver", ["sequential", "orthogonal"])
def test_labels_and_features_that_have_nothing_in_common_are_bad_input(latent, solver):
    around = np.tile(np.vstack([np.eye(3), -np.eye(3)]), (4, 1))  # their mean is 0 to the last bit
    one = Pairs(around, latent(n=24).texts, None, np.ones((24, 1), dtype=bool))
    with pytest.raises(BadInput) as error:
        SCMHash(solver=solver, bits=4).fit(one)
    assert "\n" not in str(error.value)


def test_each_bit_in_turn_is_the_best_pair_of_directions_for_what_is_left(rows):
    """With C as a whole matrix, the deflation written out, and each bit from scipy's generalised eigenproblem."""
    from scipy.linalg import eigh

    X, Y, L = rows
    A, B = SCMHash(bits=12, ridge=0.0).solve(X, Y, L)
    S = 12 * target(L)
    M_x, M_y = X.T @ X, Y.T @ Y
    for k in range(12):
        C = X.T @ S @ Y
        _, vectors = eigh(C @ np.linalg.solve(M_y, C.T), M_x, subset_by_index=(X.shape[1] - 1, X.shape[1] - 1))
        a, b = vectors[:, 0], np.linalg.solve(M_y, C.T @ vectors[:, 0])
        assert abs(a @ A[:, k]) / np.linalg.norm(a) / np.linalg.norm(A[:, k]) == pytest.approx(1.0, abs=1e-6)
        assert abs(b @ B[:, k]) / np.linalg.norm(b) / np.linalg.norm(B[:, k]) == pytest.approx(1.0, abs=1e-6)
        S = S - np.outer(signs(X @ A[:, k]), signs(Y @ B[:, k]))


def test_sequential_bits_reach_a_lower_objective_than_as_many_orthogonal_ones(rows):
    X, Y, L = rows
    S = target(L)
    objective = {}
    for solver in ("sequential", "orthogonal"):
        A, B = SCMHash(bits=4, solver=solver, ridge=0.0).solve(X, Y, L)
        objective[solver] = np.square(signs(X @ A) @ signs(Y @ B).T - A.shape[1] * S).mean() / A.shape[1] ** 2
    assert objective["sequential"] < objective["orthogonal"] < 1.0 + np.square(S).mean()


@pytest.mark.parametrize("bits", [5, 16, 70])
def test_codes_may_have_more_bits_than_features(latent, bits):
    made = SCMHash(bits=bits).fit(latent(d_x=6, d_y=5))
    assert made.A_.shape == (6, bits)
    assert made.encode_texts(latent(d_x=6, d_y=5).texts).shape == (200, -(-bits // 8))
    assert made.space is hamming


@pytest.mark.data
@pytest.mark.parametrize(("bits", "i2t", "t2i"), [(16, 0.215, 0.205), (32, 0.23, 0.23), (64, 0.243, 0.243)])
def test_on_wikipedia_it_reaches_what_was_measured_independently(data, bits, i2t, t2i):
    report = evaluate("scm_hash", "wikipedia", protocol="hashing", settings={"bits": str(bits)}).report
    assert report.i2t["map@all"] > i2t
    assert report.t2i["map@all"] > t2i


def test_packed_codes_stand_in_the_order_of_faiss(small):
    """Its order is one of falling scores of ours, and its distances are ours; items of one distance are a tie."""
    import faiss

    made = SCMHash().fit(small.train)
    queries, items = made.encode_images(small.test.images), made.encode_texts(small.test.texts)
    peer = faiss.IndexBinaryFlat(8 * items.shape[1])
    peer.add(items)
    distances, order = peer.search(queries, len(items))
    ours = -hamming.score(queries, items).astype(int)
    np.testing.assert_array_equal(np.sort(ours, axis=1), distances)
    np.testing.assert_array_equal(np.take_along_axis(ours, order, axis=1), distances)
