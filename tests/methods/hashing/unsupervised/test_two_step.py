"""Codes that are solved for before networks learn them: the base, and the steps of its leaves against loops."""

from dataclasses import dataclass

import numpy as np
import pytest

from diptych.method import Batch, TwoStep
from diptych.methods.hashing.unsupervised.dcsh import DCSH
from diptych.methods.hashing.unsupervised.udcmh import UDCMH
from diptych.parts.affinities import anchored, to_anchors, told_by
from diptych.parts.bits import signs

torch = pytest.importorskip("torch", reason="networks learn the codes")


@dataclass
class Told(TwoStep):
    """Codes of the first columns of pictures, once; keeps what it was shown."""

    def solve(self, X, Y, H, B, epoch):
        self._shown = [*getattr(self, "_shown", []), (X, Y, H, B)]
        return X[:, : self.bits] if epoch == 0 else None


def test_codes_are_solved_from_levelled_rows_and_learned_by_both_sides(latent):
    pairs = latent(n=200)
    method = Told(bits=4, hidden=32, epochs=60, held_out=0.0).fit(pairs)
    X, Y, H, B = method._shown[0]
    for rows in (X, Y):
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-9)
        assert np.square(rows).sum(axis=1).mean() == pytest.approx(1)
    assert H[0].shape == H[1].shape == (200, 4)
    assert not B.any()
    np.testing.assert_array_equal(method._shown[1][3], signs(X[:, :4]))  # and those that are kept are shown again
    np.testing.assert_array_equal(method._shown[5][3], signs(X[:, :4]))
    bits = np.unpackbits(method.encode_images(pairs.images), axis=1)[:, :4]
    assert (bits == (X[:, :4] >= 0)[: len(bits)]).mean() > 0.8


def test_the_loss_is_the_distance_from_the_codes_and_of_both_sides():
    method = Told(bits=3, hidden=5, pair=0.7)
    net = method.network({"image_width": 6, "text_width": 5, "texts": 4})
    rng = np.random.default_rng(0)
    B, U, V = signs(rng.standard_normal((4, 3))), rng.random((2, 3)), rng.random((2, 3))
    net.memory.B.copy_(torch.from_numpy(B))
    index = torch.tensor([2, 0])
    batch = Batch(None, None, index, index, None, 0.0)
    found = method.loss(net, torch.tensor(U), torch.tensor(V), batch)
    expected = sum(np.square(B[[2, 0]] - side).mean() for side in (U, V))
    assert found["codes"].item() == pytest.approx(expected, rel=1e-6)
    assert found["pair"].item() == pytest.approx(0.7 * np.square(U - V).mean())


def test_embeddings_go_down_the_objective_of_dcsh():
    rng = np.random.default_rng(0)
    common = rng.standard_normal((80, 4))
    F = [anchored(to_anchors(common @ rng.standard_normal((4, 5)), 30, seed=0), 5) for _ in range(2)]
    F = [factor - factor.mean(axis=0) for factor in F]

    def gained(rounds):
        """What is turned and how near it is to its signs: the start against more rounds."""
        summed = DCSH(bits=6, rounds=rounds).embedded(F)
        return np.square(signs(summed) - summed / np.sqrt(np.square(summed).mean())).mean()

    assert gained(20) < gained(0)


def graph(rows, near):
    away = to_anchors(rows, 40, seed=0)
    return told_by(away, near), told_by(away, near, farthest=True)


def test_bits_of_udcmh_go_down_its_objective_by_a_loop():
    rng = np.random.default_rng(0)
    F = tuple(rng.standard_normal((40, width)) for width in (7, 6))
    method = UDCMH(bits=4, smooth=0.0, fit_weight=0.5, even=3.0)
    graphs = [graph(rows, 3) for rows in F]
    H, B = tuple(np.tanh(rng.standard_normal((2, 40, 4)))), signs(rng.standard_normal((40, 4)))

    def height(B):
        lost = []
        for rows in F:
            U = np.linalg.solve(B.T @ B + np.eye(4), B.T @ rows)
            lost.append(np.square(rows - B @ U).sum() + np.square(U).sum())
        shares = np.array(lost) ** (1 / (1 - 3.0))
        weights = (shares / shares.sum()) ** 3.0
        return weights @ lost + 0.5 / 4 * sum(np.square(B - side).sum() for side in H)

    heights = [height(B)]
    for _ in range(6):
        B = method.codes(F, graphs, H, B)
        heights.append(height(B))
    assert heights[-1] < 0.99 * heights[0]
    assert (np.diff(heights) <= 1e-2 * heights[0]).all()


def test_neighbours_of_udcmh_come_to_share_bits():
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], 20)
    F = tuple(2.0 * np.eye(5)[kind] + 0.1 * rng.standard_normal((40, 5)) for _ in range(2))
    graphs = [graph(rows, 20) for rows in F]
    H, B = tuple(np.zeros((2, 40, 4))), signs(rng.standard_normal((40, 4)))
    for _ in range(3):
        B = UDCMH(bits=4, smooth=1e3).codes(F, graphs, H, B)
    assert (B[:20] == B[0]).all()
    assert (B[20:] == B[-1]).all()
    assert (B[0] == -B[-1]).all()
