"""Partial least squares, cross-modal factor analysis and the bilinear model."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.cross_decomposition import PLSSVD
from sklearn.decomposition import PCA

from diptych.kinds import Pairs
from diptych.methods.subspace.blm import BLM
from diptych.methods.subspace.cfa import CFA
from diptych.methods.subspace.pls import PLS


def centred(pairs):
    return pairs.images - pairs.images.mean(axis=0), pairs.texts - pairs.texts.mean(axis=0)


def raw(made, pairs):
    """Outputs before they are normalised."""
    return (pairs.images - made.mean_x_) @ made.A_, (pairs.texts - made.mean_y_) @ made.B_


@pytest.mark.parametrize("standardise", [True, False])
def test_pls_is_plssvd_of_scikit_learn(latent, standardise):
    pairs = latent()
    made = PLS(dims=4, standardise=standardise).fit(pairs)
    U, V = PLSSVD(n_components=4, scale=standardise).fit_transform(pairs.images, pairs.texts)
    if standardise:  # scikit-learn divides by n - 1
        U, V = U * np.sqrt(200 / 199), V * np.sqrt(200 / 199)
    X, Y = raw(made, pairs)
    signs = np.sign((X * U).sum(axis=0))
    np.testing.assert_allclose(X * signs, U, atol=1e-8)
    np.testing.assert_allclose(Y * signs, V, atol=1e-8)
    np.testing.assert_allclose(made.covariances_, np.diag(U.T @ V) / 200, rtol=1e-8)


def test_standardised_pls_does_not_see_units(latent):
    pairs = latent()
    scale = np.logspace(-2, 3, 12)
    one, two = PLS().fit(pairs), PLS().fit(Pairs(pairs.images * scale, pairs.texts))
    np.testing.assert_allclose(one.encode_images(pairs.images), two.encode_images(pairs.images * scale), atol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e6])
def test_a_constant_column_does_no_harm(latent, constant):
    pairs = latent()
    flat = Pairs(np.column_stack([pairs.images, np.full(200, constant)]), pairs.texts)
    made, plain = PLS(dims=5).fit(flat), PLS(dims=5).fit(pairs)
    np.testing.assert_allclose(made.covariances_, plain.covariances_, atol=1e-9)
    np.testing.assert_allclose(made.encode_images(flat.images), plain.encode_images(pairs.images), atol=1e-5)
    assert np.isfinite(BLM(dims=5).fit(flat).encode_images(flat.images)).all()


def objective(X, Y, A, B):
    return np.linalg.norm(X @ A - Y @ B) ** 2


def test_cfa_factors_are_orthonormal_and_no_other_do_better(latent):
    pairs = latent()
    made = CFA(dims=6, power=0.0).fit(pairs)
    X, Y = centred(pairs)
    f_x, f_y = np.linalg.norm(X) / np.sqrt(200), np.linalg.norm(Y) / np.sqrt(200)
    A, B = made.A_ * f_x, made.B_ * f_y
    np.testing.assert_allclose(A.T @ A, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(B.T @ B, np.eye(6), atol=1e-10)
    # ||XA||² and ||YB||² vary with the subspace; the method of the paper is their rotation to the largest tr A'X'YB.
    best = np.trace(A.T @ X.T @ Y @ B)
    values = np.linalg.svd(X.T @ Y, compute_uv=False)[:6]
    assert best == pytest.approx(values.sum())
    np.testing.assert_allclose(made.covariances_, values / (np.linalg.norm(X) * np.linalg.norm(Y)))
    rng = np.random.default_rng(0)
    for _ in range(200):
        C, D = ortho_group.rvs(12, random_state=rng)[:, :6], ortho_group.rvs(9, random_state=rng)[:, :6]
        assert np.trace(C.T @ X.T @ Y @ D) < best


def test_cfa_with_square_factors_reaches_the_least_distance(latent):
    # With as many factors as variables ||XA|| and ||YB|| are fixed, and the objective is the orthogonal Procrustes one.
    pairs = latent(d_x=6, d_y=6)
    made = CFA(dims=6, power=0.0).fit(pairs)
    X, Y = (side / np.linalg.norm(side) for side in centred(pairs))
    scale = [np.linalg.norm(side) / np.sqrt(200) for side in centred(pairs)]
    least = objective(X, Y, made.A_ * scale[0], made.B_ * scale[1])
    rng = np.random.default_rng(0)
    assert all(
        least < objective(X, Y, ortho_group.rvs(6, random_state=rng), ortho_group.rvs(6, random_state=rng))
        for _ in range(200)
    )
    nuclear = np.linalg.svd(X.T @ Y, compute_uv=False).sum()
    assert least == pytest.approx(2 - 2 * nuclear)


def test_cfa_power_restores_the_scale_of_each_factor(latent):
    plain, weighed = CFA(power=0.0).fit(latent()), CFA(power=0.5).fit(latent())
    np.testing.assert_allclose(weighed.A_, plain.A_ * np.sqrt(plain.covariances_))


def blm_by_hand(pairs, dims, ridge):
    """Joint components by scikit-learn's PCA of the stacked rows, contents of a side by ridge least squares."""
    contents, stacked, sides = [], [], centred(pairs)
    for side in sides:
        stacked.append(side / side.std(axis=0) / np.sqrt(side.shape[1]))
    style = PCA(dims).fit(np.hstack(stacked)).components_.T
    at = 0
    for rows in stacked:
        A = style[at : at + rows.shape[1]]
        at += rows.shape[1]
        lift = np.sqrt(ridge * np.linalg.norm(A) ** 2 / dims)
        # min ||x - A b||² + lift² ||b||² as plain least squares of stacked rows
        b, *_ = np.linalg.lstsq(np.vstack([A, lift * np.eye(dims)]), np.vstack([rows.T, np.zeros((dims, len(rows)))]))
        contents.append(b.T)
    return contents


