"""DSCMR: its three terms by hand, its shared layer, and the real thing."""

import numpy as np
import pytest

from diptych.flow.evaluate import evaluate
from diptych.method import Batch
from diptych.methods.deep.dscmr import DSCMR

torch = pytest.importorskip("torch", reason="this method needs torch")


def terms_and_tables(**settings):
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((2, 6, 4))
    L = (rng.random((6, 3)) < 0.4).astype(float)
    method = DSCMR(hidden=5, dims=4, **settings)
    net = method.network({"image_width": 7, "text_width": 9, "classes": 3}).double()
    batch = Batch(None, None, torch.arange(6), torch.arange(6), torch.from_numpy(L), 0.0)
    terms = method.loss(net, torch.from_numpy(U), torch.from_numpy(V), batch)
    return {name: term.item() for name, term in terms.items()}, U, V, L, net


def test_the_terms_are_those_of_the_paper():
    terms, U, V, L, net = terms_and_tables(pairs=0.3, invariance=0.2)
    P = net.classifier.weight.detach().numpy().T
    assert terms["labels"] == pytest.approx((np.linalg.norm(U @ P - L) + np.linalg.norm(V @ P - L)) / 6)
    assert terms["invariance"] == pytest.approx(0.2 * np.linalg.norm(U - V) / 6)
    total = 0.0
    for A, B in ((U, V), (U, U), (V, V)):
        for i in range(6):
            for j in range(6):
                half = A[i] @ B[j] / np.linalg.norm(A[i]) / np.linalg.norm(B[j]) / 2
                total += (np.log(1 + np.exp(half)) - (L[i] @ L[j] > 0) * half) / 36
    assert terms["pairs"] == pytest.approx(0.3 * total)


def test_the_last_layer_is_one_for_both_sides_and_kept_once():
    net = terms_and_tables()[-1]
    assert net.images[-1] is net.texts[-1]
    rng = np.random.default_rng(0)
    from diptych.kinds import Pairs

    pairs = Pairs(rng.standard_normal((30, 7)), rng.standard_normal((30, 9)), labels=rng.random((30, 3)) < 0.5)
    made = DSCMR(hidden=5, dims=4, epochs=1).fit(pairs)
    shapes = sorted(array.shape for array in made.weights_.values())
    assert shapes == sorted([(5, 7), (5,), (5, 9), (5,), (4, 5), (4,), (3, 4)])


@pytest.mark.data
def test_on_fashion_it_beats_the_floor(data):
    """Three epochs of twenty, so that the test stays short."""
    settings = {"epochs": "3", "hidden": "512", "dims": "256"}
    report = evaluate("dscmr", "fashion", settings=settings, metrics=["map@all"]).report
    assert report.i2t["map@all"] > 0.58
    assert report.t2i["map@all"] > 0.61
