"""The multimodal deep Boltzmann machine: the gradient of its likelihood, and what it infers of a side not shown."""

import numpy as np
import pytest

from diptych.kinds import BadInput
from diptych.methods.deep.multimodal_dbm import MultimodalDBM


def on(fed):
    """What units of -1/2 and 1/2 are on the average: what units of 0 and 1 are, less a half."""
    return 1 / (1 + np.exp(-fed)) - 0.5


def network_of(six, method):
    """Its network in float64, with biases and couplings large enough to matter."""
    import torch

    net = six.network(method)
    torch.manual_seed(1)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return net


def test_the_gradient_is_that_of_the_energy_at_the_data_less_that_at_the_sample(six):
    import torch

    method, told = MultimodalDBM(path=(5,), dims=4, words=6, rounds=3, sweeps=2, pretraining=0.2), six.batch(done=0.5)
    net = network_of(six, method)
    chain = net.images.chain
    torch.manual_seed(7)
    method.loss(net, told.images, told.texts, told)["likelihood"].backward()
    torch.manual_seed(7)
    with torch.no_grad():
        data = chain.settle({0: told.images, 4: told.texts}, 3)
        drawn = chain.sweep(chain.sweep(data))
    assert set(drawn[2].unique().tolist()) == {-0.5, 0.5}
    for place, W in enumerate(chain.couplings):
        expected = (drawn[place].T @ drawn[place + 1] - data[place].T @ data[place + 1]) / 6
        torch.testing.assert_close(W.grad, expected)
    for place in (1, 2, 3, 4):
        torch.testing.assert_close(chain.layers[place].bias.grad, (drawn[place] - data[place]).mean(dim=0))


def test_a_picture_is_encoded_with_the_text_that_is_inferred_of_it(six):
    """Mean field by hand: up to the joint layer in the first round, then both ways, the counts of words as well."""
    method = MultimodalDBM(path=(5,), dims=4, words=6, rounds=3)
    net = network_of(six, method).eval()
    chain = net.images.chain
    x = six.table(six.batch().images)
    states = six.table(net.images.layer.states(six.batch().images))
    A, B, C, D = (six.table(coupling) for coupling in chain.couplings)  # x A h B joint C g D y
    _, h_bias, joint_bias, g_bias, y_bias = (six.table(layer.bias) for layer in chain.layers)
    joint, g, y = np.zeros((6, 4)), np.zeros((6, 5)), np.zeros((6, 9))
    for _ in range(3):
        h = on(states @ A + joint @ B.T + h_bias)
        joint = on(h @ B + g @ C.T + joint_bias)
        g = on(joint @ C + y @ D.T + g_bias)
        likely = np.exp(g @ D + y_bias)
        y = 6 * likely / likely.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(six.table(net.images(six.batch().images)), joint, atol=1e-10)
    np.testing.assert_allclose(states, x / np.linalg.norm(x, axis=1, keepdims=True), atol=1e-10)


def test_texts_below_zero_are_no_counts_but_may_be_gaussian(latent):
    pairs = latent(60, 7, 9)
    with pytest.raises(BadInput, match="units=gaussian"):
        MultimodalDBM(path=(8,), dims=3, epochs=1).fit(pairs)
    made = MultimodalDBM(path=(8, 6), dims=3, units="gaussian", epochs=1).fit(pairs)
    assert made.encode_texts(pairs.texts).shape == (60, 3)
    assert {shape for shape in map(np.shape, made.weights_.values()) if len(shape) == 2} == {
        (7, 8),
        (8, 6),
        (6, 3),
        (3, 6),
        (6, 8),
        (8, 9),
    }
