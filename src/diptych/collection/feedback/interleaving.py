"""Two orders shown as one, so that people say which is better by what they open, without being asked.

Team draft (Radlinski, Kurup & Joachims, CIKM 2008): in each round a coin says which ranker picks first, and each adds
the best of its answers that is not there yet. Whoever's answers are opened more often wins the query; over many queries
the wins are held against a fair coin (the sign test).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from diptych.collection import arguments
from diptych.kinds import BadInput, listed, shown

Team = Literal["first", "second"]


@dataclass(frozen=True)
class Interleaved:
    """ids     what to show, best first
    teams   whose pick each is
    """

    ids: tuple[int, ...]
    teams: tuple[Team, ...]

    def winner(self, opened: Iterable[int]) -> Team | None:
        """Whose answers were opened more often; None for a tie. Ids that were not shown are passed over."""
        credit = self.credit(opened)
        if credit["first"] == credit["second"]:
            return None
        return max(credit, key=lambda team: credit[team])

    def credit(self, opened: Iterable[int]) -> dict[Team, int]:
        """How many answers of each were opened; one that was opened twice counts once."""
        some = set(arguments.ids(opened, "opened"))
        found: dict[Team, int] = {"first": 0, "second": 0}
        for id, team in zip(self.ids, self.teams, strict=True):
            found[team] += id in some
        return found


@dataclass(frozen=True)
class Comparison:
    """wins, losses, ties   queries that the second ranker won, lost and tied against the first
    p           of the sign test: how likely so uneven a result is for rankers that are equally good, two-sided, exact
    preference  the part of the decided queries that the second won; .5 where none is decided
    low, high   95 % interval of it (Clopper & Pearson, Biometrika 1934)
    """

    wins: int
    losses: int
    ties: int
    p: float
    preference: float
    low: float
    high: float


def interleave(first: Sequence[int], second: Sequence[int], seed: int, k: int | None = None) -> Interleaved:
    """Two orders of ids as one of length k, by default of all that either holds; the same seed gives the same.

    Raises BadInput for an order that holds an id twice.
    """
    first, second = arguments.ids(first, "first"), arguments.ids(second, "second")
    for name, ids in (("first", first), ("second", second)):
        if len(set(ids)) < len(ids):
            raise BadInput(f"{name}: an id stands there twice; give each answer once")
    arguments.whole(seed, "seed", 0, 2**63 - 1, "give a whole number, another one for each query that is shown")
    most = len({*first, *second}) if k is None else arguments.whole(k, "k", 1, 10_000, "ask for 1 to 10,000 answers")
    coin = np.random.default_rng(seed)
    orders: dict[Team, Iterable[int]] = {"first": iter(first), "second": iter(second)}
    picked: dict[int, Team] = {}
    while len(picked) < most:
        before = len(picked)
        turns: tuple[Team, ...] = ("first", "second") if coin.random() < 0.5 else ("second", "first")
        for team in turns:
            pick = next((id for id in orders[team] if id not in picked), None)
            if pick is not None and len(picked) < most:
                picked[pick] = team
        if len(picked) == before:  # both are at their end
            break
    return Interleaved(tuple(picked), tuple(picked.values()))


def comparison(winners: Iterable[Team | None]) -> Comparison:
    """What many interleaved queries say together: for each the team that won, or None for a tie."""
    found = listed(winners, "winners", "teams")
    for team in found:
        if team is not None and not (isinstance(team, str) and team in ("first", "second")):
            raise BadInput(f"winners: {shown(team)}; give 'first' or 'second', or None for a tie")
    wins, losses = found.count("second"), found.count("first")
    ties = len(found) - wins - losses
    if ties == len(found):
        return Comparison(0, 0, ties, 1.0, 0.5, 0.0, 1.0)
    from scipy.special import betainc, betaincinv  # what a binomial and its interval are sums of

    n, most = wins + losses, max(wins, losses)
    p = min(1.0, 2 * float(betainc(most, n - most + 1, 0.5)))
    low = float(betaincinv(wins, n - wins + 1, 0.025)) if wins else 0.0
    high = float(betaincinv(wins + 1, n - wins, 0.975)) if wins < n else 1.0
    return Comparison(wins, losses, ties, p, wins / n, low, high)
