"""What is known of answers from earlier sessions: how often each was liked and passed, for the query and for others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from diptych.collection.feedback.sessions import Session
from diptych.kinds import Floats

DOUBT = 2.0
"""Sessions without a preference that each answer starts with."""

MOST_SIMILAR = 50
"""Other queries that are looked at."""


class _Votes:
    """One vote a person: 1 where they liked it last, -1 where they passed it. Their sum is kept, since it is asked for
    more often than there are people."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self._sum = 0

    def give(self, user: str, vote: int) -> None:
        self._sum += vote - self.of.get(user, 0)
        self.of[user] = vote

    def without(self, user: str | None) -> tuple[int, int]:
        """The sum of all votes but one person's, and how many they are."""
        if user not in self.of:
            return self._sum, len(self.of)
        return self._sum - self.of[user], len(self.of) - 1


class Preferences:
    """One vote a person, query and item: who does a thing a thousand times says it once."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, _Votes]] = {}
        self._any: dict[int, _Votes] = defaultdict(_Votes)
        self._liked: dict[tuple[int, str], int] = defaultdict(int)  # for how many queries, less those it was passed for
        self._with: dict[str, set[str]] = defaultdict(set)

    def add(self, session: Session) -> None:
        """Count what one session says, in the order of time."""
        if session.query not in self._of:
            self._of[session.query] = {}
            for word in _words(session.query):
                self._with[word].add(session.query)
        of = self._of[session.query]
        for vote, items in ((1, session.liked), (-1, session.passed)):
            for item in items:
                votes = of.setdefault(item, _Votes())
                self._liked[item, session.user] += vote - votes.of.get(session.user, 0)
                votes.give(session.user, vote)
                liked = self._liked[item, session.user]
                self._any[item].give(session.user, (liked > 0) - (liked < 0))

    def of(self, query: str, items: Sequence[int], without: str | None) -> Floats:
        """(n, 3) between -1, passed by all, and 1: for this query, for those that share words with it, for any.

        without   a person whose votes do not count: what they did themselves is no news of others
        """
        found = np.zeros((len(items), 3))
        here = self._of.get(query, {})
        near = self._similar(query)
        for row, item in enumerate(items):
            found[row, 0] = _mean([(1.0, here[item])] if item in here else [], without)
            found[row, 1] = _mean([(alike, of[item]) for alike, of in near if item in of], without)
            found[row, 2] = _mean([(1.0, self._any[item])] if item in self._any else [], without)
        return found

    def _similar(self, query: str) -> list[tuple[float, dict[int, _Votes]]]:
        """(Jaccard's coefficient of their words, what is known) of other queries, the most similar ones."""
        words = _words(query)
        shared: dict[str, int] = defaultdict(int)
        for word in words:
            for other in self._with.get(word, ()):
                shared[other] += other != query
        alike = {other: n / len(words | _words(other)) for other, n in shared.items() if n}
        best = sorted(alike, key=lambda other: (-alike[other], other))[:MOST_SIMILAR]
        return [(alike[other], self._of[other]) for other in best]


def _mean(votes: Sequence[tuple[float, _Votes]], without: str | None) -> float:
    total = weight = 0.0
    for alike, of in votes:
        vote, n = of.without(without)
        total, weight = total + alike * vote, weight + alike * n
    return total / (weight + DOUBT)


def _words(query: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[^\W_]+", query.lower()) if len(word) > 2)
