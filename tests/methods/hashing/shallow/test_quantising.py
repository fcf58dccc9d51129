"""ACQ, QCH, IMVH and RUCMH: objectives written out, and every discrete step against all that it could have done."""

import numpy as np
import pytest

from diptych.kinds import hamming
from diptych.methods.hashing.shallow.acq import ACQ
from diptych.methods.hashing.shallow.imvh import IMVH
from diptych.methods.hashing.shallow.qch import QCH
from diptych.methods.hashing.shallow.rucmh import RUCMH
from diptych.parts.algebra import bilinear, ridged


def turned_over(made, now, side):
    """The lowest that one bit of the first rows of a side, turned over by itself, can bring the objective to."""
    kept, found = now.B, []
    for row, bit in np.ndindex(4, kept[side].shape[1]):
        now.B = [codes.copy() for codes in kept]
        now.B[side][row, bit] *= -1
        found.append(made.objective(now))
    now.B = kept
    return min(found)


def turns(shape):
    rng = np.random.default_rng(2)
    return (np.linalg.qr(rng.standard_normal(shape))[0] for _ in range(100))


def test_acq_turns_the_directions_of_cca_and_takes_the_best_signs(centred):
    X, Y, _ = centred
    made = ACQ(bits=4, across=0.3, ridge=0.1, power=0.0)
    now = made.start(X, Y, None)
    made.turn(now)
    A, B = made.maps(now)
    M_x, M_y = (ridged(rows.T @ rows / 30, 0.1) for rows in (X, Y))
    C, D, _ = bilinear(X.T @ Y / 30, M_x, M_y, 4)
    for ours, theirs in ((A, C), (B, D)):  # one span of directions
        assert np.linalg.matrix_rank(np.hstack([ours, theirs]), tol=1e-8) == 4
    now.Z, made.across = [X @ now.A[0], Y @ now.A[1]], 0.3
    z_x, z_y = X @ A, Y @ B
    height = np.square(now.B[0] - z_x).sum() + np.square(now.B[1] - z_y).sum()
    height += 0.3 * (np.square(now.B[0] - z_y).sum() + np.square(now.B[1] - z_x).sum())
    assert made.objective(now) == pytest.approx(height)
    lowest = made.objective(now)
    for turn in turns((4, 4)):
        now.R[0] = turn
        assert made.objective(now) >= lowest
    made.turn(now)
    made.quantise(now)
    lowest = made.objective(now)
    assert all(turned_over(made, now, side) >= lowest for side in range(2))


def test_acq_without_the_other_side_is_iterative_quantisation_of_each(centred):
    """ITQ (Gong & Lazebnik 2011), written out for one side."""
    X, Y, _ = centred
    made = ACQ(bits=3, across=0.0, rounds=6, seed=1)
    now = made.start(X, Y, None)
    R = now.R[0]
    for _ in range(6):
        for step in made.steps():
            step(now)
        U, _, Vt = np.linalg.svd(now.Z[0].T @ np.where(now.Z[0] @ R >= 0, 1, -1))
        R = U @ Vt
    np.testing.assert_allclose(now.R[0], R, atol=1e-9)


def test_qch_keeps_its_constraint_and_no_other_turn_is_better(centred):
    X, Y, _ = centred
    made = QCH(bits=3, quantise=0.4, ridge=0.5)
    now = made.start(X, Y, None)
    made.turn_images(now)
    A, B = made.maps(now)
    r_x, r_y = (0.5 * np.square(rows).sum() / rows.shape[1] for rows in (X, Y))
    for rows, W, r in ((X, A, r_x), (Y, B, r_y)):
        np.testing.assert_allclose(W.T @ (rows.T @ rows + r * np.eye(len(W))) @ W, 30 * np.eye(3), atol=1e-8)
    height = np.square(X @ A - Y @ B).sum() + 1.4 * (r_x * np.square(A).sum() + r_y * np.square(B).sum())
    height += 0.4 * (np.square(now.B - X @ A).sum() + np.square(now.B - Y @ B).sum())
    assert made.objective(now) == pytest.approx(height)
    for turn in turns((5, 3)):
        now.told[0] = now.Z[0] @ turn
        assert made.objective(now) >= height - 1e-9


