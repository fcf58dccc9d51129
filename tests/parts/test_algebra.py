import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, sparse

from diptych.kinds import BadInput
from diptych.parts import algebra
from diptych.parts.algebra import Moments, bilinear, ridged, sum_rows, top_eigen, top_svd, unit


def covariances(X, Y):
    """By the definition, in long doubles."""
    X, Y = np.asarray(X, dtype=np.longdouble), np.asarray(Y, dtype=np.longdouble)
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    return [np.asarray(a.T @ b / len(x), dtype=np.float64) for a, b in ((x, x), (x, y), (y, y))]


def told(moments):
    return moments.c_xx, moments.c_xy, moments.c_yy


def assert_close(moments, X, Y, rtol=1e-12):
    for found, wanted in zip(told(moments), covariances(X, Y), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * np.abs(wanted).max())
    np.testing.assert_allclose(moments.mean_x, np.mean(X, axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.mean_y, np.mean(Y, axis=0), rtol=1e-12)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 7)) + 1
    return X, X[:, :5] @ rng.standard_normal((5, 4)) + rng.standard_normal((300, 4))


def test_moments_are_covariances(rows):
    moments = Moments().add(*rows)
    assert moments.n == 300
    assert_close(moments, *rows)
    np.testing.assert_allclose(moments.c_xx, np.cov(rows[0].T, bias=True))


def test_large_means_cost_no_digits(rows):
    X, Y = rows[0] + 1e6, rows[1] - 1e6
    assert_close(Moments().add(X, Y), X, Y, rtol=1e-10)
    uneven = Moments().add(X[:50], Y[:50]).add(X[50:], Y[50:])
    assert_close(uneven, X, Y, rtol=1e-9)
    summed_as_they_stand = X.T @ X / 300 - np.outer(X.mean(axis=0), X.mean(axis=0))
    assert np.abs(summed_as_they_stand - covariances(X, Y)[0]).max() > 1e-5  # what the shift is for


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 2**31), st.booleans(), st.booleans())
def test_batches_of_any_size_with_any_number_of_texts_are_the_repeated_rows(sizes, seed, sparse_x, sparse_y):
    rng = np.random.default_rng(seed)
    moments, X_all, Y_all = Moments(), [], []
    for n in sizes:
        owner = rng.integers(0, n, rng.integers(1, 3 * n + 1))  # in no order; some pictures have no text
        X = rng.standard_normal((n, 5)) * (rng.random((n, 5)) < 0.4)
        Y = rng.standard_normal((len(owner), 3)) * (rng.random((len(owner), 3)) < 0.4)
        X_all.append(X[owner])
        Y_all.append(Y)
        moments.add(sparse.csr_matrix(X) if sparse_x else X, sparse.csr_array(Y) if sparse_y else Y, owner)
    X, Y = np.concatenate(X_all), np.concatenate(Y_all)
    assert moments.n == len(Y)
    for found, wanted in zip(told(moments), covariances(X, Y), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_allclose(moments.mean_x, X.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("texts", [1, 3])
def test_small_blocks_are_one_large_block(rows, texts, monkeypatch):
    X, owner = rows[0], np.repeat(np.arange(300), texts)
    Y = np.repeat(rows[1], texts, axis=0) + np.random.default_rng(1).standard_normal((300 * texts, 4))
    monkeypatch.setattr(algebra, "BLOCK_BYTES", 2000)
    assert_close(Moments().add(X, Y, owner), X[owner], Y)


def test_dense_and_sparse_batches_mix(rows):
    X, Y = rows
    moments = Moments().add(X[:100], Y[:100])
    moments.add(sparse.csr_matrix(X[100:200]), sparse.csr_matrix(Y[100:200])).add(X[200:], Y[200:])
    assert_close(moments, X, Y)


def test_memory_does_not_grow_with_the_number_of_pairs(monkeypatch):
    monkeypatch.setattr(algebra, "BLOCK_BYTES", 1 << 20)

    def peak(n, texts):
        X, owner = np.ones((n, 64), dtype=np.float32), np.repeat(np.arange(n), texts)
        Y = np.ones((n * texts, 64), dtype=np.float32)
        tracemalloc.start()
        moments = Moments().add(X, Y, owner)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        kept = sum(value.nbytes for value in vars(moments).values() if isinstance(value, np.ndarray))
        return most - 4 * owner.nbytes, kept

    few, kept_of_few = peak(10_000, 1)
    many, kept_of_many = peak(80_000, 1)
    assert kept_of_few == kept_of_many
    assert many < 1.2 * few
    assert peak(20_000, 5)[0] < 1.2 * peak(5_000, 5)[0]


def test_bad_rows_are_refused(rows):
    X, Y = rows
    with pytest.raises(BadInput, match="images are 6 wide, the rows before were 7"):
        Moments().add(X, Y).add(X[:, :6], Y)
    with pytest.raises(BadInput, match="texts are 3 wide, the rows before were 4"):
        Moments().add(X, Y).add(X, Y[:, :3])
    with pytest.raises(BadInput, match="no pairs"):
        Moments().add(X[:0], Y[:0])


def test_sum_rows_adds_up_each_group():
    rows, group = np.arange(10.0).reshape(5, 2), np.array([2, 0, 2, 0, 0])
    expected = np.zeros((4, 2))
    np.add.at(expected, group, rows)
    np.testing.assert_array_equal(sum_rows(rows, group, 4), expected)
    np.testing.assert_array_equal(sum_rows(sparse.csr_matrix(rows), group, 4).toarray(), expected)


def test_a_ridge_means_the_same_at_any_scale(rows):
    C = np.cov(rows[0].T)
    np.testing.assert_allclose(ridged(C, 0.5), C + 0.5 * np.diag(C).mean() * np.eye(7))
    np.testing.assert_allclose(ridged(1e6 * C, 0.5), 1e6 * ridged(C, 0.5))
    np.testing.assert_array_equal(C, np.cov(rows[0].T))


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (20, 30), (300, 300)])
@pytest.mark.parametrize("k", [5, 200])
def test_top_svd_is_the_svd(shape, k):
    rng = np.random.default_rng(1)
    T = rng.standard_normal(shape) * np.linspace(1, 3, shape[1])
    U, s, V = top_svd(T, k)
    k = min(k, *shape)
    assert (U.shape, s.shape, V.shape) == ((shape[0], k), (k,), (shape[1], k))
    np.testing.assert_allclose(s, linalg.svdvals(T)[:k], rtol=1e-9)
    np.testing.assert_allclose(T @ V, U * s, atol=1e-8)
    np.testing.assert_allclose(U.T @ U, np.eye(k), atol=1e-8)
    np.testing.assert_allclose(V.T @ V, np.eye(k), atol=1e-8)
    assert (U[np.abs(U).argmax(axis=0), np.arange(k)] > 0).all()


