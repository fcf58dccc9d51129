"""SCRATCH: each step against the minimum that a library or a search finds for it, and the codes it stores."""

import numpy as np
import pytest

from diptych.methods.hashing.shallow.scratch import SCRATCH


def written(made, now, X, Y):
    """The paper's objective, term by term, on the rows themselves."""
    total = made.labels * np.square(now.L - now.V @ now.G.T).sum() + np.square(now.B - now.V @ now.R).sum()
    for rows, U, W in ((X, now.U[0], now.W[0]), (Y, now.U[1], now.W[1])):
        total += made.features * np.square(rows - now.V @ U.T).sum()
        total += made.fit_weight * np.square(now.V - rows @ W).sum()
        total += made.decay * (np.square(U).sum() + np.square(W).sum())
    return total + made.decay * (np.square(now.V).sum() + np.square(now.G).sum())


@pytest.fixture
def problem(centred):
    X, Y, L = centred
    made = SCRATCH(bits=3, features=0.7, labels=2.0, fit_weight=3.0, decay=0.4)
    return made, made.start(X, Y, L), X, Y


def test_its_objective_is_the_papers(problem):
    made, now, X, Y = problem
    for step in made.steps():
        step(now)
        assert made.objective(now) == pytest.approx(written(made, now, X, Y), rel=1e-10)


@pytest.mark.parametrize(("step", "solved"), [("factors", "U"), ("factors", "G"), ("functions", "W"), ("latent", "V")])
def test_where_a_step_has_been_no_search_gets_lower(problem, no_search_gets_lower, step, solved):
    made, now = problem[:2]
    getattr(made, step)(now)
    no_search_gets_lower(made, now, solved)


def test_signs_and_rotation_are_the_best_there_are(problem):
    made, now = problem[:2]
    for step in (made.factors, made.functions, made.latent, made.rotate, made.quantise):
        step(now)
    lowest = made.objective(now)
    for row, bit in np.ndindex(4, 3):
        now.B[row, bit] *= -1
        assert made.objective(now) >= lowest
        now.B[row, bit] *= -1
    made.rotate(now)
    lowest, rng = made.objective(now), np.random.default_rng(1)
    np.testing.assert_allclose(now.R.T @ now.R, np.eye(3), atol=1e-12)
    for _ in range(200):
        now.R = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        assert made.objective(now) >= lowest


def test_unified_items_that_were_learned_from_have_the_codes_that_know_their_labels(latent):
    train, new = latent(n=60), latent(n=20, seed=1)
    known, own = (SCRATCH(bits=16, landmarks=20, rounds=3, unified=unified).fit(train) for unified in (True, False))
    np.testing.assert_array_equal(known.encode_images(new.images), own.encode_images(new.images))
    np.testing.assert_array_equal(known.encode_images(train.images), known.encode_texts(train.texts))
    assert (own.encode_images(train.images) != own.encode_texts(train.texts)).any()
