"""DCMH: its terms by a double loop over all pairs, its gradient as the paper states it, what it remembers."""

import numpy as np
import pytest

from diptych.flow.evaluate import evaluate
from diptych.kinds import Pairs
from diptych.method import Batch
from diptych.methods.hashing.supervised.dcmh import DCMH

torch = pytest.importorskip("torch", reason="this method needs torch")

N, BITS, CLASSES, ROWS = 9, 4, 3, [7, 2, 5, 0]


def drawn(**settings):
    """A batch of four of nine pairs, with everything that is remembered of the nine."""
    rng = np.random.default_rng(0)
    L = (rng.random((N, CLASSES)) < 0.5).astype(float)
    F, G = rng.standard_normal((2, N, BITS))
    method = DCMH(bits=BITS, hidden=5, **settings)
    net = method.network({"image_width": 7, "text_width": 6, "texts": N, "classes": CLASSES}).double()
    B = np.where(F + G >= 0, 1.0, -1.0)
    for name, table in (("F", F), ("G", G), ("B", B), ("labels", L)):
        net.memory[name].copy_(torch.from_numpy(table))
    u, v = (torch.from_numpy(rng.standard_normal((4, BITS))).requires_grad_() for _ in range(2))
    index = torch.tensor(ROWS)
    batch = Batch(None, None, index, index, torch.from_numpy(L[ROWS]), 0.0)
    return method, net, u, v, batch, (L, F, G, B)


def test_the_terms_are_those_of_the_paper():
    method, net, u, v, batch, (L, F, G, B) = drawn(quantise=0.7, balance=0.3)
    found = {name: term.item() for name, term in method.loss(net, u, v, batch).items()}
    U, V = u.detach().numpy(), v.detach().numpy()
    pairs = quantise = 0.0
    for row, i in enumerate(ROWS):
        for j in range(N):
            alike = L[i] @ L[j] > 0
            for theta in (U[row] @ G[j] / 2, V[row] @ F[j] / 2):
                pairs += (np.log(1 + np.exp(theta)) - alike * theta) / (4 * N)
        quantise += 0.7 * (np.square(B[i] - U[row]).sum() + np.square(B[i] - V[row]).sum()) / (4 * BITS)
    balance = 0.3 * (np.square(U.mean(axis=0)).sum() + np.square(V.mean(axis=0)).sum())
    assert found == pytest.approx({"pairs": pairs, "quantise": quantise, "balance": balance})


def test_the_gradient_is_the_one_that_the_paper_states():
    """dJ/dF_i = 1/2 Σ_j (σ(θ_ij) - S_ij) G_j + 2 γ (F_i - B_i) + 2 η F'1 (eq. 7), each as a mean."""
    method, net, u, v, batch, (L, _, G, B) = drawn(quantise=0.7, balance=0.3)
    sum(method.loss(net, u, v, batch).values()).backward()
    U = u.detach().numpy()
    S = L[ROWS] @ L.T > 0
    stated = (1 / (1 + np.exp(-U @ G.T / 2)) - S) @ G / 2 / (4 * N)
    stated += 2 * 0.7 * (U - B[ROWS]) / (4 * BITS) + 2 * 0.3 * U.mean(axis=0) / 4
    np.testing.assert_allclose(u.grad, stated)


def test_a_batch_is_remembered_and_others_stay():
    method, net, u, v, batch, (_, F, G, _) = drawn()
    method.loss(net, u, v, batch)
    F[ROWS], G[ROWS] = u.detach(), v.detach()
    np.testing.assert_array_equal(net.memory.F, F)
    np.testing.assert_array_equal(net.memory.G, G)
    assert not net.memory.F.requires_grad


def test_an_epoch_starts_with_the_best_code_of_what_is_remembered(latent):
    pairs = latent(n=20, texts=2)
    method = DCMH(bits=8, hidden=5)
    net = method.network({"image_width": 12, "text_width": 9, "texts": 40, "classes": 4})
    method.epoch_start(net, pairs, 0)
    np.testing.assert_array_equal(net.memory.labels, pairs.text_labels)
    assert torch.equal(net.memory.F, net.memory.G)  # one random code a pair, for both sides to meet at
    assert net.memory.F.abs().max() > 0
    net.memory.G.normal_()
    F, G = net.memory.F.clone(), net.memory.G.clone()
    method.epoch_start(net, pairs, 1)
    cost = {sign: (sign - F).square() + (sign - G).square() for sign in (1.0, -1.0)}
    torch.testing.assert_close(net.memory.B, torch.where(cost[1.0] <= cost[-1.0], 1.0, -1.0))
    assert torch.equal(net.memory.F, F)
    net.memory.F.zero_()
    net.memory.G.zero_()
    method.epoch_start(net, pairs, 2)
    assert (net.memory.B == 1).all()  # sgn(0) is 1


def test_what_is_remembered_is_not_kept(latent):
    made = DCMH(bits=8, hidden=5, epochs=1).fit(latent(n=40))
    assert not [name for name in made.weights_ if "memory" in name]


def test_an_interrupted_run_remembers(latent, tmp_path):
    pairs: Pairs = latent(n=60)
    settings = {"bits": 8, "hidden": 5, "epochs": 3, "batch": 16}

    def stop(what, done, of):
        if done == of - 1:
            raise KeyError

    with pytest.raises(KeyError):
        DCMH(**settings).fit(pairs, keep=tmp_path, progress=stop)
    resumed, whole = DCMH(**settings).fit(pairs, keep=tmp_path), DCMH(**settings).fit(pairs)
    assert all(np.array_equal(resumed.weights_[name], whole.weights_[name]) for name in whole.weights_)


@pytest.mark.data
def test_on_fashion_it_beats_the_closed_forms(data):
    """Few epochs, so that the test stays short."""
    settings = {"epochs": "6", "hidden": "512"}
    report = evaluate("dcmh", "fashion", settings=settings, metrics=["map@all"]).report
    assert report.i2t["map@all"] > 0.53
    assert report.t2i["map@all"] > 0.53
