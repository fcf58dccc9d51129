"""People, programs and thieves who call a server, day by day: what a detector of unusual use is measured on.

Written before the detector, from what such people do with pictures and not from what it can see. Honest days hold
what looks bad and is not: an evening with a photo book, an album flipped through, a photographer who culls 800 new
pictures, a product on the day of a campaign, a backup of everything, a traveller awake at home's night, a newcomer who
looks at all.

Attacks take from a collection of 10,000 with a key that is stolen, beside its owner's honest calls, or made for it. An
item has leaked once its original, its record or large picture, or its vector was handed to the thief; what a page of
answers shows is not counted, because two such pages are 2 % of the collection already.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from diptych.app.server.access.audit import Call, Handed

ITEMS = 10_000
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
START = 1_799_971_200.0  # a Monday, 00:00 UTC
CACHED = 30 * DAY  # a browser keeps small pictures for so long

ROUTES: dict[Handed, str] = {
    "told": "POST /v1/collections/{collection}/search",
    "shown": "GET /v1/collections/{collection}/items/{item}/thumbnails/{size}",
    "opened": "GET /v1/collections/{collection}/items/{item}",
    "original": "GET /v1/collections/{collection}/items/{item}/original",
    "vector": "POST /v1/collections/{collection}/vectors",
    "brought": "POST /v1/collections/{collection}/items",
    "": "PATCH /v1/collections/{collection}/items/{item}",
}


class Albums:
    """Which items belong together: runs of ids, as pictures are indexed folder by folder."""

    def __init__(self, rng: random.Random) -> None:
        self.starts = [1]
        while (start := self.starts[-1] + round(min(300, max(5, rng.lognormvariate(math.log(30), 0.8))))) <= ITEMS:
            self.starts.append(start)

    def of(self, item: int) -> range:
        at = bisect_right(self.starts, item) - 1
        return range(self.starts[at], self.starts[at + 1] if at + 1 < len(self.starts) else ITEMS + 1)

    def any(self, rng: random.Random) -> range:
        """Late ones more often: people look at what is new."""
        return self.of(1 + int(ITEMS * rng.random() ** 0.6) % ITEMS)


@dataclass
class Actor:
    """Somebody with a key, and what they called. `now` moves on with what they do."""

    key: str
    kind: str
    rng: random.Random
    albums: Albums
    now: float = START
    address: str = "192.0.2.7"
    calls: list[Call] = field(default_factory=list)
    cache: dict[int, float] = field(default_factory=dict)
    own: range = range(0)
    hostile: bool = False

    def wait(self, median: float, spread: float = 0.8) -> None:
        self.now += self.rng.lognormvariate(math.log(median), spread)

    def call(self, handed: Handed, *ids: int, status: int = 200) -> None:
        route = ROUTES[handed]
        self.calls.append(
            Call(self.now, self.key, self.kind, "", route, "pictures", status, self.address, handed, len(ids), ids=ids)
        )

    # ---------------------------------------------------------------------------------------------- what a page does

    def show(self, items: list[int]) -> None:
        """Small pictures, but for those that the browser has."""
        for item in items:
            if self.cache.get(item, -CACHED) + CACHED < self.now:
                self.cache[item] = self.now
                self.now += 0.02
                self.call("shown", item)

    def ask(self, n: int = 60) -> list[int]:
        """A search, whose answers come from a few albums."""
        found: dict[int, None] = {}
        for _ in range(self.rng.randint(3, 10)):
            album = self.albums.any(self.rng)
            found |= dict.fromkeys(self.rng.sample(album, min(len(album), self.rng.randint(1, 15))))
        items = list(found)[:n]
        self.call("told", *items)
        self.show(items[: self.rng.choice([20, 40, 60])])
        return items

    def scroll(self, pages: int, start: int | None = None) -> list[int]:
        """The grid of everything, 60 at a time."""
        at = self.albums.any(self.rng)[0] if start is None else start
        seen: list[int] = []
        for _ in range(pages):
            page = list(range(at, min(at + 60, self.last() + 1)))
            if not page:
                break
            self.call("told", *page)
            self.show(page)
            seen += page
            at += 60
            self.wait(6)
        return seen

    def open(self, item: int) -> None:
        """A picture's own page: the record, and the large picture."""
        self.call("opened", item)
        self.now += 0.1
        self.call("opened", item)

    def flip(self, items: list[int] | range, median: float = 2.5) -> None:
        for item in items:
            self.open(item)
            self.wait(median)

    def last(self) -> int:
        return max(ITEMS, self.own.stop - 1)

    def some(self, mean: float) -> int:
        """At least one; the chance of one more is the same each time."""
        return 1 + int(self.rng.expovariate(1 / max(mean - 1, 1e-9)))


