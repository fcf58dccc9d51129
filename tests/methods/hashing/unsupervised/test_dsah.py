"""DSAH: its terms by double loops, and that what is remade of signs moves the codes."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.unsupervised.dsah import DSAH

torch = pytest.importorskip("torch", reason="this method needs torch")


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    method = DSAH(bits=4, hidden=5, share=0.3, scale=1.4, own=0.2, pull=0.6, symmetric=0.7, remade=0.8)
    torch.manual_seed(0)
    net = method.network({"image_width": 6, "text_width": 5}).double()
    X, Y = torch.from_numpy(rng.random((5, 6))), torch.from_numpy(rng.random((5, 5)))
    sides = [torch.from_numpy(side).requires_grad_() for side in np.tanh(rng.standard_normal((2, 5, 4)))]
    return method, net, sides, Batch(X, Y, None, None, None, 0.0)


def test_the_terms_are_those_of_the_paper(world):
    method, net, sides, batch = world
    found = {name: term.item() for name, term in method.loss(net, *sides, batch).items()}
    X, Y = batch.images.numpy(), batch.texts.numpy()
    U, V = (side.detach().numpy() for side in sides)
    expected = dict.fromkeys(("alike", "own", "pull", "symmetric", "remade"), 0.0)
    for i in range(5):
        for j in range(5):
            S_I, S_T = 1.4 * (2 * cosine(X[i], X[j]) - 1), 1.4 * (2 * cosine(Y[i], Y[j]) - 1)
            S = 0.3 * S_I + 0.7 * S_T
            for one, two in ((U, V), (U, U), (V, V)):
                expected["alike"] += (cosine(one[i], two[j]) - S) ** 2 / 25
            expected["own"] += 0.2 * ((cosine(U[i], U[j]) - S_I) ** 2 + (cosine(V[i], V[j]) - S_T) ** 2) / 25
            expected["symmetric"] += 0.7 * (cosine(U[i], V[j]) - cosine(U[j], V[i])) ** 2 / 25
        expected["pull"] += 0.6 * (1.4 - cosine(U[i], V[i])) ** 2 / 5
        for decode, code, rows in zip(net.decoders, (V, U), (X, Y), strict=True):
            told = decode(torch.from_numpy(np.where(code[i] >= 0, 1.0, -1.0))).detach().numpy()
            expected["remade"] += 0.8 * np.square(told - rows[i] / np.linalg.norm(rows[i])).sum() / 5
    assert found == pytest.approx(expected)


def test_what_is_remade_of_signs_moves_the_codes(world):
    method, net, sides, batch = world
    method.loss(net, *sides, batch)["remade"].backward()
    assert all(side.grad.abs().min() > 0 for side in sides)
