"""TERAN, fine_global, CGMN and pre_interaction: what their terms are by hand, and that sets are read as sets."""

from dataclasses import replace

import numpy as np
import pytest

from diptych.kinds import Pairs, sets
from diptych.methods.tokens.cgmn import CGMN
from diptych.methods.tokens.fine_global import FineGlobal, WholeAndTokens
from diptych.methods.tokens.pre_interaction import PreInteraction
from diptych.methods.tokens.teran import REGION, TERAN, WORD, WordsAsk

SMALL = {"hidden": 6, "dims": 4, "heads": 2}


def marked(tokens, mark):
    return np.concatenate([tokens, np.full((*tokens.shape[:2], 1), mark)], axis=2)


def test_teran_lets_words_ask_whichever_side_is_the_query(six):
    regions, words = six.drawn(4, 3, 5).numpy(), six.drawn(6, 4, 5, seed=2, padding=True).numpy()
    space = WordsAsk()
    images, texts = space.normalise(marked(regions, REGION)), space.normalise(marked(words, WORD))
    expected = six.near(six.matched, words, regions)
    np.testing.assert_allclose(space.score(texts, images), expected, atol=1e-5)
    np.testing.assert_allclose(space.score(images, texts), expected.T, atol=1e-5)
    # Within a side it is the late interaction of kinds.Sets.
    np.testing.assert_allclose(space.score(images, images), sets.score(images[..., :-1], images[..., :-1]), atol=1e-5)
    assert space.score(texts[:0], images).shape == (0, 4)


def test_teran_ranks_by_triplets_of_what_it_scores_by_at_last_the_hardest(six):
    method, told = TERAN(**SMALL, margin=0.3, gentle=0.4), six.batch()
    net = six.network(method).eval()
    images, texts = net.images(told.images), net.texts(told.texts)
    assert images.shape == (6, 4, 5) and texts.shape == (6, 5, 5)
    S = six.near(six.matched, texts.detach()[..., :-1], images.detach()[..., :-1]).T
    assert six.values(method.loss(net, images, texts, told)) == pytest.approx({"triplets": six.hardest(S, 0.3)})
    begun = method.loss(net, images, texts, replace(told, done=0.3))
    assert six.values(begun) == pytest.approx({"triplets": six.triplets(S, 0.3)})
    scores = method.space.score(*(method.space.normalise(side.detach().numpy()) for side in (images, texts)))
    np.testing.assert_allclose(scores, S, atol=1e-5)


def test_without_layers_no_token_of_teran_hears_another(six):
    net, words = six.network(TERAN(**SMALL, layers=0)).eval(), six.batch().texts[1:2]
    changed = words.clone()
    changed[0, 2] += 1
    moved = (net.texts(words) - net.texts(changed)).abs().amax(dim=2)[0]
    assert moved.argmax() == 2 and moved.count_nonzero() == 1
    with_layers = six.network(TERAN(**SMALL)).eval().texts
    assert (with_layers(words) - with_layers(changed)).abs().amax(dim=2).count_nonzero() == 5