# --------------------------------------------------------------------------------------------------------- honest days


def family(actor: Actor, day: int, zone: float = 0.0, more: float = 1.0) -> None:
    """Looks, searches, opens some, flips through an album, seldom takes a few originals or makes a photo book."""
    rng = actor.rng
    midnight = START + day * DAY - zone * HOUR
    free = 2.0 if day % 7 >= 5 else 1.2
    for _ in range(_poisson(rng, free * more)):
        hour = rng.gauss(rng.choice([8, 13, 20, 20.5, 21]), 1.2) if rng.random() > 0.03 else rng.uniform(0, 6)
        actor.now = max(actor.now, midnight + hour * HOUR)
        _session(actor)
    if rng.random() < 0.01:
        actor.now = max(actor.now, midnight + rng.gauss(20, 1) * HOUR)
        _photo_book(actor)
    if rng.random() < 0.3:  # the telephone brings its pictures while it is charged
        actor.now = max(actor.now, midnight + 27 * HOUR)
        _bring(actor, rng.randint(1, 30))


def _session(actor: Actor) -> None:
    rng = actor.rng
    for _ in range(actor.some(2.5)):
        seen = actor.scroll(actor.some(4)) if rng.random() < 0.5 else actor.ask()
        if not seen:
            continue
        for item in rng.sample(seen, min(len(seen), actor.some(4))):
            actor.wait(6)
            actor.open(item)
        if rng.random() < 0.15:
            album = actor.albums.of(min(rng.choice(seen), ITEMS))
            first = rng.randrange(len(album))
            flipped = list(album)[first : first + actor.some(30)]
            while rng.random() < 0.3 and flipped[-1] == album[-1] and album[-1] < ITEMS:
                album = actor.albums.of(album[-1] + 1)
                flipped += list(album)[: actor.some(30)]
            actor.flip(flipped)
        if rng.random() < 0.1:
            for item in rng.sample(seen, min(len(seen), actor.some(3))):
                actor.wait(5)
                actor.call("original", item)
        if rng.random() < 0.1:
            actor.call("", status=200)
        if rng.random() < 0.02:
            actor.call("", status=404)  # it was deleted meanwhile
        actor.wait(30)


def _photo_book(actor: Actor) -> None:
    """An evening with it: much is looked at, 50 to 160 originals are taken."""
    wanted = actor.rng.randint(50, 160)
    while wanted > 0:
        seen = actor.scroll(actor.some(5)) if actor.rng.random() < 0.6 else actor.ask()
        for item in sorted(actor.rng.sample(seen, min(len(seen), actor.some(12), wanted))):
            actor.wait(4)
            actor.open(item)
            actor.wait(4)
            actor.call("original", item)
            wanted -= 1


def _bring(actor: Actor, n: int) -> range:
    first = actor.last() + 1
    for item in range(first, first + n):
        actor.call("brought", item)
        actor.wait(1.2, 0.5)
    actor.own = range(actor.own.start or first, first + n)
    return range(first, first + n)


