"""GSMN: what it has learned to compare by, by hand, and that it is kept and read back with the method."""

from dataclasses import replace

import numpy as np
import pytest

from diptych.kinds import BadInput, Pairs
from diptych.method import Method
from diptych.methods.tokens.gsmn import BLOCK, GSMN, SHARPNESS, asked, matching

SMALL = {"dims": 6, "blocks": 3, "kernels": 4, "maps": 2}


def softmax(values):
    shares = np.exp(np.asarray(values) - np.max(values))
    return shares / shares.sum()


def by_hand(match, u, v):
    """s asked by the tokens u (k, d) of v (l, d), both without padding: the equations of the module, node by node."""
    graph = {name: tensor.detach().numpy() for name, tensor in match["graph"].named_parameters()}
    first, _, second = match["score"]
    W1, b1, W2 = (tensor.detach().numpy() for tensor in (first.weight, first.bias, second.weight))
    x = []
    for token in u:
        shares = softmax([SHARPNESS * token @ other for other in v])
        c = sum(share * other for share, other in zip(shares, v, strict=True))
        blocks = [(token[b::3], c[b::3]) for b in range(3)]
        x.append([one @ two / np.linalg.norm(one) / np.linalg.norm(two) for one, two in blocks])
    scores = []
    for i, token in enumerate(u):
        edges = softmax([SHARPNESS * token @ other for other in u])
        heard = np.zeros((4, 2))
        for j, edge in enumerate(edges):
            kernels = softmax(-(((j - i) - graph["means"]) ** 2) / (2 * graph["widths"] ** 2))
            for k in range(4):
                heard[k] += edge * kernels[k] * (graph["W.weight"][2 * k : 2 * k + 2] @ x[j])
        scores.append(float((W2 @ np.tanh(W1 @ np.tanh(heard.ravel() + graph["b"]) + b1))[0]))
    return np.mean(scores)


def units(tokens):
    """The tokens of each set, without padding, of length 1."""
    found = [rows[rows.any(axis=1)] for rows in tokens]
    return [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in found]


def moved(six, method):
    """Its network with kernels that are not all alike, as they start."""
    import torch

    net = six.network(method).eval()
    with torch.no_grad():
        for match in net.match:
            match["graph"].widths.copy_(torch.tensor([0.5, 1.0, -2.0, 1.5]))
            match["graph"].b.copy_(torch.linspace(-1, 1, 8))
    return net


def test_a_node_asks_by_blocks_and_hears_its_neighbours(six):
    import torch

    match = moved(six, GSMN(**SMALL)).match[0]
    u, v = six.drawn(4, 3, 6, padding=True), six.drawn(5, 4, 6, seed=2, padding=True)
    u, v = (torch.nn.functional.normalize(side, dim=2) for side in (u, v))
    expected = [[by_hand(match, one, other) for other in units(v.numpy())] for one in units(u.numpy())]
    np.testing.assert_allclose(asked(match, u, v).detach().numpy(), expected, atol=1e-10)


def learned(six):
    method = GSMN(**SMALL)
    net = moved(six, method)
    told = six.batch()
    images, texts = net.images(told.images), net.texts(told.texts)
    U, V = (units(side.detach().numpy()[..., :-1]) for side in (images, texts))
    S = np.array([[by_hand(net.match[0], u, v) + by_hand(net.match[1], v, u) for v in V] for u in U])
    return method, net, images, texts, S


def test_it_contrasts_what_regions_ask_and_what_words_ask(six):
    method, net, images, texts, S = learned(six)
    assert six.values(method.loss(net, images, texts, six.batch())) == pytest.approx({"matched": six.contrastive(S)})


