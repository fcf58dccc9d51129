"""SGSIN: the levels of an item hear each other before they are compared as those of SGM."""

import numpy as np
import pytest

from diptych.methods.tokens.sgm import SGM, SHARPNESS
from diptych.methods.tokens.sgsin import SGSIN


def heard(asking, offered, weight):
    """asking + what each of its rows hears of offered, by a double loop."""
    told = []
    for a in asking:
        near = np.exp([SHARPNESS * a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in offered])
        told.append(a + weight @ sum(share * b for share, b in zip(near / near.sum(), offered, strict=True)))
    return np.array(told)


def test_things_and_relations_hear_each_other(six):
    method, told = SGSIN(dims=4), six.batch()
    net = six.network(method).eval()
    for side, rows in ((net.images, told.images), (net.texts, told.texts)):
        graph, interaction, mark = side
        A, B = (listen.weight.detach().numpy() for listen in interaction.maps)
        for before, after in zip(graph(rows).detach().numpy(), side(rows).detach().numpy(), strict=True):
            real = before.any(axis=1)
            things, relations = before[real, :4], before[real, 4:]
            expected = [heard(things, relations, A), heard(relations, things, B)]
            np.testing.assert_allclose(after[: real.sum(), :-1], np.hstack(expected), atol=1e-12)
            assert not after[real.sum() :, :-1].any()
            assert (after[:, -1] == mark.value).all()


def test_it_learns_and_ranks_as_sgm_does(six):
    method, told = SGSIN(dims=4, margin=0.3), six.batch()
    net = six.network(method).eval()
    outputs = net.images(told.images), net.texts(told.texts)
    assert six.values(method.loss(net, *outputs, told)) == six.values(SGM(margin=0.3).loss(net, *outputs, told))
    assert SGSIN.space is SGM.space
    own = method.space.score(*(method.space.normalise(side.detach().numpy()) for side in outputs))
    plain = method.space.score(
        *(
            method.space.normalise(side[::2](rows).detach().numpy())
            for side, rows in ((net.images, told.images), (net.texts, told.texts))
        )
    )
    assert np.abs(own - plain).max() > 1e-3


def test_without_rounds_it_is_sgm_and_with_two_levels_hear_each_other_twice(six):
    rows = six.batch().texts
    plain, none, twice = (
        six.network(method).eval().texts for method in (SGM(dims=4), SGSIN(dims=4, rounds=0), SGSIN(dims=4, rounds=2))
    )
    np.testing.assert_array_equal(none(rows).detach(), plain(rows).detach())
    assert len(twice) == len(plain) + 2
    np.testing.assert_array_equal(twice(rows).detach(), twice[3](twice[2](twice[1](twice[0](rows)))).detach())


@pytest.mark.parametrize("side", ["images", "texts"])
def test_padding_is_not_heard(six, side):
    import torch

    encoder, rows = getattr(six.network(SGSIN(dims=4)).eval(), side), getattr(six.batch(), side)
    padded = torch.cat([rows, torch.zeros(6, 2, rows.shape[2])], dim=1)
    torch.testing.assert_close(encoder(padded)[:, : rows.shape[1]], encoder(rows))
