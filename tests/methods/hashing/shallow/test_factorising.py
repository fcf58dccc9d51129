"""Those that factorise: objectives term by term with n x n graphs, and each step at the minimum that it claims."""

import numpy as np
import pytest
from scipy.linalg import solve_sylvester

from diptych.methods.hashing.shallow.cbjmf import CBJMF
from diptych.methods.hashing.shallow.fs_cmfh import FSCMFH
from diptych.methods.hashing.shallow.lcmfh import LCMFH
from diptych.methods.hashing.shallow.msmfh import MSMFH
from diptych.methods.hashing.shallow.smfh import SMFH
from diptych.parts.affinities import neighbours


def laplacian(S):
    return np.diag(S.sum(axis=1)) - S


def cosines(L):
    unit = L / np.linalg.norm(L, axis=1, keepdims=True)
    return unit @ unit.T


WEIGHTS = {"bits": 3, "images": 0.3, "fit_weight": 2.0, "decay": 0.5}


@pytest.mark.parametrize("kind", [LCMFH, SMFH, MSMFH])
def test_factors_and_functions_are_at_their_minimum(kind, centred, no_search_gets_lower):
    made = kind(**WEIGHTS)
    now = made.start(*centred)
    made.factors(now)
    no_search_gets_lower(made, now, "U")
    made.functions(now)
    no_search_gets_lower(made, now, "P")


def test_lcmfh_has_one_latent_row_for_one_set_of_labels_and_the_best_of_those(centred, factorised):
    X, Y, L = centred
    made = LCMFH(**WEIGHTS)
    now = made.start(X, Y, L)
    assert made.objective(now) == pytest.approx(factorised(made, now, X, Y), rel=1e-9)
    made._latent(now)
    lowest, rng = made.objective(now), np.random.default_rng(0)
    Z = np.linalg.lstsq(now.L, now.V, rcond=None)[0]
    np.testing.assert_allclose(now.L @ Z, now.V, atol=1e-9)
    for size in (1e-3, 1e-1):
        for _ in range(20):
            now.V = now.L @ (Z + size * rng.standard_normal(Z.shape))
            assert made.objective(now) > lowest
    _, same = np.unique(L, axis=0, return_inverse=True)
    assert len(np.unique(made.codes(now)[0].round(9), axis=0)) <= same.max() + 1 < len(L)


def test_smfh_weighs_labels_and_neighbours_in_one_graph(centred, factorised):
    X, Y, L = centred
    made = SMFH(**WEIGHTS, smooth=7.0, neighbours=2)
    now = made.start(X, Y, L)
    S = cosines(L) + (neighbours(X, 2) + neighbours(Y, 2)).toarray()
    weight = 7.0 / S.sum(axis=1).mean()
    added = weight * np.trace(now.V.T @ laplacian(S) @ now.V)
    assert made.objective(now) == pytest.approx(factorised(made, now, X, Y) + added, rel=1e-9)
    target = sum(rows @ (share * U + 2 * P) for rows, share, U, P in zip((X, Y), (0.3, 0.7), now.U, now.P, strict=True))
    M = 0.3 * now.U[0].T @ now.U[0] + 0.7 * now.U[1].T @ now.U[1] + 4.5 * np.eye(3)
    for _ in range(5):
        made._latent(now)
    np.testing.assert_allclose(now.V, solve_sylvester(weight * laplacian(S), M, target), atol=1e-6)


def test_msmfh_smooths_what_stands_between_its_factors(centred, factorised):
    X, Y, L = centred
    made = MSMFH(**WEIGHTS, smooth=7.0, sparse=0.4, neighbours=2, groups=3)
    now = made.start(X, Y, L)
    M = 0.6 * np.eye(3) + 0.4 / 3 * np.ones((3, 3))
    np.testing.assert_allclose(made.blended(now.V), now.V @ M, atol=1e-12)
    near = (neighbours(X, 2) + neighbours(Y, 2)).toarray()
    H = now.graph.thin
    assert H.min() >= 0 and H.shape == (30, 3)
    S = near + H @ H.T
    weight = 7.0 / S.sum(axis=1).mean()
    added = weight * np.trace(now.V.T @ laplacian(S) @ now.V)
    assert made.objective(now) == pytest.approx(factorised(made, now, X, Y) + added, rel=1e-9)
    for _ in range(5):
        made._latent(now)
    lowest, V, rng = made.objective(now), now.V, np.random.default_rng(0)
    for size in (1e-3, 1e-1):
        now.V = V + size * rng.standard_normal(V.shape)
        assert made.objective(now) > lowest


def test_fs_cmfh_has_a_latent_row_a_side_and_one_graph_over_both(centred, no_search_gets_lower):
    X, Y, L = centred
    made = FSCMFH(**WEIGHTS, smooth=7.0)
    now = made.start(X, Y, L)
    S = np.tile(cosines(L), (2, 2))
    weight, both = 7.0 / S.sum(axis=1).mean(), np.vstack(now.V)
    height = weight * np.trace(both.T @ laplacian(S) @ both)
    for share, rows, V, U, P in zip((0.3, 0.7), (X, Y), now.V, now.U, now.P, strict=True):
        height += share * np.square(rows - V @ U.T).sum() + 2 * np.square(V - rows @ P).sum()
        height += 0.5 * sum(np.square(one).sum() for one in (V, U, P))
    assert made.objective(now) == pytest.approx(height, rel=1e-9)
    for _ in range(30):
        made.latent(now)
    for unknown in ("V", "U"):
        no_search_gets_lower(made, now, unknown)
        made.factors(now)


def test_cbjmf_gives_back_clusters_and_cuts_bits_at_the_median(latent, no_search_gets_lower):
    pairs = latent(n=80)
    made = CBJMF(bits=6, clusters=4, fit_weight=3.0, decay=1.0).fit(pairs)
    ones = np.unpackbits(made.encode_images(pairs.images), axis=1)[:, :6].mean(axis=0)
    np.testing.assert_allclose(ones, 0.5, atol=1 / 80)
    X, Y = (rows - rows.mean(axis=0) for rows in (pairs.images, pairs.texts))
    now = made.start(X, Y, None)
    C = now.sides[2].X
    assert C.shape == (80, 8) and np.square(C).sum() == pytest.approx(80)
    assert np.abs(C.mean(axis=0)).max() < 1e-12
    made._latent(now)
    no_search_gets_lower(made, now, "V")
    height = sum(
        share * np.square(rows - now.V @ U.T).sum() + 3 * np.square(now.V - rows @ P).sum()
        for share, rows, U, P in zip((0.5, 0.5, 1.0), (X, Y, C), now.U, now.P, strict=True)
    )
    height += sum(np.square(one).sum() for one in (now.V, *now.U, *now.P))
    assert made.objective(now) == pytest.approx(height, rel=1e-9)
