"""Files of MATLAB, as scipy writes them."""

import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat

from diptych.kinds import BadInput
from diptych.sources import mat


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "features.mat"
    dense = np.arange(6, dtype=np.float64).reshape(2, 3)
    savemat(path, {"dense": dense, "sparse": sparse.csc_matrix(dense), "cells": np.array(["a", "bc"], dtype=object)})
    return path


def test_the_variables_that_are_asked_for_are_read(file):
    found = mat.arrays(file, ["dense", "sparse"])
    assert "cells" not in found
    for name in ("dense", "sparse"):
        rows = mat.rows(file, name, found[name])
        assert isinstance(rows, np.ndarray) and rows.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_name_that_is_not_there_is_told_with_the_nearest(tmp_path, file):
    with pytest.raises(BadInput, match=r"features\.mat: no array images, texts"):
        mat.arrays(file, ["images", "dense", "texts"])


@pytest.mark.parametrize("data", [b"", b"MATLAB 5.0 MAT-file", b"nothing of the kind" * 100])
def test_another_file_is_named_in_one_line(tmp_path, data):
    path = tmp_path / "a.mat"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.mat: not a \.mat file, or damaged \(.*\); fetch it again$"):
        mat.arrays(path, ["x"])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (np.arange(3.0), r"must be rows of numbers, found float64 of shape \(3,\)"),
        (np.zeros((1, 2, 3)), r"of shape \(1, 2, 3\)"),
        (np.array([["a"]]), "rows of numbers, found <U1"),
        (np.zeros((1, 2), complex), "found complex128"),
        (np.array([[1.0, 2.0], [np.inf, 0.0], [np.nan, 0.0]]), "holds NaN or infinity in row 1; fetch it again"),
    ],
)
def test_what_is_no_rows_of_finite_numbers_is_refused(tmp_path, value, why):
    with pytest.raises(BadInput, match=f"^{tmp_path}: x .*{why}"):
        mat.rows(tmp_path, "x", value)


@pytest.mark.parametrize("kind", ["f4", "i2", "u1", "?"])
def test_numbers_of_any_kind_are_kept_as_they_are(tmp_path, kind):
    value = np.ones((2, 1), kind)
    assert mat.rows(tmp_path, "x", value) is value
