"""DCHUC: its terms by a double loop, its discrete steps by trying every flip, and what it gains in either protocol."""

import numpy as np
import pytest

from diptych.kinds import hamming
from diptych.method import Batch
from diptych.methods.hashing.supervised.dchuc import DCHUC

torch = pytest.importorskip("torch", reason="this method needs torch")

N, BITS, CLASSES = 11, 5, 3


def alike(L, rows):
    """S (rows, N), entry by entry: 1, or -r so that its mean is zero."""
    share = np.array([[float(L[i] @ L[j] > 0) for j in range(len(L))] for i in rows])
    r = share.sum() / (1 - share).sum()
    return np.where(share > 0, 1.0, -r)


def objective(method, L, rows, U, G, V, W):
    """What the paper lets V and W minimise."""
    S = alike(L, rows)
    total = sum(np.square(side @ V.T - method.bits * S).sum() for side in (U, G))
    total += method.quantise * np.square(V[rows] - (U + G) / 2).sum()
    total += method.labels * sum(np.square(side @ W - L[rows]).sum() for side in (U, G))
    return total + np.square(V @ W - L).sum() + method.ridge * np.square(W).sum()


@pytest.fixture
def world():
    rng = np.random.default_rng(1)
    L = (rng.random((N, CLASSES)) < 0.4).astype(float)
    rows = rng.permutation(N)[:6]
    U, G = np.tanh(rng.standard_normal((2, 6, BITS)))
    V, W = np.where(rng.random((N, BITS)) < 0.5, 1.0, -1.0), rng.standard_normal((BITS, CLASSES))
    return DCHUC(bits=BITS, quantise=3.0, labels=2.0, ridge=0.7), L, rows, U, G, V, W


def test_the_terms_are_those_of_the_paper(world):
    method, L, rows, U, G, V, W = world
    net = method.network({"image_width": 4, "text_width": 4, "texts": N, "classes": CLASSES}).double()
    for name, table in (("V", V), ("W", W), ("labels", L)):
        net.memory[name].copy_(torch.from_numpy(table))
    index = torch.from_numpy(rows)
    batch = Batch(None, None, index, index, torch.from_numpy(L[rows]), 0.0)
    found = method.loss(net, torch.from_numpy(U), torch.from_numpy(G), batch)
    S, size = alike(L, rows), 6 * N
    expected = dict.fromkeys(("codes", "between", "quantise", "labels"), 0.0)
    for i, row in enumerate(rows):
        for j in range(N):
            expected["codes"] += (U[i] @ V[j] - BITS * S[i, j]) ** 2 + (G[i] @ V[j] - BITS * S[i, j]) ** 2
        for j, other in enumerate(rows):
            expected["between"] += method.between * (U[i] @ G[j] - BITS * S[i, other]) ** 2
        expected["quantise"] += method.quantise * np.square(V[row] - (U[i] + G[i]) / 2).sum()
        expected["labels"] += method.labels * (np.square(U[i] @ W - L[row]).sum() + np.square(G[i] @ W - L[row]).sum())
    assert {name: term.item() * size for name, term in found.items()} == pytest.approx(expected)


def test_every_pass_lowers_the_objective_until_no_single_bit_can(world):
    method, L, rows, U, G, V, W = world
    heights = [objective(method, L, rows, U, G, V, W)]
    for _ in range(20):
        V, W = method.codes(L, rows, U, G, V, W)
        heights.append(objective(method, L, rows, U, G, V, W))
    assert heights[1] < heights[0]
    assert (np.diff(heights) <= 1e-9).all()
    assert heights[-1] == pytest.approx(heights[-2])
    assert set(np.unique(V)) == {-1.0, 1.0}
    for i in range(N):
        for j in range(BITS):
            flipped = V.copy()
            flipped[i, j] *= -1
            assert objective(method, L, rows, U, G, flipped, W) >= heights[-1] - 1e-9
    for nudge in np.random.default_rng(0).standard_normal((20, BITS, CLASSES)):
        assert objective(method, L, rows, U, G, V, W + 0.01 * nudge) > heights[-1]


def test_blocks_change_nothing(world, monkeypatch):
    from diptych.methods.hashing.supervised import dchuc

    method, *given = world
    whole = method.codes(*given)
    monkeypatch.setattr(dchuc, "_BLOCK", 4)
    for one, two in zip(method.codes(*given), whole, strict=True):
        np.testing.assert_allclose(one, two)


def test_pairs_that_all_share_a_label_divide_by_nothing(world):
    method, L, rows, U, G, V, W = world
    V, W = method.codes(np.ones_like(L), rows, U, G, 0 * V, W)
    assert np.isfinite(W).all()
    assert len(np.unique(V[~np.isin(np.arange(N), rows)], axis=0)) == 1  # what nothing tells apart has one code


def test_the_papers_protocol_ranks_codes_that_know_labels(small, tmp_path):
    """Stored codes of the pairs learned from tell more than what the network says of the same items."""
    settings = {"hidden": 64, "epochs": 10, "batch": 64, "held_out": 0.0}
    plain, made = (DCHUC(unified=unified, **settings).fit(small.train) for unified in (False, True))
    queries = made.encode_images(small.test.images)
    np.testing.assert_array_equal(queries, plain.encode_images(small.test.images))  # none of them was learned from
    stored = made.encode_texts(small.train.texts)
    made.save_pretrained(tmp_path)
    np.testing.assert_array_equal(DCHUC.from_pretrained(tmp_path).encode_texts(small.train.texts), stored)
    relevant = (small.test.labels.astype(int) @ small.train.text_labels.T.astype(int)) > 0
    found = {}
    for name, items in (("codes", stored), ("network", plain.encode_texts(small.train.texts))):
        scores = hamming.score(queries, items)
        found[name] = np.mean(
            [row[mask].mean() - row[~mask].mean() for row, mask in zip(scores, relevant, strict=True)]
        )
    assert found["codes"] > found["network"] > 0