@pytest.mark.parametrize("ridge", [0.1, 1.0])
def test_blm_is_the_content_of_each_side_in_joint_components(latent, ridge):
    pairs = latent()
    X, Y = raw(BLM(dims=4, ridge=ridge).fit(pairs), pairs)
    x, y = blm_by_hand(pairs, 4, ridge)
    signs = np.sign((X * x).sum(axis=0))
    np.testing.assert_allclose(X * signs, x, atol=1e-8)
    np.testing.assert_allclose(Y * signs, y, atol=1e-8)


def test_blm_components_explain_both_sides_as_pca_does(latent):
    pairs = latent()
    stacked = np.hstack([side / side.std(axis=0) / np.sqrt(side.shape[1]) for side in centred(pairs)])
    made = BLM(dims=5).fit(pairs)
    x, y = raw(made, pairs)
    known = PCA(5).fit(stacked)
    joint = known.transform(stacked)
    # Contents told by one side follow those of both sides together.
    for k in range(3):
        assert abs(np.corrcoef(x[:, k], joint[:, k])[0, 1]) > 0.7
        assert abs(np.corrcoef(y[:, k], joint[:, k])[0, 1]) > 0.7


@pytest.mark.parametrize("kind", [PLS, CFA, BLM])
def test_more_dims_than_pairs_stay_finite_and_stop_at_the_rank(kind):
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((40, 6))
    rows = [shared @ rng.standard_normal((6, d)) + rng.standard_normal((40, d)) for d in (600, 560)]
    made = kind(dims=200).fit(Pairs(*rows))
    images, texts = made.encode_images(rows[0]), made.encode_texts(rows[1])
    assert images.shape == texts.shape == (40, 39)  # 40 centred rows have rank 39
    assert np.isfinite(images).all() and np.isfinite(texts).all()
    assert ((images @ texts.T).argmax(axis=1) == np.arange(40)).mean() > 0.9