def test_its_space_compares_as_it_has_learned_to_whoever_asks(six):
    method, net, images, texts, S = learned(six)
    method._net = net.float()
    pictures, words = (method.space.normalise(side.detach().numpy()) for side in (images, texts))
    np.testing.assert_allclose(method.space.score(pictures, words), S, atol=1e-5)
    np.testing.assert_allclose(method.space.score(words, pictures), S.T, atol=1e-5)
    many = np.tile(pictures, (BLOCK // 6 + 1, 1, 1))  # more than a block
    np.testing.assert_allclose(method.space.score(many, words), np.tile(S, (BLOCK // 6 + 1, 1)), atol=1e-5)
    for side in (pictures, words):  # within a side both ask, by the layers of that side
        tokens = units(side[..., :-1])
        match = net.match[int(side is words)].double()
        own = np.array([[by_hand(match, a, b) + by_hand(match, b, a) for b in tokens] for a in tokens])
        match.float()
        np.testing.assert_allclose(method.space.score(side, side), own, atol=1e-5)
    assert method.space.score(pictures[:0], words).shape == (0, 6)


def test_without_kernels_no_node_hears_another(six):
    import torch

    match = six.network(GSMN(**SMALL | {"kernels": 0})).match[0]
    u, v = (torch.nn.functional.normalize(six.drawn(3, 4, 6, seed=seed), dim=2) for seed in (1, 2))
    whole, alone = asked(match, u, v), sum(asked(match, u[:, k : k + 1], v) for k in range(4)) / 4
    torch.testing.assert_close(whole, alone)


def test_padding_is_not_read_and_the_order_of_tokens_is(six):
    import torch

    _, net, *_, S = learned(six)
    told = six.batch()

    def scores(pictures, words):
        sides = (
            torch.nn.functional.normalize(side[..., :-1], dim=2) for side in (net.images(pictures), net.texts(words))
        )
        return matching(*net.match, *sides).detach().numpy()

    padded = (torch.cat([side, torch.zeros(6, 2, side.shape[2])], dim=1) for side in (told.images, told.texts))
    np.testing.assert_allclose(scores(*padded), S, atol=1e-6)
    assert np.abs(scores(told.images[:, [2, 0, 3, 1]], told.texts) - S).max() > 1e-4
    assert np.abs(scores(told.images, told.texts[:, [2, 0, 1, 3, 4]]) - S).max() > 1e-4


def test_dims_that_blocks_do_not_share_are_bad_input(six):
    with pytest.raises(BadInput, match="blocks=5"):
        six.network(GSMN(dims=6, blocks=5))


def pairs(six):
    images, texts = six.drawn(40, 3, 7).numpy(), six.drawn(40, 4, 9, seed=2).numpy()
    return Pairs(images.astype(np.float32), texts.astype(np.float32))


def ranked(method, data):
    return method.space.score(method.encode_images(data.images), method.encode_texts(data.texts))


def test_what_it_compares_by_is_kept_with_it(six, tmp_path):
    data = pairs(six)
    one, two = (GSMN(**SMALL, epochs=epochs, batch=20).fit(data) for epochs in (1, 3))
    before = ranked(one, data)
    assert np.abs(before - ranked(two, data)).max() > 1e-4  # each by its own
    np.testing.assert_array_equal(ranked(one, data), before)
    one.save_pretrained(tmp_path)
    read = Method.from_pretrained(tmp_path)
    rows = one.encode_images(data.images), one.encode_texts(data.texts)
    np.testing.assert_array_equal(read.space.score(*rows), before)  # before it was asked to encode anything


def test_the_epoch_is_chosen_by_what_was_learned_so_far(six):
    """What is held out is compared by the network in training: an epoch scores what a method that ends there does."""
    data = pairs(six)
    method = GSMN(**SMALL, epochs=3, batch=12, held_out=0.5, final=1.0, warmup=0.0).fit(data)
    _, held = method._parted(data)
    for number, record in enumerate(method.training_["epochs"], 1):
        short = replace(method, epochs=number).fit(data)
        assert short.training_["epochs"][-1]["held_out"] == record["held_out"]
    chosen = method.training_["epochs"][method.training_["chosen"]]["held_out"]
    assert method._score(method.trained(), held) == chosen
