"""Use of a collection that people do not make of it, seen call by call: somebody takes it away, or tries every door.

What parts a thief from people is less how much than how. People look at a small picture before they open one, come
back to what they know, go through an album and not through all of them, sleep, and seldom find a door shut. An honest
program looks at no small pictures either, but opens few of the answers it is told; and one that takes everything each
night is declared. A patient thief who does as people do, by day, through the page and no faster, looks like them and is
not found: against that helps what a key may see, and its end.

Memory is constant for each key: some numbers, and three bitmaps of ids, exact up to 65,536 items. It goes with the
process, and each process sees its own calls.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from diptych.app.server.access.audit import Call
from diptych.app.server.access.limits import TooMany, network

Kind = Literal["volume", "enumeration", "vectors", "off-hours", "refusals"]

HOUR, DAY = 3_600.0, 86_400.0
WEEKS = 14 * DAY

_READ = ("told", "opened", "original")
_MONTH = 30 * DAY
_BITS = 1 << 16
_OTHERS = 100
"""Items of others that may come in between while somebody brings many."""
_RUNS = 32
"""Runs that are followed at a time: owner and thief may take turns."""
_PAGE = 60
"""Of an answer no more count as told: else a list of everything would allow to open a part of everything."""
_KNOWN = 6.0
"""Days of use after which the hours of a key are known."""
PAUSE = 10.0
"""Seconds, see `Detector.hold`."""


@dataclass(frozen=True)
class Usual:
    """The most that people do with pictures that they did not bring themselves; an item counts once a month.

    originals             originals in two weeks; for each `brought` items that a key brought, one more
    originals_unseen      of these, whose small pictures were never looked at
    opened                records and large pictures in a day, if they are more than `share` of what it was told of
    opened_unseen         of these, whose small pictures were never looked at
    opened_unseen_weeks   the same in two weeks. Of a key that looked at `looks` small pictures in this time, which is
                          no program, it does not matter what it was told of
    run                   items one after the other, as they are numbered
    vectors               items in two weeks whose vectors were asked for
    refused               refused calls in a day, and `refused_share` of the others
    awake                 hours of use without a pause of `asleep` hours, in which more than `taken_awake` were taken
    off_hours             items in two weeks at hours at which the key looks at small pictures on less than `used` of
                          its days, and did not now
    """

    originals: int = 175
    brought: int = 40
    originals_unseen: int = 30
    opened: int = 185
    opened_unseen: int = 140
    opened_unseen_weeks: int = 190
    share: float = 0.2
    looks: int = 200
    run: int = 150
    vectors: int = 30
    refused: int = 30
    refused_share: float = 0.02
    awake: float = 26.0
    asleep: float = 3.0
    taken_awake: int = 40
    off_hours: int = 130
    used: float = 0.15


@dataclass(frozen=True)
class Alert:
    """Something unusual. who: the id of the key, or the address; pause: seconds, see `Detector.hold`."""

    kind: Kind
    who: str
    tenant: str
    collection: str
    why: str
    time: float
    pause: float


class _Sign(NamedTuple):
    kind: Kind
    level: float
    why: str


class Detector:
    """Looks at the calls of a server as they come. Any thread may call.

    takes_all   of the id of a key, the hours of the day (from, to), in UTC, in which it may take all there is, as a
                backup does; None for never
    usual       the limits
    most        keys, and besides addresses without one, that are remembered

    What the owner does at their own machine need not be shown to it.
    """

    def __init__(
        self,
        takes_all: Callable[[str], tuple[int, int] | None] = lambda _: None,
        usual: Usual | None = None,
        most: int = 1_000,
    ) -> None:
        self._takes_all, self._usual, self._most = takes_all, usual or Usual(), most
        self._keys: OrderedDict[str, _Key] = OrderedDict()
        self._strangers: OrderedDict[str, _Key] = OrderedDict()  # apart: they cannot make it forget a key
        self._lock = threading.Lock()

    def see(self, call: Call) -> list[Alert]:
        """Take a call into account; what is unusual by now, and was not told within two weeks or has grown by half."""
        with self._lock:
            key = self._key(call.who, call.address)
            alerts = []
            for sign in key.signs(call, self._usual, self._is_declared(call)):
                time, level = key.alerted.get(sign.kind, (call.time - WEEKS, 0.0))
                if call.time - time >= WEEKS or sign.level > 1.5 * level:
                    key.alerted[sign.kind] = call.time, sign.level
                    key.pause = min(2 * key.pause, HOUR) if call.time < key.slow_until else PAUSE
                    key.slow_until = call.time + DAY
                    who = call.who or network(call.address)
                    alerts.append(Alert(sign.kind, who, call.tenant, call.collection, sign.why, call.time, key.pause))
            return alerts

    def hold(self, who: str, address: str, now: float) -> None:
        """Before a record, large picture, original or vector is handed out. Raises TooMany where a key is slowed down.

        There have to be 10 seconds between two of them after a first alert, twice as many after each further one, until
        a day after the last: what is unusual gets slow, and what was taken for it stays possible.
        """
        with self._lock:
            key = self._keys.get(who) if who else self._strangers.get(network(address))
            if key is None or now >= key.slow_until:
                return
            if now < key.held_until:
                raise TooMany(key.held_until - now)
            key.held_until = now + key.pause

    def _key(self, who: str, address: str) -> _Key:
        known, name = (self._keys, who) if who else (self._strangers, network(address))
        key = known.setdefault(name, _Key())
        known.move_to_end(name)
        if len(known) > self._most:
            known.popitem(last=False)
        return key

    def _is_declared(self, call: Call) -> bool:
        hours = self._takes_all(call.who) if call.who and call.handed in _READ else None
        if hours is None:
            return False
        first, last = hours
        hour = call.time % DAY / HOUR
        return first <= hour < last if first <= last else hour >= first or hour < last


class _Key:
    """What is remembered of a key, over all its collections."""

    def __init__(self) -> None:
        self.shown, self.opened, self.originals = _Known(), _Known(), _Known()
        self.refused_day, self.granted_day, self.told_day = _Recent(DAY), _Recent(DAY), _Recent(DAY)
        self.opened_day, self.unseen_day = _Recent(DAY), _Recent(DAY)
        self.looks_weeks, self.told_weeks, self.unseen_weeks = _Recent(WEEKS), _Recent(WEEKS), _Recent(WEEKS)
        self.originals_weeks, self.originals_unseen_weeks = _Recent(WEEKS), _Recent(WEEKS)
        self.vectors_weeks, self.strange_weeks = _Recent(WEEKS), _Recent(WEEKS)
        self.brought_months = _Recent(2 * _MONTH)
        self.hours, self.runs, self.awake = _Hours(), _Runs(), _Awake()
        self.own = range(0)
        self.last, self.looked = -1, 0.0
        self.alerted: dict[Kind, tuple[float, float]] = {}  # when it was told last, and how much it was
        self.pause = self.slow_until = self.held_until = 0.0

    def signs(self, call: Call, usual: Usual, declared: bool) -> Iterator[_Sign]:
        """Take a call into account, and tell what is beyond the usual."""
        base = zlib.crc32(call.collection.encode(errors="replace"))  # neighbours stay neighbours, apart from others
        ids, time = [base + id for id in call.ids], call.time
        if call.status >= 400:
            yield from self._refused(time, usual)
        elif call.handed == "brought":
            self._bring(time, ids)
        elif call.handed == "shown":
            self.looks_weeks.add(time, len(self.shown.new(time, ids)))
            self.hours.use(time)
            self.looked = time
        else:
            self.granted_day.add(time, 1)
            if call.handed == "vector":
                yield from self._vectors(time, call.items, usual)
            if not declared:
                yield from self._read(time, call, [id for id in ids if id not in self.own], usual)

    def _refused(self, time: float, usual: Usual) -> Iterator[_Sign]:
        refused, granted = self.refused_day.add(time, 1), self.granted_day.at(time)
        if refused > usual.refused + usual.refused_share * granted:
            yield _Sign("refusals", refused, f"{refused:.0f} calls in a day were refused, and {granted:.0f} were not")

    def _bring(self, time: float, ids: list[int]) -> None:
        """What a key brought last is its own, and the few that others brought at the same time."""
        self.brought_months.add(time, len(ids))
        for id in ids:
            near = self.own and 0 <= id - self.own.stop <= _OTHERS
            self.own = range(self.own.start if near else id, id + 1)

    def _vectors(self, time: float, items: int, usual: Usual) -> Iterator[_Sign]:
        vectors = self.vectors_weeks.add(time, items)
        if vectors > usual.vectors:
            yield _Sign("vectors", vectors, f"the vectors of {vectors:.0f} items were asked for in two weeks")

    def _read(self, time: float, call: Call, ids: list[int], usual: Usual) -> Iterator[_Sign]:
        self.awake.use(time, usual.asleep)
        if call.handed == "told":
            told = min(len(ids), _PAGE)
            self.told_day.add(time, told)
            self.told_weeks.add(time, told)
            if self.looks_weeks.at(time) <= usual.looks:
                self.hours.use(time)
        elif call.handed == "original":
            yield from self._originals(time, ids, usual)
            yield from self._taken(time, ids, usual)
        elif call.handed == "opened":
            yield from self._opened(time, ids, usual)
            yield from self._taken(time, ids, usual)

    def _originals(self, time: float, ids: list[int], usual: Usual) -> Iterator[_Sign]:
        new = self.originals.new(time, ids)
        unseen = self.originals_unseen_weeks.add(time, self._unseen(new))
        originals = self.originals_weeks.add(time, len(new))
        if originals > usual.originals + self.brought_months.at(time) / usual.brought:
            yield _Sign("volume", originals, f"{originals:.0f} originals were taken in two weeks")
        if unseen > usual.originals_unseen:
            yield _Sign("volume", unseen, f"{unseen:.0f} originals were taken in two weeks without a look at them")

    def _opened(self, time: float, ids: list[int], usual: Usual) -> Iterator[_Sign]:
        new = self.opened.new(time, ids)
        opened, told = self.opened_day.add(time, len(new)), self.told_day.at(time)
        if opened > max(usual.opened, usual.share * told):
            yield _Sign("volume", opened, f"{opened:.0f} items were opened in a day")
        unseen = self._unseen(new)
        person = self.looks_weeks.at(time) > usual.looks
        for span, least, count, answers in (
            ("a day", usual.opened_unseen, self.unseen_day, told),
            ("two weeks", usual.opened_unseen_weeks, self.unseen_weeks, self.told_weeks.at(time)),
        ):
            level = count.add(time, unseen)
            if level > max(least, 0 if person else usual.share * answers):
                yield _Sign("enumeration", level, f"{level:.0f} items were opened in {span} without a look at them")

    def _taken(self, time: float, ids: list[int], usual: Usual) -> Iterator[_Sign]:
        """What holds for all that is taken: its order, and the time of the day."""
        other = [id for id in ids if id != self.last]  # a record and its large picture are one
        self.last = ids[-1] if ids else self.last
        run = max(map(self.runs.follow, ids), default=0)
        if run > usual.run:
            yield _Sign("enumeration", run, f"{run} items were taken one after the other, as they are numbered")
        taken, hours = self.awake.take(len(other)), (time - self.awake.since) / HOUR
        if hours > usual.awake and taken > usual.taken_awake:
            yield _Sign("off-hours", taken, f"{taken} items were taken in {hours:.0f} hours without a sleep")
        rarely = self.hours.rarely(time, usual.used)
        blind = len(other) if time - self.looked > HOUR else self._unseen(other)
        level = self.strange_weeks.add(time, blind if rarely else 0)
        if rarely and level > usual.off_hours:
            yield _Sign("off-hours", level, f"{level:.0f} items were taken at hours at which this key is not used")

    def _unseen(self, ids: list[int]) -> int:
        return sum(not self.shown.knows(id) for id in ids)


class _Recent:
    """How many there were in the last `span` seconds, about: those of the span before count by how far it overlaps."""

    __slots__ = ("_before", "_now", "_span", "_start")

    def __init__(self, span: float) -> None:
        self._span, self._start, self._now, self._before = span, 0.0, 0, 0

    def add(self, time: float, n: int) -> float:
        """Count n more; how many there are."""
        past = (time - self._start) // self._span
        if past >= 1:
            self._before = self._now if past == 1 else 0
            self._now = 0
            self._start += past * self._span
        self._now += n
        return self._now + self._before * (1 - (time - self._start) / self._span)

    def at(self, time: float) -> float:
        return self.add(time, 0)


class _Known:
    """Which ids were met in the last month or two, a bit each: browsers keep small pictures for so long, too."""

    __slots__ = ("_before", "_now", "_start")

    def __init__(self) -> None:
        self._start, self._now, self._before = 0.0, bytearray(), bytearray()

    def new(self, time: float, ids: list[int]) -> list[int]:
        """Those that are met for the first time."""
        past = (time - self._start) // _MONTH
        if past >= 1:
            self._before = self._now if past == 1 else bytearray()
            self._now = bytearray()
            self._start += past * _MONTH
        if ids and not self._now:
            self._now = bytearray(_BITS // 8)
        new = []
        for id in ids:
            if not self.knows(id):
                new.append(id)
            self._now[id % _BITS >> 3] |= 1 << (id & 7)
        return new

    def knows(self, id: int) -> bool:
        at, bit = id % _BITS >> 3, 1 << (id & 7)
        return bool(self._now and self._now[at] & bit) or bool(self._before and self._before[at] & bit)


class _Hours:
    """On what share of its days a key is used in each hour of the day; a day counts half after 17."""

    __slots__ = ("_day", "_days", "_of", "_today")

    def __init__(self) -> None:
        self._day, self._days, self._of, self._today = -1, 0.0, [0.0] * 24, 0

    def use(self, time: float) -> None:
        day, hour = divmod(int(time // HOUR), 24)
        if day != self._day:
            if self._day >= 0:
                self._of = [0.96 * share + (self._today >> of & 1) for of, share in enumerate(self._of)]
                self._days = 0.96 * self._days + 1
            self._day, self._today = day, 0
        self._today |= 1 << hour

    def rarely(self, time: float, share: float) -> bool:
        """Whether on less than this share of its days the key is used within an hour of this time."""
        hour = int(time // HOUR) % 24
        near = max(self._of[hour - 1], self._of[hour], self._of[(hour + 1) % 24])
        return self._days >= _KNOWN and near < share * self._days


class _Awake:
    """Since when a key is used without a sleep, and how many items were taken since."""

    __slots__ = ("_last", "_taken", "since")

    def __init__(self) -> None:
        self.since, self._last, self._taken = 0.0, 0.0, 0

    def use(self, time: float, asleep: float) -> None:
        if time - self._last > asleep * HOUR:
            self.since, self._taken = time, 0
        self._last = time

    def take(self, n: int) -> int:
        self._taken += n
        return self._taken


class _Runs:
    """How far items are taken in the order of their ids."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: OrderedDict[int, int] = OrderedDict()

    def follow(self, id: int) -> int:
        """The length of the run that this item goes on with."""
        length = max(self._ends.pop(id, 1), self._ends.pop(id - 1, 0) + 1, self._ends.pop(id + 1, 0) + 1)
        self._ends[id] = length
        if len(self._ends) > _RUNS:
            self._ends.popitem(last=False)
        return length
