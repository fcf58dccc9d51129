"""HMAH: the terms of teacher and students by loops, who moves whom, and codes in four parts."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.hmah import HMAH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1]], dtype=float)


@pytest.fixture
def world():
    torch.manual_seed(0)
    method = HMAH(bits=6, hidden=7, similar=3.0, adversary=0.2, quantise=0.5, distil=0.3)
    net = method.network({"image_width": 4, "text_width": 3, "classes": 3})
    rows = torch.rand(5, 4), torch.rand(5, 3)
    sides = [torch.rand(5, 6).sub(0.5).requires_grad_() for _ in range(2)]
    return method, net, sides, Batch(*rows, None, None, torch.from_numpy(L).float(), 0.5)


def cosines(A, B):
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (A, B)]
    return unit[0] @ unit[1].T


def test_the_terms_are_those_of_the_paper(world):
    method, net, sides, batch = world
    torch.manual_seed(1)
    found = {name: term.item() for name, term in method.loss(net, *sides, batch).items()}
    torch.manual_seed(1)
    noise = torch.randn(5, 6)
    told = net.teacher(batch.images, batch.texts, torch.from_numpy(L @ L.T > 0).float())
    assert [head.out_features for head in net.heads] == [1, 1, 2, 2]
    H = torch.cat([head(rows) for head, rows in zip(net.heads, told, strict=True)], 1).tanh()
    real, fake = (net.judge(rows).sigmoid().detach().numpy() for rows in (noise, H))
    H, (U, V) = H.detach().numpy(), (side.detach().numpy() for side in sides)
    B, R = np.where(H >= 0, 1, -1), cosines(H, H)
    assert found == pytest.approx(
        {
            "similar": 3.0 * np.square(R - cosines(L, L)).mean(),
            "judge": -(np.log(real).mean() + np.log(1 - fake).mean()) / 2,
            "quantise": 0.5 * np.square(H - B).mean(),
            "codes": np.square(U - B).mean() + np.square(V - B).mean(),
            "distil": 0.3 * sum(np.square(cosines(*way) - R).mean() for way in ((U, V), (U, U), (V, V))),
        },
        rel=1e-4,
    )


def test_students_follow_and_the_teacher_does_not(world):
    method, net, sides, batch = world
    terms = method.loss(net, *sides, batch)
    (terms["codes"] + terms["distil"]).backward(retain_graph=True)
    assert all(side.grad.abs().max() > 0 for side in sides)
    assert all(parameter.grad is None for parameter in net.teacher.parameters())
    (terms["similar"] + terms["judge"] + terms["quantise"]).backward()
    assert all(parameter.grad is not None for parameter in net.teacher.parameters())


def test_what_it_keeps_codes_one_side_by_itself(latent):
    pairs = latent(n=40)
    made = HMAH(bits=8, hidden=6, epochs=1).fit(pairs)
    assert made.encode_images(pairs.images).shape == made.encode_texts(pairs.texts).shape == (40, 1)
