"""Semantic matching and semantic correlation matching."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from diptych.kinds import BadInput, cosine
from diptych.methods.subspace.cm import CM
from diptych.methods.subspace.scm import SCM
from diptych.methods.subspace.sm import SM


def single(pairs, classes=4):
    """The same pairs with one label each: the quantile of a variable that either side knows something of."""
    rank = (pairs.images[:, 0] + pairs.images[:, 1]).argsort().argsort()
    return dataclasses.replace(pairs, labels=np.eye(classes, dtype=bool)[rank * classes // len(rank)])


def probabilities(rows, label, share=None, strength=0.5, of=None):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000, tol=1e-8))
    if share is None:
        model.fit(rows, label)
    else:
        scaler = model[0].fit(of)
        model[1].fit(scaler.transform(rows), label, sample_weight=share)
    return model


@pytest.mark.parametrize("classes", [2, 4])
def test_sm_is_logistic_regression_on_each_side(latent, classes):
    pairs = single(latent(), classes)
    label = pairs.labels.argmax(axis=1)
    made = SM(strength=0.5, centre=False).fit(pairs)
    for rows, found in (
        (pairs.images, made.encode_images(pairs.images)),
        (pairs.texts, made.encode_texts(pairs.texts)),
    ):
        P = probabilities(rows, label).predict_proba(rows)
        np.testing.assert_allclose(found, cosine.normalise(P), atol=1e-4)
        assert np.ptp(P[:, 0]) > 0.1


def test_sm_centred_is_the_correlation_of_probabilities(latent):
    pairs = single(latent())
    made = SM(strength=0.5, centre=True).fit(pairs)
    label = pairs.labels.argmax(axis=1)
    P, Q = (probabilities(rows, label).predict_proba(rows) for rows in (pairs.images, pairs.texts))
    scores = made.space.score(made.encode_images(pairs.images), made.encode_texts(pairs.texts))
    np.testing.assert_allclose(scores, np.corrcoef(P, Q)[:200, 200:], atol=1e-3)


def test_sm_counts_a_row_once_in_equal_shares_of_its_labels(latent):
    pairs = latent()
    assert (pairs.labels.sum(axis=1) > 1).any()
    row = np.concatenate([[i] * len(np.flatnonzero(labels)) for i, labels in enumerate(pairs.labels)])
    label = np.concatenate([np.flatnonzero(labels) for labels in pairs.labels])
    share = 1 / pairs.labels.sum(axis=1)[row]
    made = SM(strength=0.5, centre=False).fit(pairs)
    model = probabilities(pairs.images[row], label, share, of=pairs.images)
    np.testing.assert_allclose(
        made.encode_images(pairs.images), cosine.normalise(model.predict_proba(pairs.images)), atol=1e-4
    )


def test_a_label_nobody_has_gets_no_probability(latent):
    pairs = latent()
    wider = dataclasses.replace(pairs, labels=np.insert(pairs.labels, 2, False, axis=1))
    found = SM(centre=False).fit(wider).encode_images(pairs.images)
    assert found[:, 2].max() < 1e-6
    np.testing.assert_allclose(
        np.delete(found, 2, axis=1), SM(centre=False).fit(pairs).encode_images(pairs.images), atol=1e-6
    )


def test_a_single_label_teaches_nothing_and_says_so(latent):
    with pytest.raises(BadInput, match="the same one"):
        SM().fit(dataclasses.replace(latent(), labels=np.ones((200, 1))))


def test_scm_is_sm_on_the_coordinates_of_cm(latent):
    pairs = single(latent())
    made = SCM(dims=3, ridge=0.2, strength=0.7, centre=True).fit(pairs)
    cm = CM(dims=3, ridge=0.2).fit(pairs)
    images, texts = cm.encode_images(pairs.images), cm.encode_texts(pairs.texts)
    sm = SM(strength=0.7, centre=True).fit(pairs.features(images, texts))
    np.testing.assert_array_equal(made.encode_images(pairs.images), sm.encode_images(images))
    np.testing.assert_array_equal(made.encode_texts(pairs.texts), sm.encode_texts(texts))
