"""DAEH: whom it is sure of, its terms by loops, and which side learns more from the teacher."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.unsupervised.daeh import DAEH, shared

torch = pytest.importorskip("torch", reason="this method needs torch")


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def tied(A, B, S, pull):
    n = len(A)
    total = 0.0
    for i in range(n):
        total += pull * (1.5 - cosine(A[i], B[i])) ** 2 / n
        for j in range(n):
            total += (i != j) * (cosine(A[i], B[j]) - S[i, j]) ** 2 / n**2
            total += (cosine(A[i], A[j]) - cosine(B[i], B[j])) ** 2 / n**2
    return total


def mutual(S, A):
    """Through the eigenvalues of Gram matrices of trace 1."""
    kernels = [np.exp(-np.square(rows[:, None] - rows[None]).mean(axis=2)) for rows in (S, A)]
    kernels.append(kernels[0] * kernels[1])
    one, two, both = (-np.log(np.square(np.linalg.eigvalsh(K / len(K))).sum()) for K in kernels)
    return one + two - both


def test_the_terms_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    X, Y, (U, V) = rng.random((5, 7)), rng.random((5, 6)), np.tanh(rng.standard_normal((2, 5, 4)))
    method = DAEH(bits=4, hidden=5, share=0.4, between=3.0, pull=0.6, enhance=0.7, read=0.2)
    torch.manual_seed(0)
    net = method.network({"image_width": 7, "text_width": 6}).double().eval()
    bounds = np.array([[0.15, 0.3], [0.2, 0.25]])
    net.memory.bounds.copy_(torch.from_numpy(bounds))
    given = [torch.from_numpy(rows) for rows in (X, Y, U, V)]
    found = method.loss(net, given[2], given[3], Batch(given[0], given[1], None, None, None, 0.0))
    S = np.empty((5, 5))
    for i in range(5):
        for j in range(5):
            x, y = 1 - cosine(X[i], X[j]), 1 - cosine(Y[i], Y[j])
            S[i, j] = 2 * (0.4 * (1 - x) + 0.6 * (1 - y)) - 1
            if x > 0.3 or y > 0.25:
                S[i, j] = -1
            elif x < 0.15 and y < 0.2:
                S[i, j] = 1
    assert {-1.0, 1.0} < set(S.ravel())  # and some of them in between
    E, told = net.teacher(given[0]), net.decoder(net.teacher(given[0])).detach().numpy()
    E = E.detach().numpy()
    weaker = U if mutual(S, U) < mutual(S, V) else V
    expected = {
        "between": 3.0 * tied(U, V, S, 0.6),
        "taught": tied(U, E, S, 0.6) + tied(V, E, S, 0.6),
        "enhance": 0.7 * tied(E, weaker, S, 0.6),
        "read": 0.2 * np.square(told - X / np.linalg.norm(X, axis=1, keepdims=True)).sum(axis=1).mean(),
    }
    assert {name: term.item() for name, term in found.items()} == pytest.approx(expected)
    assert shared(torch.from_numpy(S), given[2]) == pytest.approx(mutual(S, U))


def test_a_side_is_sure_beyond_its_crowd():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 40))
    near, far = DAEH(sure=2.0).bounds(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert near == pytest.approx(1 - 2 / np.sqrt(40), abs=0.04)
    assert far == pytest.approx(1 + 2 / np.sqrt(40), abs=0.04)
