"""PolyLoss, DivE and PAMIR: ranking losses by hand, and what they rank by."""

import numpy as np
import pytest

from diptych.methods.deep import pamir
from diptych.methods.deep.dive import DivE, SmoothChamfer, chamfer
from diptych.methods.deep.pamir import PAMIR
from diptych.methods.deep.polyloss import PolyLoss

OWNER = (0, 1, 0, 2, 3, 4)


def test_polyloss_is_a_loop_over_anchors(six):
    method, told = PolyLoss(attract=(0.9, -0.7, 0.2), repel=(0.1, 0.4, 0.9), margin=0.1), six.batch(owner=OWNER)
    images, texts = six.drawn(6, 4), six.drawn(6, 4, seed=2)
    texts.data[4] = images.data[4]
    terms = six.values(method.loss(None, images, texts, told))
    S = six.unit(images) @ six.unit(texts).T
    attract, repel, left_out = 0.0, 0.0, 0
    for table in (S, S.T):
        for i in range(6):
            own = table[i, i]
            attract += max(0.0, 0.9 - 0.7 * own + 0.2 * own**2) / 6
            most = max(table[i, j] for j in range(6) if OWNER[i] != OWNER[j])
            left_out += most <= own - 0.1
            repel += max(0.0, 0.1 + 0.4 * most + 0.9 * most**2) / 6 * (most > own - 0.1)
    assert terms == pytest.approx({"attract": attract, "repel": repel})
    assert left_out > 0


def test_polyloss_weighs_a_pair_by_the_derivative_of_its_polynomial(six):
    """Wei et al. 2020: the weight of a positive is the slope of its polynomial, whatever else is in the batch."""
    import torch

    from diptych.methods.deep.polyloss import polynomial

    s = torch.linspace(-1, 1, 9, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(polynomial((0.5, -0.7, 0.2), s).sum(), s)
    torch.testing.assert_close(slope, -0.7 + 0.4 * s.detach())


def naive_chamfer(one, other, alpha=16.0):
    one, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other))
    C = one @ other.T
    total = sum(np.log(sum(np.exp(alpha * c) for c in row)) for row in C) / (2 * alpha * len(one))
    return total + sum(np.log(sum(np.exp(alpha * c) for c in row)) for row in C.T) / (2 * alpha * len(other))


def test_dive_compares_sets_by_smooth_chamfer(six):
    import torch

    rng = np.random.default_rng(0)
    queries, items = rng.standard_normal((3, 2, 5)), rng.standard_normal((4, 2, 5))
    space = SmoothChamfer()
    expected = [[naive_chamfer(one, other) for other in items] for one in queries]
    np.testing.assert_allclose(space.score(space.normalise(queries), space.normalise(items)), expected, atol=1e-5)
    # Sets of one row are compared by the cosine.
    one = six.drawn(4, 1, 5)
    unit = torch.nn.functional.normalize(one, dim=2)
    torch.testing.assert_close(chamfer(unit, unit), unit[:, 0] @ unit[:, 0].T)


def test_dives_terms_are_by_hand(six):
    method = DivE(slots=3, dims=4, hidden=5, margin=0.3, discrepancy=0.6, spread=0.2, gamma=0.7)
    told, images, texts = six.batch(owner=OWNER), six.drawn(6, 3, 4), six.drawn(6, 3, 4, seed=2)
    terms = six.values(method.loss(None, images, texts, told))
    U, V = six.table(images), six.table(texts)
    S = np.array([[naive_chamfer(u, v) for v in V] for u in U])
    triplets = sum(
        max(0.0, 0.3 - table[i, i] + max(table[i, j] for j in range(6) if OWNER[i] != OWNER[j])) / 6
        for table in (S, S.T)
        for i in range(6)
    )
    assert terms["triplets"] == pytest.approx(triplets)
    R = [side - side.mean(axis=1, keepdims=True) for side in (U, V)]
    R = [side / np.linalg.norm(side, axis=2, keepdims=True) for side in R]

    def kernel(A, B, gamma):
        return np.exp(-gamma * np.square(A[:, None] - B[None]).sum(axis=2)).mean()

    A, B = (side.reshape(-1, 4) for side in R)
    apart = kernel(A, A, 0.7) + kernel(B, B, 0.7) - 2 * kernel(A, B, 0.7)
    assert terms["discrepancy"] == pytest.approx(0.6 * apart)
    crowded = sum(np.mean([kernel(rows, rows, 2.0) for rows in side]) for side in R)
    assert terms["spread"] == pytest.approx(0.2 * crowded)


def test_dive_reads_tokens_in_any_order_and_no_padding(six):
    import torch

    net = six.network(DivE(slots=3, dims=4, hidden=5)).eval()
    tokens = six.drawn(2, 5, 7).detach()
    padded = torch.cat([tokens, torch.zeros(2, 3, 7)], dim=1)
    torch.testing.assert_close(net.images(tokens[:, torch.randperm(5)]), net.images(tokens))
    torch.testing.assert_close(net.images(padded), net.images(tokens))
    torch.testing.assert_close(net.images(tokens[:, :1]), net.images(tokens[:, 0]))
    assert net.images(tokens).std(dim=1).min() > 0


def test_a_passive_aggressive_step_is_the_smallest_that_mends():
    """The projection of W onto the half-space where the margin holds: it holds after, and the step is along q d'."""
    rng = np.random.default_rng(0)
    W, q, apart = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal(3)
    score = q @ W @ apart - 5
    W = W - 5 * np.outer(q, apart) / (q @ q) / (apart @ apart)
    change = pamir.passive_aggressive(q, apart, score, 1e9)
    assert q @ (W + change) @ apart == pytest.approx(1)
    for _ in range(20):  # no other change that mends it is smaller
        other = rng.standard_normal((4, 3))
        other *= (1 - score) / (q @ other @ apart)
        assert np.linalg.norm(other) >= np.linalg.norm(change)
    assert not pamir.passive_aggressive(q, apart, 1.5, 1e9).any()
    np.testing.assert_allclose(pamir.passive_aggressive(q, apart, score, 0.01), 0.01 * np.outer(q, apart))


def test_pamir_keeps_the_mean_of_all_steps(latent):
    pairs = latent(30, 4, 3)
    found = PAMIR(passes=2, seed=3).fit(pairs)
    X = pairs.images / np.linalg.norm(pairs.images, axis=1, keepdims=True)
    X = X - X.mean(axis=0)
    Q = pairs.texts / np.linalg.norm(pairs.texts, axis=1, keepdims=True)
    rng, W, total = np.random.default_rng(3), np.zeros((3, 4)), np.zeros((3, 4))
    order = np.concatenate([rng.permutation(30) for _ in range(2)])
    drawn = rng.integers(0, 29, 60)
    for text, other in zip(order, drawn, strict=True):
        apart = X[text] - X[other + (other >= text)]
        loss = max(0.0, 1 - Q[text] @ W @ apart)
        W = W + min(0.1, loss / (Q[text] @ Q[text] * (apart @ apart))) * np.outer(Q[text], apart)
        total += W
    np.testing.assert_allclose(found.W_, total / 60, atol=1e-10)
    scores = found.space.score(found.encode_texts(pairs.texts), found.encode_images(pairs.images))
    np.testing.assert_allclose(scores, Q @ (total / 60) @ X.T, atol=1e-5)
