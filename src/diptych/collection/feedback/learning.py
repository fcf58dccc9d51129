"""Whether what people did teaches a better order, and if so, that order. It is off until held-out feedback says yes.

Weights are learned from the earlier sessions and tried on the later ones, of other queries: the queries are dealt into
two halves by their sha256, and each is tried with what was learned of the other half. What is known of an answer is, in
both, what was known before its session; and where it is learned for all, from others alone. There each person counts as
much as another, so that one who clicks day and night is one of many. What was learned is on only where the difference
of nDCG@10, by person (for one person: by query), has a 99 % interval above 0.

People click what stands above, so held-out clicks flatter the order that was shown: a new one is rather left off that
would be better than put on that is worse.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256

import numpy as np

from diptych.collection.feedback import log, reranker
from diptych.collection.feedback.preferences import Preferences
from diptych.collection.feedback.reranker import Candidates
from diptych.collection.feedback.sessions import Session, sessions
from diptych.collection.store import Store
from diptych.kinds import Floats, Ints
from diptych.metrics.statistics import bootstrap_interval

MOST = 5000
"""Sessions that are learned from, the latest."""

EARLIER = 0.7
"""The part of them that is learned from before the rest is tried."""

LEAST = 10
"""People, or of one person queries, that the rest has to be of."""

LEVEL = 0.99
"""Of the interval that lies above 0: it is looked at again with each `learn`."""

CUT = 10
"""Of nDCG."""

KEYWORDS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of keywords against vectors that are tried for one person."""


@dataclass(frozen=True)
class Learned:
    """What `Feedback.learn` learned, and whether it is any good.

    user        whom it is for; None: for all
    on          whether it orders answers from now on
    sessions    queries of a person in which something was preferred; those held out are `held_out`
    before, after   nDCG@10 held out, in the old order and in the new; None where that is too little
    low, high   99 % interval of the difference
    keywords    the weight of keywords in the place of `keywords=0.5`, where that alone is what was learned
    weights     of the re-ranker, by what they weigh
    upto        the last event that counts
    at          when, in seconds since 1970
    """

    user: str | None
    on: bool
    sessions: int
    held_out: int
    before: float | None = None
    after: float | None = None
    low: float | None = None
    high: float | None = None
    keywords: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    upto: int = 0
    at: float = 0.0

    def __str__(self) -> str:
        if self.before is None:
            return f"off: {self.held_out} of {self.sessions} sessions could be held out, too few to tell"
        found = f"nDCG@{CUT} of {self.held_out} held-out sessions {self.before:.3f} before, {self.after:.3f} after"
        return f"{'on' if self.on else 'off'}: {found} (99 % interval {self.low:+.3f} to {self.high:+.3f})"

    @property
    def reranks(self) -> bool:
        """Whether it orders the first answers anew."""
        return self.on and self.keywords is None


@dataclass(frozen=True)
class _Seen:
    """A session with the answers there are now, and what was known of them then."""

    session: Session
    candidates: Candidates
    facts: Floats
    liked: Ints
    passed: Ints

    def ndcg(self, order: Ints) -> float:
        """Of answers in this order, those that were liked being relevant."""
        discounts = 1 / np.log2(2.0 + np.arange(CUT))
        hits = np.isin(order[:CUT], self.liked)
        return float(discounts[: len(hits)][hits].sum() / discounts[: len(self.session.liked)].sum())

    @property
    def pairs(self) -> Floats:
        return (self.facts[self.liked][:, None] - self.facts[self.passed][None]).reshape(-1, self.facts.shape[1])


@dataclass(frozen=True)
class _Order:
    """A new order of answers: by the weights of a re-ranker, or by another weight of keywords."""

    weights: Floats | None = None
    keywords: float = 0.0

    def of(self, each: _Seen) -> Ints:
        if self.weights is None:
            return each.candidates.weighed(self.keywords)
        return reranker.order(each.facts, self.weights)


_Way = Callable[[Sequence[_Seen]], _Order]


def learn(store: Store, user: str | None, candidates: Callable[[str], Candidates | None]) -> Learned:
    """What the log teaches about all, or one person. candidates: the first answers to a query as it was written."""
    where, values = ("1", ()) if user is None else ("user = ?", (user,))
    events = list(log.events(store, where, values))
    some = sessions(events)[-MOST:]
    seen = _seen(some, candidates, user)
    upto = max((event.id for event in events), default=0)
    begun = Learned(user, False, len(some), 0, upto=upto, at=time.time())
    ways: tuple[_Way, ...] = (_reranking,) if user is None else (_reranking, _weighing)
    tried = [_tried(begun, seen, way) for way in ways]
    return next((each for each in tried if each.on), tried[0])