def test_qch_without_quantisation_is_cca(centred):
    X, Y, _ = centred
    A, B = (made := QCH(bits=3, quantise=0.0, ridge=0.1)).maps(made.start(X, Y, None))
    M_x, M_y = (ridged(rows.T @ rows / 30, 0.1) for rows in (X, Y))
    _, _, s = bilinear(X.T @ Y / 30, M_x, M_y, 3)
    np.testing.assert_allclose(np.trace(A.T @ X.T @ Y @ B) / 30, s.sum(), rtol=1e-8)


def test_imvh_assigns_bits_on_a_signed_graph_and_aligns_the_sides(centred):
    X, Y, _ = centred
    made = IMVH(bits=6, within=0.3, fit_weight=0.7, across=0.9, decay=0.5, neighbours=2)
    now = made.start(X, Y, None)
    for step in made.steps():
        step(now)
    height = 0.9 * (apart := np.square(now.B[0] @ now.Q - now.B[1]).sum())
    for rows, graph, B, W in zip((X, Y), now.graphs, now.B, now.W, strict=True):
        S = graph.toarray()
        np.testing.assert_array_equal(S, S.T)
        assert set(np.unique(S)) == {-1, 0, 1, 2} - {2} and not S.diagonal().any()
        height += 0.3 * np.trace(B.T @ (np.diag(S.sum(axis=1)) - S) @ B)
        height += 0.7 * (np.square(B - rows @ W).sum() + 0.5 * np.square(W).sum())
    assert made.objective(now) == pytest.approx(height)
    assert all(np.square(now.B[0] @ turn - now.B[1]).sum() >= apart for turn in turns((6, 6)))
    for _ in range(20):
        made.text_bits(now)  # until nothing moves
    assert turned_over(made, now, 1) >= made.objective(now)


def test_rucmh_chooses_the_nearest_text_of_those_left_over(centred):
    X, Y, _ = centred
    made = RUCMH(bits=6, features=0.7, across=0.9, decay=0.5, untold=0.4)
    now = made.start(X, Y, None)
    for step in (made.functions, made.image_codes, made.factors, made.text_codes, made.choose):
        step(now)
    left, told = now.left, np.setdiff1d(np.arange(30), now.left)
    assert len(left) == 12
    np.testing.assert_array_equal(now.pair[told], told)
    for row in left:
        apart = (now.B[0][row] != now.B[1][left]).sum(axis=1)
        assert (now.B[0][row] != now.B[1][now.pair[row]]).sum() == apart.min()
    height = 0.9 * np.square(now.B[0] - now.B[1][now.pair]).sum()
    for rows, B, W, U in zip((X, Y), now.B, now.W, now.U, strict=True):
        height += np.square(B - rows @ W).sum() + 0.7 * np.square(rows - B @ U.T).sum()
        height += 0.5 * (np.square(W).sum() + 0.7 * np.square(U).sum())
    assert made.objective(now) == pytest.approx(height)
    for _ in range(30):
        made.text_codes(now)
    assert turned_over(made, now, 1) >= made.objective(now)


def test_rucmh_learns_less_of_fewer_pairs_and_still_something(small):
    def found(untold):
        made = RUCMH(bits=32, untold=untold, rounds=5).fit(small.train)
        scores = hamming.score(made.encode_texts(small.test.texts), made.encode_images(small.test.images))
        own = scores[np.arange(len(scores)), small.test.owner]
        return (scores > own[:, None]).mean()  # share of the pictures that stand before one's own

    assert found(0.0) < found(0.5) < 0.5
