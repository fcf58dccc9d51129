"""The bimodal autoencoder: its equation by hand, and whose turn it is to learn."""

import numpy as np
import pytest

from diptych.methods.deep.bimodal_ae import BimodalAE


def on(fed):
    """What units of -1/2 and 1/2 are on the average: what units of 0 and 1 are, less a half."""
    return 1 / (1 + np.exp(-fed)) - 0.5


def test_each_code_rebuilds_both_sides_by_weights_turned_around(six):
    method, told = BimodalAE(own=5, dims=4, pretraining=0.2), six.batch(done=0.5)
    net = six.network(method)
    terms = six.values(method.loss(net, told.images, told.texts, told))
    x, y = six.table(told.images), six.table(told.texts)
    A, B, C, D = (six.table(coupling) for coupling in net.images.chain.couplings)  # x A h B code C g D y
    x_bias, h_bias, code_bias, g_bias, y_bias = (six.table(layer.bias) for layer in net.images.chain.layers)
    for name, (seen_x, seen_y) in {"both": (x, y), "image": (x, 0 * y), "text": (0 * x, y)}.items():
        code = on(on(seen_x @ A + h_bias) @ B + on(seen_y @ D.T + g_bias) @ C.T + code_bias)
        made_x = on(code @ B.T + h_bias) @ A.T + x_bias
        made_y = on(code @ C + g_bias) @ D + y_bias
        assert terms[name] == pytest.approx(np.square(made_x - x).mean() + np.square(made_y - y).mean())


def test_machines_learn_first_and_then_all_of_it(six):
    method, net = BimodalAE(own=5, dims=4, pretraining=0.4), six.network(BimodalAE(own=5, dims=4))
    turns = {0.0: {0, 3}, 0.19: {0, 3}, 0.21: {1, 2}, 0.39: {1, 2}, 0.41: {0, 1, 2, 3}}
    for done, turn in turns.items():
        net.zero_grad()
        told = six.batch(done=done)
        sum(method.loss(net, told.images, told.texts, told).values()).backward()
        assert {place for place, W in enumerate(net.images.chain.couplings) if W.grad is not None} == turn


def test_a_side_is_encoded_as_if_the_other_were_at_its_mean(latent):
    pairs = latent(60, 7, 9)
    method = BimodalAE(own=8, dims=3, epochs=2, held_out=0.0).fit(pairs)
    net = method.trained()
    from diptych.kinds import cosine

    unit = pairs.images / np.linalg.norm(pairs.images, axis=1, keepdims=True)
    mean, scale = unit.mean(axis=0), np.sqrt(unit.var(axis=0).mean())
    A, B, C, _ = (coupling.detach().numpy() for coupling in net.images.chain.couplings)
    _, h, code, g, _ = (layer.bias.detach().numpy() for layer in net.images.chain.layers)
    expected = on(on((unit - mean) / scale @ A + h) @ B + on(g) @ C.T + code)
    np.testing.assert_allclose(method.encode_images(pairs.images), cosine.normalise(expected), atol=1e-4)
