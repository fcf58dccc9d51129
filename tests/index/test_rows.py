"""The table that every index keeps, against a dictionary and by its refusals."""

from __future__ import annotations

import numpy as np
import pytest

from diptych.index import files
from diptych.index.files import DamagedIndex
from diptych.index.rows import Rows
from diptych.kinds import BadInput


def table(n: int) -> Rows:
    rows = Rows(2, np.float32)
    rows.append(np.arange(n)[::-1] * 10, np.arange(2 * n, dtype=np.float32).reshape(n, 2))
    return rows


def test_an_id_is_found_where_its_row_stands_and_a_stranger_nowhere():
    assert Rows(2, np.float32).find(np.array([3, 0])).tolist() == [-1, -1]
    rows = table(5)
    assert rows.find(np.array([40, 0, 20, 7, 41, -1, 39])).tolist() == [0, 4, 2, -1, -1, -1, -1]
    assert rows.ids.tolist() == [40, 30, 20, 10, 0] and len(rows) == 5
    np.testing.assert_array_equal(rows.at(rows.find(np.array([20]))), [[4, 5]])


@pytest.mark.parametrize(
    ("ids", "why"),
    [([1, 2, 1], "1 is given twice"), ([3, -1], "-1 is negative; ids count from 0"), ([5, 20], "20 is already in")],
)
def test_ids_that_cannot_be_are_refused_and_nothing_is_appended(ids, why):
    rows = table(5)
    with pytest.raises(BadInput, match=f"^ids: {why}"):
        rows.append(np.array(ids), np.zeros((len(ids), 2), np.float32))
    assert len(rows) == 5 and rows.find(np.array([1])).tolist() == [-1]
    rows.append(np.array([1]), np.full((1, 2), 7, np.float32))
    assert rows.values[-1].tolist() == [7, 7] and rows.ids[-1] == 1


def test_it_grows_by_halves_and_keeps_every_row():
    rows, known = Rows(1, np.float32), {}
    for number in range(200):
        if number % 7 == 6:
            gone = sorted(known)[:: len(known) // 3 or 1]
            rows.discard(rows.find(np.array(gone)))
            for name in gone:
                del known[name]
        rows.append(np.array([number]), np.array([[number / 2]], np.float32))
        known[number] = number / 2
        assert len(rows) == len(known) and sorted(rows.ids.tolist()) == sorted(known)
    places = rows.find(np.array(sorted(known)))
    np.testing.assert_array_equal(rows.at(places)[:, 0], [known[name] for name in sorted(known)])
    assert len(rows._ids) <= max(1.5 * len(rows) + 1, 200)


def test_rows_that_were_handed_over_are_proved_when_they_are_used():
    values = np.arange(20_000, dtype=np.float32).reshape(10_000, 2)
    sums = files.row_sums(values)
    good = Rows.of(np.arange(10_000), values, sums)
    np.testing.assert_array_equal(good.at(np.array([9_999, 3])), values[[9_999, 3]])
    assert good._proved.sum() == 2
    np.testing.assert_array_equal(good.values, values)
    assert good._proved.all()
    broken = values.copy()
    broken[4_200] += 1  # beyond the first block of those that are proved together
    bad = Rows.of(np.arange(10_000), broken, sums)
    np.testing.assert_array_equal(bad.at(slice(0, 4_200)), values[:4_200])
    with pytest.raises(DamagedIndex, match="build the index again"):
        bad.at(np.array([4_199, 4_200]))
    with pytest.raises(DamagedIndex):
        bad.append(np.array([10_000]), np.zeros((1, 2), np.float32))  # who changes it has to know all of it


def test_a_change_leaves_the_array_that_was_handed_over_alone():
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    rows = Rows.of(np.arange(4), values, files.row_sums(values))
    rows.discard(np.array([0]))
    np.testing.assert_array_equal(values, np.arange(8).reshape(4, 2))
    assert rows.ids.tolist() == [3, 1, 2]
