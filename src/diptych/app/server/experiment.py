"""The second ranker of an experiment, and answers in which its picks stand among those of the first."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
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

PAGE = 100
"""Answers that are asked for at a time: how many are asked for decides how they are ordered."""

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

    def keep(self, user: str, query: str, draft: Interleaved) -> str:
        word = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[word] = user, query, dict(zip(draft.ids, draft.teams, strict=True))
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return word

    def team(self, word: str, user: str, query: str, id: int) -> Team | None:
        """Whose pick an item was in the answer that this user was given to this query; None where nobody knows."""
        with self._lock:
            whose, asked, teams = self._kept.get(word, ("", "", {}))
        return teams.get(id) if (whose, asked) == (user, query) else None


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
    need = offset + k
    answer, hits = _ranked(lambda *page: ask(first, *page, against.first), need)
    if against.other is None:
        _, others = _ranked(lambda *page: ask(first, *page, against.second), need)
    else:
        with against.other.reader() as other:
            _, found = _ranked(lambda *page: ask(other, *page, {}), need)
        others = [replace(hit, id=id) for hit in found for id in first.ids(hit.key)[:1]]
    began = first.experiment.running
    seed = sha256(repr((began and began.since, user, query)).encode()).digest()
    draft = interleave(
        [hit.id for hit in hits], [hit.id for hit in others], int.from_bytes(seed[:7], "big"), max(1, min(need, 10_000))
    )
    by_team = {"first": {hit.id: hit for hit in hits}, "second": {hit.id: hit for hit in others}}
    page = [by_team[team][id] for id, team in zip(draft.ids[offset:], draft.teams[offset:], strict=True)]
    if against.other is not None:  # what is known of each is what the first knows
        page = [replace(hit, item=first.get(hit.id)) for hit in page]
    return replace(answer, results=tuple(page)), draft


def _ranked(ask: Callable[[int, int], Answer], need: int) -> tuple[Answer, Sequence[Hit]]:
    """The first `need` answers, and perhaps more; with the first page."""
    pages = [ask(PAGE, 0)]
    while len(pages) * PAGE < need and len(pages[-1].results) == PAGE:
        pages.append(ask(PAGE, len(pages) * PAGE))
    return pages[0], [hit for page in pages for hit in page.results]
