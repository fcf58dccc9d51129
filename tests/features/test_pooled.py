import numpy as np
import pytest

from diptych.features.composition import read
from diptych.features.pooled import Pooled
from diptych.features.power import Power
from diptych.kinds import BadInput

TOKENS = np.array([[[1, 2], [3, -6], [0, 0]], [[0, 0], [0, 0], [0, 0]], [[0, 5], [0, 0], [2, 1]]], dtype=np.float32)


def test_padding_does_not_count_wherever_it_stands():
    pooled = Pooled().transform(TOKENS)
    assert pooled.dtype == np.float32 and pooled.tolist() == [[2, -2], [0, 0], [1, 3]]


def test_rows_stay_as_they_are():
    assert np.array_equal(Pooled().transform(TOKENS[:, 0]), TOKENS[:, 0])


def test_steps_before_it_see_tokens_and_those_behind_it_rows():
    rows = TOKENS[[0, 2]]
    by_hand = Pooled().transform(np.stack([Power().transform(of_one) for of_one in rows]))
    assert np.allclose(read("given:power:pooled").chains()[0][2].transform(Power().transform(rows)), by_hand)
    assert np.allclose(np.linalg.norm(Power().transform(Pooled().transform(rows)), axis=1), 1)


def test_what_is_no_array_is_refused():
    with pytest.raises(BadInput, match="pooled reads rows of numbers, not str"):
        Pooled().transform(["a red dog"])
