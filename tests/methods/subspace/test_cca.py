"""Canonical correlation and its variants: cca, cm, kcca, ml_cca, fast_ml_cca."""

import dataclasses

import numpy as np
import pytest
from scipy import linalg, sparse
from sklearn.cross_decomposition import CCA as ScikitCCA
from sklearn.metrics.pairwise import rbf_kernel

from diptych.kinds import BadInput, Pairs
from diptych.method import Method
from diptych.methods.subspace.cca import CCA
from diptych.methods.subspace.cfa import CFA
from diptych.methods.subspace.cm import CM
from diptych.methods.subspace.fast_ml_cca import FastMLCCA
from diptych.methods.subspace.kcca import KCCA
from diptych.methods.subspace.ml_cca import MLCCA
from diptych.methods.subspace.pls import PLS
from diptych.parts.kernels import chi2_distance


def eigenproblem(C_xy, M_x, M_y, k):
    """The k largest values of [0 C; C' 0] w = s [M_x 0; 0 M_y] w, and the directions of either side as columns."""
    d_x, d_y = C_xy.shape
    left = np.block([[np.zeros((d_x, d_x)), C_xy], [C_xy.T, np.zeros((d_y, d_y))]])
    values, vectors = linalg.eigh(left, linalg.block_diag(M_x, M_y))
    top = vectors[:, ::-1][:, :k]
    return values[::-1][:k], top[:d_x], top[d_x:]


def up_to_sign(one, two):
    return one * np.sign((one * two).sum(axis=0))


def assert_same_directions(one, two, atol=1e-8):
    """Columns equal up to sign and length."""
    one, two = (side / np.linalg.norm(side, axis=0) for side in (one, two))
    np.testing.assert_allclose(up_to_sign(one, two), two, atol=atol)


def weighted_covariances(X, Y, f):
    """The sums of ml-CCA as they stand in the paper: one term for every i and j."""
    Z, C_xy, C_xx, C_yy = 0.0, 0.0, 0.0, 0.0
    for i in range(len(X)):
        for j in range(len(Y)):
            Z += f[i, j]
            C_xy += f[i, j] * np.outer(X[i], Y[j])
            C_xx += f[i, j] * np.outer(X[i], X[i])
            C_yy += f[i, j] * np.outer(Y[j], Y[j])
    return C_xy / Z, C_xx / Z, C_yy / Z


def lift(C, ridge):
    return C + ridge * np.diag(C).mean() * np.eye(len(C))


# -------------------------------------------------------------------------------------------------------------- cca


@pytest.mark.parametrize("ridge", [1e-3, 2.0])
def test_cca_solves_the_generalised_eigenproblem(latent, ridge):
    pairs = latent()
    made = CCA(dims=4, ridge=ridge, power=0.0).fit(pairs)
    X, Y = pairs.images - pairs.images.mean(axis=0), pairs.texts - pairs.texts.mean(axis=0)
    n = len(X)
    values, A, B = eigenproblem(X.T @ Y / n, lift(X.T @ X / n, ridge), lift(Y.T @ Y / n, ridge), 4)
    np.testing.assert_allclose(made.correlations_, values, rtol=1e-10)
    assert_same_directions(made.A_, A)
    assert_same_directions(made.B_, B)
    np.testing.assert_allclose(np.sign((made.A_ * A).sum(axis=0)), np.sign((made.B_ * B).sum(axis=0)))


def test_with_no_ridge_to_speak_of_the_correlations_are_those_of_scikit_learn(latent):
    pairs = latent(n=500)
    made = CCA(dims=3, ridge=1e-10).fit(pairs)
    peer = ScikitCCA(n_components=3, max_iter=5000, tol=1e-12).fit(pairs.images, pairs.texts)
    U, V = peer.transform(pairs.images, pairs.texts)
    theirs = [np.corrcoef(u, v)[0, 1] for u, v in zip(U.T, V.T, strict=True)]
    np.testing.assert_allclose(made.correlations_, theirs, atol=1e-6)
    # And they are the correlations of its own unsettled outputs.
    ours = [np.corrcoef(u, v)[0, 1] for u, v in zip((pairs.images @ made.A_).T, (pairs.texts @ made.B_).T, strict=True)]
    np.testing.assert_allclose(made.correlations_, ours, atol=1e-8)


def test_power_weighs_each_coordinate_by_its_correlation(latent):
    pairs = latent()
    plain, weighed = CCA(dims=5, power=0.0).fit(pairs), CCA(dims=5, power=2.0).fit(pairs)
    np.testing.assert_allclose(weighed.A_, plain.A_ * plain.correlations_**2)
    np.testing.assert_allclose(weighed.B_, plain.B_ * plain.correlations_**2)