def photographer(actor: Actor, day: int) -> None:
    """Brings 3,000 pictures on some days, culls them at once, and takes originals of the good ones to work on."""
    rng = actor.rng
    if rng.random() < 0.12:
        actor.now = max(actor.now, START + day * DAY + rng.uniform(9, 17) * HOUR)
        new = _bring(actor, 3_000)
        actor.scroll(50, new[0])
        first = rng.randrange(2_000)
        actor.flip(new[first : first + rng.randint(200, 1_000)], median=1.5)
        for item in sorted(rng.sample(new, rng.randint(20, 60))):
            actor.wait(20)
            actor.call("original", item)
        for _ in range(rng.randint(50, 300)):
            actor.wait(2)
            actor.call("")
    family(actor, day)
    if rng.random() < 0.15:  # somebody ordered pictures
        actor.now = max(actor.now, START + day * DAY + rng.uniform(9, 17) * HOUR)
        seen = actor.scroll(actor.some(6))
        for item in sorted(rng.sample(seen, min(len(seen), rng.randint(15, 80)))):
            actor.wait(8)
            actor.call("original", item)


def product(actor: Actor, day: int) -> None:
    """A shop's program: searches of its customers by day, and the pictures that its own cache does not hold."""
    rng = actor.rng
    peak = rng.uniform(2, 4) if rng.random() < 0.03 else 1.0
    cached = 7 * DAY
    for hour in range(7, 23):
        busy = 60 * math.sin(math.pi * (hour - 6.5) / 16.5) * peak * (0.7 if day % 7 >= 5 else 1.0)
        for moment in sorted(rng.uniform(0, HOUR) for _ in range(_poisson(rng, busy))):
            actor.now = START + day * DAY + hour * HOUR + moment
            album = actor.albums.of(1 + int((ITEMS - 1) * rng.random() ** 3))  # a few things are wanted by many
            found = rng.sample(album, min(len(album), 20))
            actor.call("told", *found)
            for item in found[: rng.randint(0, 6)]:
                if actor.cache.get(item, -cached) + cached < actor.now:
                    actor.cache[item] = actor.now
                    actor.now += 0.05
                    actor.call("opened", item)
            if rng.random() < 0.012:
                actor.call("", status=rng.choice([404, 422]))


def backup(actor: Actor, day: int) -> None:
    """Declared as such: at night the list of everything and what is new; on Sundays every original."""
    rng = actor.rng
    actor.now = START + day * DAY + 2.5 * HOUR + rng.uniform(0, 0.3) * HOUR
    for at in range(1, ITEMS, 1_000):
        actor.call("told", *range(at, at + 1_000))
        actor.now += 1
    items = range(1, ITEMS + 1) if day % 7 == 6 else rng.sample(range(1, ITEMS), rng.randint(0, 50))
    for item in items:
        actor.call("original", item)
        actor.now += rng.uniform(0.1, 0.3)


def newcomer(actor: Actor, day: int, first: int) -> None:
    """Looks at everything in the first days, tries what is not allowed, and how the API feels; then like the family."""
    rng = actor.rng
    if day - first < 3:
        actor.now = max(actor.now, START + day * DAY + rng.uniform(9, 20) * HOUR)
        actor.scroll(actor.some(25), start=1 + 60 * rng.randrange(80))
        for _ in range(actor.some(4)):
            seen = actor.ask()
            for item in rng.sample(seen, min(len(seen), actor.some(8))):
                actor.wait(6)
                actor.open(item)
        for _ in range(rng.randint(0, 8)):
            actor.wait(10)
            actor.call("", status=rng.choice([403, 403, 404, 422]))
        if rng.random() < 0.2:  # a first script
            seen = actor.ask()
            for item in seen[: rng.randint(3, 20)]:
                actor.now += 0.3
                actor.call(rng.choice(["opened", "vector"]), item)
    family(actor, day, more=1.5 if day - first < 3 else 1.0)


def holiday(actor: Actor, day: int, first: int, zone: float) -> None:
    """Two weeks of the twenty in another time zone: other hours, many new pictures, another address each day."""
    rng = actor.rng
    away = 5 <= day - first < 19
    if away:
        actor.address = f"198.51.100.{rng.randrange(250)}"
        for _ in range(rng.randint(0, 3)):
            actor.call("", status=401)  # the network of a hotel
    family(actor, day, zone if away else 0.0, more=1.4 if away else 1.0)
    if away:
        actor.now = max(actor.now, START + day * DAY + (21 - zone) * HOUR)
        actor.scroll(2, _bring(actor, rng.randint(20, 200))[0])


