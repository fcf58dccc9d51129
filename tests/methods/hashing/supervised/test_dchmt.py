"""DCHMT: its loss over both numbers of every bit, which bit is selected, and what the greater number says."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.dchmt import DCHMT

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=float)


def test_the_loss_is_that_of_the_paper_over_two_numbers_a_bit():
    rng = np.random.default_rng(0)
    u = [rng.dirichlet([1, 1], (4, 5)) for _ in range(2)]  # (items, bits, 2) of pictures and texts
    images, texts = (torch.from_numpy(side[..., 1] - side[..., 0]) for side in u)
    made = DCHMT(bits=5, apart=0.3, within=0.7)
    found = {k: v.item() for k, v in made.loss(None, images, texts, Batch(*[None] * 4, torch.from_numpy(L), 0)).items()}

    def way(one, other):
        total = 0.0
        for i in range(4):
            for j in range(4):
                d = np.linalg.norm(one[i] - other[j])
                total += d**2 if L[i] @ L[j] else max(0, np.sqrt(2 * 5 * 0.3) - d) ** 2
        return total / 16 / 5

    told = {"between": way(*u), "within": 0.7 * (way(u[0], u[0]) + way(u[1], u[1]))}
    assert found == pytest.approx(told, rel=1e-3)  # the root is taken a little above


def test_codes_that_are_all_one_still_part_and_no_gradient_is_lost():
    h = torch.full((4, 5), 0.1, dtype=torch.double).add(1e-3 * torch.rand(4, 5)).requires_grad_(True)
    made = DCHMT(bits=5)
    sum(made.loss(None, h, h, Batch(*[None] * 4, torch.from_numpy(L), 0)).values()).backward()
    assert torch.isfinite(h.grad).all() and (h.grad.abs().sum(dim=1) > 0).all()


def test_the_greater_number_of_two_is_the_bit():
    torch.manual_seed(0)
    net = DCHMT(bits=3, hidden=8).network({"image_width": 4, "text_width": 4}).eval()
    rows = torch.rand(6, 4)
    numbers = net.images[:-1](rows).unflatten(1, (3, 2))
    assert torch.equal(net.images(rows) > 0, numbers[..., 1] > numbers[..., 0])
