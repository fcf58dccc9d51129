"""DCCA: its objective against canonical correlations, the paper's gradient, and what stands on top."""

import numpy as np
import pytest
from sklearn.preprocessing import normalize

from diptych.kinds import Pairs
from diptych.methods.subspace.cca import CCA
from diptych.methods.subspace.dcca import DCCA

torch = pytest.importorskip("torch", reason="this method needs torch")


def outputs(n=60, d=5, seed=0):
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((n, d)) @ rng.standard_normal((d, d))
    V = U @ rng.standard_normal((d, d)) + 2 * rng.standard_normal((n, d))
    return U, V


def root_inverse(C):
    values, axes = np.linalg.eigh(C)
    return axes @ np.diag(values**-0.5) @ axes.T


def whitened(U, V, ridge):
    """The paper's tables: centred rows, T, and the two inverse roots."""
    U, V, n = U - U.mean(axis=0), V - V.mean(axis=0), len(U)
    C = [side.T @ side / n for side in (U, V)]
    K = [root_inverse(S + ridge * np.trace(S) / len(S) * np.eye(len(S))) for S in C]
    return U, V, K[0] @ (U.T @ V / n) @ K[1], *K


def test_the_objective_is_the_sum_of_the_canonical_correlations_of_scikit_learn():
    from sklearn.cross_decomposition import CCA

    U, V = outputs()
    found = DCCA(dims=5, ridge=1e-9).loss(None, torch.from_numpy(U), torch.from_numpy(V), None)["correlation"]
    scores = CCA(n_components=5, max_iter=5000, tol=1e-12).fit_transform(U, V)
    expected = sum(np.corrcoef(scores[0][:, k], scores[1][:, k])[0, 1] for k in range(5))
    assert -5 * found.item() == pytest.approx(expected, rel=1e-5)


def test_it_is_the_nuclear_norm_and_not_the_sum_of_roots_of_entries():
    U, V = outputs()
    _, _, T, *_ = whitened(U, V, 0.1)
    found = -5 * DCCA(dims=5, ridge=0.1).loss(None, torch.from_numpy(U), torch.from_numpy(V), None)["correlation"]
    assert found.item() == pytest.approx(np.linalg.norm(T, "nuc"))
    assert found.item() != pytest.approx(np.trace(np.sqrt(np.maximum(T.T @ T, 0))), rel=1e-2)


def test_the_gradient_is_the_papers():
    """Andrew et al. 2013, eq. 11-13, for a ridge that does not depend on the outputs: here one near to zero."""
    U, V = outputs()
    u = torch.from_numpy(U).requires_grad_()
    (-5 * DCCA(dims=5, ridge=1e-10).loss(None, u, torch.from_numpy(V), None)["correlation"]).backward()
    U, V, T, K_u, K_v = whitened(U, V, 1e-10)
    left, d, right = np.linalg.svd(T)
    across = K_u @ left @ right @ K_v
    within = -0.5 * K_u @ left @ np.diag(d) @ left.T @ K_u
    np.testing.assert_allclose(u.grad, (2 * U @ within + V @ across.T) / len(U), atol=1e-8)


def test_scale_and_rotation_of_outputs_change_nothing():
    U, V = outputs()
    method, turn = DCCA(dims=5, ridge=1e-9), np.linalg.qr(np.random.default_rng(3).standard_normal((5, 5)))[0]
    one = method.loss(None, torch.from_numpy(U), torch.from_numpy(V), None)["correlation"]
    other = method.loss(None, torch.from_numpy(1e3 * U @ turn + 7), torch.from_numpy(V), None)["correlation"]
    assert one.item() == pytest.approx(other.item(), rel=1e-6)


def test_on_top_stands_the_linear_analysis_of_the_outputs(latent):
    pairs = latent(300, 12, 9, texts=2)
    method = DCCA(image_hidden=16, dims=6, batch=200, epochs=3, held_out=0.0, noise=0.1, power=2.0, rate=1e-3)
    method.spread = lambda *_: 0.0
    method.fit(pairs)
    net = method.trained()
    plain = pairs.features(method.outputs(net.images[0], pairs.images), method.outputs(net.texts[0], pairs.texts))
    linear = CCA(dims=6, ridge=1e-3, power=2.0).fit(plain)
    for ours, theirs in (
        (method.encode_images(pairs.images), linear.encode_images(plain.images)),
        (method.encode_texts(pairs.texts), linear.encode_texts(plain.texts)),
    ):
        np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-4)


def test_a_last_block_of_one_row_is_learned_from(latent):
    pairs = latent(1025, 12, 9)
    method = DCCA(image_hidden=8, dims=4, epochs=1, held_out=0.0).fit(pairs)
    assert np.isfinite(method.encode_images(pairs.images)).all()


def test_what_is_bent_is_found_by_the_deep_layers():
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((2000, 3))
    images = np.hstack([hidden, np.ones((2000, 1))]).astype(np.float32)
    texts = np.hstack([np.square(hidden), np.ones((2000, 1))]).astype(np.float32)
    pairs = Pairs(images, texts, np.arange(2000))
    method = DCCA(image_hidden=64, dims=3, batch=200, epochs=20, held_out=0.0, dropout=0.0, noise=1e-3, rate=1e-2)
    found = [-epoch["correlation"] for epoch in method.fit(pairs).training_["epochs"]]
    assert found[0] < 0.5 and found[-1] > 0.8


@pytest.mark.parametrize("hidden", [0, 16])
def test_it_starts_as_the_regularised_linear_analysis(latent, hidden):
    pairs = latent(3000, 12, 9)
    pairs = pairs.features(normalize(pairs.images), normalize(pairs.texts))
    method = DCCA(image_hidden=hidden, dims=6, noise=0.5, epochs=1, rate=1e-12, held_out=0.0).fit(pairs)
    linear = CCA(dims=6, ridge=0.5).fit(pairs)
    for side in ("encode_images", "encode_texts"):
        ours, theirs = (getattr(made, side)(getattr(pairs, side[7:])) for made in (method, linear))
        assert np.corrcoef((ours @ ours.T).ravel(), (theirs @ theirs.T).ravel())[0, 1] > 0.995
