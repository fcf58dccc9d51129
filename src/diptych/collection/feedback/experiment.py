"""A second order of answers, shown among those of the first, and which of the two people choose.

Whoever shows interleaved answers says of each event which of the two the answer was from. That stands beside the event,
and goes with it: with its item, or when its person is forgotten.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diptych.collection.feedback import interleaving
from diptych.collection.feedback.feedback import Feedback
from diptych.collection.feedback.interleaving import Comparison, Team
from diptych.collection.feedback.log import Event
from diptych.collection.store import Store
from diptych.kinds import BadInput

_NAME = "experiment"

# A yes that was taken back later says nothing.
_CHOSEN = """
    SELECT DISTINCT user, query, item, team FROM credits JOIN events ON id = event
    WHERE kind = 'click' OR NOT EXISTS (
        SELECT 1 FROM events AS later WHERE later.user = events.user AND later.query = events.query
        AND later.item = events.item AND later.kind IN ('no', 'unmarked') AND later.id > events.id)
"""


@dataclass(frozen=True)
class Against:
    """what    the second order, as it was called
    since   when it began, in seconds since 1970
    """

    what: str
    since: float


class Experiment:
    """Two orders of the answers of one collection, held against each other. One at a time."""

    def __init__(self, store: Store, feedback: Feedback) -> None:
        """Use `Collection.experiment`."""
        self._store, self._feedback = store, feedback

    @property
    def running(self) -> Against | None:
        """What is compared; None where nothing is."""
        kept = self._store.meta(_NAME, "")
        return Against(**json.loads(kept)) if kept else None

    def begin(self, what: str) -> Against:
        """Begin, or go on with what was begun. Raises BadInput while another one runs."""
        before = self.running
        if before is not None and before.what != what:
            raise BadInput(f"{what}: an experiment with {before.what} runs; end it first: diptych experiment --end")
        found = before or Against(what, time.time())
        with self._store.transaction(heard=False):
            self._store.set_meta(_NAME, json.dumps({"what": found.what, "since": found.since}))
        return found

    def record(
        self,
        team: Team,
        user: str,
        query: str,
        item: int | str | Path,
        kind: str,
        rank: int | None = None,
        shown: Sequence[int] = (),
    ) -> Event:
        """As `feedback.record`, of an answer that was the pick of this team; a click or a "yes" speaks for it."""
        with self._store.transaction(heard=False):
            event = self._feedback.record(user, query, item, kind, rank=rank, shown=shown)
            if kind in ("click", "yes") and self.running is not None:
                self._store.put_rows("credits", [(event.id, team)])
        return event

    def result(self) -> Comparison:
        """What a person asks for counts once, however they narrow it: for the team of which they chose more answers."""
        chosen = {
            (user, self._feedback.asked(query), item, team) for user, query, item, team in self._store.rows(_CHOSEN)
        }
        more: Counter[tuple[str, str]] = Counter()
        for user, asked, _, team in chosen:
            more[user, asked] += 1 if team == "second" else -1
        winners: list[Team | None] = ["second" if n > 0 else "first" if n else None for n in more.values()]
        return interleaving.comparison(winners)

    def end(self) -> Comparison:
        """End it, and forget which answers were whose; the result. What people did is kept."""
        with self._store.transaction(heard=False):
            found = self.result()
            self._store.run("DELETE FROM credits")
            self._store.set_meta(_NAME, "")
        return found
