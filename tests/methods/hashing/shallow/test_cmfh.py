"""CMFH: the moments' solution against the paper's updates on rows, each of which solves its own ridge regression."""

import numpy as np
import pytest

from diptych.flow.evaluate import evaluate
from diptych.methods.hashing.shallow.cmfh import CMFH


def scaled(pairs):
    X, Y = pairs.images[pairs.owner], pairs.texts
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    s_x, s_y = (1 / np.sqrt(np.square(rows).sum(axis=1).mean()) for rows in (X, Y))
    return X * s_x, Y * s_y, s_x, s_y


def objective(X, Y, V, U, P, share, mu, gamma):
    """As the paper writes it, term by term."""
    total = gamma * np.square(V).sum()
    for weight, rows, u, p in ((share, X, U[0], P[0]), (1 - share, Y, U[1], P[1])):
        total += weight * np.square(rows - V @ u.T).sum() + mu * np.square(V - rows @ p).sum()
        total += gamma * (np.square(u).sum() + np.square(p).sum())
    return total


def ridge(A, b, strength):
    """argmin ||b - A w||² + strength ||w||², by least squares on rows with the penalty written out as further rows."""
    A = np.vstack([A, np.sqrt(strength) * np.eye(A.shape[1])])
    return np.linalg.lstsq(A, np.vstack([b, np.zeros((A.shape[1], b.shape[1]))]), rcond=None)[0]


def by_rows(X, Y, rounds, bits, share, mu, gamma, seed):
    """P of both sides, and the objective after each round; every step is least squares on the rows themselves."""
    start = np.random.default_rng(seed).standard_normal((X.shape[1] + Y.shape[1], bits))
    V, heights = np.hstack([X, Y]) @ start, []
    for _ in range(rounds):
        U = [ridge(V, rows, gamma / weight).T for rows, weight in ((X, share), (Y, 1 - share))]
        P = [ridge(rows, V, gamma / mu) for rows in (X, Y)]
        heights.append(objective(X, Y, V, U, P, share, mu, gamma))
        # In V: what U gives back of both sides, what P says of it, and itself, as one stack of rows.
        stack = [np.sqrt(share) * U[0], np.sqrt(1 - share) * U[1], *2 * [np.sqrt(mu) * np.eye(bits)]]
        wanted = [np.sqrt(share) * X, np.sqrt(1 - share) * Y, np.sqrt(mu) * X @ P[0], np.sqrt(mu) * Y @ P[1]]
        V = ridge(np.vstack(stack), np.hstack(wanted).T, gamma).T
        heights.append(objective(X, Y, V, U, P, share, mu, gamma))
    return P, heights


@pytest.mark.parametrize("texts", [1, 3])
@pytest.mark.parametrize(("share", "mu", "gamma"), [(0.5, 100.0, 0.01), (0.2, 3.0, 5.0)])
def test_it_takes_the_papers_steps_without_ever_holding_v(latent, texts, share, mu, gamma):
    pairs = latent(n=50, texts=texts)
    X, Y, s_x, s_y = scaled(pairs)
    made = CMFH(bits=6, images=share, fit_weight=mu, decay=gamma, rounds=7, seed=3).fit(pairs)
    (P_x, P_y), heights = by_rows(X, Y, 7, 6, share, mu, gamma, 3)
    np.testing.assert_allclose(made.A_, s_x * P_x, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(made.B_, s_y * P_y, rtol=1e-6, atol=1e-9)
    assert (np.diff(heights) < 0).all()  # every step lowers what is minimised


def test_batches_give_the_solution_of_the_whole(latent):
    pairs = latent(texts=2)
    whole, parted = CMFH(bits=8).fit(pairs), CMFH(bits=8)
    for start in range(0, 200, 50):
        parted.partial_fit(pairs.select(np.arange(start, start + 50)))
    np.testing.assert_allclose(parted.A_, whole.A_, rtol=1e-6, atol=1e-9)


def test_features_of_another_scale_are_the_same_to_it(latent):
    pairs = latent()
    louder = pairs.features(100 * pairs.images, pairs.texts)
    np.testing.assert_array_equal(
        CMFH().fit(louder).encode_images(louder.images), CMFH().fit(pairs).encode_images(pairs.images)
    )


@pytest.mark.data
def test_on_wikipedia_it_reaches_what_was_measured_independently(data):
    report = evaluate("cmfh", "wikipedia", protocol="hashing", metrics=["map@all"]).report
    assert report.i2t["map@all"] > 0.222
    assert report.t2i["map@all"] > 0.195
