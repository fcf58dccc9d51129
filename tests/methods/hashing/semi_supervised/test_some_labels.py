"""What learns from some labels: which are looked at, and what S3FH, TS3H and SS-LPDP make of the others."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from diptych.kinds import BadInput
from diptych.methods.hashing.semi_supervised.s3fh import S3FH
from diptych.methods.hashing.semi_supervised.ss_lpdp import SSLPDP
from diptych.methods.hashing.semi_supervised.ts3h import TS3H


def test_labels_are_shown_of_as_many_as_asked_and_others_are_kept_or_left_out(latent):
    pairs = latent(n=50, texts=2)
    some, few = S3FH(shown=0.3).told(pairs), S3FH(shown=0.3, unlabelled=False).told(pairs)
    known = some.labels.any(axis=1)
    assert (some.n_images, known.sum(), few.n_images, few.n_texts) == (50, 15, 15, 30)
    np.testing.assert_array_equal(some.labels[known], pairs.labels[known])
    np.testing.assert_array_equal(few.images, pairs.images[known])
    assert (S3FH(shown=0.3, seed=1).told(pairs).labels != some.labels).any()


def test_a_pair_that_had_no_labels_is_not_shown(latent):
    pairs = latent(n=20)
    half = dataclasses.replace(pairs, labels=pairs.labels & (np.arange(20) < 10)[:, None])
    assert S3FH(shown=0.5).told(half).labels.any(axis=1).sum() == 5
    with pytest.raises(BadInput, match="some labels"):
        S3FH().told(dataclasses.replace(pairs, labels=None))


@pytest.mark.parametrize("kind", [S3FH, TS3H, SSLPDP])
def test_labels_of_others_come_out_of_features(kind, latent):
    """Labels that are not shown are told from those that are, class by class; chance would be within .004 of 0."""
    pairs = latent(n=300)
    method = kind(shown=0.2, bits=8, rounds=3, landmarks=0)
    X, Y = (rows - rows.mean(axis=0) for rows in (pairs.images, pairs.texts))
    X, Y = (rows / np.sqrt(np.square(rows).sum() / len(rows)) for rows in (X, Y))
    shown = method.told(pairs).labels
    now = method.start(X, Y, shown.astype(float))
    for _ in range(3):
        for step in method.steps():
            step(now)
    found = now.L if kind is TS3H else now.F
    hidden = ~shown.any(axis=1)
    true, found = pairs.labels[hidden], found[hidden] - found[hidden].mean(axis=0)
    assert found[true].mean() > found[~true].mean() + 0.01


def test_the_objective_of_three_stages_is_that_of_whole_tables(latent):
    rng = np.random.default_rng(0)
    method, L = TS3H(bits=3, alike=7.0, quantise=0.3), rng.random((9, 2))
    now = SimpleNamespace(L=L, alike=L / np.linalg.norm(L, axis=1, keepdims=True), P=rng.standard_normal((3, 2)))
    E = rng.standard_normal((9, 3))
    now.E = 3 * np.linalg.qr(E - E.mean(axis=0))[0]
    now.H = np.where(rng.standard_normal((9, 3)) > 0, 1.0, -1.0)
    alpha = 7.0 / (3 * 9)
    whole = np.square(L - now.E @ now.P).sum() + 0.3 * np.square(now.H - now.E).sum()
    whole += alpha * np.square(3 * now.alike @ now.alike.T - now.H @ now.E.T).sum()
    assert method.objective(now) == pytest.approx(whole)


def test_the_step_of_distances_goes_down_their_slope(latent):
    rng = np.random.default_rng(1)
    pairs = latent(n=60)
    method = SSLPDP(bits=4, distances=5.0, labels=0.5)
    now = method.start(pairs.images - pairs.images.mean(axis=0), pairs.texts + 2, pairs.labels.astype(float))
    V, nudge, before = now.V, 1e-5 * rng.standard_normal(now.V.shape), method.objective(now)
    now.V = V + nudge
    risen = method.objective(now) - before
    now.V = V
    assert np.vdot(method.half_slope(now), nudge) == pytest.approx(risen / 2, rel=1e-2)
