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
