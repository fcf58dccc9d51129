"""SGM: things and relations are compared each by itself, and what tells a relation is what stands around a thing."""

from dataclasses import replace

import numpy as np
import pytest

from diptych.kinds import sets
from diptych.methods.tokens.sgm import SGM, SHARPNESS, ThingsAndRelations, levels, surroundings, triplets
from diptych.methods.tokens.teran import REGION, WORD

LEVELS = slice(0, 4), slice(4, 8)


def similarity(text, picture):
    """S of two sets without marks (t, 2 d): both levels by a double loop."""
    return sum(matched(text[:, part], picture[:, part]) for part in LEVELS)


def matched(asking, offered):
    best = [max(cosine(a, b) for b in offered if b.any()) for a in asking if a.any()]
    return sum(best) / len(best)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def made(six, method):
    """Outputs of both sides in evaluation, and S of all pairs by hand."""
    net = six.network(method).eval()
    images, texts = net.images(six.batch().images), net.texts(six.batch().texts)
    assert images.shape == (6, 4, 9) and texts.shape == (6, 5, 9)
    S = np.array([[similarity(text, picture) for text in plain(texts)] for picture in plain(images)])
    return net, images, texts, S


def plain(tokens):
    return tokens.detach().numpy()[..., :-1]


def test_it_ranks_by_triplets_of_what_it_scores_by_at_last_the_hardest(six):
    method, told = SGM(dims=4, margin=0.3, gentle=0.4), six.batch()
    net, images, texts, S = made(six, method)
    assert six.values(method.loss(net, images, texts, told)) == pytest.approx({"triplets": six.hardest(S, 0.3)})
    begun = method.loss(net, images, texts, replace(told, done=0.3))
    assert six.values(begun) == pytest.approx({"triplets": six.triplets(S, 0.3)})
    pictures, words = (method.space.normalise(side.detach().numpy()) for side in (images, texts))
    np.testing.assert_allclose(method.space.score(pictures, words), S, atol=1e-5)
    np.testing.assert_allclose(method.space.score(words, pictures), S.T, atol=1e-5)


def test_relations_count_as_they_are_weighed_in_loss_and_score(six):
    method, told = SGM(dims=4, margin=0.3, gentle=0.4, relations=0), six.batch()
    net, images, texts, _ = made(six, method)
    things = [[matched(text[:, :4], picture[:, :4]) for text in plain(texts)] for picture in plain(images)]
    assert six.values(method.loss(net, images, texts, told)) == pytest.approx(
        {"triplets": six.hardest(np.array(things), 0.3)}
    )
    sides = [method.space.normalise(side.detach().numpy()) for side in (images, texts)]
    np.testing.assert_allclose(method.space.score(*sides), things, atol=1e-5)
    double = replace(method, relations=2).space.score(*sides)
    np.testing.assert_allclose(double - things, 2 * (SGM().space.score(*sides) - things), atol=1e-5)


def test_within_a_side_it_is_late_interaction_of_both_levels(six):
    space = ThingsAndRelations()
    for mark in (REGION, WORD):
        tokens = np.concatenate([six.drawn(5, 3, 8).numpy(), np.full((5, 3, 1), mark)], axis=2)
        normalised = space.normalise(tokens)
        assert normalised.dtype == np.float32
        things, relations = levels(normalised)
        np.testing.assert_allclose(np.linalg.norm(things[..., :-1], axis=2), 1, atol=1e-6)
        expected = sum(sets.score(level[..., :-1], level[..., :-1]) for level in (things, relations))
        np.testing.assert_allclose(space.score(normalised, normalised), expected, atol=1e-5)
    assert space.score(normalised[:0], normalised).shape == (0, 5)


def test_a_word_tells_a_relation_with_those_beside_it(six):
    words = six.drawn(2, 4, 3)
    found = triplets(words).numpy()
    assert found.shape == (2, 4, 3, 3)
    for text, told in zip(words.numpy(), found, strict=True):
        for i in range(4):
            around = [text[j] if 0 <= j < 4 else np.zeros(3) for j in (i - 1, i, i + 1)]
            np.testing.assert_array_equal(told[i], around)


def test_a_region_tells_a_relation_with_the_others_by_how_like_it_they_are(six):
    regions = six.drawn(3, 5, 4, padding=True)
    found = surroundings(regions).numpy()
    for picture, told in zip(regions.numpy(), found, strict=True):
        real = [row for row in picture if row.any()]
        for i, own in enumerate(real):
            others = [row for j, row in enumerate(real) if j != i]
            near = np.exp([SHARPNESS * cosine(own, row) for row in others])
            np.testing.assert_allclose(told[i], [own, near @ others / near.sum()], atol=1e-12)
    alone = regions[:, :1]
    np.testing.assert_array_equal(surroundings(alone)[:, :, 0], alone)
    np.testing.assert_array_equal(surroundings(alone)[:, :, 1], alone)


def test_padding_is_not_read_and_the_order_of_words_is(six):
    import torch

    method, told = SGM(dims=4), six.batch()
    net, *_, S = made(six, method)

    def scores(pictures, words):
        sides = net.images(pictures), net.texts(words)
        return method.space.score(*(method.space.normalise(side.detach().numpy()) for side in sides))

    padded = (torch.cat([side, torch.zeros(6, 2, side.shape[2])], dim=1) for side in (told.images, told.texts))
    np.testing.assert_allclose(scores(*padded), S, atol=1e-5)
    assert np.abs(scores(told.images, told.texts[:, [2, 0, 1, 3, 4]]) - S).max() > 1e-3


def test_of_words_that_are_not_read_only_relations_know_the_order(six):
    told, turned = six.batch().texts, [2, 0, 1, 3, 4]
    for read in (True, False):
        net = six.network(SGM(dims=4, read=read)).eval()
        moved = net.texts(told)[:, turned] - net.texts(told[:, turned])
        things, relations = (moved[..., part] for part in LEVELS)
        assert (things.abs().max() > 1e-3) == read
        assert relations.abs().max() > 1e-3
