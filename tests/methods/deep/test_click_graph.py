"""The click graph: who clicked what, walks by a loop over vertices, and the equation by hand."""

import numpy as np
import pytest

from diptych.kinds import BadInput, Pairs
from diptych.methods.deep import click_graph
from diptych.methods.deep.click_graph import ClickGraph


def pairs_of(texts, owner):
    return Pairs(np.random.default_rng(0).standard_normal((max(owner) + 1, 7)), texts, np.array(owner))


def test_a_word_is_a_query_that_was_clicked_for_the_pictures_of_its_texts():
    """The share of every word among the first steps of many walks, and of every picture among the second ones."""
    from scipy import sparse

    texts = np.array([[1.0, 0, 2], [0, 3, 0], [4, 0, 0], [0, 0, 1]])
    clicks = np.array([[1.0, 3, 2], [4, 0, 0], [0, 0, 1], [0, 0, 0]])  # of picture by word; the last has no text
    for rows in (texts, sparse.csr_matrix(texts)):
        pairs = Pairs(np.zeros((4, 7)), rows, np.array([0, 0, 1, 2]))
        graph = click_graph.clicks(pairs)
        for picture in range(3):
            walks = graph.walks(np.full(20000, picture), 2, np.random.default_rng(0))
            first = np.bincount(walks[:, 1], minlength=7)[4:] / 20000
            expected = clicks[picture] / clicks[picture].sum()
            np.testing.assert_allclose(first, expected, atol=0.015)
            second = np.bincount(walks[:, 2], minlength=7)[:4] / 20000
            np.testing.assert_allclose(second, expected @ (clicks / clicks.sum(axis=0)).T, atol=0.015)
        np.testing.assert_array_equal(graph.walks(np.array([3]), 2, np.random.default_rng(0)), [[3, 3, 3]])


def test_the_terms_are_loops_over_vertices_of_walks(six):
    method, told = ClickGraph(image_hidden=0, dims=4, walks=2, length=3, window=2, agreement=0.3), six.batch()
    net = six.network(method).eval()
    images, texts = six.outputs(net, told)
    rng = np.random.default_rng(0)
    method.epoch_start(net, pairs_of(np.maximum(rng.standard_normal((6, 9)), 0), range(6)), 0)
    terms = six.values(method.loss(net, images, texts, told))
    walks = six.table(net.memory.walks).astype(int).reshape(12, 4)
    np.testing.assert_array_equal(walks[:, 0], np.repeat(np.arange(6), 2))
    assert ((walks[:, 1::2] >= 6) & (walks[:, 2:3] < 6)).all()
    phi, total, number = six.table(net.vertices.weight), 0.0, 0
    for apart in (1, 2):
        for step in range(4 - apart):
            number += 1
            for one, other in ((step, step + apart), (step + apart, step)):  # from either end
                for i in range(12):
                    scores = [phi[walks[i, one]] @ phi[walks[j, other]] for j in range(12)]
                    total -= (scores[i] - np.log(np.exp(scores).sum())) / 24
    assert number == 5
    assert terms["walks"] == pytest.approx(total / number)
    places = six.unit(told.texts) @ phi[6:]
    missed = np.square(six.table(images) - phi[:6]).sum() / 6 + np.square(six.table(texts) - places).sum() / 6
    assert terms["agreement"] == pytest.approx(0.3 * missed)


def test_places_of_vertices_learn_the_likelihood_ratio_of_walks():
    """What the docstring says is least: phi(a)'phi(b) = log p(a, b) / p(a) p(b), on a graph whose shares are known."""
    import torch

    from diptych import parts

    # Pictures 0 and 1 with words 2 and 3: p(0, 2) = p(1, 3) = .4, p(0, 3) = p(1, 2) = .1.
    ends = np.repeat([[0, 2], [1, 3], [0, 3], [1, 2]], [400, 400, 100, 100], axis=0)
    torch.manual_seed(0)
    phi = torch.nn.Parameter(0.1 * torch.randn(4, 3, dtype=torch.float64))
    walks, own = torch.from_numpy(ends), torch.eye(1000, dtype=torch.float64)
    stepper = torch.optim.LBFGS([phi], max_iter=60, tolerance_grad=1e-9)

    def missed():
        stepper.zero_grad()
        places = phi[walks]
        loss = parts.losses.contrastive(places[:, 0] @ places[:, 1].T, own)
        loss.backward()
        return loss

    stepper.step(missed)
    scores = (phi[:2] @ phi[2:].T).detach().numpy()
    ratio = np.log(np.array([[0.4, 0.1], [0.1, 0.4]]) / 0.25)
    np.testing.assert_allclose(scores - scores.mean(), ratio - ratio.mean(), atol=1e-3)


def test_features_below_zero_are_bad_input():
    with pytest.raises(BadInput, match="click_graph walks along the words") as error:
        ClickGraph(epochs=1).fit(pairs_of(np.array([[1.0, -1], [0, 1], [1, 1]]), [0, 1, 2]))
    assert "\n" not in str(error.value)
