import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from diptych.features.standard import Standard
from diptych.kinds import BadInput

rng = np.random.default_rng(0)
TRAIN, NEW = rng.normal(3, 5, (50, 4)).astype(np.float32), rng.normal(3, 5, (7, 4)).astype(np.float32)
TRAIN[:, 2] = 1.0


def test_it_is_the_scaler_of_sklearn():
    assert np.allclose(Standard().fit(TRAIN).transform(NEW), StandardScaler().fit(TRAIN).transform(NEW), atol=1e-5)


def test_sparse_rows_are_scaled_and_not_centred():
    train, new = sparse.csr_matrix(np.maximum(TRAIN, 0)), sparse.csr_matrix(np.maximum(NEW, 0))
    expected = StandardScaler(with_mean=False).fit(train).transform(new)
    assert np.allclose(Standard().fit(train).transform(new).toarray(), expected.toarray(), atol=1e-5)


def test_another_width_is_refused():
    with pytest.raises(BadInput, match="fitted on 4 columns and was given 3"):
        Standard().fit(TRAIN).transform(NEW[:, :3])
