import itertools

import numpy as np
import pytest
from scipy import sparse
from scipy.linalg import orthogonal_procrustes, polar

from diptych.kinds import hamming
from diptych.parts import bits


def test_the_sign_of_zero_is_one():
    np.testing.assert_array_equal(bits.signs(np.array([[-0.0, 0.0, -1e-300, 2.0]])), [[1, 1, -1, 1]])


def test_a_rotation_is_the_one_of_scipy():
    rng = np.random.default_rng(0)
    target, rows = rng.standard_normal((30, 5)), rng.standard_normal((30, 5))
    np.testing.assert_allclose(bits.rotation(target, rows), orthogonal_procrustes(rows, target)[0], atol=1e-10)


def test_of_rows_wider_than_the_target_the_columns_are_orthonormal():
    rng = np.random.default_rng(0)
    target, rows = rng.standard_normal((30, 3)), np.linalg.qr(rng.standard_normal((30, 6)))[0]
    R = bits.rotation(target, rows)
    np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-12)
    others = (np.linalg.qr(rng.standard_normal((6, 3)))[0] for _ in range(300))
    assert np.vdot(rows @ R, target) >= max(np.vdot(rows @ other, target) for other in others)


def test_bit_by_bit_no_single_bit_of_the_last_column_is_better_turned_and_few_bits_are_solved():
    rng = np.random.default_rng(0)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        root, target = rng.standard_normal((4, 4)), 4 * rng.standard_normal((1, 4))
        gram = root.T @ root

        def height(B, gram=gram, target=target):
            return np.vdot(B @ gram, B) - 2 * np.vdot(B, target)

        start = bits.signs(rng.standard_normal((1, 4)))
        found, heights = start, [height(start)]
        for _ in range(6):
            found = bits.bitwise(found, gram, target)
            heights.append(height(found))
        assert (np.diff(heights) <= 1e-12).all()
        turned = [found * np.where(np.arange(4) == bit, -1, 1) for bit in range(4)]
        assert heights[-1] <= min(map(height, turned)) + 1e-12
        assert (
            heights[-1] >= min(height(np.array([guess])) for guess in itertools.product((-1.0, 1.0), repeat=4)) - 1e-12
        )


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_array])
def test_rows_have_the_same_name_in_every_form(form):
    rows = np.random.default_rng(0).standard_normal((5, 3)).round(1) * (np.arange(15).reshape(5, 3) % 2)
    rows[4] = rows[1]
    found = bits.names(form(rows))
    np.testing.assert_array_equal(found, bits.names(rows))
    assert len(set(found)) == 4 and found[4] == found[1]


def test_of_several_rows_with_one_name_the_signs_of_their_sum_are_stored():
    rows = np.array([[1.0, -1, 1, 1, 1, 1, 1, 1], [-1, -1, 1, -1, 1, 1, 1, 1], [-1, -1, -1, 1, 1, 1, 1, 1]])
    known, stored = bits.voted(np.array([7, 3, 7]), rows)
    np.testing.assert_array_equal(known, [3, 7])
    np.testing.assert_array_equal(stored, hamming.normalise(np.array([rows[1], rows[0] + rows[2]])))
    packed = np.zeros((4, 1), dtype=np.uint8)
    np.testing.assert_array_equal(
        bits.instead(packed, np.array([7, 8, 3, -1]), known, stored), [stored[1], [0], stored[0], [0]]
    )


def test_the_nearest_orthonormal_columns_are_those_of_the_polar_decomposition():
    rows = np.random.default_rng(0).standard_normal((30, 5))
    np.testing.assert_allclose(bits.orthogonal(rows), polar(rows)[0], atol=1e-10)


def test_correlated_directions_are_as_many_as_bits_and_those_of_both_sides_agree():
    rng = np.random.default_rng(0)
    common = rng.standard_normal((500, 3))
    X, Y = (common @ rng.standard_normal((3, width)) + 0.1 * rng.standard_normal((500, width)) for width in (6, 5))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    A, B = bits.correlated(X, Y, 8, 1e-3, np.random.default_rng(1))
    assert A.shape == (6, 8)
    assert B.shape == (5, 8)
    agree = (X @ A * (Y @ B)).sum(axis=0) / np.linalg.norm(X @ A, axis=0) / np.linalg.norm(Y @ B, axis=0)
    assert agree.min() > 0.9
