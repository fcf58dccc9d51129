"""DJSRH: its similarity and its terms by double loops, and that features alone decide who is alike."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.unsupervised.djsrh import DJSRH

torch = pytest.importorskip("torch", reason="this method needs torch")


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def similarity(X, Y, share, second, scale):
    b = len(X)
    J = np.empty((b, b))
    for i in range(b):
        for j in range(b):
            J[i, j] = share * (2 * cosine(X[i], X[j]) - 1) + (1 - share) * (2 * cosine(Y[i], Y[j]) - 1)
    S = np.empty((b, b))
    for i in range(b):
        for j in range(b):
            S[i, j] = scale * ((1 - second) * J[i, j] + second * sum(J[i, k] * J[j, k] for k in range(b)) / b)
    return S


@pytest.mark.parametrize("done", [0.0, 0.75])
def test_the_terms_are_those_of_the_paper(done):
    rng = np.random.default_rng(0)
    X, Y, (U, V) = rng.random((5, 7)), rng.random((5, 6)), rng.standard_normal((2, 5, 4))
    method = DJSRH(share=0.3, second=0.4, scale=1.5, within=0.2, epochs=20)
    given = [torch.from_numpy(rows) for rows in (X, Y, U, V)]
    batch = Batch(given[0], given[1], torch.arange(5), torch.arange(5), None, done)
    found = {name: term.item() for name, term in method.loss(None, given[2], given[3], batch).items()}
    S = similarity(X, Y, 0.3, 0.4, 1.5)
    sharp = np.sqrt(1 + 20 * done)
    a, b = np.tanh(sharp * U), np.tanh(sharp * V)
    expected = {"between": 0.0, "within": 0.0}
    for i in range(5):
        for j in range(5):
            expected["between"] += (cosine(a[i], b[j]) - S[i, j]) ** 2 / 25
            expected["within"] += 0.2 * ((cosine(a[i], a[j]) - S[i, j]) ** 2 + (cosine(b[i], b[j]) - S[i, j]) ** 2) / 25
    assert found == pytest.approx(expected)


def test_likeness_is_symmetric_and_its_own_gram_in_the_second_order():
    rng = np.random.default_rng(1)
    X, Y = torch.from_numpy(rng.random((6, 3))), torch.from_numpy(rng.random((6, 4)))
    first, second = (DJSRH(second=share, scale=1.0).likeness(X, Y) for share in (0.0, 1.0))
    torch.testing.assert_close(first, first.T)
    torch.testing.assert_close(second, first @ first / 6)
    assert np.linalg.eigvalsh(second).min() > -1e-12
    torch.testing.assert_close(first.diagonal(), torch.ones(6, dtype=first.dtype))


def test_items_alike_in_both_features_get_nearer_codes_than_others(latent):
    """Groups that no label tells of and no pairing shows: rows of one group differ by little noise."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 4, 400)
    pairs = latent(n=400).features(
        np.maximum(rng.standard_normal((4, 30))[group] + 0.2 * rng.standard_normal((400, 30)), 0),
        np.maximum(rng.standard_normal((4, 20))[group] + 0.2 * rng.standard_normal((400, 20)), 0),
    )
    made = DJSRH(bits=32, hidden=64, epochs=15).fit(pairs)
    scores = made.space.score(made.encode_images(pairs.images), made.encode_texts(pairs.texts))
    same = group[:, None] == group[None, :]
    assert scores[same].mean() > scores[~same].mean() + 8
