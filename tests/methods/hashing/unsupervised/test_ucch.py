"""UCCH: contrast with the bank and the ranking loss by loops, and what the bank keeps."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.unsupervised.ucch import UCCH

torch = pytest.importorskip("torch", reason="this method needs torch")


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def world(**settings):
    """Four of nine pairs, of which the first two are captions of one picture."""
    rng = np.random.default_rng(0)
    U, V = (unit(rng.standard_normal((4, 8))).astype(np.float32) for _ in range(2))
    bank = rng.standard_normal((9, 8)).astype(np.float32)
    method = UCCH(bits=8, hidden=5, **settings)
    net = method.network({"image_width": 3, "text_width": 3, "texts": 9})
    net.memory.bank.copy_(torch.from_numpy(bank))
    batch = Batch(None, None, torch.tensor([7, 2, 5, 0]), torch.tensor([3, 3, 1, 0]), None, 0.0)
    return method, net, U, V, bank, batch


def test_contrast_is_a_softmax_over_the_codes_of_the_batch_and_drawn_ones():
    method, net, U, V, bank, batch = world(negatives=6, temperature=0.5, share=0.3)
    torch.manual_seed(4)
    found = method.loss(net, torch.from_numpy(U), torch.from_numpy(V), batch)["codes"].item()
    torch.manual_seed(4)
    codes, rows, total = np.where(bank >= 0, 1.0, -1.0), batch.index.tolist(), 0.0
    for side in (U, V):
        drawn = torch.randint(9, (6,)).tolist()
        assert set(drawn) & set(rows)  # else nothing here says that a row is no negative of itself
        for i, row in enumerate(rows):
            others = [other for place, other in enumerate(rows + drawn) if other != row and place != i]
            logits = [side[i] @ codes[other] / (0.5 * np.sqrt(8)) for other in [row, *others]]
            total += (np.log(np.exp(logits).sum()) - logits[0]) / 4
    assert found == pytest.approx(0.3 * total, rel=1e-5)


def test_the_bank_keeps_a_running_mean_of_both_sides_of_a_pair():
    method, net, U, V, bank, batch = world(bank_momentum=0.25)
    method.loss(net, torch.from_numpy(U).requires_grad_(), torch.from_numpy(V), batch)
    bank[[7, 2, 5, 0]] = 0.25 * bank[[7, 2, 5, 0]] + 0.75 * (U + V) / 2
    np.testing.assert_allclose(net.memory.bank, bank, rtol=1e-6)
    assert not net.memory.bank.requires_grad


def test_ranking_is_the_papers_with_captions_of_one_picture_left_out():
    method, _, U, V, _, batch = world(margin=0.2, shift=0.7)
    owner, expected = batch.owner.tolist(), 0.0
    scores = U @ V.T
    for table in (scores, scores.T):
        for i in range(4):
            heights = []
            for j in range(4):
                if j == i or owner[j] != owner[i]:
                    heights.append(table[i, j] if table[i, j] >= table[i, i] - 0.2 else table[i, j] - 0.7)
            expected += (np.log(np.exp(heights).sum()) - table[i, i]) / 4
    assert method.ranking(torch.from_numpy(scores), batch.owner).item() == pytest.approx(expected, rel=1e-5)


def test_a_far_negative_pulls_less_than_a_near_one_by_the_shift():
    method = UCCH(margin=0.1, shift=1.5)
    scores = torch.tensor([[0.5, 0.2], [0.45, 0.5]], requires_grad=True)  # far below the truth, and within the margin
    method.ranking(scores, torch.arange(2)).backward()
    near, far = np.exp(0.45 - 0.5), np.exp(0.2 - 0.5 - 1.5)
    # Each of the two stands in a row and in a column, beside a truth of .5.
    np.testing.assert_allclose(scores.grad[1, 0], near / (1 + near), rtol=1e-5)
    np.testing.assert_allclose(scores.grad[0, 1], far / (1 + far), rtol=1e-5)


def test_the_bank_starts_as_what_the_network_says(latent):
    pairs = latent(n=20, texts=2)
    method = UCCH(bits=8, hidden=5)
    net = method.network({"image_width": 12, "text_width": 9, "texts": 40})
    method.epoch_start(net, pairs, 0)
    images, texts = (method.outputs(*way) for way in ((net.images, pairs.images), (net.texts, pairs.texts)))
    np.testing.assert_allclose(net.memory.bank, (images[pairs.owner] + texts) / 2, atol=1e-6)
    net.memory.bank.zero_()
    method.epoch_start(net, pairs, 1)
    assert (net.memory.bank == 0).all()
