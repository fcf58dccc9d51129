"""The table that every index keeps: ids and rows under any order of changes."""

import numpy as np
import pytest

from diptych.index.rows import Rows
from diptych.kinds import BadInput


def test_an_id_that_is_not_there_stands_nowhere() -> None:
    table = Rows(2, np.float32)
    assert table.find(np.array([0, 5])).tolist() == [-1, -1]
    table.append(np.array([7, 3]), np.ones((2, 2)))
    assert table.find(np.array([3, 0, 7, 9])).tolist() == [1, -1, 0, -1]
    table.discard(np.array([0, 1]))
    assert table.find(np.array([3])).tolist() == [-1] and len(table) == 0 and table.values.shape == (0, 2)


def test_rows_stay_with_their_ids_whatever_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    table, kept, new = Rows(1, np.float64), set(), 0
    for _ in range(200):
        some = np.arange(new, new + rng.integers(1, 9))
        new += len(some)
        table.append(some, some[:, None] * 2.0)
        kept |= set(some.tolist())
        gone = rng.choice(sorted(kept), rng.integers(0, min(9, len(kept)) + 1), replace=False)
        table.discard(table.find(gone))
        kept -= set(gone.tolist())
        assert sorted(table.ids.tolist()) == sorted(kept)
        assert (table.values[:, 0] == 2.0 * table.ids).all() and (table.ids[table.find(table.ids)] == table.ids).all()


@pytest.mark.parametrize(("ids", "said"), [([-3, 5], "-3 is negative"), ([5, 5], "5 is given twice"), ([4], "already")])
def test_a_refused_id_changes_nothing(ids: list[int], said: str) -> None:
    table = Rows(1, np.float64)
    table.append(np.array([4]), np.ones((1, 1)))
    with pytest.raises(BadInput, match=said):
        table.append(np.array(ids), np.ones((len(ids), 1)))
    assert table.ids.tolist() == [4] and table.values.tolist() == [[1.0]]
