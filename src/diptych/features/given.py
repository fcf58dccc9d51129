"""Arrays as they are: features that were computed elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diptych.features.feature import Feature, rows_of
from diptych.kinds import Progress


@dataclass
class Given(Feature):
    """The rows that were given, as float32. Raises BadInput where the items are no array."""

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        return rows_of(self.paper_name(), items)
