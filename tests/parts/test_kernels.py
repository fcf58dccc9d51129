import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import chi2_kernel, rbf_kernel

from diptych.kinds import BadInput
from diptych.parts.kernels import KernelMap, chi2_distance, squared_distance


@pytest.fixture
def histograms():
    rows = np.random.default_rng(0).gamma(0.5, size=(60, 8))
    return rows / rows.sum(axis=1, keepdims=True)


def test_distances_are_those_of_scipy_and_of_the_formula(histograms):
    X, Z = histograms[:20], histograms[20:]
    np.testing.assert_allclose(squared_distance(X, Z), cdist(X, Z, "sqeuclidean"), atol=1e-12)
    slow = [[sum((x - z) ** 2 / (x + z) for x, z in zip(a, b, strict=True) if x + z) for b in Z] for a in X]
    np.testing.assert_allclose(chi2_distance(X, Z), slow, atol=1e-12)
    assert squared_distance(X, X).min() >= 0


def test_chi2_wants_histograms(histograms):
    with pytest.raises(BadInput, match="kernel=rbf"):
        chi2_distance(histograms - 0.5, histograms)


@pytest.mark.parametrize(("kernel", "oracle"), [("rbf", rbf_kernel), ("chi2", chi2_kernel)])
def test_with_every_row_a_landmark_the_map_is_the_kernel(histograms, kernel, oracle):
    made = KernelMap(kernel, scale=0.7).fit(histograms)
    distance = {"rbf": squared_distance, "chi2": chi2_distance}[kernel](histograms, histograms)
    assert made.width_ == pytest.approx(0.7 * distance.mean())
    phi = made.transform(histograms)
    np.testing.assert_allclose(phi @ phi.T, oracle(histograms, gamma=1 / made.width_), atol=1e-8)


def test_landmarks_give_the_nystroem_approximation(histograms):
    made = KernelMap("rbf", landmarks=15, seed=3).fit(histograms)
    gamma = 1 / made.width_
    K_nm, K_mm = rbf_kernel(histograms, made.landmarks_, gamma), rbf_kernel(made.landmarks_, gamma=gamma)
    phi = made.transform(histograms)
    np.testing.assert_allclose(phi @ phi.T, K_nm @ np.linalg.pinv(K_mm, rcond=1e-10) @ K_nm.T, atol=1e-6)
    of_landmarks = made.transform(made.landmarks_)
    np.testing.assert_allclose(of_landmarks @ of_landmarks.T, K_mm, atol=1e-8)
    assert not np.array_equal(KernelMap(landmarks=15, seed=4).fit(histograms).landmarks_, made.landmarks_)


def test_landmarks_are_training_rows_each_at_most_once(histograms):
    drawn = KernelMap(landmarks=15).fit(histograms).landmarks_
    assert len(np.unique(drawn, axis=0)) == 15
    assert all((row == histograms).all(axis=1).any() for row in drawn)
    assert len(KernelMap(landmarks=1000).fit(histograms).landmarks_) == 60


def test_sparse_rows_are_dense_rows(histograms):
    thin = histograms * (histograms > 0.05)
    dense, wide = KernelMap(landmarks=20).fit(thin), KernelMap(landmarks=20).fit(sparse.csr_matrix(thin))
    np.testing.assert_array_equal(dense.transform(thin), wide.transform(sparse.csr_matrix(thin)))


def test_blocks_do_not_show():
    rows = np.random.default_rng(0).random((2500, 3))
    made = KernelMap(landmarks=30).fit(rows)
    np.testing.assert_allclose(made.transform(rows)[2000:], made.transform(rows[2000:]), atol=1e-8)
    assert made.transform(rows[:0]).shape == (0, made.whiten_.shape[1])
    with pytest.raises(BadInput, match="4 wide; this kernel map was fitted on 3"):
        made.transform(np.ones((2, 4)))


def test_landmarks_that_are_all_the_same_are_bad_input():
    rows = np.full((50, 3), 0.5)
    with pytest.raises(BadInput, match="all the same; set landmarks higher"):
        KernelMap(landmarks=10).fit(rows)
