"""CPAH: its terms from common and private parts, and that its judge's gradient comes back reversed."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.cpah import CPAH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=float)


@pytest.fixture
def world():
    torch.manual_seed(0)
    method = CPAH(bits=5, hidden=6, quantise=0.3, tasks=0.7, adversary=0.4)
    net = method.network({"image_width": 3, "text_width": 3, "classes": 3}).double()
    features = [torch.rand(4, 6, dtype=torch.double, requires_grad=True) for _ in range(2)]
    return method, net, features, Batch(None, None, None, None, torch.from_numpy(L), 0.5)


def test_the_terms_are_those_of_the_paper(world):
    method, net, features, batch = world
    found = {name: term.item() for name, term in method.loss(net, *features, batch).items()}
    common, h = [], []
    for side, f in zip((net.images, net.texts), features, strict=True):
        gate, linear, _ = side.head
        common.append(gate.M(f).sigmoid() * f)
        h.append(linear(common[-1]).tanh().detach().numpy())
    B = np.where(h[0] + h[1] >= 0, 1, -1)
    pairs = consistency = labels = 0.0
    for i in range(4):
        for j in range(4):
            theta = h[0][i] @ h[1][j] / 2
            pairs += (np.log(1 + np.exp(theta)) - (L[i] @ L[j] > 0) * theta) / 16
    of = [(common[0], 1), (common[1], 1), (features[0] - common[0], 0), (features[1] - common[1], 2)]
    for rows, kind in of:
        consistency -= net.kinds(rows).log_softmax(1)[:, kind].mean().item() / 4
    for reader, rows in zip(net.labels, common, strict=True):
        p = reader(rows).sigmoid().detach().numpy()
        labels -= np.mean(L * np.log(p) + (1 - L) * np.log(1 - p))
    picture, text = (net.judge(rows).sigmoid().detach().numpy() for rows in common)
    assert found == pytest.approx(
        {
            "pairs": pairs,
            "quantise": 0.3 * sum(np.square(rows - B).mean() for rows in h),
            "consistency": 0.7 * consistency,
            "labels": 0.7 * labels,
            "judge": -(np.log(picture).mean() + np.log(1 - text).mean()) / 2,
        }
    )


def test_the_common_parts_go_where_the_judge_cannot_tell_them(world):
    method, net, features, batch = world
    judged = method.loss(net, *features, batch)["judge"]
    judged.backward()
    with torch.no_grad():
        moved = [f - 1e-2 * f.grad / f.grad.norm() for f in features]
    assert method.loss(net, *moved, batch)["judge"] > judged


def test_what_is_hashed_is_the_common_part(world):
    net = world[1]
    gate, linear, tanh = net.eval().images.head
    rows = torch.rand(4, 3, dtype=torch.double)
    f = net.images.body(rows)
    torch.testing.assert_close(net.images(rows), tanh(linear(gate.M(f).sigmoid() * f)))
