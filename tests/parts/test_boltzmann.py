"""Boltzmann machines against every state of a small one, and their gradients against the statistics of the books."""

from itertools import product

import numpy as np
import pytest

from diptych import parts
from diptych.kinds import BadInput

torch = pytest.importorskip("torch", reason="layers are modules")

HALVES = (-0.5, 0.5)


def chain_of(*layers, spread=1.0, seed=0):
    """A chain with biases and couplings drawn from a normal distribution, in float64."""
    torch.manual_seed(seed)
    made = parts.boltzmann.Chain(*layers, spread=spread).double()
    for layer in made.layers:
        torch.nn.init.normal_(layer.bias)
    return made


def binary(*widths, **settings):
    return chain_of(*(parts.boltzmann.Binary(width) for width in widths), **settings)


def every_state(*widths):
    """All states of binary layers: by place, (number of states, width)."""
    rows = torch.tensor(list(product(HALVES, repeat=sum(widths))), dtype=torch.float64)
    return dict(enumerate(rows.split(widths, dim=1)))


def energy(chain, states):
    """The energy of one state of every layer, written out."""
    total = -sum((layer.bias @ state).item() for layer, state in zip(chain.layers, states, strict=True))
    for W, below, above in zip(chain.couplings, states, states[1:], strict=False):
        total -= sum(W[i, j].item() * below[i].item() * above[j].item() for i, j in np.ndindex(*W.shape))
    return total


