"""Methods that read texts word by word: their terms against double loops, and what they make of sequences."""

import numpy as np
import pytest

from diptych.kinds import BadInput, Pairs
from diptych.methods.deep.bidirectional_cnn import BidirectionalCNN
from diptych.methods.deep.context_rnn import ContextRNN
from diptych.methods.deep.jvsm import JVSM

OWNER = (0, 1, 0, 2, 3, 4)


def test_bidirectional_cnn_asks_every_unmatched_pair_which_is_nearer(six):
    told, images, texts = six.batch(owner=OWNER), six.drawn(6, 4), six.drawn(6, 4, seed=2)
    terms = six.values(BidirectionalCNN(temperature=0.3).loss(None, images, texts, told))
    S = six.unit(images) @ six.unit(texts).T / 0.3
    for name, table in (("texts of a picture", S), ("pictures of a text", S.T)):
        unmatched = [(i, j) for i in range(6) for j in range(6) if OWNER[i] != OWNER[j]]
        likely = [1 / (1 + np.exp(table[i, j] - table[i, i])) for i, j in unmatched]
        assert terms[name] == pytest.approx(-np.mean(np.log(likely)))


def test_bidirectional_cnn_of_one_picture_alone_has_nothing_to_tell(six):
    told = six.batch(owner=[0] * 6)
    assert six.values(BidirectionalCNN().loss(None, six.drawn(6, 4), six.drawn(6, 4), told)) == {
        "texts of a picture": 0.0,
        "pictures of a text": 0.0,
    }


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_context_rnns_terms_are_loops_over_pairs_and_words(six, cell):
    import torch

    method, told = ContextRNN(cell=cell, hidden=5, dims=4, margin=0.3, context=0.7), six.batch(owner=OWNER)
    words = six.drawn(6, 3, 9, seed=3).detach()
    words[0, 2], words[1, 1:], told.texts.data = 0, 0, words
    net, images, texts = six.network(method), six.drawn(6, 4), six.drawn(6, 4, seed=2)
    terms = six.values(method.loss(net, images, texts, told))
    S = six.unit(images) @ six.unit(texts).T
    broken = [
        [max(0.0, 0.3 - table[i, i] + table[i, j]) for i in range(6) for j in range(6) if OWNER[i] != OWNER[j]]
        for table in (S, S.T)
    ]
    assert terms["ranking"] == pytest.approx(np.mean(broken[0]) + np.mean(broken[1]))

    reader, untold = net.texts[0], []
    for text, picture in zip(words, images.detach(), strict=True):
        state = reader.start[:1]
        memory, before = (state, torch.zeros_like(state)), torch.zeros(9, dtype=torch.float64)
        for word in text:
            if not word.any():
                break
            told_word = net.teller(torch.cat([before, state[0], picture]))
            untold.append(1 - float(torch.cosine_similarity(word, told_word, dim=0).detach()))
            before = word / word.norm()
            found, memory = reader.directions[0](before[None], memory if cell == "lstm" else state)
            state = memory[0] if cell == "lstm" else found
    assert len(untold) == 15
    assert terms["context"] == pytest.approx(0.7 * np.mean(untold))


def test_jvsms_terms_rank_queries_of_the_nearest_other_picture_and_the_words(six):
    import torch

    method = JVSM(hidden=5, dims=4, margin=0.3, composed=0.6)
    told, images, texts = six.batch(owner=OWNER), six.drawn(6, 4), six.drawn(6, 4, seed=2)
    net = six.network(method)
    terms = six.values(method.loss(net, images, texts, told))
    U, V = six.unit(images), six.unit(texts)
    C = []
    for i in range(6):
        other = max((j for j in range(6) if OWNER[j] != OWNER[i]), key=lambda j: U[i] @ U[j])
        made = six.table(net.change(torch.from_numpy(np.concatenate([U[other], V[i]]))))
        C.append(U[other] / (1 + np.exp(-made[:4])) + made[4:])
    C = np.array(C) / np.linalg.norm(C, axis=1, keepdims=True)

    def hardest(A, B):
        return sum(
            max(0.0, 0.3 - table[i, i] + max(table[i, j] for j in range(6) if OWNER[i] != OWNER[j])) / 6
            for table in (A @ B.T, B @ A.T)
            for i in range(6)
        )

    assert terms == pytest.approx(
        {
            "matching": hardest(U, V),
            "composed, pictures": 0.6 * hardest(C, U),
            "composed, texts": 0.6 * hardest(C, V),
        }
    )


def sequences(seed: int, n: int = 240) -> Pairs:
    """Two words a text, of ten; the picture shows which came first and which came second, so that order tells."""
    rng = np.random.default_rng(seed)
    words = np.random.default_rng(7).standard_normal((10, 8))
    told = np.array([rng.permutation(10)[:2] for _ in range(n)])
    shown = np.concatenate([np.eye(10)[told[:, 0]], np.eye(10)[told[:, 1]]], axis=1)
    texts = np.zeros((n, 4, 8), dtype=np.float32)
    texts[:, :2] = words[told]
    return Pairs(shown + 0.05 * rng.standard_normal(shown.shape), texts)


@pytest.mark.parametrize(
    "method",
    [
        BidirectionalCNN(image_hidden=64, maps=32, dims=32),
        ContextRNN(image_hidden=64, hidden=32, dims=32),
        JVSM(image_hidden=64, hidden=32, dims=32),
    ],
    ids=lambda method: method.paper_name(),
)
def test_the_order_of_words_is_learned(method):
    """A text is nearer to its picture than the same words turned around, which no bag of words could tell."""
    method.epochs, method.batch, method.rate, method.held_out = 30, 32, 1e-2, 0.0
    method.fit(sequences(0))
    test = sequences(1, 100)
    turned = test.texts.copy()
    turned[:, :2] = turned[:, 1::-1]
    pictures = method.encode_images(test.images)
    own, other = ((pictures * method.encode_texts(texts)).sum(axis=1) for texts in (test.texts, turned))
    assert (own > other).mean() > 0.9
    padded = np.concatenate([test.texts, np.zeros_like(test.texts)], axis=1)
    np.testing.assert_allclose(method.encode_texts(padded), method.encode_texts(test.texts), atol=1e-5)


def test_jvsm_finds_the_picture_that_words_make_of_another(small):
    """A picture changed by a text of another one is nearer to that one than the picture it was, or chance, is."""
    method, test = JVSM(image_hidden=64, hidden=64, epochs=10, batch=64).fit(small.train), small.test
    texts = np.array([np.flatnonzero(test.owner == picture)[0] for picture in range(test.n_images)])
    start = np.roll(np.arange(test.n_images), 1)
    rows = method.encode_changed(test.images[start], test.texts[texts])
    pictures = method.encode_images(test.images)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    scores = rows @ pictures.T
    rank = (scores > scores.diagonal()[:, None]).sum(axis=1)
    assert np.mean(rank < 10) > 3 * 10 / test.n_images
    assert not np.allclose(rows, method.encode_changed(test.images, test.texts[texts]), atol=1e-3)
    with pytest.raises(BadInput, match="2 images with 1 texts"):
        method.encode_changed(test.images[:2], test.texts[:1])
