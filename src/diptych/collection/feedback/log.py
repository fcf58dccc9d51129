"""What people did with answers: one row a mark, a click or a stay in the collection's file, each with its checksum.

An event belongs to its item and goes with it, however the item is taken out. It does not wait for the content to come
back, as words do that people gave: it tells of an answer that was shown then, and not of the picture.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from diptych.collection import arguments
from diptych.collection.feedback.marks import MOST
from diptych.collection.query import LENGTH
from diptych.collection.store import Store
from diptych.kinds import BadInput, shown

Kind = Literal["yes", "no", "unmarked", "click", "dwell"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MARKS: tuple[Kind, ...] = ("yes", "no", "unmarked")

NAME = 200
"""Characters that the name of a user may have."""

MOST_SHOWN = 1000
"""Answers of one page that an event may tell of."""

_COLUMNS = "user, query, item, kind, value, rank, shown, at"


@dataclass(frozen=True)
class Event:
    """One thing that a person did.

    user    who, as the program that serves them calls them; nothing is made of it
    query   as it was written
    item    the id of the answer it was done with
    kind    "yes", "no": it was marked so; "unmarked": the mark was taken back; "click": opened; "dwell": looked at
    value   of "dwell" the seconds, else 1 or what the caller makes of it
    rank    the place of the item in the answer, from 1, where it is known
    shown   ids of the answers that were shown with it, in their order; without the item among them, those above it
    at      when, in seconds since 1970
    """

    user: str
    query: str
    item: int
    kind: Kind
    value: float = 1.0
    rank: int | None = None
    shown: tuple[int, ...] = ()
    at: float = 0.0
    id: int = 0

    @property
    def above(self) -> tuple[int, ...]:
        """The answers that stood above the item: whoever looks at it has passed them over."""
        return self.shown[: self.shown.index(self.item)] if self.item in self.shown else self.shown

    def _row(self) -> tuple[Any, ...]:
        """The columns of the table but for the id; a checksum of the others is the last."""
        facts = self.user, self.query, self.item, self.kind, self.value, self.rank, json.dumps(self.shown), self.at
        return (*facts, zlib.crc32(json.dumps(facts).encode()))


def event(
    user: str, query: str, item: int, kind: str, value: float, rank: int | None, shown: Sequence[int], at: float | None
) -> Event:
    """One that may be kept. Raises BadInput naming the field that may not."""
    return Event(
        checked_user(user),
        checked_query(query),
        item,
        arguments.one_of(kind, "kind", KINDS),  # type: ignore[arg-type]
        arguments.number(value, "value", 0, 1e9, "of a stay the seconds, else 1"),
        None if rank is None else arguments.whole(rank, "rank", 1, 10**9, "places count from 1"),
        _shown(shown),
        time.time() if at is None else arguments.number(at, "at", 0, 1e11, "give seconds since 1970, or None for now"),
    )


def checked_user(user: Any) -> str:
    if not isinstance(user, str) or not 0 < len(user) <= NAME or not _is_unicode(user):
        raise BadInput(f"user: {shown(user)}; give a text of 1 to {NAME} characters by which you know this person")
    return user


def checked_query(query: Any) -> str:
    if not isinstance(query, str) or not 0 < len(query) <= LENGTH or not _is_unicode(query):
        raise BadInput(f"query: {shown(query)}; give it as it was written, a text of 1 to {LENGTH:,} characters")
    return query


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _shown(ids: Any) -> tuple[int, ...]:
    found = arguments.ids(ids, "shown")
    if len(found) > MOST_SHOWN:
        raise BadInput(f"shown: {len(found):,} ids; give those of one page, {MOST_SHOWN:,} at most")
    return found


def write(store: Store, new: Event) -> Event:
    """Keep it, inside a transaction; the same with its id."""
    store.change(f"INSERT INTO events ({_COLUMNS}, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [new._row()])
    ((id,),) = store.rows("SELECT last_insert_rowid()")
    return replace(new, id=id)


def events(store: Store, where: str = "1", values: Sequence[Any] = ()) -> Iterator[Event]:
    """Those that a condition on the table `events` holds of, in the order they came. Raises Damaged for a checksum."""
    sql = f"SELECT id, crc, {_COLUMNS} FROM events WHERE {where} ORDER BY id"
    for block in store.blocks(sql, values):
        for id, crc, *row in block:
            with store.believing(f"event {id}"):
                user, query, item, kind, value, rank, ids, at = row
                found = Event(user, query, item, kind, value, rank, tuple(json.loads(ids)), at, id)
                if kind not in KINDS or found._row()[-1] != crc:
                    raise store.damaged(f"event {id}: checksum differs")
            yield found


def users(store: Store) -> list[str]:
    """Who did something, by name: the index of users tells, and no event is read."""
    return [user for (user,) in store.rows("SELECT DISTINCT user FROM events ORDER BY user")]


def count(store: Store, user: str) -> int:
    """How many events a person has: the index of users tells, and no event is read."""
    ((n,),) = store.rows("SELECT count(*) FROM events WHERE user = ?", (user,))
    return int(n)


def marks(store: Store, user: str, query: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The items that a person marked yes, and no, for a query: of each the latest mark, and of all marks that stand the
    latest that a search takes."""
    kinds = ",".join("?" * len(MARKS))
    of = list(events(store, f"user = ? AND query = ? AND kind IN ({kinds})", (user, query, *MARKS)))
    latest: dict[int, Kind] = {}
    for each in sorted(of, key=lambda each: (each.at, each.id)):
        latest.pop(each.item, None)  # it goes to the end
        latest[each.item] = each.kind
    standing = [(item, kind) for item, kind in latest.items() if kind != "unmarked"][-MOST:]
    yes, no = (tuple(item for item, kind in standing if kind == side) for side in ("yes", "no"))
    return yes, no


def forget(store: Store, user: str) -> int:
    """Delete what a person did, inside a transaction; how many events."""
    n = count(store, user)
    store.change("DELETE FROM events WHERE user = ?", [(user,)])
    return n
