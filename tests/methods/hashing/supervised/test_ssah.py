"""SSAH: its terms by double loops, who supervises whom, and which way the judges' gradient goes."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.ssah import SSAH

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=float)


@pytest.fixture
def world():
    torch.manual_seed(0)
    method = SSAH(bits=4, hidden=6, features=0.5, codes=0.7, quantise=0.3, label=2.0, adversary=0.4)
    net = method.network({"image_width": 3, "text_width": 3, "classes": 3}).double()
    images, texts = (torch.rand(4, 6, dtype=torch.double, requires_grad=True) for _ in range(2))
    return method, net, images, texts, Batch(None, None, None, None, torch.from_numpy(L), 0.5)


def likelihood(theta, S):
    return np.mean([np.log(1 + np.exp(theta[i, j])) - S[i, j] * theta[i, j] for i in range(4) for j in range(4)])


def test_the_terms_are_those_of_the_paper(world):
    method, net, images, texts, batch = world
    found = {name: term.item() for name, term in method.loss(net, images, texts, batch).items()}
    F = [net.labels.body(batch.labels), images, texts]
    H = [one.head(rows).detach().numpy() for one, rows in zip((net.labels, net.images, net.texts), F, strict=True)]
    reads = [read(rows).sigmoid().detach().numpy() for read, rows in zip(net.readers, F, strict=True)]
    F = [rows.detach().numpy() for rows in F]
    S = (L @ L.T > 0).astype(float)
    centred = [rows - rows.mean(axis=0) for rows in F]
    unit = [np.sqrt(4) * rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in centred]
    B = np.where(H[0] + H[1] + H[2] >= 0, 1, -1)
    judged = 0.0
    for judge, rows in zip(net.judges, F[1:], strict=True):
        real, fake = (judge(torch.from_numpy(x)).sigmoid().detach().numpy() for x in (F[0], rows))
        judged -= (np.log(real).mean() + np.log(1 - fake).mean()) / 2
    assert found == pytest.approx(
        {
            "features": 0.5 * sum(likelihood(unit[0] @ rows.T / 2, S) for rows in unit),
            "codes": 0.7 * sum(likelihood(H[0] @ rows.T / 2, S) for rows in H),
            "quantise": 0.3 * sum(np.square(rows - B).mean() for rows in H),
            "label": 2.0 * sum(np.square(rows - L).mean() for rows in reads),
            "adversary": judged,
        }
    )


def test_features_go_where_the_judge_takes_them_for_those_of_labels(world):
    method, net, images, texts, batch = world
    F = [net.labels.body(batch.labels), images, texts]
    before = [judge(rows).sigmoid().mean() for judge, rows in zip(net.judges, F[1:], strict=True)]
    method.judged(net, F, 0.9).backward()
    assert all(parameter.grad is None for parameter in net.labels.parameters())  # what is real does not move
    for judge, rows, was in zip(net.judges, F[1:], before, strict=True):
        assert judge(rows - 1e-2 * rows.grad / rows.grad.norm()).sigmoid().mean() > was
        step = [parameter - 1e-3 * parameter.grad for parameter in judge.parameters()]
        with torch.no_grad():
            for parameter, moved in zip(judge.parameters(), step, strict=True):
                parameter.copy_(moved)
        assert judge(rows).sigmoid().mean() < was  # while the judge goes the other way


def test_a_code_is_what_the_network_of_a_side_says_by_itself(latent):
    made = SSAH(bits=8, hidden=6, epochs=1).fit(latent(n=40))
    assert made.encode_images(latent(n=40).images).shape == (40, 1)
