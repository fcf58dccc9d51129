import numpy as np
import pytest

from diptych import parts
from diptych.kinds import SharedLabels

torch = pytest.importorskip("torch", reason="targets are tensors")


def test_captions_of_one_picture_belong_together():
    expected = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    np.testing.assert_array_equal(parts.targets.same_picture(torch.tensor([5, 2, 5])), expected)


def test_shared_labels_are_those_that_retrieval_is_judged_by():
    labels = np.random.default_rng(0).random((30, 6)) < 0.2
    found = parts.targets.shared_label(torch.from_numpy(labels).float())
    np.testing.assert_array_equal(found.numpy() > 0, SharedLabels(labels, labels).relevant(0, 30))
    assert set(found.unique().tolist()) == {0.0, 1.0}


def test_label_cosines_say_how_many_labels_are_shared():
    labels = torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    expected = [[1, 0.5**0.5, 0, 0], [0.5**0.5, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(parts.targets.label_cosine(labels), expected, rtol=1e-6)
    np.testing.assert_allclose(parts.targets.label_cosine(labels, labels[:2]), np.array(expected)[:, :2], rtol=1e-6)


def test_pairs_are_alike_by_a_mean_of_cosines():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((4, 3)), rng.standard_normal((4, 5))
    found = parts.targets.alike(torch.from_numpy(X), torch.from_numpy(Y), 0.3)
    for i in range(4):
        for j in range(4):
            x, y = (side[i] @ side[j] / np.linalg.norm(side[i]) / np.linalg.norm(side[j]) for side in (X, Y))
            assert found[i, j].item() == pytest.approx(0.3 * x + 0.7 * y)


def test_the_nearest_of_each_row_are_left():
    near = torch.tensor([[1.0, 0.2, 0.5, 0.1], [0.2, 1.0, 0.3, 0.4], [0.9, 0.3, 1.0, 0.0], [0.1, 0.4, 0.0, 1.0]])
    expected = [[1, 0, 0.5, 0], [0, 1, 0, 0.4], [0.9, 0, 1, 0], [0, 0.4, 0, 1]]
    np.testing.assert_allclose(parts.targets.nearest(near, 0.5), expected)
    np.testing.assert_allclose(parts.targets.nearest(near, 0.01), np.eye(4))


def test_second_order_adds_whom_both_are_like():
    near = torch.tensor([[1.0, 0.2], [0.2, 1.0]])
    np.testing.assert_allclose(parts.targets.second_order(near, 0.25), [[0.88, 0.2], [0.2, 0.88]], rtol=1e-6)
