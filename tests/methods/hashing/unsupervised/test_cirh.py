"""CIRH: its graph and its mixtures by loops, its terms, and that students do not move their teacher."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.unsupervised.cirh import CIRH, mix

torch = pytest.importorskip("torch", reason="this method needs torch")


def cosines(A, B):
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (A, B)]
    return unit[0] @ unit[1].T


@pytest.fixture
def world():
    torch.manual_seed(0)
    method = CIRH(bits=4, hidden=6, share=0.3, own=0.4, near=0.5, identity=2.0, graph=0.7)
    net = method.network({"image_width": 5, "text_width": 3}).double()
    X, Y = torch.rand(6, 5, dtype=torch.double), torch.rand(6, 3, dtype=torch.double)
    return method, net, Batch(X, Y, None, None, None, 0.0)


def test_the_graph_is_that_of_the_paper(world):
    method, _, batch = world
    X, Y = batch.images.numpy(), batch.texts.numpy()
    first = 0.3 * cosines(X, X) + 0.7 * cosines(Y, Y)
    for row in first:
        row[np.argsort(row)[:3]] = 0
    second = 2 / (1 + np.exp(-first)) - 1
    expected = 0.4 * first + 0.6 * ((second + second.T) / 2 + np.eye(6))
    np.testing.assert_allclose(method.likeness(batch.images, batch.texts), expected)


def test_a_pair_is_mixed_with_its_two_nearest():
    S = torch.tensor([[1.0, 0.9, 0.2, 0.4], [0.9, 0.8, 0.3, 0.1], [0.2, 0.3, 1.0, 0.5], [0.4, 0.1, 0.5, 1.0]])
    expected = [[0.7, 0.2, 0, 0.1], [0.2, 0.7, 0.1, 0], [0, 0.1, 0.7, 0.2], [0.1, 0, 0.2, 0.7]]
    np.testing.assert_allclose(mix(S), expected)
    np.testing.assert_allclose(mix(S[:2, :2]), [[0.7, 0.2], [0.2, 0.7]])


def test_the_terms_of_teacher_and_students_are_those_of_the_paper(world):
    method, net, batch = world
    U, V = np.tanh(np.random.default_rng(1).standard_normal((2, 6, 4)))
    found = {name: t.item() for name, t in method.loss(net, torch.from_numpy(U), torch.from_numpy(V), batch).items()}
    S = method.likeness(batch.images, batch.texts)
    G_I, G_T, J_I, J_T = net.teacher(batch.images, batch.texts, S)
    J = J_I + J_T
    H_I, H_T = net.heads[0](torch.cat([G_I, J], 1)), net.heads[1](torch.cat([J, G_T], 1))
    H = net.whole(torch.cat([H_I, net.heads[2](J), H_T], 1)).tanh()
    X, Y = (rows / rows.norm(dim=1, keepdim=True) for rows in (batch.images, batch.texts))
    remade = 0.0
    for decode, own, rows in zip(net.decoders, (H_I, H_T), (X, Y), strict=True):
        made = decode(H + own.tanh())
        remade += (made - mix(S) @ rows).square().sum(1).mean().item()
    H_I, H_T, H, S = (rows.detach().numpy() for rows in (H_I, H_T, H, S))
    B = np.where(H >= 0, 1, -1)
    ways = ((U, V), (U, U), (V, V))
    assert found == pytest.approx(
        {
            "graph": sum(np.square(cosines(rows, rows) - S).mean() for rows in (H_I, H_T, H)),
            "identity": 2.0 / 4 * remade,
            "quantise": np.square(H - B).mean(),
            "students": sum(np.square(side - B).mean() for side in (U, V)) + np.square(U - V).mean(),
            "students graph": 0.7 * sum(np.square(cosines(*way) - S).mean() for way in ways),
        }
    )


def test_students_do_not_move_their_teacher(world):
    method, net, batch = world
    rows = torch.rand(6, 4, dtype=torch.double, requires_grad=True)
    terms = method.loss(net, rows, rows, batch)
    (terms["students"] + terms["students graph"]).backward()
    assert rows.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in net.teacher.parameters())
