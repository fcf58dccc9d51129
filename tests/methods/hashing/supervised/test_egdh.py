"""EGDH: its terms by loops, and that labels guide the sides and are not moved by them."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.egdh import EGDH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=float)  # two of them have the same labels


@pytest.fixture
def world():
    torch.manual_seed(0)
    method = EGDH(bits=5, hidden=6, quantise=0.3, sharpness=2.0, guide=0.7, near=0.4)
    net = method.network({"image_width": 3, "text_width": 3, "classes": 3}).double()
    sides = [torch.rand(4, 5, dtype=torch.double).sub(0.5).requires_grad_() for _ in range(2)]
    return method, net, sides, Batch(None, None, None, None, torch.from_numpy(L), 0.0)


def test_the_terms_are_those_of_the_paper(world):
    method, net, sides, batch = world
    found = {name: term.item() for name, term in method.loss(net, *sides, batch).items()}
    W = net.labels(batch.labels).detach().numpy()
    B, labels, guide, near = np.where(W >= 0, 1.0, -1.0), 0.0, 0.0, 0.0
    for i in range(4):
        for j in range(4):
            theta = W[i] @ W[j] / 2
            labels += (np.log(1 + np.exp(theta)) - (L[i] @ L[j] > 0) * theta) / 16
    for side in (one.detach().numpy() for one in sides):
        for i in range(4):
            cosines = [side[i] @ B[j] / np.linalg.norm(side[i]) / np.sqrt(5) for j in range(4)]
            softmax = np.exp(2 * np.array(cosines)) / np.exp(2 * np.array(cosines)).sum()
            guide -= np.mean([np.log(softmax[j]) for j in range(4) if (L[i] == L[j]).all()]) / 4
            near += np.square(side[i] - B[i]).sum() / 20
    expected = {"labels": labels, "quantise": 0.3 * np.square(W - B).mean(), "guide": 0.7 * guide, "near": 0.4 * near}
    assert found == pytest.approx(expected)


def test_what_guides_is_not_moved_by_what_it_guides(world):
    method, net, sides, batch = world
    terms = method.loss(net, *sides, batch)
    (terms["guide"] + terms["near"]).backward(retain_graph=True)
    assert all(side.grad.abs().max() > 0 for side in sides)
    assert all(parameter.grad is None for parameter in net.labels.parameters())
    terms["labels"].backward()
    assert all(parameter.grad is not None for parameter in net.labels.parameters())
