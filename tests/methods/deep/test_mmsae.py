"""MMSAE: each closed form against its equation, and the alternation against its objective."""

import numpy as np
import pytest

from diptych.methods.deep.mmsae import MMSAE, sylvester


def test_the_encoder_solves_its_sylvester_equation_as_scipy_does():
    from scipy.linalg import solve_sylvester

    rng = np.random.default_rng(0)
    X, S, C = rng.standard_normal((30, 6)), rng.standard_normal((30, 4)), rng.standard_normal((6, 4))
    spread, axes = np.linalg.eigh(0.7 * X.T @ X + 0.1 * np.eye(6))
    found = sylvester(spread, axes, S, C)
    np.testing.assert_allclose(found, solve_sylvester(0.7 * X.T @ X + 0.1 * np.eye(6), S.T @ S, C), atol=1e-10)


def objective(X, Y, L, A, B, encoding, semantics, ridge):
    """What the paper minimises, at the codes S and the U that alternating least squares finds for these maps."""
    tables = [table / np.linalg.norm(table) * np.sqrt(len(table)) for table in (X, Y, L)]
    maps = [W * np.linalg.norm(rows) / np.sqrt(len(rows)) for W, rows in ((A, X), (B, Y))]
    S = np.mean([rows @ W for rows, W in zip(tables, maps, strict=False)], axis=0)
    for _ in range(200):
        U = np.linalg.lstsq(S, tables[2], rcond=None)[0]
        blocks = [W.T for W in maps] + [np.sqrt(encoding) * np.eye(S.shape[1])] * 2 + [np.sqrt(semantics) * U]
        wanted = [*tables[:2], *(np.sqrt(encoding) * rows @ W for rows, W in zip(tables, maps, strict=False))]
        S = np.linalg.lstsq(np.hstack(blocks).T, np.hstack([*wanted, np.sqrt(semantics) * tables[2]]).T, rcond=None)[
            0
        ].T
    total = semantics * np.square(tables[2] - S @ np.linalg.lstsq(S, tables[2], rcond=None)[0]).sum()
    for rows, W in zip(tables, maps, strict=False):
        mean = ridge * np.linalg.eigvalsh(encoding * rows.T @ rows).mean()
        total += np.square(rows - S @ W.T).sum() + encoding * np.square(rows @ W - S).sum() + mean * np.square(W).sum()
    return total


def test_alternation_lowers_the_objective(latent):
    pairs = latent(200, 12, 9)
    X, Y = pairs.images - pairs.images.mean(axis=0), pairs.texts - pairs.texts.mean(axis=0)
    L = pairs.labels.astype(float)
    found = []
    for rounds in (1, 3, 30):
        A, B = MMSAE(dims=4, encoding=0.5, semantics=2.0, ridge=0.1, rounds=rounds).solve(X, Y, L)
        found.append(objective(X, Y, L - L.mean(axis=0), A, B, 0.5, 2.0, 0.1))
    assert found[0] > found[1] > found[2]
    assert found[2] > 0


def test_the_scale_of_features_changes_no_ranking(latent):
    pairs = latent(100, 8, 6)
    one = MMSAE(dims=3).fit(pairs)
    other = MMSAE(dims=3).fit(pairs.features(1000 * pairs.images, pairs.texts / 50))
    np.testing.assert_allclose(one.encode_images(pairs.images), other.encode_images(1000 * pairs.images), atol=1e-5)
    assert pytest.approx(1) == np.linalg.norm(one.encode_texts(pairs.texts)[0])
