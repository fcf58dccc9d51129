"""What people preferred, by what they did: of one query of one person, which answers they liked and which they passed.

A click says little by itself, since the first answers are clicked most, good or bad. So an answer is only held to be
better than those that stood above it, were seen on the way, and were passed over (skip above: Joachims, KDD 2002). One
that was left again within seconds was none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from diptych.collection.feedback.log import Event

GLANCE = 3.0
"""Seconds of a look that is none."""

PAUSE = 1800.0
"""Seconds after which the same person asks the same query anew."""


@dataclass(frozen=True)
class Session:
    """at       when it began, in seconds since 1970
    liked    items that were marked yes, or opened and looked at
    passed   items that were marked no, or stood above one that was liked and were not
    """

    user: str
    query: str
    at: float
    liked: frozenset[int]
    passed: frozenset[int]


def sessions(events: Iterable[Event]) -> list[Session]:
    """Those in which something was preferred to something else, in the order of time."""
    open_now: dict[tuple[str, str], list[Event]] = {}
    closed: list[list[Event]] = []
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        asked = event.user, event.query
        some = open_now.get(asked)
        if some is None or event.at - some[-1].at > PAUSE:
            some = open_now[asked] = []
            closed.append(some)
        some.append(event)
    found = [_session(some) for some in closed]
    return [session for session in found if session.liked and session.passed]


def _session(events: list[Event]) -> Session:
    marks = {event.item: event.kind for event in events if event.kind in ("yes", "no", "unmarked")}
    looked: dict[int, float] = {}
    for event in events:
        if event.kind == "dwell":
            looked[event.item] = looked.get(event.item, 0.0) + event.value
    clicked = {event.item for event in events if event.kind == "click"} | set(looked)
    liked = {item for item in clicked if looked.get(item, GLANCE) >= GLANCE}
    liked = {item for item in liked if marks.get(item) != "no"} | {item for item, how in marks.items() if how == "yes"}
    passed = {item for item, how in marks.items() if how == "no"}
    for event in events:
        if event.item in liked:
            passed.update(event.above)
    return Session(events[0].user, events[0].query, events[0].at, frozenset(liked), frozenset(passed - liked))
