"""CMSSH: its first bits against the paper's algorithm over pairs, with C as a matrix and every offset tried."""

import numpy as np
import pytest

from diptych.kinds import BadInput
from diptych.methods.hashing.shallow.cmssh import CMSSH


def test_each_bit_is_the_first_singular_pair_of_what_the_weights_leave(centred):
    X, Y, L = centred
    made = CMSSH(bits=4, drawn=60, quantiles=7)
    A, B = made.solve(X, Y, L)
    i, j, s = made._drawn(L)
    assert (s == np.where((L[i] * L[j]).any(axis=1), 1, -1)).all() and s.sum() == 0
    w = np.full(len(s), 1 / len(s))
    for bit in range(4):
        x, y = X[i] - w @ X[i], Y[j] - w @ Y[j]
        U, _, Vt = np.linalg.svd((x * (w * s)[:, None]).T @ y)
        assert abs(U[:, 0] @ A[:, bit]) == pytest.approx(1, abs=1e-5)
        assert abs(Vt[0] @ B[:, bit]) == pytest.approx(1, abs=1e-5)
        h = np.where(X[i] @ A[:, bit] >= made.a_[bit], 1, -1)
        g = np.where(Y[j] @ B[:, bit] >= made.b_[bit], 1, -1)
        r = (w * s * h * g).sum()
        shares = np.arange(1, 8) / 8
        tried = [
            (w * s * np.where(X[i] @ A[:, bit] >= a, 1, -1) * np.where(Y[j] @ B[:, bit] >= b, 1, -1)).sum()
            for a in np.quantile(X[i] @ A[:, bit], shares)
            for b in np.quantile(Y[j] @ B[:, bit], shares)
        ]
        assert r == pytest.approx(max(tried))
        w = w * np.exp(-0.5 * np.log((1 + r) / (1 - r)) * s * h * g)
        w /= w.sum()


def test_labels_that_all_share_are_bad_input(centred):
    X, Y, L = centred
    with pytest.raises(BadInput, match="all share one"):
        CMSSH(bits=2).solve(X, Y, np.ones_like(L))
