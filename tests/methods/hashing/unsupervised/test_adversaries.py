"""UCH and CHNR: who moves whom, terms by hand, and that wrong pairs are left out."""

from dataclasses import replace

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.unsupervised.chnr import CHNR
from diptych.methods.hashing.unsupervised.uch import UCH

torch = pytest.importorskip("torch", reason="these methods need torch")


def world(method):
    torch.manual_seed(0)
    net = method.network({"image_width": 6, "text_width": 5}).double()
    X, Y = torch.rand(8, 6, dtype=torch.double), torch.rand(8, 5, dtype=torch.double)
    return net, Batch(X, Y, torch.arange(8), torch.arange(8), None, 0.0)


def test_each_side_is_made_of_the_other_on_both_levels():
    method = UCH(bits=4, hidden=5, dims=3, adversary=0.3, near=0.5, remade=0.7)
    net, batch = world(method)
    z_I, z_T = net.images(batch.images), net.texts(batch.texts)
    h_I, h_T = net.images.head(z_I), net.texts.head(z_T)
    found = method.loss(net, z_I, z_T, batch)
    x, y = (rows / rows.norm(dim=1, keepdim=True) for rows in (batch.images, batch.texts))
    made = [net.makers[0](z_T), net.makers[1](z_I), net.inner[0](h_T), net.inner[1](h_I)]
    missed = [(one - real).square().sum(1).mean().item() for one, real in zip(made, (x, y, z_I, z_T), strict=True)]
    passed = sum((judge(one) - 1).square().mean().item() for judge, one in zip(net.judges, made, strict=True))
    assert {name: term.item() for name, term in found.items()} == pytest.approx(
        {
            "outer": 0.7 * (missed[0] + missed[1]),
            "inner": 0.7 * (missed[2] + missed[3]) / 3,
            "near": 0.5 * ((z_I - z_T).square().mean() + (h_I - h_T).square().mean()).item(),
            "adversary": 0.3 * passed,
        }
    )


def test_judges_and_networks_have_nobody_in_common():
    method = UCH(bits=4, hidden=5, dims=3)
    net, _ = world(method)
    judges, networks = (set(map(id, player.parameters)) for player in method.players(net))
    assert not judges & networks
    assert len(judges | networks) == len(list(net.parameters()))


def test_a_pair_is_judged_by_who_did_not_learn_from_it_and_left_out_below_the_middle():
    method = CHNR(bits=4, hidden=5, meta=0.5)
    net, batch = world(method)
    net.eval()
    late = replace(batch, done=0.6)
    with torch.no_grad():
        read = torch.cat([rows / rows.norm(dim=1, keepdim=True) for rows in (batch.images, batch.texts)], dim=1)
        expected = torch.stack([net.judges[1 - i % 2](read[i : i + 1])[0, 0].sigmoid() for i in range(8)])
    believed = method.believed(net, late, batch.texts)
    np.testing.assert_allclose(believed, expected)
    torn = method.believed(net, late, batch.texts.roll(1, dims=0))
    middle = (believed.mean() + torn.mean()) / 2
    np.testing.assert_array_equal(method.weights(net, late), (believed > middle).double())
    assert method.weights(net, batch) == 1.0
    assert CHNR(doubt=False).weights(net, late) == 1.0


def test_judges_learn_from_their_half_alone():
    method = CHNR(bits=4, hidden=5, meta=0.5)
    net, batch = world(method)
    batch.images.requires_grad_()
    rows = torch.rand(8, 4, dtype=torch.double)
    method.loss(net, rows, rows, batch)["judges"].backward()
    both = batch.images.grad.clone()
    assert all(parameter.grad is not None for parameter in net.judges.parameters())
    batch.images.grad = None
    judge = net.judges[0]
    net.judges[0] = torch.nn.Linear(11, 1, dtype=torch.double).requires_grad_(False)
    torch.nn.init.zeros_(net.judges[0].weight)
    method.loss(net, rows, rows, batch)["judges"].backward()
    net.judges[0] = judge
    np.testing.assert_array_equal(batch.images.grad[0::2], 0)
    assert both[0::2].abs().max() > 0


def test_wrong_pairs_are_found():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 64)
    told = np.where(rng.random(64) < 0.25, 1 - kind, kind)
    X, Y = (torch.tensor(np.eye(2)[one] + 0.1 * rng.random((64, 2))) for one in (kind, told))
    method = CHNR(bits=4, hidden=16, meta=1.0)
    torch.manual_seed(0)
    net = method.network({"image_width": 2, "text_width": 2}).double()
    batch = Batch(X, Y, torch.arange(64), torch.arange(64), None, 0.0)
    steps = torch.optim.Adam(net.judges.parameters(), lr=0.02)
    for _ in range(150):
        steps.zero_grad()
        method.judged(net, batch).backward()
        steps.step()
    kept = method.weights(net.eval(), replace(batch, done=1.0)).numpy().astype(bool)
    assert (kept == (kind == told)).mean() > 0.9