def cosine(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_fine_global_learns_both_similarities_and_ranks_by_their_mean(six):
    method = FineGlobal(**SMALL, temperature=0.5, fine=0.4, consistency=0.6, slack=0.02)
    told = six.batch()
    net = six.network(method).eval()
    images, texts = net.images(told.images), net.texts(told.texts)
    U, V = images.detach().numpy(), texts.detach().numpy()
    x, y = U[:, 0], V[:, 0]
    coarse = six.near(cosine, x, y)
    fine = six.near(lambda u, v: (six.matched(u[1:], v[1:]) + six.matched(v[1:], u[1:])) / 2, U, V)
    apart = [max(abs(cosine(x[i], x[j]) - cosine(y[i], y[j])) for j in range(6)) for i in range(6)]
    assert min(apart) < 0.02 < max(apart)
    expected = {
        "coarse": six.contrastive(coarse / 0.5),
        "fine": 0.4 * six.contrastive(fine / 0.5),
        "consistency": 0.6 * np.mean([max(0.0, most - 0.02) for most in apart]),
    }
    assert six.values(method.loss(net, images, texts, told)) == pytest.approx(expected, rel=1e-5)
    space = WholeAndTokens()
    np.testing.assert_allclose(space.score(space.normalise(U), space.normalise(V)), (coarse + fine) / 2, atol=1e-5)


def test_cgmn_adds_triplets_of_vectors_and_of_nodes(six):
    method, told = CGMN(dims=4, layers=2, margin=0.3, nodes=0.5), six.batch()
    images, texts = six.drawn(6, 4, 4), six.drawn(6, 5, 4, seed=3, padding=True)
    U, V = images.numpy(), texts.numpy()
    S = six.near(lambda u, v: cosine(u[0], v[0]), U, V)
    N = six.near(lambda u, v: six.matched(u[1:], v[1:]), U, V)
    expected = {"triplets": six.triplets(S, 0.3), "nodes": 0.5 * six.triplets(N, 0.3)}
    assert six.values(method.loss(None, images, texts, told)) == pytest.approx(expected)


def test_pre_interaction_tells_pairs_that_it_reads_in_one_row_then_contrasts_those_it_reads_apart(six):
    import torch

    method, told = PreInteraction(**SMALL, layers=2, temperature=0.5, together=0.6), six.batch()
    net = six.network(method).eval()
    assert net.images.layers is net.texts.layers

    losses = []
    for shift in (0, 1):
        for i in range(6):
            sides = net.images.entered(told.images[[i - shift]]), net.texts.entered(told.texts[[i]])
            row = torch.cat([states[real] for states, real in sides])[None]  # as long as it is, without padding
            read = net.texts.heard(row, torch.ones(row.shape[:2], dtype=torch.bool))
            chance = float(net.match(read.mean(dim=1)).sigmoid().detach())
            losses.append(-np.log(chance if told.owner[i] == told.owner[i - shift] else 1 - chance))
    images, texts = net.images(told.images), net.texts(told.texts)
    assert six.values(method.loss(net, images, texts, told)) == pytest.approx({"together": np.mean(losses)})

    over = method.loss(net, images, texts, replace(told, done=0.7))
    S = six.near(cosine, images.detach(), texts.detach())
    assert six.values(over) == pytest.approx({"apart": six.contrastive(S / 0.5)})


ALL = [TERAN(**SMALL), FineGlobal(**SMALL), CGMN(dims=4, layers=2), PreInteraction(**SMALL)]
NAMED = {"argvalues": ALL, "ids": lambda method: method.paper_name()}


@pytest.mark.parametrize("method", **NAMED)
def test_padding_is_not_read_and_the_order_of_tokens_is(six, method):
    import torch

    net = six.network(method).eval()
    tokens, others = six.drawn(3, 4, 7), six.drawn(5, 5, 9, seed=2)
    texts = method.space.normalise(net.texts(others).detach().numpy())

    def scores(rows):
        return method.space.score(method.space.normalise(net.images(rows).detach().numpy()), texts)

    padded = torch.cat([tokens, torch.zeros(3, 2, 7)], dim=1)
    np.testing.assert_allclose(scores(padded), scores(tokens), atol=1e-5)
    np.testing.assert_allclose(scores(tokens[:, :1]), scores(tokens[:, 0]), atol=1e-5)
    assert np.abs(scores(tokens[:, [2, 0, 3, 1]]) - scores(tokens)).max() > 1e-3


def scenes(seed, n=240):
    """Two cells that show two of eight things, and two words that tell what is in the first and what in the second."""
    rng = np.random.default_rng(seed)
    things, words = (np.random.default_rng(7 + side).standard_normal((8, 10 + side)) for side in (0, 1))
    told = np.array([rng.permutation(8)[:2] for _ in range(n)])
    images = things[told] + 0.1 * rng.standard_normal((n, 2, 10)) + 1.0
    texts = np.zeros((n, 4, 11), dtype=np.float32)
    texts[:, :2] = words[told]
    return Pairs(images.astype(np.float32), texts)


@pytest.mark.parametrize("method", **NAMED)
def test_the_order_of_tokens_is_learned(method):
    """A text is nearer to its picture than the same words turned around, which no mean of cells or words could tell."""
    shape = {"dims": 32} | ({"hidden": 64, "heads": 2} if hasattr(method, "heads") else {})
    # The mean of a whole row tells places least of all.
    epochs = 40 if isinstance(method, PreInteraction) else 15
    learner = type(method)(**shape, epochs=epochs, batch=32, rate=5e-3, held_out=0.0, dropout=0.0).fit(scenes(0))
    test = scenes(1, 100)
    turned = test.texts.copy()
    turned[:, :2] = turned[:, 1::-1]
    pictures = learner.encode_images(test.images)
    own, other = (
        np.diagonal(learner.space.score(pictures, learner.encode_texts(texts))) for texts in (test.texts, turned)
    )
    assert (own > other).mean() > 0.85
