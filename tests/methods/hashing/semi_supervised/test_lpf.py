"""LPF: to whom labels go, that hidden ones are not looked at, and that its base learns from what it predicts."""

import dataclasses

import numpy as np
import pytest

from diptych.kinds import BadInput, hamming
from diptych.methods.hashing.semi_supervised.lpf import LPF, first
from diptych.methods.hashing.supervised.dcmh import DCMH

pytest.importorskip("torch", reason="its base needs torch")

QUICK = {"bits": 8, "hidden": 16, "epochs": 4, "batch": 32}


def test_a_label_goes_to_the_first_of_its_column_among_the_rows():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.1, 0.6]])
    found = first(p, np.array([False, True, True, True]), np.array([1.2, 1.6]))
    np.testing.assert_array_equal(found, [[0, 0], [0, 1], [1, 1], [0, 0]])


def test_a_prediction_is_the_kernel_ridge_regression_of_centred_labels():
    rng = np.random.default_rng(0)
    rows, sure, labels = rng.standard_normal((20, 4)), np.arange(20) < 12, rng.random((20, 3)) < 0.5
    X = rows - rows[sure].mean(axis=0)
    X = X / np.sqrt((X**2).sum() / 20)
    L = labels[sure] - labels[sure].mean(axis=0)
    wanted = labels[sure].mean(axis=0) + X @ np.linalg.inv(X[sure].T @ X[sure] + 0.7 * np.eye(4)) @ X[sure].T @ L
    np.testing.assert_allclose(LPF(ridge=0.7).regressed(rows, sure, labels), wanted)


def test_given_labels_stay_and_each_goes_to_as_many_others_as_expected(latent):
    pairs = latent(n=80, texts=2)
    told = LPF(shown=0.25).told(pairs)
    labels, known = LPF().completed(told), told.labels.any(axis=1)
    np.testing.assert_array_equal(labels[known], told.labels[known])
    np.testing.assert_array_equal(labels[~known].sum(axis=0), np.rint(told.labels[known].mean(axis=0) * 60))


def test_texts_tell_what_pictures_do_not_and_pairs_that_are_agreed_on_are_learned_from(latent):
    pairs = latent(n=400)
    told = LPF(shown=0.1).told(pairs)
    hidden = ~told.labels.any(axis=1)

    def right(pairs_told):
        found = LPF().completed(pairs_told)
        return (found & pairs.labels)[hidden].sum() / pairs.labels[hidden].sum()

    torn = dataclasses.replace(told, texts=np.random.default_rng(0).permutation(told.texts))
    assert right(told) > right(torn) + 0.05
    assert (LPF(rounds=0).completed(told) != LPF(rounds=2).completed(told)).any()


def test_labels_that_are_not_shown_are_not_looked_at(latent):
    pairs = latent(n=60)
    hidden = ~LPF(shown=0.3).told(pairs).labels.any(axis=1)
    labels = pairs.labels.copy()
    labels[hidden] = ~labels[hidden] | labels[hidden].all(axis=1, keepdims=True)  # other ones, and some
    one, two = (LPF(shown=0.3, **QUICK).fit(each) for each in (pairs, dataclasses.replace(pairs, labels=labels)))
    np.testing.assert_array_equal(one.encode_images(pairs.images), two.encode_images(pairs.images))


def test_with_all_labels_shown_it_is_its_base(latent):
    pairs = latent(n=60)
    made, base = LPF(**QUICK).fit(pairs), DCMH(**QUICK).fit(pairs)
    np.testing.assert_array_equal(made.encode_texts(pairs.texts), base.encode_texts(pairs.texts))


def test_few_labels_and_guesses_find_more_than_few_labels(small):
    settings = {"bits": 16, "hidden": 64, "epochs": 8, "batch": 48, "shown": 0.15}
    relevant = small.test.labels.astype(int) @ small.test.text_labels.T.astype(int) > 0

    def apart(made):
        scores = hamming.score(made.encode_images(small.test.images), made.encode_texts(small.test.texts))
        return scores[relevant].mean() - scores[~relevant].mean()

    assert apart(LPF(**settings).fit(small.train)) > apart(LPF(unlabelled=False, **settings).fit(small.train))


def test_data_without_labels_are_bad_input(latent):
    for labels in (None, np.zeros((20, 4))):
        with pytest.raises(BadInput, match="some labels"):
            LPF(**QUICK).fit(dataclasses.replace(latent(n=20), labels=labels))
