"""ACMR: its terms by loops, and its game: the adversary's gradient reaches the encoders, reversed."""

import math

import numpy as np
import pytest

from diptych import parts
from diptych.methods.deep.acmr import ACMR


def test_structure_is_a_loop_over_pairs(six):
    method, told = ACMR(hidden=5, dims=4, structure=0.7, apart=0.3, margin=1.5), six.batch()
    net = six.network(method)
    images, texts = six.outputs(net, told)
    near, far = [], []
    for i, u in enumerate(six.table(images)):
        for j, v in enumerate(six.table(texts)):
            distance = np.linalg.norm(u - v)
            if told.labels[i] @ told.labels[j] > 0:
                near.append(distance)
            else:
                far.append(max(0.0, 1.5 - distance))
    terms = six.values(method.loss(net, images, texts, told))
    assert terms["structure"] == pytest.approx(0.7 * (np.mean(near) + 0.3 * np.mean(far)), rel=1e-6)
    assert len(far) > 0


def test_semantics_is_the_entropy_of_one_classifier_on_both_sides(six):
    method, told = ACMR(hidden=5, dims=4, semantics=2.0), six.batch()
    net = six.network(method)
    images, texts = six.outputs(net, told)
    expected = sum(six.entropy(net.labels(side), told.labels) for side in (images, texts))
    assert six.values(method.loss(net, images, texts, told))["semantics"] == pytest.approx(2 * expected)


@pytest.mark.parametrize("done", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("adversary", [0.0, 0.5, 1.0])
def test_encoders_climb_what_the_modality_classifier_goes_down(six, done, adversary):
    import torch

    method, told = ACMR(hidden=5, dims=4, adversary=adversary), six.batch(done=done)
    net = six.network(method)
    images, texts = six.drawn(6, 4), six.drawn(6, 4, seed=2)
    plain = parts.losses.told_apart(net.modality(images), net.modality(texts))
    term = method.loss(net, images, texts, told)["modality"]
    assert term.item() == pytest.approx(six.told_apart(net.modality(images), net.modality(texts)))
    factor = adversary * (2 / (1 + math.exp(-10 * done)) - 1)
    for one, other in zip(
        torch.autograd.grad(term, (images, texts), retain_graph=True),
        torch.autograd.grad(plain, (images, texts), retain_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(one, -factor * other)
        assert other.abs().max() > 0
    weights = list(net.modality.parameters())
    for one, other in zip(torch.autograd.grad(term, weights), torch.autograd.grad(plain, weights), strict=True):
        torch.testing.assert_close(one, other)


def test_pairs_that_coincide_have_a_gradient(six):
    import torch

    method, told = ACMR(hidden=5, dims=4), six.batch()
    rows = six.drawn(6, 4)
    sum(method.loss(six.network(method), rows, rows, told).values()).backward()
    assert torch.isfinite(rows.grad).all()