@dataclass(frozen=True)
class Person:
    """Somebody honest. declared: the hours (from, to) in UTC at which a backup was announced to read everything."""

    key: str
    kind: str
    days: int
    calls: list[Call]
    declared: tuple[int, int] | None = None


KINDS = ("family", "photographer", "product", "backup", "newcomer", "holiday")
_PEOPLE = {"family": (10, 40), "photographer": (4, 40), "product": (3, 40), "backup": (3, 40)}
_PEOPLE |= {"newcomer": (10, 10), "holiday": (5, 20)}


def person(kind: str, key: str, days: int, rng: random.Random) -> Person:
    """The calls of so many days, in the order of time."""
    actor = Actor(key, kind, rng, Albums(rng))
    live = _life(kind, rng)
    for day in range(days):
        live(actor, day)
    actor.calls.sort(key=lambda call: call.time)
    return Person(key, kind, days, actor.calls, (1, 6) if kind == "backup" else None)


def _life(kind: str, rng: random.Random) -> Callable[[Actor, int], None]:
    zone = rng.choice([-9.0, -8.0, -6.0, -5.0, 5.5, 7.0, 8.0, 9.0, 10.0])
    return {
        "family": family,
        "photographer": photographer,
        "product": product,
        "backup": backup,
        "newcomer": lambda actor, day: newcomer(actor, day, 0),
        "holiday": lambda actor, day: holiday(actor, day, 0, zone),
    }[kind]


def honest(seed: int) -> Iterator[Person]:
    """1,000 honest days: 40 of 10 in a family, 4 photographers, 3 products, 3 backups; of newcomers and travellers."""
    for kind, (people, days) in _PEOPLE.items():
        for number in range(people):
            yield person(kind, f"{kind}-{number}", days, random.Random(f"{seed} {kind} {number}"))


# ------------------------------------------------------------------------------------------------------------- attacks

ATTACKS = ("volume", "enumeration", "vectors", "off-hours", "refusals")
SPEEDS = {"5 a second": 0.2, "30 a minute": 2.0, "3 a minute": 20.0, "18 an hour": 200.0, "3 an hour": 1_200.0}
LONGEST = 30 * DAY
HISTORY = 16
"""Honest days of an owner before their key is stolen."""


@dataclass(frozen=True)
class Attack:
    """A thief with a key. calls: of owner and thief, in the order of time; taken: the items that each call leaked."""

    kind: str
    speed: str
    victim: str
    page: bool
    key: str
    began: float
    calls: list[Call]
    taken: list[tuple[int, ...]]


def attacks(seed: int, each: int = 8, page: float = 0.2) -> Iterator[Attack]:
    """Five kinds at five speeds. page: the share of thieves that drive the page by a script, small pictures and all."""
    for kind in ATTACKS:
        for speed in SPEEDS:
            for number in range(each):
                yield attack(kind, speed, random.Random(f"{seed} {kind} {speed} {number}"), page)


def attack(kind: str, speed: str, rng: random.Random, page: float) -> Attack:
    """One theft: until 400 items have leaked, or for 30 days."""
    stolen = kind == "off-hours" or rng.random() < 0.5
    victim = rng.choice(["family", "family", "photographer", "product", "newcomer", "holiday"]) if stolen else "new key"
    albums = Albums(rng)
    owner = Actor("key", victim, random.Random(rng.random()), albums)
    thief = Actor("key", victim, rng, albums, address="203.0.113.66" if rng.random() < 0.5 else owner.address)
    thief.now = began = START + (HISTORY if stolen else 0) * DAY + rng.uniform(0, DAY)
    by_page = rng.random() < page
    _steal(kind, SPEEDS[speed], thief, by_page)
    return _beside(kind, speed, victim, by_page, began, owner, thief)


