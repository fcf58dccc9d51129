"""LPF: what it accepts, that hidden labels are not looked at, and that its base learns from what it predicts."""

import dataclasses

import numpy as np
import pytest

from diptych.kinds import BadInput, hamming
from diptych.methods.hashing.semi_supervised.lpf import LPF
from diptych.methods.hashing.supervised.dcmh import DCMH

torch = pytest.importorskip("torch", reason="this method needs torch")

QUICK = {"bits": 8, "hidden": 16, "epochs": 4, "batch": 32, "rate": 0.01}


def test_labels_are_accepted_where_both_sides_agree_and_given_ones_stay(latent, monkeypatch):
    pairs = latent(n=4)
    pairs = dataclasses.replace(pairs, labels=np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]))
    method = LPF(sure=0.9, least=0.5, epochs=4)
    net = method.network({"image_width": 12, "text_width": 9, "texts": 4, "classes": 4})
    p_I = np.array([[0.0] * 4, [0.75, 0.75, 0.1, 0.1], [0.2, 0.8, 0.5, 0.29], [1.0] * 4])
    p_T = np.array([[0.0] * 4, [0.72, 0.65, 0.2, 0.4], [0.1, 0.9, 0.5, 0.1], [1.0] * 4])
    monkeypatch.setattr(method, "believed", lambda net, pairs: (p_I, p_T))
    method.epoch_start(net, pairs, 0)
    np.testing.assert_array_equal(net.memory.known, [[1] * 4, [0] * 4, [0] * 4, [1] * 4])
    np.testing.assert_array_equal(net.memory.labels, pairs.text_labels)
    method.epoch_start(net, pairs, 2)  # t = .7
    np.testing.assert_array_equal(net.memory.known, [[1] * 4, [1, 0, 1, 0], [1, 1, 0, 1], [1] * 4])
    np.testing.assert_array_equal(net.memory.labels, [[1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]])


def test_the_loss_is_the_cross_entropy_of_known_labels_alone():
    from diptych.method import Batch

    rng = np.random.default_rng(0)
    method, (U, V) = LPF(), rng.standard_normal((2, 3, 4))
    net = method.network({"image_width": 5, "text_width": 5, "texts": 6, "classes": 4}).double()
    labels, known = rng.random((2, 6, 4)) < 0.5
    net.memory.labels.copy_(torch.from_numpy(labels))
    net.memory.known.copy_(torch.from_numpy(known))
    rows = [4, 0, 3]
    batch = Batch(None, None, torch.tensor(rows), None, None, 0.0)
    found = method.loss(net, torch.from_numpy(U), torch.from_numpy(V), batch)["labels"].item()
    total = 0.0
    for side in (U, V):
        for i, row in enumerate(rows):
            for c in range(4):
                p = 1 / (1 + np.exp(-side[i, c]))
                total -= known[row, c] * np.log(p if labels[row, c] else 1 - p)
    assert found == pytest.approx(total / known[rows].sum())


def test_a_prediction_is_the_mean_of_a_picture_and_its_texts(latent, monkeypatch):
    pairs = latent(n=3, texts=2)
    pairs = dataclasses.replace(pairs, labels=np.array([[0, 0], [0, 0], [0, 1]]))
    p_I = np.array([[0.9, 0.4], [0.2, 0.2], [0.9, 0.1]])
    p_T = np.array([[0.0, 0.5], [0.4, 0.8], [0.9, 0.3], [0.9, 0.3], [0.9, 0.9], [0.9, 0.9]])
    method = LPF()
    monkeypatch.setattr(method, "believed", lambda net, pairs: (p_I, p_T))
    monkeypatch.setattr(method, "trained", lambda: None)
    np.testing.assert_array_equal(method.completed(pairs), [[1, 1], [1, 0], [0, 1]])


def test_labels_that_are_not_shown_are_not_looked_at(latent):
    pairs = latent(n=60)
    labelled = np.flatnonzero(pairs.labels.any(axis=1))
    hidden = np.random.default_rng(0).permutation(labelled)[round(0.3 * len(labelled)) :]
    labels = pairs.labels.copy()
    labels[hidden] = ~labels[hidden] | labels[hidden].all(axis=1, keepdims=True)  # other ones, and some
    one, two = (LPF(shown=0.3, **QUICK).fit(each) for each in (pairs, dataclasses.replace(pairs, labels=labels)))
    np.testing.assert_array_equal(one.encode_images(pairs.images), two.encode_images(pairs.images))


def test_with_all_labels_shown_it_is_its_base(latent):
    pairs = latent(n=60)
    made, base = LPF(**QUICK).fit(pairs), DCMH(**QUICK).fit(pairs)
    np.testing.assert_array_equal(made.encode_texts(pairs.texts), base.encode_texts(pairs.texts))


def test_few_labels_and_guesses_find_more_than_few_labels(small):
    settings = {"bits": 16, "hidden": 64, "epochs": 8, "batch": 48, "rate": 0.01, "shown": 0.15, "held_out": 0.0}
    relevant = small.test.labels.astype(int) @ small.test.text_labels.T.astype(int) > 0

    def apart(made):
        scores = hamming.score(made.encode_images(small.test.images), made.encode_texts(small.test.texts))
        return scores[relevant].mean() - scores[~relevant].mean()

    assert apart(LPF(**settings).fit(small.train)) > apart(LPF(unlabelled=False, **settings).fit(small.train))


def test_data_without_labels_are_bad_input(latent):
    for labels in (None, np.zeros((20, 4))):
        with pytest.raises(BadInput, match="some labels"):
            LPF(**QUICK).fit(dataclasses.replace(latent(n=20), labels=labels))