def test_dims_is_at_most_the_smaller_width(latent):
    assert CCA(dims=512).fit(latent(d_x=12, d_y=9)).encode_images(latent().images).shape == (200, 9)


def test_several_texts_a_picture_are_the_pictures_repeated(latent):
    pairs = latent(n=90, texts=3)
    repeated = Pairs(pairs.images[pairs.owner], pairs.texts)
    for kind in (CCA, PLS, CFA):
        one, two = kind(dims=4).fit(pairs), kind(dims=4).fit(repeated)
        np.testing.assert_allclose(one.A_, two.A_, atol=1e-8)
        np.testing.assert_allclose(one.B_, two.B_, atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "values"), [(CCA, "correlations_"), (PLS, "covariances_"), (CFA, "covariances_"), (CM, "correlations_")]
)
@pytest.mark.parametrize("wide", [False, True], ids=["dense", "sparse texts"])
def test_uneven_batches_are_one_fit(latent, kind, values, wide):
    pairs = latent(n=150, texts=2)
    if wide:
        pairs = dataclasses.replace(pairs, texts=sparse.csr_matrix(np.where(pairs.texts > -2, pairs.texts, 0.0)))
    streamed = kind(dims=5)
    for start, stop in ((0, 7), (7, 8), (8, 100), (100, 150)):
        streamed.partial_fit(pairs.select(np.arange(start, stop)))
    at_once = kind(dims=5).fit(pairs)
    np.testing.assert_allclose(getattr(streamed, values), getattr(at_once, values), atol=1e-8)
    assert_same_directions(streamed.A_, at_once.A_, atol=1e-6)
    np.testing.assert_allclose(streamed.mean_y_, at_once.mean_y_)


def test_learning_on_from_a_folder_is_bad_input(latent, tmp_path):
    CCA().fit(latent()).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="fit it anew"):
        Method.from_pretrained(tmp_path).partial_fit(latent())
    assert Method.from_pretrained(tmp_path).fit(latent()).correlations_.shape == (9,)


def test_cm_is_cca_with_few_directions_that_count_alike(latent):
    pairs = latent()
    cm, cca = CM().fit(pairs), CCA(dims=7, ridge=0.1, power=0.0).fit(pairs)
    np.testing.assert_array_equal(cm.encode_images(pairs.images), cca.encode_images(pairs.images))
    assert cm.encode_texts(pairs.texts).shape == (200, 7)


# ------------------------------------------------------------------------------------------------------------- kcca


@pytest.mark.parametrize("kernel", ["rbf", "chi2"])
def test_kcca_with_every_row_a_landmark_is_the_n_by_n_eigenproblem(latent, kernel):
    pairs = latent(n=60)
    pairs = dataclasses.replace(pairs, images=np.abs(pairs.images), texts=np.abs(pairs.texts))
    n, ridge = 60, 1e-2
    made = KCCA(dims=3, kernel=kernel, landmarks=None, ridge=ridge, power=0.0).fit(pairs)
    centre, kernels, scores = np.eye(n) - 1 / n, [], []
    for rows, width in ((pairs.images, made.images_.width_), (pairs.texts, made.texts_.width_)):
        K = rbf_kernel(rows, gamma=1 / width) if kernel == "rbf" else np.exp(-chi2_distance(rows, rows) / width)
        kernels.append(centre @ K @ centre)
    K_x, K_y = kernels
    # K is singular along the constant vector; the jitter keeps eigh from dividing by it.
    M_x, M_y = (K @ K / n + ridge * K + 1e-9 * np.eye(n) for K in kernels)
    values, alpha, beta = eigenproblem(K_x @ K_y / n, M_x, M_y, 3)
    np.testing.assert_allclose(made.correlations_, values, atol=1e-6)
    for K, weights, raw in (
        (K_x, alpha, (made.images_.transform(pairs.images) - made.mean_x_) @ made.A_),
        (K_y, beta, (made.texts_.transform(pairs.texts) - made.mean_y_) @ made.B_),
    ):
        scores.append(K @ weights)
        assert_same_directions(raw, scores[-1], atol=1e-5)


def test_kcca_with_landmarks_comes_near_the_exact_one(latent):
    pairs = latent(n=300)
    exact = KCCA(dims=3, landmarks=None, ridge=1e-2).fit(pairs).correlations_
    far, near = (
        np.abs(KCCA(dims=3, landmarks=m, ridge=1e-2).fit(pairs).correlations_ - exact).max() for m in (20, 200)
    )
    assert near < 0.02 < far


def test_kcca_chi2_says_when_features_are_no_histograms(latent):
    with pytest.raises(BadInput, match="kernel=rbf"):
        KCCA(kernel="chi2").fit(latent())