@pytest.mark.parametrize("shape", [(30, 20), (600, 700), (700, 600)])
def test_directions_beyond_the_rank_are_left_out(shape):
    rng = np.random.default_rng(3)
    T = rng.standard_normal((shape[0], 9)) @ rng.standard_normal((9, shape[1]))
    U, s, V = top_svd(T, 15)
    np.testing.assert_allclose(s, linalg.svdvals(T)[:9], rtol=1e-9)
    np.testing.assert_allclose((U * s) @ V.T, T, atol=1e-9)
    assert top_svd(0 * T, 15)[0].shape == (shape[0], 0)
    values, vectors = top_eigen(T @ T.T, 15)
    np.testing.assert_allclose(values, s**2, rtol=1e-9)
    np.testing.assert_allclose((vectors * values) @ vectors.T, T @ T.T, atol=1e-6)


def test_sides_that_do_not_vary_together_are_bad_input():
    with pytest.raises(BadInput, match="do not vary together"):
        bilinear(np.zeros((4, 3)), None, None, 2)


@pytest.mark.parametrize("of", [np.asarray, sparse.csr_matrix])
def test_moments_know_whether_each_side_varies(of):
    one, other = np.full((5, 3), 0.1), np.full((5, 3), 0.1)
    other[4, 2] = 0.2
    with pytest.raises(BadInput, match="all texts have the same features"):
        Moments().add(of(other), of(one)).check()
    with pytest.raises(BadInput, match="all images have the same features"):
        Moments().add(of(one), of(other)).check()
    Moments().add(of(other[:4]), of(one)[:4]).add(of(other[4:]), of(one[4:] + 1)).check()


def test_bilinear_is_the_generalised_eigenproblem(rows):
    X, Y = rows
    C_xx, C_xy, C_yy = covariances(X, Y)
    A, B, s = bilinear(C_xy, C_xx, C_yy, 3)
    left = np.block([[np.zeros((7, 7)), C_xy], [C_xy.T, np.zeros((4, 4))]])
    right = linalg.block_diag(C_xx, C_yy)
    values, vectors = linalg.eigh(left, right)
    np.testing.assert_allclose(s, values[::-1][:3], rtol=1e-10)
    np.testing.assert_allclose(A.T @ C_xx @ A, np.eye(3), atol=1e-10)
    np.testing.assert_allclose(B.T @ C_yy @ B, np.eye(3), atol=1e-10)
    np.testing.assert_allclose(A.T @ C_xy @ B, np.diag(s), atol=1e-10)
    first = vectors[:7, -1] * np.sqrt(2)  # eigh scales both halves together
    np.testing.assert_allclose(np.abs(A[:, 0]), np.abs(first), atol=1e-9)


def test_bilinear_without_metrics_is_the_svd(rows):
    C = covariances(*rows)[1]
    A, B, s = bilinear(C, None, None, 99)
    np.testing.assert_allclose(s, linalg.svdvals(C))
    np.testing.assert_allclose((A * s) @ B.T, C, atol=1e-12)


def test_a_singular_metric_is_bad_input_and_names_the_way_out():
    with pytest.raises(BadInput, match="ridge"):
        bilinear(np.ones((2, 2)), -np.eye(2), np.eye(2), 1)


def test_top_eigen_is_the_top_of_eigh():
    M = np.cov(np.random.default_rng(2).standard_normal((9, 50)))
    values, vectors = top_eigen(M, 4)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(M)[::-1][:4])
    np.testing.assert_allclose(M @ vectors, vectors * values, atol=1e-12)
    assert top_eigen(M, 99)[1].shape == (9, 9)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_unit_rows_are_those_of_scikit_learn_and_nothing_is_written_on(kind):
    from sklearn.preprocessing import normalize

    rows = (5 * np.random.default_rng(0).standard_normal((40, 30))).astype(kind)
    rows[3], rows[:, 7] = 0, 0
    for given_rows in (rows, sparse.csr_matrix(rows), sparse.csc_array(rows), rows[:0], sparse.csr_matrix(rows[:0])):
        found = unit(given_rows)
        dense, given_dense = (x.toarray() if sparse.issparse(x) else x for x in (found, given_rows))
        assert sparse.issparse(found) == sparse.issparse(given_rows)
        np.testing.assert_array_equal(given_dense, rows[: len(given_dense)])
        expected = normalize(rows.astype(np.float64))[: len(dense)]
        np.testing.assert_allclose(dense, expected, rtol=1e-15, atol=0)
