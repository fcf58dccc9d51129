"""Loss terms against other libraries, double loops and closed forms."""

import numpy as np
import pytest

from diptych import parts

torch = pytest.importorskip("torch", reason="losses are on tensors")
F = torch.nn.functional


def drawn(*shape: int, seed: int = 0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def test_cosines_are_those_of_numpy_and_zero_for_a_row_of_zeros():
    u, v = drawn(4, 3), drawn(5, 3, seed=1)
    a, b = u.detach().numpy(), v.detach().numpy()
    expected = a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(parts.losses.cosines(u, v).detach(), expected)
    assert (parts.losses.cosines(torch.zeros(1, 3), v.float()) == 0).all()


def test_contrastive_with_one_positive_a_row_is_clips_loss():
    logits = drawn(6, 6)
    truth = torch.arange(6)
    clip = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2
    torch.testing.assert_close(parts.losses.contrastive(logits, torch.eye(6)), clip)


def test_contrastive_with_several_positives_is_a_naive_double_loop():
    logits, owner = drawn(5, 5), [0, 1, 0, 2, 0]
    total, values = 0.0, logits.detach().numpy()
    for table in (values, values.T):
        for i in range(5):
            mine = [j for j in range(5) if owner[j] == owner[i]]
            bottom = sum(np.exp(table[i, j]) for j in range(5))
            total -= sum(np.log(np.exp(table[i, j]) / bottom) for j in mine) / len(mine) / 5 / 2
    positives = parts.targets.same_picture(torch.tensor(owner))
    assert parts.losses.contrastive(logits, positives).item() == pytest.approx(total)


def test_two_captions_of_one_picture_do_not_push_each_other_away():
    """Where both captions are equally near to the picture, and nothing else is there, nothing is left to gain."""
    logits = torch.zeros(2, 2, requires_grad=True)
    parts.losses.contrastive(logits, torch.ones(2, 2)).backward()
    assert logits.grad.abs().max() == 0


def test_contrastive_is_at_least_what_mutual_information_allows():
    """log b for logits that say nothing (van den Oord et al. 2018, eq. 5)."""
    assert parts.losses.contrastive(torch.zeros(7, 7), torch.eye(7)).item() == pytest.approx(np.log(7))


def test_pair_likelihood_is_binary_cross_entropy():
    theta, S = drawn(4, 5), torch.from_numpy(np.random.default_rng(1).random((4, 5)) < 0.5).double()
    ours, theirs = parts.losses.pair_likelihood(theta, S), F.binary_cross_entropy_with_logits(theta, S)
    torch.testing.assert_close(ours, theirs)
    # The gradient that DSCMR and DCMH state: (sigmoid(theta) - S) / n^2.
    (gradient,) = torch.autograd.grad(ours, theta)
    torch.testing.assert_close(gradient, (torch.sigmoid(theta) - S).detach() / 20)


def test_pair_likelihood_does_not_overflow():
    theta = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    value = parts.losses.pair_likelihood(theta, torch.tensor([[1.0, 0.0]]))
    value.backward()
    assert (value.item(), theta.grad.abs().max().item()) == (0.0, 0.0)


def test_frobenius_is_numpys_norm_and_its_gradient_the_unit_difference():
    difference = drawn(4, 3)
    value = parts.losses.frobenius(difference)
    table = difference.detach().numpy()
    assert value.item() == pytest.approx(np.linalg.norm(table, "fro") / 4)
    (gradient,) = torch.autograd.grad(value, difference)
    np.testing.assert_allclose(gradient, table / np.linalg.norm(table) / 4)


def test_frobenius_of_nothing_left_pulls_nowhere():
    nothing = torch.zeros(3, 2, requires_grad=True)
    parts.losses.frobenius(nothing).backward()
    assert (nothing.grad == 0).all()
