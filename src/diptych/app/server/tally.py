"""How many events are kept of each user of a collection, so that nobody fills its disk."""

from __future__ import annotations

from diptych.collection import Collection


class Tally:
    """Counts that are read from the collection once, and kept up. It is of the writer's thread alone.

    Events that went with their items are missed the next time that the server is started.
    """

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}

    def count(self, writer: Collection, user: str) -> int:
        if user not in self._kept:
            self._kept[user] = sum(1 for _ in writer.feedback.events(user))
        return self._kept[user]

    def add(self, user: str) -> None:
        self._kept[user] += 1

    def forget(self, user: str) -> None:
        self._kept.pop(user, None)
