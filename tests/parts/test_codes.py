"""Signs and what stands in for them; the terms by double loops; the Hamming bound by counting balls."""

from math import comb

import numpy as np
import pytest

from diptych import parts

torch = pytest.importorskip("torch", reason="codes are tensors")


def drawn(*shape: int, seed: int = 0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def test_a_sign_is_never_zero():
    found = parts.codes.signs(torch.tensor([[-0.1, 0.0, 3.0]]))
    np.testing.assert_array_equal(found, [[-1, 1, 1]])


def test_straight_through_is_the_sign_with_the_gradient_of_its_rows():
    rows, weights = drawn(3, 4), drawn(3, 4, seed=1).detach()
    signs = parts.codes.straight_through(rows)
    torch.testing.assert_close(signs, parts.codes.signs(rows))
    (weights * signs).sum().backward()
    torch.testing.assert_close(rows.grad, weights)


def test_annealed_outputs_go_to_their_signs():
    rows = drawn(5, 6)
    torch.testing.assert_close(parts.codes.annealed(rows, 0), rows.tanh())
    torch.testing.assert_close(parts.codes.annealed(rows, 8), (3 * rows).tanh())
    far = [parts.codes.quantisation(parts.codes.annealed(rows, n), parts.codes.signs(rows)).item() for n in (0, 9, 1e9)]
    assert far[0] > far[1] > far[2]
    assert far[2] < 1e-6


def test_the_terms_are_what_loops_give():
    rows = drawn(7, 4)
    values, codes = rows.detach().numpy(), np.where(np.random.default_rng(2).random((7, 4)) < 0.5, 1.0, -1.0)
    far = sum((codes[i, k] - values[i, k]) ** 2 for i in range(7) for k in range(4)) / 28
    assert parts.codes.quantisation(rows, torch.from_numpy(codes)).item() == pytest.approx(far)
    assert parts.codes.balance(rows).item() == pytest.approx(
        sum(np.mean([values[i, k] for i in range(7)]) ** 2 for k in range(4)) / 4
    )
    covariance = np.cov(values.T, bias=True)
    off = [covariance[k, m] ** 2 for k in range(4) for m in range(4) if k != m]
    assert parts.codes.decorrelation(rows).item() == pytest.approx(np.mean(off))


def test_a_single_bit_has_nothing_to_be_correlated_with():
    assert parts.codes.decorrelation(drawn(5, 1)).item() == 0


@pytest.mark.parametrize(("bits", "codes"), [(4, 3), (4, 100), (8, 10), (16, 80), (32, 119), (64, 10)])
def test_codes_are_packed_as_far_apart_as_their_balls_leave_room(bits, codes):
    room = [d for d in range(1, bits + 1) if codes * sum(comb(bits, r) for r in range((d - 1) // 2 + 1)) <= 2**bits]
    assert parts.codes.packed_apart(bits, codes) == max(room, default=1)
