"""MTFH and GSPH: codes against the n x n similarities that are never made, and the logistic functions behind them."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from diptych.kinds import Pairs, hamming
from diptych.methods.hashing.shallow.mandal import Mandal
from diptych.methods.hashing.shallow.mtfh import MTFH


@pytest.fixture
def apart(centred):
    """X, Y of 30 pictures and 25 texts, their labels, and S."""
    X, Y, L = centred
    L_x, L_y = L, L[::-1][:25]
    unit = [labels / np.linalg.norm(labels, axis=1, keepdims=True) for labels in (L_x, L_y)]
    return X, Y[:25], (L_x, L_y), unit[0] @ unit[1].T


def test_mandals_columns_are_bounded_least_squares(apart):
    X, Y, L, S = apart
    made = Mandal(bits=4)
    now = made.start(X, Y, L)
    made.text_codes(now)
    assert made.objective(now) == pytest.approx(np.square(4 * S - now.A @ now.B.T).sum())
    before = now.A
    made.image_codes(now)
    assert made.objective(now) == pytest.approx(np.square(4 * S - now.A @ now.B.T).sum())
    rest = 4 * S - before[:, 1:] @ now.B[:, 1:].T
    for row in range(5):
        best = lsq_linear(now.B[:, :1], rest[row], (-1, 1)).x
        assert now.A[row, 0] == pytest.approx(best[0], abs=1e-5)


def test_mtfhs_objective_is_the_papers_for_codes_of_two_lengths(apart):
    X, Y, L, S = apart
    made = MTFH(bits=3, image_bits=5, images=0.3, across=0.2, decay=0.4)
    now = made.start(X, Y, L)
    for step in made.steps():
        step(now)
        height = 0.3 * np.square(S - now.U @ now.U_.T / 5).sum() + 0.7 * np.square(S - now.V_ @ now.V.T / 3).sum()
        height += 0.2 * (np.square(now.U_ - now.V @ now.H_1.T).sum() + np.square(now.V_ - now.U @ now.H_2).sum())
        height += 0.4 * (np.square(now.H_1).sum() + np.square(now.H_2).sum())
        assert made.objective(now) == pytest.approx(height)


def test_where_mtfhs_steps_end_no_bit_is_better_turned_over(apart, no_search_gets_lower):
    X, Y, L, _ = apart
    made = MTFH(bits=3, image_bits=5)
    now = made.start(X, Y, L)
    for step in (made.image_codes, made.text_codes):
        for _ in range(40):
            step(now)
        lowest = made.objective(now)
        for codes in (now.U, now.U_) if step == made.image_codes else (now.V, now.V_):
            for row, bit in np.ndindex(4, codes.shape[1]):
                codes[row, bit] *= -1
                assert made.objective(now) >= lowest - 1e-9
                codes[row, bit] *= -1
    made.lead(now)
    for leading in ("H_1", "H_2"):
        no_search_gets_lower(made, now, leading)


@pytest.mark.parametrize(("meet", "width"), [("texts", 16), ("images", 40)])
def test_codes_of_two_lengths_meet_in_one(small, meet, width):
    made = MTFH(bits=16, image_bits=40, meet=meet, landmarks=64, rounds=3).fit(small.train)
    assert (made.A_.shape[1], made.B_.shape[1]) == (40, 16)
    images, texts = made.encode_images(small.test.images), made.encode_texts(small.test.texts)
    assert 8 * images.shape[1] == 8 * texts.shape[1] == width
    shared = (small.test.labels[:, None] & small.test.text_labels[None]).any(axis=2)
    near = hamming.score(images, texts)
    assert near[shared].mean() > near[~shared].mean() + width / 20


@pytest.mark.parametrize("kind", [MTFH, Mandal])
def test_who_belongs_to_whom_is_not_asked(latent, kind):
    """Texts handed to other pictures of the same labels, and pictures that have no text at all, change nothing."""
    train = latent(n=60)
    _, same = np.unique(train.labels, axis=0, return_inverse=True)
    order = np.argsort(same, kind="stable")
    other = np.empty(60, dtype=int)
    other[order] = np.concatenate([np.roll(order[same[order] == group], 1) for group in np.unique(same)])
    made, torn = (
        kind(bits=8, landmarks=20, rounds=3).fit(pairs) for pairs in (train, dataclasses.replace(train, owner=other))
    )
    assert (other != np.arange(60)).mean() > 0.5
    np.testing.assert_array_equal(made.encode_texts(train.texts), torn.encode_texts(train.texts))
    np.testing.assert_array_equal(made.encode_images(train.images), torn.encode_images(train.images))
    few = Pairs(train.images, train.texts[:35], train.owner[:35], train.labels)
    assert kind(bits=8, landmarks=20, rounds=3).fit(few).encode_images(train.images).shape == (60, 1)
