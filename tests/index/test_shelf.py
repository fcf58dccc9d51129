"""Rows on the disk, each where its id says."""

from pathlib import Path

import numpy as np
import pytest

from diptych.index.shelf import Shelf
from diptych.kinds import BadInput

IDS = np.array([3, 4, 5, 9, 20, 21])
ROWS = np.random.default_rng(0).standard_normal((6, 10)).astype(np.float32)


def shelf(tmp_path: Path) -> Shelf:
    Shelf.write(tmp_path / "rows", 10, [(IDS[:2], ROWS[:2]), (IDS[2:], ROWS[2:]), (IDS[:0], ROWS[:0])])
    return Shelf(tmp_path / "rows", 10)


def test_rows_come_back_by_their_ids_in_any_order_and_holes_are_none(tmp_path: Path) -> None:
    rows, sound = shelf(tmp_path).read(np.array([21, 3, 0, 9, 8, 4, 1000]))
    np.testing.assert_array_equal(sound, [True, True, False, True, False, True, False])
    np.testing.assert_array_equal(rows[sound], ROWS[[5, 0, 3, 1]].astype(np.float16).astype(np.float32))
    assert rows.dtype == np.float32 and (tmp_path / "rows").stat().st_size == 22 * Shelf.size(10) == 22 * 24


@pytest.mark.parametrize("at", [0, 19, 20, 23])
def test_a_row_that_was_touched_is_not_sound_nor_is_one_that_stands_elsewhere(tmp_path: Path, at: int) -> None:
    shelf(tmp_path)
    body = bytearray((tmp_path / "rows").read_bytes())
    body[4 * 24 + at] ^= 1
    body[9 * 24 : 10 * 24] = body[3 * 24 : 4 * 24]
    (tmp_path / "rows").write_bytes(body)
    np.testing.assert_array_equal(Shelf(tmp_path / "rows", 10).read(IDS)[1], [True, False, True, False, True, True])


def test_what_cannot_be_written_or_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="beyond 65,504"):
        Shelf.write(tmp_path / "rows", 10, [(IDS, ROWS * 1e6)])
    assert list(tmp_path.iterdir()) == [], "nothing is left of it"
    with pytest.raises(BadInput, match="not readable"):
        Shelf(tmp_path / "rows", 10)
    Shelf.write(tmp_path / "rows", 10, [])
    assert not Shelf(tmp_path / "rows", 10).read(IDS)[1].any()
