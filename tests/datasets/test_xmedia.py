"""XMedia and XMediaNet."""

import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat

from diptych.datasets import xmedia, xmedianet
from diptych.kinds import BadInput


@pytest.fixture
def xmedia_copy(tmp_path, with_counts):
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("tr", 6), ("te", 3)):
        arrays[f"I_{part}_CNN"] = rng.random((n, 8)).astype(np.float32)
        arrays[f"T_{part}_BOW"] = sparse.csc_matrix(rng.random((n, 5)) > 0.6, dtype=float)
    arrays |= {f"tr{side}Cat": np.array([[1, 2, 3, 1, 2, 3]]).T for side in ("Img", "Txt")}
    arrays |= {f"te{side}Cat": np.array([[3, 3, 1]]).T for side in ("Img", "Txt")}
    arrays |= {"A_tr": rng.random((2, 2))}
    savemat(tmp_path / "XMediaFeatures.mat", arrays)
    with_counts(xmedia, train=6, test=3, all=9)
    return arrays


def test_xmedia(tmp_path, xmedia_copy):
    test, everything = xmedia.read("test", tmp_path), xmedia.read("all", tmp_path)
    np.testing.assert_array_equal(test.images, xmedia_copy["I_te_CNN"])
    np.testing.assert_array_equal(test.texts, xmedia_copy["T_te_BOW"].toarray())
    assert test.labels.astype(int).tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0]]
    np.testing.assert_array_equal(everything.labels[6:], test.labels)
    assert everything.image_ids[6:] == test.image_ids


def test_xmedia_rows_that_are_no_pairs(tmp_path, xmedia_copy):
    savemat(tmp_path / "XMediaFeatures.mat", xmedia_copy | {"teTxtCat": np.array([[3, 1, 1]]).T})
    with pytest.raises(BadInput, match="teImgCat and teTxtCat differ"):
        xmedia.read("test", tmp_path)


def test_xmedia_without_an_array(tmp_path, xmedia_copy):
    del xmedia_copy["T_te_BOW"]
    savemat(tmp_path / "XMediaFeatures.mat", xmedia_copy)
    with pytest.raises(BadInput, match="no array T_te_BOW"):
        xmedia.read("test", tmp_path)


def test_xmedia_with_rows_too_few(tmp_path, xmedia_copy):
    savemat(tmp_path / "XMediaFeatures.mat", xmedia_copy | {"T_te_BOW": xmedia_copy["T_te_BOW"][:2]})
    with pytest.raises(BadInput, match="T_te_BOW has 2 rows, teImgCat 3"):
        xmedia.read("test", tmp_path)


def cell(*views):
    out = np.empty((1, len(views)), dtype=object)
    out[0, :] = views
    return out


@pytest.fixture
def xmedianet_copy(tmp_path, with_counts):
    rng = np.random.default_rng(0)
    arrays = {}
    for name, labels in {"train": [0, 1, 2, 1, 0], "valid": [2, 1], "test": [1, 2, 1]}.items():
        n = len(labels)
        arrays[name] = cell(rng.random((n, 7)), rng.random((n, 3)), rng.random((n + 1, 2)))
        arrays[f"{name}_labels"] = cell(np.array([labels]), np.array([labels]), np.zeros((1, n + 1)))
    savemat(tmp_path / "XMediaNet5View_Doc2Vec.mat", arrays)
    with_counts(xmedianet, train=5, val=2, test=3, all=10)
    return arrays


def test_xmedianet(tmp_path, xmedianet_copy):
    test, everything = xmedianet.read("test", tmp_path), xmedianet.read("all", tmp_path)
    np.testing.assert_allclose(test.images, xmedianet_copy["test"][0, 0], rtol=1e-6)
    np.testing.assert_allclose(test.texts, xmedianet_copy["test"][0, 1], rtol=1e-6)
    assert test.labels.astype(int).tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0]]
    np.testing.assert_array_equal(everything.labels[7:], test.labels)
    assert everything.image_ids[7:] == test.image_ids
    np.testing.assert_array_equal(xmedianet.read("val", tmp_path).labels, everything.labels[5:7])


def test_xmedianet_with_rows_too_few_or_one_view(tmp_path, xmedianet_copy):
    file = tmp_path / "XMediaNet5View_Doc2Vec.mat"
    whole = xmedianet_copy["test"][0]
    savemat(file, xmedianet_copy | {"test": cell(whole[0], whole[1][:2])})
    with pytest.raises(BadInput, match="test, view 2: 2 rows for 3 labels"):
        xmedianet.read("test", tmp_path)
    savemat(file, xmedianet_copy | {"test": cell(whole[0])})
    with pytest.raises(BadInput, match="test holds 1 views"):
        xmedianet.read("test", tmp_path)


def test_xmedianet_rows_that_are_no_pairs(tmp_path, xmedianet_copy):
    xmedianet_copy["valid_labels"][0, 1] = np.array([[1, 2]])
    savemat(tmp_path / "XMediaNet5View_Doc2Vec.mat", xmedianet_copy)
    with pytest.raises(BadInput, match="pictures and texts of valid have different labels"):
        xmedianet.read("train", tmp_path)