def _seen(some: Sequence[Session], candidates: Callable[[str], Candidates | None], user: str | None) -> list[_Seen]:
    known, kept = Preferences(), dict[str, Candidates | None]()
    found = []
    for session in some:
        if session.query not in kept:
            kept[session.query] = candidates(session.query)
        here = kept[session.query]
        if here is not None:
            places = {id: place for place, id in enumerate(here.ids.tolist())}
            liked, passed = (
                np.array(sorted(places[id] for id in side if id in places), dtype=np.int64)
                for side in (session.liked, session.passed)
            )
            if len(liked) and len(passed):
                rows = reranker.facts(here, session.query, known, session.user if user is None else None)
                found.append(_Seen(session, here, rows, liked, passed))
        known.add(session)
    return found


def _tried(begun: Learned, seen: Sequence[_Seen], way: _Way) -> Learned:
    """What this way learns of all sessions, and what it was worth where the later ones were held out."""
    first = round(EARLIER * len(seen))
    earlier, later = seen[:first], seen[first:]
    begun = replace(begun, held_out=len(later))
    halves = [[each for each in earlier if _half(each.session.query) == half] for half in (0, 1)]
    units = {each.session.user if begun.user is None else each.session.query for each in later}
    if len(units) < LEAST or not all(halves):
        return begun
    orders = [way(half) for half in halves]
    values: dict[str, list[tuple[float, float]]] = {unit: [] for unit in units}
    for each in later:
        order = orders[1 - _half(each.session.query)].of(each)
        unit = each.session.user if begun.user is None else each.session.query
        values[unit].append((each.ndcg(np.arange(len(each.facts))), each.ndcg(order)))
    means = np.array([np.mean(values[unit], axis=0) for unit in sorted(units)])
    before, after = means.T
    low, high = map(float, bootstrap_interval(after - before, LEVEL))
    learned = way(seen)
    return replace(
        begun,
        on=low > 0,
        before=float(before.mean()),
        after=float(after.mean()),
        low=low,
        high=high,
        keywords=learned.keywords if learned.weights is None else None,
        weights={} if learned.weights is None else reranker.told(learned.weights),
    )


def _half(query: str) -> int:
    return sha256(query.encode()).digest()[0] % 2


def _reranking(seen: Sequence[_Seen]) -> _Order:
    return _Order(reranker.fit([each.pairs for each in seen], _shares(seen)))


def _weighing(seen: Sequence[_Seen]) -> _Order:
    """The weight of keywords against vectors that would have been best."""

    def worth(weight: float) -> float:
        return sum(each.ndcg(each.candidates.weighed(weight)) for each in seen)

    return _Order(keywords=max(KEYWORDS, key=worth))


def _shares(seen: Sequence[_Seen]) -> list[float]:
    """What each session counts for, so that every person counts as much as another."""
    of: dict[str, int] = {}
    for each in seen:
        of[each.session.user] = of.get(each.session.user, 0) + 1
    return [len(seen) / len(of) / of[each.session.user] for each in seen]


# -------------------------------------------------------------------------------------------------------------- keeping


def keep(store: Store, learned: Learned) -> None:
    """Write it in the place of what was learned before, inside a transaction."""
    user, facts = learned.user or "", json.dumps(asdict(learned))
    store.change("INSERT OR REPLACE INTO learned VALUES (?, ?, ?)", [(user, facts, _crc(user, facts))])


def kept(store: Store, user: str | None) -> Learned | None:
    """What was learned for a person, or for all. Raises Damaged where a checksum differs."""
    found = store.rows("SELECT user, facts, crc FROM learned WHERE user = ?", (user or "",))
    return _read(store, *found[0]) if found else None


def check(store: Store) -> None:
    """Raises Damaged where a checksum differs."""
    for row in store.rows("SELECT user, facts, crc FROM learned"):
        _read(store, *row)


def drop(store: Store, user: str | None) -> None:
    """Forget what was learned, inside a transaction."""
    store.change("DELETE FROM learned WHERE user = ?", [(user or "",)])


def known(store: Store, learned: Learned) -> Preferences:
    """What was known of answers when it was learned."""
    found = Preferences()
    where, values = ("user = ?", (learned.user,)) if learned.user is not None else ("1", ())
    for session in sessions(log.events(store, f"{where} AND id <= ?", (*values, learned.upto))):
        found.add(session)
    return found


def _crc(user: str, facts: str) -> int:
    return zlib.crc32(json.dumps([user, facts]).encode())


def _read(store: Store, user: str, facts: str, crc: int) -> Learned:
    with store.believing("what was learned"):
        if _crc(user, facts) != crc:
            raise store.damaged("what was learned from feedback: checksum differs")
        return Learned(**json.loads(facts))
