"""The second ranker of an experiment, and answers in which its picks stand among those of the first."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych.collection import Answer, Collection, Hit, Interleaved, interleave
from diptych.collection.feedback.interleaving import Team
from diptych.collection.store import FILE
from diptych.kinds import BadInput, shown

if TYPE_CHECKING:
    from diptych.app.server.library import Library, Served

MOST = 10_000
"""Answers that either ranker is asked for at the most; behind them there are none."""

KEPT = 10_000
"""Answers of which it is known whose pick each hit was."""

Ask = Callable[..., Answer]
"""`ask(collection, k, offset, settings)`: a page of the answer to what is asked, some settings in place of its own."""


@dataclass(frozen=True)
class Against:
    """what    as it was called on the command line
    first, second   settings of a search in the place of those asked for
    other   a collection of the same pictures under another encoder, which answers for the second
    """

    what: str
    first: Mapping[str, Any] = field(default_factory=dict)
    second: Mapping[str, Any] = field(default_factory=dict)
    other: Served | None = None


def running(found: Served, reader: Collection) -> Against | None:
    """The second ranker of a collection; None where there is none, or its experiment was ended meanwhile."""
    if found.against is None:
        return None
    now = reader.experiment.running
    return found.against if now is not None and now.what == found.against.what else None


class Drafts:
    """Interleaved answers that were given lately, each by a word that it was given with. Any thread may use them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, str, Mapping[int, Team]]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, user: str, asked: str, draft: Interleaved) -> str:
        """asked: what was asked for, as `Feedback.asked` tells it of a query; so filters are no part of it."""
        word = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[word] = user, asked, dict(zip(draft.ids, draft.teams, strict=True))
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return word

    def team(self, word: str, user: str, asked: str, id: int) -> Team | None:
        """Whose pick an item was in the answer that this user was given to this; None where nobody knows."""
        with self._lock:
            whose, what, teams = self._kept.get(word, ("", "", {}))
        return teams.get(id) if (whose, what) == (user, asked) else None


def read(what: str, library: Library) -> Against:
    """`keywords=0.2`, `diverse=0.3`, `reranker=on`, `reranker=off`, or where a collection of the same pictures lies.

    Raises BadInput for anything else.
    """
    name, _, value = what.partition("=")
    if name in ("keywords", "diverse"):
        try:
            weight = float(value)
        except ValueError:
            weight = -1.0
        if not 0 <= weight <= 1:
            raise BadInput(f"--against {name}: {shown(value)}; give a number from 0 to 1")
        return Against(what, second={name: weight})
    if what in ("reranker=on", "reranker=off"):
        without = {"learned": False}
        return Against(what, first=without) if value == "on" else Against(what, second=without)
    from diptych.app.places import named

    place = named(Path(what))
    if not (place / FILE).is_file():
        raise BadInput(
            f"--against {what}: no collection there, and no setting such as keywords=0.2, diverse=0.3 or reranker=off. "
            f"For another encoder: diptych index FOLDER --collection OTHER --model NAME, then --against OTHER"
        )
    return Against(what, other=library.aside(place))


def begin(found: Served, what: str, library: Library) -> None:
    """Have the answers of a collection interleaved from now on. Raises BadInput where another experiment runs."""
    against = read(what, library)
    found.write(lambda writer: writer.experiment.begin(what))
    found.against = against


def drafted(
    against: Against, first: Collection, ask: Ask, k: int, offset: int, user: str, query: str
) -> tuple[Answer, Interleaved]:
    """A page of both rankers' answers as one, and whose each is. The same for the same person and query."""
    need = min(offset + k, MOST)
    answer = ask(first, need, 0, against.first)
    if against.other is None:
        others = ask(first, need, 0, against.second).results
    else:
        with against.other.reader() as other:
            others = _known(first, lambda most: ask(other, most, 0, {}), need)
    began = first.experiment.running
    seed = sha256(repr((began and began.since, user, query)).encode()).digest()
    by_team = {"first": {hit.id: hit for hit in answer.results}, "second": {hit.id: hit for hit in others}}
    draft = interleave(list(by_team["first"]), list(by_team["second"]), int.from_bytes(seed[:7], "big"), need)
    page = [by_team[team][id] for id, team in zip(draft.ids[offset:], draft.teams[offset:], strict=True)]
    if against.other is not None:  # what is known of each is what the first knows
        page = [replace(hit, item=first.get(hit.id)) for hit in page]
    return replace(answer, results=tuple(page)), draft


def _known(first: Collection, ask: Callable[[int], Answer], need: int) -> tuple[Hit, ...]:
    """The best answers of another collection that the first has as well, by their ids there; at least `need` of them,
    where there are so many."""
    most = need
    while True:
        found = ask(most).results
        known = tuple(replace(hit, id=id) for hit in found for id in first.ids(hit.key)[:1])
        if len(known) >= need or len(found) < most or most == MOST:
            return known
        most = min(2 * most, MOST)
