"""What `Collection.feedback` is: people's marks and clicks kept, told, forgotten, and learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from diptych.collection import arguments
from diptych.collection.feedback import interleaving, learning, log, pairs
from diptych.collection.feedback.interleaving import Comparison, Interleaved, Team
from diptych.collection.feedback.learning import Learned
from diptych.collection.feedback.log import Event
from diptych.collection.feedback.marks import Marks
from diptych.collection.feedback.reranker import Candidates
from diptych.collection.items import Item
from diptych.collection.query import Query
from diptych.collection.store import Store
from diptych.kinds import BadInput


class Feedback:
    """What people did with the answers of a collection. Writing needs `write=True`.

    Users are texts that the caller knows them by, and queries are kept as they were written. An event belongs to its
    item, and goes when the item is taken out (`remove`, `erase`, `forget`, or by `add` when its file is gone).
    """

    def __init__(
        self,
        store: Store,
        one: Callable[[int | str | Path], Item],
        read: Callable[[str], Query],
        candidates: Callable[[str], Candidates | None],
    ) -> None:
        """Use `Collection.feedback`.

        one          the item that is called so
        read         a query as the collection reads it
        candidates   the first answers to a query as it was written; None where it has none that are ordered
        """
        self._store, self._one, self._read, self._candidates = store, one, read, candidates

    def record(
        self,
        user: str,
        query: str,
        item: int | str | Path,
        kind: str,
        value: float = 1.0,
        rank: int | None = None,
        shown: Sequence[int] = (),
        at: float | None = None,
    ) -> Event:
        """Keep what somebody did with an answer.

        kind    "yes" or "no": they marked it so; "unmarked": they took the mark back; "click": they opened it; "dwell":
                they looked at it for so long
        value   of "dwell" the seconds
        rank    the place of the answer, from 1
        shown   ids of the answers that stood on the page, in their order, or of those above this one: what was seen and
                passed over is learned from as well
        at      when, in seconds since 1970; None: now

        Raises BadInput for a user or a query that is no text of a length that is kept, and for an item not there.
        """
        new = log.event(user, query, self._one(item).id, kind, value, rank, shown, at)
        with self._store.transaction(heard=False):
            return log.write(self._store, new)

    def marks(self, user: str, query: str) -> Marks:
        """The marks of a person that stand, of the answers to a query as it was written: of each item the latest, and
        of more than 1,000 the latest 1,000."""
        yes, no = log.marks(self._store, log.checked_user(user), log.checked_query(query))
        return Marks(yes, no)

    def events(self, user: str | None = None) -> Iterator[Event]:
        """All that is kept, or what one person did, in the order in which it came."""
        if user is None:
            return log.events(self._store)
        return log.events(self._store, "user = ?", (log.checked_user(user),))

    def asked(self, query: str) -> str:
        """What a query asks for, however it is narrowed: its terms without what decides, so that "boat year = 2024" and
        "boat" are the same; the query itself where it ranks nothing or cannot be read."""
        try:
            return str(replace(self._read(query), never=(), where=None)) or query
        except BadInput:
            return query

    def users(self) -> list[str]:
        """Those of whom something is kept. The index of users tells, and no event is read."""
        return log.users(self._store)

    def count(self, user: str) -> int:
        """How many events are kept of a person. It reads none of them."""
        return log.count(self._store, log.checked_user(user))

    def export(self, path: str | Path, user: str | None = None) -> int:
        """Write marks to a `.jsonl` file, of all or of one person, for `diptych fit` to learn from; how many pictures.

        One line a picture: `image`, where its file lies; `captions`, the words of the queries it was marked yes for;
        `not`, of those it was marked no for. Who marked it is not told. Items without a file are left out, and so are
        queries without words.
        """
        chosen = None if user is None else log.checked_user(user)
        with self._store.snapshot():
            return pairs.export(self._store, self._read, arguments.place(path), chosen)

    def forget(self, user: str) -> int:
        """Delete all that was kept of a person, and what was learned from it, for them and for all; how many events.

        No byte of it stays in the file. What is learned for all is off until the next `learn`. Raises BadInput where
        another program reads an old state of the collection for so long that it stays on the disk.
        """
        name = log.checked_user(user)
        with self._store.transaction(heard=False):
            n = log.forget(self._store, name)
            learning.drop(self._store, name)
            if n:
                learning.drop(self._store, None)
        if not self._store.empty_log():
            again = "end it, and forget once more, so that nothing stays"
            raise BadInput(f"{self._store.folder}: another program reads from it; {again}")
        return n

    def learn(self, user: str | None = None) -> Learned:
        """Learn from all that was recorded, or for one person from what they did, a better order of the first 100.

        For all, a re-ranker: what earlier sessions say of each answer weighed against the order there is. For a person
        the same, or only another weight of keywords against vectors. It orders answers from now on where it is better
        on feedback that was held out, and is off where it is not, whatever was on before. It takes the time of a search
        for each query that was asked.

        What is learned for all orders every search; what is learned for a person, in its place, those of that `user`.
        """
        name = None if user is None else log.checked_user(user)
        with self._store.snapshot():
            found = learning.learn(self._store, name, self._candidates)
        with self._store.transaction(heard=False):
            learning.keep(self._store, found)
        return found

    def learned(self, user: str | None = None) -> Learned | None:
        """What the last `learn` learned for all, or for a person; None where it was never called."""
        return learning.kept(self._store, None if user is None else log.checked_user(user))

    @staticmethod
    def credit(shown: Interleaved, opened: Iterable[int]) -> Team | None:
        """Which of two interleaved rankers won a query, by the answers that were opened; None for a tie."""
        return shown.winner(opened)

    @staticmethod
    def comparison(winners: Iterable[Team | None]) -> Comparison:
        """What many interleaved queries say together, each by the team that won, or None for a tie."""
        return interleaving.comparison(winners)
