import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import normalize

from diptych.features.power import Power, unit

ROWS = np.array([[4.0, -9.0, 0.0], [0.0, 0.0, 0.0], [1e-3, 100.0, -2.0]], dtype=np.float32)


def test_signed_roots_and_unit_length():
    by_hand = np.array([[2.0, -3.0, 0.0]]) / np.sqrt(13)
    assert np.allclose(Power().transform(ROWS)[:1], by_hand, atol=1e-7)


@pytest.mark.parametrize("power", [0.5, 0.2, 1.0])
def test_it_is_the_formula(power):
    expected = normalize(np.sign(ROWS) * np.abs(ROWS) ** power)
    assert np.allclose(Power(power).transform(ROWS), expected, atol=1e-6)


def test_sparse_is_dense():
    back = Power().transform(sparse.csr_matrix(ROWS))
    assert sparse.issparse(back) and np.allclose(back.toarray(), Power().transform(ROWS), atol=1e-7)


def test_a_row_of_zeros_stays_zero_and_types_are_float32():
    assert not Power().transform(ROWS)[1].any()
    assert not unit(sparse.csr_matrix(ROWS)).toarray()[1].any()
    assert Power().transform(ROWS.astype(np.float64)).dtype == np.float32
    assert Power().transform(sparse.csr_matrix(ROWS.astype(np.float64))).dtype == np.float32