def patient(per_day: int, seed: int) -> Attack:
    """A theft that looks like use: so many large pictures a day through the page, found by searches, in the evening."""
    rng = random.Random(f"{seed} patient {per_day}")
    victim = rng.choice(["family", "family", "newcomer", "holiday", "new key", "new key", "new key", "new key"])
    albums = Albums(rng)
    owner = Actor("key", victim, random.Random(rng.random()), albums)
    thief = Actor("key", victim, rng, albums)
    began = START + (0 if victim == "new key" else HISTORY) * DAY
    items = _wanted(thief, "found", page=True)
    for day in range(math.ceil(400 / per_day)):
        thief.now = began + day * DAY + rng.uniform(17, 20) * HOUR
        for _ in range(per_day):
            item = next(items)
            thief.wait(12)
            thief.open(item)
    return _beside("patient", f"{per_day} a day", victim, True, began, owner, thief)


def _beside(kind: str, speed: str, victim: str, page: bool, began: float, owner: Actor, thief: Actor) -> Attack:
    """The calls of a thief and, where the key was stolen, those of its owner before and meanwhile."""
    if victim != "new key":
        live = _life(victim, thief.rng)
        for day in range(math.ceil((thief.now - START) / DAY)):
            live(owner, day)
    both = [(call, ()) for call in owner.calls if call.time <= thief.now]
    both += [(call, call.ids if call.handed in ("opened", "original", "vector") else ()) for call in thief.calls]
    both.sort(key=lambda pair: pair[0].time)
    return Attack(kind, speed, victim, page, "key", began, [call for call, _ in both], [ids for _, ids in both])


def _steal(kind: str, gap: float, thief: Actor, page: bool) -> None:
    rng = thief.rng
    hours = (0, 5) if kind == "off-hours" else rng.choice([(0, 24), (0, 24), (9, 22)])
    pause = rng.choice(
        [lambda: gap, lambda: gap * rng.uniform(0.7, 1.3), lambda: rng.expovariate(1 / gap)]
    )  # of a script, of one that hides a little, of one that hides better
    order = rng.choice(["listed", "listed", "found", "found", "drawn"])
    large: Handed = rng.choice(["opened", "original"]) if kind == "off-hours" else "original"
    leaked: set[int] = set()
    items = _wanted(thief, order, page)
    while len(leaked) < 400 and thief.now < START + (HISTORY + 1) * DAY + LONGEST:
        if not hours[0] <= thief.now % DAY / HOUR < hours[1]:
            thief.now += HOUR / 4
            continue
        if kind == "refusals":
            if rng.random() < 0.05:
                thief.open(item := next(items))
                leaked.add(item)
            else:
                thief.call("", status=rng.choice([404, 404, 404, 403]))
        elif kind == "vectors":
            batch = [next(items) for _ in range(thief.rng.choice([1, 1, 10, 50]))]
            thief.call("vector", *batch)
            leaked.update(batch)
            thief.now += pause() * (len(batch) - 1)
        else:
            item = next(items)
            if kind == "enumeration" or (large == "opened" and page):
                thief.open(item)
            else:
                thief.call(large, item)
            leaked.add(item)
        thief.now += pause()


def _wanted(thief: Actor, order: str, page: bool) -> Iterator[int]:
    """Items not taken yet, as the list has them, as searches find them, or drawn; by the page with small pictures."""
    rng = thief.rng
    taken: set[int] = set()
    at = rng.randrange(1, ITEMS)
    while True:
        if order == "found":
            some = thief.ask(60) if page else _asked(thief)
        elif order == "listed":
            some = [(at + n) % ITEMS + 1 for n in range(60)]
            at += 60
            thief.call("told", *some)
        else:
            some = [rng.randint(1, ITEMS) for _ in range(60)]
        if page and order != "found":
            thief.show(some)
        for item in some:
            if item not in taken:
                taken.add(item)
                yield item


def _asked(thief: Actor) -> list[int]:
    """A search by the API, whose small pictures are not looked at."""
    found = [item for _ in range(6) for item in thief.rng.sample(thief.albums.any(thief.rng), 5)]
    thief.call("told", *found)
    return found


def _poisson(rng: random.Random, mean: float) -> int:
    """Knuth's way, in steps that stay above the smallest number."""
    n = 0
    while mean > 30:
        n, mean = n + _poisson(rng, 30), mean - 30
    product, floor = rng.random(), math.exp(-mean)
    while product > floor:
        product *= rng.random()
        n += 1
    return n