# --------------------------------------------------------------------------------------------------- ml_cca and fast


def rows_of(pairs):
    """Centred rows and labels, one a text, as the methods see them."""
    X, Y, L = pairs.images[pairs.owner], pairs.texts, pairs.text_labels.astype(float)
    return X - X.mean(axis=0), Y - Y.mean(axis=0), L


@pytest.mark.parametrize("texts", [1, 2])
def test_ml_cca_is_the_double_sum_over_label_cosines(latent, texts):
    pairs = latent(n=40, d_x=5, d_y=4, texts=texts)
    X, Y, L = rows_of(pairs)
    f = L @ L.T / np.outer(np.linalg.norm(L, axis=1), np.linalg.norm(L, axis=1))
    C_xy, C_xx, C_yy = weighted_covariances(X, Y, f)
    values, A, B = eigenproblem(C_xy, lift(C_xx, 0.25), lift(C_yy, 0.25), 3)
    made = MLCCA(dims=3).fit(pairs)
    np.testing.assert_allclose(made.correlations_, values, rtol=1e-9)
    assert_same_directions(made.A_, A)
    assert_same_directions(made.B_, B)


def test_ml_cca_of_single_labels_pairs_everything_of_a_class(latent):
    pairs = latent(n=60, d_x=5, d_y=4)
    single = dataclasses.replace(pairs, labels=np.eye(3, dtype=bool)[np.arange(60) % 3])
    X, Y, L = rows_of(single)
    means_x, means_y = L.T @ X / 20, L.T @ Y / 20
    values, *_ = eigenproblem(means_x.T @ means_y / 3, lift(X.T @ X / 60, 0.25), lift(Y.T @ Y / 60, 0.25), 2)
    np.testing.assert_allclose(MLCCA(dims=2).fit(single).correlations_, values, rtol=1e-9)


def test_fast_ml_cca_with_every_pair_near_is_the_double_sum(latent):
    pairs = latent(n=40, d_x=5, d_y=4)
    X, Y, L = rows_of(pairs)
    f = np.exp(-np.linalg.norm(L[:, None] - L[None], axis=2) / 0.8)
    C_xy, C_xx, C_yy = weighted_covariances(X, Y, f)
    values, A, B = eigenproblem(C_xy, lift(C_xx, 0.25), lift(C_yy, 0.25), 3)
    made = FastMLCCA(dims=3, few=40, sigma=0.8).fit(pairs)
    np.testing.assert_allclose(made.correlations_, values, rtol=1e-9)
    assert_same_directions(made.A_, A)
    assert_same_directions(made.B_, B)


def test_fast_ml_cca_counts_the_nearest_labels_only(latent):
    # Eight pairs have the very labels of each, so the 8 nearest are known whatever the order of ties.
    pairs = latent(n=32, d_x=5, d_y=4)
    labels = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]], dtype=bool)[np.arange(32) % 4]
    pairs = dataclasses.replace(pairs, labels=labels)
    X, Y, L = rows_of(pairs)
    f = (L[:, None] == L[None]).all(axis=2).astype(float)
    C_xy, C_xx, C_yy = weighted_covariances(X, Y, f)
    values, *_ = eigenproblem(C_xy, lift(C_xx, 0.25), lift(C_yy, 0.25), 3)
    for seed in (0, 1):
        np.testing.assert_allclose(FastMLCCA(dims=3, few=8, seed=seed).fit(pairs).correlations_, values, rtol=1e-9)
    assert not np.allclose(FastMLCCA(dims=3, few=16).fit(pairs).correlations_, values)


def test_fast_ml_cca_follows_neighbours_that_do_not_follow_back(latent):
    # Three pairs of each kind, six neighbours: the first kind looks to the second, which looks to the third and back.
    pairs = latent(n=9, d_x=3, d_y=2)
    labels = np.array([[1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)[np.arange(9) % 3]
    pairs = dataclasses.replace(pairs, labels=labels)
    X, Y, L = rows_of(pairs)
    looks_to = np.array([[1, 1, 0], [0, 1, 1], [0, 1, 1]], dtype=bool)[np.ix_(np.arange(9) % 3, np.arange(9) % 3)]
    f = np.exp(-np.linalg.norm(L[:, None] - L[None], axis=2)) * looks_to
    C_xy, C_xx, C_yy = weighted_covariances(X, Y, f)
    values, *_ = eigenproblem(C_xy, lift(C_xx, 0.25), lift(C_yy, 0.25), 2)
    np.testing.assert_allclose(FastMLCCA(dims=2, few=6).fit(pairs).correlations_, values, rtol=1e-9)
