"""GLSPH: its terms by loops."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.glsph import GLSPH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1]], dtype=float)


def test_the_terms_are_those_of_the_paper():
    U, V = np.tanh(np.random.default_rng(0).standard_normal((2, 5, 6)))
    method = GLSPH(bits=6, margin=0.45, whole=0.6, codes=0.3, balance=0.2)
    batch = Batch(None, None, None, None, torch.from_numpy(L), 0.0)
    found = {name: t.item() for name, t in method.loss(None, torch.from_numpy(U), torch.from_numpy(V), batch).items()}
    near = whole = 0.0
    broken = 0
    for i in range(5):
        for j in range(5):
            d = sum((1 - U[i, k] * V[j, k]) / 2 for k in range(6)) / 6
            near += (d if L[i] @ L[j] else max(0, 0.45 - d)) / 25
            broken += not L[i] @ L[j] and d < 0.45
            graded = 2 * L[i] @ L[j] / np.linalg.norm(L[i]) / np.linalg.norm(L[j]) - 1
            whole += 0.6 * sum((side[i] @ side[j] / 6 - graded) ** 2 for side in (U, V)) / 25
    assert broken
    B = np.where(U + V >= 0, 1, -1)
    expected = {
        "local": near,
        "global": whole,
        "codes": 0.3 * sum(np.square(side - B).mean() for side in (U, V)),
        "balance": 0.2 * sum(np.square(side.mean(axis=0)).mean() for side in (U, V)),
    }
    assert found == pytest.approx(expected)