def test_the_energy_is_as_it_is_written():
    chain, states = binary(2, 3, 2), every_state(2, 3, 2)
    found = chain.energy(states).detach().numpy()
    expected = [energy(chain, [states[place][row] for place in range(3)]) for row in range(2**7)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    without = chain.energy({0: states[0], 2: states[2]}).detach()
    np.testing.assert_allclose(without, -(states[0] @ chain.layers[0].bias + states[2] @ chain.layers[2].bias).detach())


def test_the_free_energy_is_a_sum_over_all_hidden_states():
    """Of an RBM, and of a layer between two that are seen."""
    chain, states = binary(3, 2, 2), every_state(3, 2, 2)
    energies = chain.energy(states)
    for seen, hidden in (({0: states[0], 2: states[2]}, {1}), ({1: states[1]}, {0, 2})):
        key = torch.cat(list(seen.values()), dim=1)
        found = chain.free_energy(seen, hidden)
        for row in range(0, 2**7, 5):
            same = (key == key[row]).all(dim=1)
            torch.testing.assert_close(found[row], -torch.logsumexp(-energies[same], dim=0))


def test_means_and_draws_are_those_of_the_conditional_distribution():
    chain, states = binary(3, 2, 2), every_state(3, 2, 2)
    weights = (-chain.energy(states)).exp()
    row = 77
    same = (states[0] == states[0][row]).all(dim=1) & (states[2] == states[2][row]).all(dim=1)
    expected = (weights[same, None] * states[1][same]).sum(dim=0) / weights[same].sum()
    given = {place: states[place][row : row + 1] for place in (0, 2)}
    torch.testing.assert_close(chain.mean(1, given)[0], expected)
    torch.manual_seed(1)
    drawn = chain.draw(1, {place: state.repeat(40000, 1) for place, state in given.items()})
    assert set(drawn.unique().tolist()) <= set(HALVES)
    torch.testing.assert_close(drawn.mean(dim=0), expected, atol=0.01, rtol=0)


def test_gaussian_units_have_the_conditional_mean_of_their_energy():
    """exp(-E) as a function of one visible vector is a normal density of variance 1: completed by hand to a square."""
    chain = chain_of(parts.boltzmann.Gaussian(3), parts.boltzmann.Binary(2))
    h = torch.tensor([[0.5, -0.5]], dtype=torch.float64)
    mean = chain.mean(0, {1: h})
    torch.testing.assert_close(mean[0], chain.layers[0].bias + chain.couplings[0] @ h[0])
    v = torch.randn(6, 3, dtype=torch.float64)
    energies = chain.energy({0: v, 1: h.expand(6, 2)}) - (v - mean).square().sum(dim=1) / 2
    torch.testing.assert_close(energies, energies[:1].expand(6))
    torch.manual_seed(0)
    drawn = chain.draw(0, {1: h.expand(40000, 2)})
    torch.testing.assert_close(drawn.mean(dim=0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(dim=0), torch.ones(3, dtype=torch.float64), atol=0.03, rtol=0)


def test_counts_are_drawn_as_the_energy_of_every_document_says():
    """Documents of three words from a vocabulary of three: the mean count by going through all 27 of them."""
    chain = chain_of(parts.boltzmann.Counts(3, 3), parts.boltzmann.Binary(2))
    words = chain.layers[0]
    words.begin(np.array([[1.0, 2, 0], [0, 3, 9]]))
    torch.testing.assert_close(words.offset, torch.tensor([0.5, 1.375, 1.125], dtype=torch.float64))
    torch.testing.assert_close(words.bias.detach(), (words.offset + 0.5).log())
    torch.testing.assert_close(
        words.states(torch.tensor([[5.0, 5, 0]]))[0].double() + words.offset, torch.tensor([1.5, 1.5, 0]).double()
    )
    h = torch.tensor([[0.5, -0.5]], dtype=torch.float64)
    documents = np.array([np.bincount(document, minlength=3) for document in product(range(3), repeat=3)])
    states = torch.from_numpy(documents) - words.offset
    weights = (-chain.energy({0: states, 1: h.expand(27, 2)})).exp()
    expected = (weights[:, None] * states).sum(dim=0) / weights.sum()
    torch.testing.assert_close(chain.mean(0, {1: h})[0], expected)
    torch.manual_seed(0)
    drawn = chain.draw(0, {1: h.expand(40000, 2)})
    torch.testing.assert_close(drawn.mean(dim=0), expected, atol=0.02, rtol=0)
    torch.testing.assert_close((drawn + words.offset).sum(dim=1), torch.full((40000,), 3.0, dtype=torch.float64))


def test_counts_below_zero_are_bad_input():
    with pytest.raises(BadInput, match="below 0"):
        parts.boltzmann.Counts(2, 3).begin(np.array([[1.0, -1]]))


def test_rows_become_gaussian_states_of_mean_0_and_mean_variance_1():
    from scipy import sparse

    rows = np.maximum(np.random.default_rng(0).standard_normal((1500, 4)), 0) * [1, 2, 3, 0.1] + [0, 0, 0, 1]
    layer, other = parts.boltzmann.Gaussian(4), parts.boltzmann.Gaussian(4)
    layer.begin(rows)
    other.begin(sparse.csr_matrix(rows))
    states = layer.states(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(states.mean(axis=0), 0, atol=1e-5)
    assert states.var(axis=0).mean() == pytest.approx(1, abs=1e-5)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(states[0] - states[1], (unit[0] - unit[1]) / np.sqrt(unit.var(axis=0).mean()), rtol=1e-4)
    torch.testing.assert_close(layer.centre, other.centre)
    torch.testing.assert_close(layer.scale, other.scale)


def test_the_gradient_of_contrastive_divergence_is_the_textbook_statistic():
    """- <v h'> at the data + <v h'> at what is made of it, h by probability (Hinton 2002)."""
    chain = binary(4, 3)
    v = every_state(4)[0][[1, 5, 6, 11, 14]]
    torch.manual_seed(3)
    loss = chain.divergence({0: v}, {1})
    found = torch.autograd.grad(loss, [chain.couplings[0], chain.layers[0].bias, chain.layers[1].bias])
    W, b, c = (tensor.detach().numpy() for tensor in (chain.couplings[0], chain.layers[0].bias, chain.layers[1].bias))
    torch.manual_seed(3)  # the same hidden states are drawn
    drawn = torch.bernoulli(torch.sigmoid(v @ chain.couplings[0] + chain.layers[1].bias)).detach().numpy() - 0.5

    def on(fed):  # what a unit of 0 and 1 has for a probability, less a half
        return 1 / (1 + np.exp(-fed)) - 0.5

    v = v.numpy()
    made = on(drawn @ W.T + b)
    h, again = on(v @ W + c), on(made @ W + c)
    np.testing.assert_allclose(found[0], -(v.T @ h - made.T @ again) / 5, atol=1e-12)
    np.testing.assert_allclose(found[1], -(v - made).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found[2], -(h - again).mean(axis=0), atol=1e-12)


def test_mean_field_is_close_to_the_truth_where_couplings_are_weak_and_a_bound_where_not():
    """log sum exp(-E) >= entropy - energy of the means, which no round lowers; by every state of the hidden layers."""
    for spread, near in ((0.05, 2e-3), (3.0, None)):
        chain, states = binary(2, 3, 2, 2, spread=spread), every_state(2, 3, 2, 2)
        same = (states[0] == states[0][-1]).all(dim=1)
        shown = {0: states[0][-1:]}
        weights = (-chain.energy(states)).exp()[same]
        if near is not None:
            found = chain.settle(shown, 20)
            for place in (1, 2, 3):
                truth = (weights[:, None] * states[place][same]).sum(dim=0) / weights.sum()
                torch.testing.assert_close(found[place][0], truth, atol=near, rtol=0)
        bounds = []
        for rounds in range(1, 9):
            found = chain.settle(shown, rounds)
            chance = torch.cat([found[place] for place in (1, 2, 3)], dim=1) + 0.5
            entropy = -(torch.xlogy(chance, chance) + torch.xlogy(1 - chance, 1 - chance)).sum()
            bounds.append(float((entropy - chain.energy(found)).detach()))
        assert bounds[-1] <= weights.sum().log().item() + 1e-9
        assert np.all(np.diff(bounds) > -1e-12)
        assert bounds[-1] > bounds[0]


def test_gibbs_sampling_ends_where_all_states_say():
    chain, states = binary(2, 2, 1), every_state(2, 2, 1)
    weights = (-chain.energy(states)).exp()
    torch.manual_seed(0)
    drawn = {place: torch.zeros(20000, width, dtype=torch.float64) for place, width in enumerate((2, 2, 1))}
    for _ in range(20):
        drawn = chain.sweep(drawn)
    for place, state in states.items():
        truth = (weights[:, None] * state).sum(dim=0) / weights.sum()
        torch.testing.assert_close(drawn[place].mean(dim=0), truth, atol=0.015, rtol=0)


def test_layers_learn_from_the_ends_to_the_middle():
    """Whose turn it is has a gradient, the others have none; the one in the middle learns from the means below it."""
    chain = binary(2, 3, 4, 2, 4, 3, 2)
    images, texts = every_state(2)[0], every_state(2)[0].flip(0)
    turns = {0.0: {0, 5}, 0.3: {0, 5}, 0.4: {1, 4}, 0.7: {2, 3}, 0.99: {2, 3}}
    for done, turn in turns.items():
        chain.zero_grad()
        parts.boltzmann.greedy(chain, images, texts, done).backward()
        assert {place for place, W in enumerate(chain.couplings) if W.grad is not None} == turn
    below = {0: images, 6: texts}
    for place in (1, 2):
        below = {each: chain.mean(each, below).detach() for each in (place, 6 - place)}
    torch.manual_seed(5)
    expected = chain.divergence(below, {3})
    torch.manual_seed(5)
    torch.testing.assert_close(parts.boltzmann.greedy(chain, images, texts, 0.8), expected)
