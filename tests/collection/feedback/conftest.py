"""Four pictures, each of one colour, in a collection beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collection_world import FOUR, Palette, paint

from diptych.collection import Collection


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    for number, colour in enumerate(FOUR):
        paint(tmp_path / "P" / f"{colour}.png", colour, number)
    with Collection.open(tmp_path / "P" / ".diptych", Palette(), write=True) as found:
        found.add(tmp_path / "P")
        yield found
