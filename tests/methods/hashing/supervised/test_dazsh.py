"""DAZSH: its objective pair by pair, and closed forms at their minimum."""

import numpy as np
import pytest

from diptych.methods.hashing.supervised.dazsh import DAZSH

WEIGHTS = {"attributes": 0.7, "classes": 0.3, "fit_weight": 0.4, "decay": 0.2, "sharpness": 3.0}


@pytest.fixture
def begun():
    rng = np.random.default_rng(0)
    X, Y, L = rng.standard_normal((9, 4)), rng.standard_normal((9, 3)), (rng.random((9, 3)) < 0.5).astype(float)
    L[:, 2] = 0  # a class that nobody has
    made = DAZSH(bits=5, drawn=4, **WEIGHTS)
    now = made.start(X, Y, L)
    for step in made.steps():
        step(now)
    return made, now, (X, Y), L[:, :2]


def test_the_objective_is_that_of_the_paper(begun):
    made, now, sides, L = begun
    height = 0.0
    for m, X in enumerate(sides):
        A = np.array([X[L[:, c] > 0].mean(axis=0) for c in range(2)])
        height += 0.7 * np.square(X - now.G[m] @ A).sum() + 0.3 * np.square(now.B[m] - now.G[m] @ now.W[m]).sum()
        height += 0.4 * np.square(now.B[m] - X @ now.P[m]).sum()
        height += 0.2 * sum(np.square(one).sum() for one in (now.G[m], now.W[m], now.P[m]))
    pairs = [*((i, j) for i in range(9) for j in now.few), *((i, j) for i in now.few for j in range(9))]
    for i, j in pairs:
        theta = 3.0 / 5 * now.B[0][i] @ now.B[1][j]
        height += (np.log(1 + np.exp(theta)) - (L[i] @ L[j] > 0) * theta) / 4
    assert made.objective(now) == pytest.approx(height)


@pytest.mark.parametrize(("name", "step"), [("G", "memberships"), ("W", "of_classes"), ("P", "functions")])
def test_closed_forms_are_at_their_minimum(begun, name, step):
    made, now, _, _ = begun
    getattr(made, step)(now)
    lowest, rng = made.objective(now), np.random.default_rng(0)
    found = [one.copy() for one in getattr(now, name)]
    for size in (1e-3, 1e-1):
        for _ in range(10):
            setattr(now, name, [one + size * rng.standard_normal(one.shape) for one in found])
            assert made.objective(now) > lowest
