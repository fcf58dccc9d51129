"""ROHLSE: what is wrong with labels is found, batches give what `fit` gives, and turns of the labels go down."""

import dataclasses

import numpy as np
import pytest

from diptych.kinds import BadInput, Pairs
from diptych.methods.hashing.supervised.rohlse import ROHLSE

QUICK = {"bits": 6, "landmarks": 20, "chunk": 30}


@pytest.fixture
def blobs() -> Pairs:
    """60 pairs of three classes that features tell apart on both sides."""
    rng, kind = np.random.default_rng(0), np.arange(60) % 3
    X, Y = (rng.standard_normal((3, d))[kind] + 0.1 * rng.standard_normal((60, d)) for d in (5, 4))
    return Pairs(X, Y, labels=np.eye(3)[kind])


def test_batches_seen_once_give_what_fit_hands_on(blobs):
    whole = ROHLSE(**QUICK, seed=3).fit(blobs)
    order, parts = np.random.default_rng(3).permutation(60), ROHLSE(**QUICK, seed=3)
    for rows in (order[:30], order[30:]):
        parts.partial_fit(blobs.select(rows))
    for name in ("A_", "B_"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_labels_that_features_gainsay_give_way(blobs):
    wrong = blobs.labels.copy()
    wrong[:12] = np.roll(wrong[:12], 1, axis=1)
    made = ROHLSE(**QUICK, decay=0.1, rounds=5)
    seen = []
    made.coded = lambda L: seen.append(L) or ROHLSE.coded(made, L)
    made.partial_fit(dataclasses.replace(blobs, labels=wrong))
    assert (seen[0].argmax(axis=1) == blobs.labels.argmax(axis=1)).mean() > 0.95
    trusting = ROHLSE(**QUICK, decay=0.1, rounds=5, sparse=1e9)
    trusting.coded = lambda L: seen.append(L) or ROHLSE.coded(trusting, L)
    trusting.partial_fit(dataclasses.replace(blobs, labels=wrong))
    np.testing.assert_array_equal(seen[1], wrong)


def test_every_turn_of_the_labels_goes_down(blobs):
    made = ROHLSE(**QUICK, decay=0.5).partial_fit(blobs)
    rng = np.random.default_rng(1)
    rows, L = rng.standard_normal((25, 4)), (rng.random((25, 3)) < 0.4).astype(float)
    made._gram, made._labels = rows.T @ rows, np.zeros((4, 3))
    heights = []
    for made.rounds in range(6):
        clean = made.cleaned(rows, L)
        W = np.linalg.solve(made._gram + 0.5 * np.eye(4), rows.T @ clean)
        apart, wrong = np.square(clean - rows @ W).sum(), np.abs(L - clean).sum()
        heights.append(apart + made.sparse * wrong + 0.5 * np.square(W).sum())
    assert (np.diff(heights) < 0).all()


def test_a_folder_keeps_no_sums(blobs, tmp_path):
    ROHLSE(**QUICK).fit(blobs).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="fit it anew"):
        ROHLSE.from_pretrained(tmp_path).partial_fit(blobs)
