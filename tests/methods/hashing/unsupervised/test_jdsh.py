"""JDSH: its similarity and terms by double loops, and the bounds of distributions that are known."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.unsupervised.jdsh import JDSH, bounds

torch = pytest.importorskip("torch", reason="this method needs torch")


def cosines(A, B):
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (A, B)]
    return unit[0] @ unit[1].T


def test_the_terms_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    X, Y, (U, V) = rng.random((5, 7)), rng.random((5, 6)), rng.standard_normal((2, 5, 4))
    method = JDSH(bits=4, hidden=5, images=0.5, texts=0.2, across=0.3, apart=0.7, together=0.4, scale=1.3, within=0.1)
    net = method.network({"image_width": 7, "text_width": 6}).double()
    at = [0.1, 0.4, 0.7, 0.9]  # some of J lie below, between and above
    net.memory.bounds.copy_(torch.tensor(at))
    given = [torch.from_numpy(rows) for rows in (X, Y, U, V)]
    batch = Batch(given[0], given[1], None, None, None, 0.15)
    found = {name: term.item() for name, term in method.loss(net, given[2], given[3], batch).items()}
    S_I, S_T = 2 * cosines(X, X) - 1, 2 * cosines(Y, Y) - 1
    product = np.array([[cosines(S_I[i : i + 1], S_T[j : j + 1])[0, 0] for j in range(5)] for i in range(5)])
    S, places = np.empty((5, 5)), set()
    for i in range(5):
        for j in range(5):
            J = 0.5 * S_I[i, j] + 0.2 * S_T[i, j] + 0.3 * (product[i, j] + product[j, i]) / 2
            if at[1] > J:
                S[i, j] = J * (1 + 0.7 * np.exp(at[0] - J))
            elif at[2] < J:
                S[i, j] = J * (1 + 0.4 * np.exp(J - at[3]))
            else:
                S[i, j] = J
            places.add((at[1] > J, at[2] < J))
    assert len(places) == 3
    a, b = (np.tanh(np.sqrt(1 + 0.15 * 20) * side) for side in (U, V))
    expected = {
        "between": np.square(cosines(a, b) - 1.3 * S).mean(),
        "pull": -0.5 * np.diag(cosines(a, b)).mean(),
        "within": 0.1 * sum(np.square(cosines(side, side) - 1.3 * S).mean() for side in (a, b)),
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_bounds_are_those_of_a_gaussian_and_a_laplacian_put_together():
    rng = np.random.default_rng(0)
    below, above = -np.abs(rng.normal(0, 0.05, 200_000)), rng.exponential(0.1, 200_000)
    least, left, right, most = bounds(0.1 + np.concatenate([below, above]))
    assert left == pytest.approx(0.1 - 2 * 0.05, abs=0.02)
    assert right == pytest.approx(0.1 + 4 * 0.1, abs=0.03)
    assert least < left < right < most


def test_a_right_bound_is_at_least_zero():
    assert bounds(np.random.default_rng(0).normal(-0.8, 0.01, 1000))[2] == 0


def test_bounds_are_measured_once_and_go_with_the_checkpoint(latent):
    pairs = latent(n=60)
    method = JDSH(bits=4, hidden=5)
    net = method.network({"image_width": 12, "text_width": 9})
    method.epoch_start(net, pairs, 0)
    first = net.memory.bounds.clone()
    assert first[0] < first[3]
    assert (first != 0).all()
    net.memory.bounds.zero_()
    method.epoch_start(net, pairs, 1)
    assert (net.memory.bounds == 0).all()
