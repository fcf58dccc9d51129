"""Unusual use is told before much is gone, and people are left in peace.

DIPTYCH_SEEDS=5 pytest -s tests/app/server/access/test_detector.py     # 1,000 honest days and 200 attacks a seed
"""

import itertools
import os
import random
import re
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import access_world as world
import pytest
from access_world import DAY, HOUR, MINUTE, START

from diptych.app.server.access.audit import Call, Handed
from diptych.app.server.access.detector import PAUSE, Alert, Detector, Usual
from diptych.app.server.access.limits import TooMany

SEEDS = int(os.environ.get("DIPTYCH_SEEDS", "0"))
NOON = START + 12 * HOUR


def call(at: float, handed: Handed, *ids: int, who: str = "k1", status: int = 200, collection: str = "a") -> Call:
    return Call(at, who, "name", "", "GET", collection, status, "192.0.2.1", handed, len(ids), ids=ids)


def seen(detector: Detector, calls: Iterable[Call]) -> list[Alert]:
    return [alert for one in calls for alert in detector.see(one)]


def spread(items: Iterable[int], handed: Handed, at: float = NOON, gap: float = MINUTE, who: str = "k1") -> list[Call]:
    return [call(at + n * gap, handed, item, who=who) for n, item in enumerate(items)]


def scattered(n: int) -> list[int]:
    """Items of which no two are neighbours."""
    return random.Random(7).sample(range(1, 20_000, 3), n)


def looked_at(items: list[int]) -> list[Call]:
    return [call(NOON - HOUR, "shown", item) for item in items]


# ------------------------------------------------------------------------------------------------- each kind by itself


def test_originals_that_were_never_looked_at() -> None:
    detector = Detector()
    assert seen(detector, spread(scattered(30), "original")) == []
    (alert,) = seen(detector, spread(scattered(31)[30:], "original", NOON + HOUR))
    assert (alert.kind, alert.who, alert.why) == (
        "volume",
        "k1",
        "31 originals were taken in two weeks without a look at them",
    )


def test_originals_that_were_looked_at_are_many_only_when_they_are_many() -> None:
    items = scattered(180)
    detector = Detector()
    assert seen(detector, looked_at(items) + spread(items[:175], "original", gap=5)) == []
    assert [alert.kind for alert in seen(detector, spread(items[175:], "original", NOON + HOUR))] == ["volume"]


def test_who_brings_much_may_take_more_and_what_is_their_own() -> None:
    detector, items = Detector(), scattered(240)
    brought = [call(NOON - 2 * HOUR + n, "brought", 30_000 + n) for n in range(3_000)]
    assert seen(detector, brought + looked_at(items) + spread(items, "original", gap=5)) == []
    assert seen(detector, spread(range(30_000, 33_000), "original", NOON + DAY, gap=2)) == []
    assert seen(detector, spread(range(33_200, 33_800), "original", NOON + 2 * DAY, gap=2)) != []
    two = [call(NOON, "brought", 30_000), call(NOON, "brought", 39_000)]
    assert seen(Detector(), two + spread(range(30_000, 39_000, 9), "original", NOON + HOUR)) != []


def test_taking_the_same_again_is_not_taking_more() -> None:
    items = scattered(100)
    detector = Detector()
    again = [one for n in range(10) for one in spread(items, "original", NOON + n * HOUR, gap=20)]
    assert seen(detector, looked_at(items) + again) == []


def test_a_record_and_its_large_picture_are_one() -> None:
    items = scattered(130)
    twice = [one for item in items for one in (call(NOON + item, "opened", item), call(NOON + item, "opened", item))]
    assert seen(Detector(), sorted(twice, key=lambda one: one.time)) == []


def test_items_that_were_opened_without_a_look() -> None:
    (first, *_) = seen(Detector(), spread(scattered(170), "opened"))
    assert first.kind == "enumeration" and first.why == "141 items were opened in a day without a look at them"


def test_opening_very_much_in_a_day_even_with_a_look() -> None:
    items = scattered(200)
    assert seen(Detector(), looked_at(items) + spread(items[:185], "opened", gap=20)) == []
    assert [alert.kind for alert in seen(Detector(), looked_at(items) + spread(items, "opened", gap=20))] == ["volume"]


def test_a_program_that_opens_few_of_its_answers_is_left_in_peace() -> None:
    searches = [
        one
        for n, item in enumerate(scattered(1_000))
        for one in (call(NOON + 20 * n, "told", *range(item, item + 20)), call(NOON + 20 * n, "opened", item))
    ]
    assert seen(Detector(), searches) == []


def test_a_list_of_everything_does_not_allow_to_open_a_part_of_it() -> None:
    lists = [call(NOON - HOUR + n, "told", *range(n * 1_000, n * 1_000 + 1_000)) for n in range(10)]
    assert [a.kind for a in seen(Detector(), lists + spread(scattered(170), "opened"))] == ["enumeration"]


def test_a_key_that_looks_at_pictures_is_no_program() -> None:
    told = [call(NOON - HOUR, "told", *range(n, n + 20)) for n in range(0, 5_000, 10)]
    opened = spread(scattered(150), "opened")
    assert seen(Detector(), told + opened) == []
    looks = [call(NOON - HOUR, "shown", item) for item in range(25_000, 25_300)]
    assert [alert.kind for alert in seen(Detector(), told + looks + opened)] == ["enumeration"]


def test_slow_opening_shows_after_some_days() -> None:
    days = [scattered(300)[30 * day : 30 * day + 30] for day in range(10)]
    calls = [spread(items, "opened", START + day * DAY + 10 * HOUR, 10 * MINUTE) for day, items in enumerate(days)]
    first, *_ = seen(Detector(), itertools.chain(*calls))
    assert first.kind == "enumeration" and first.time < START + 7 * DAY


def test_one_after_the_other_also_when_somebody_comes_between() -> None:
    walk = spread(range(5_000, 5_200), "opened")
    others = spread(scattered(100), "opened", NOON + 30, gap=2 * MINUTE)
    looks = looked_at([one.ids[0] for one in walk + others])
    for calls in (walk, sorted(walk + others, key=lambda one: one.time)):
        alerts = seen(Detector(), looks + calls)
        assert any("150 items were taken one after the other" in a.why or "151 items" in a.why for a in alerts)
    down = seen(Detector(), looks + spread(range(5_199, 5_000, -1), "opened"))
    assert any("one after the other" in alert.why for alert in down)


@pytest.mark.parametrize("batch", [1, 10, 50])
def test_vectors(batch: int) -> None:
    items = scattered(200)
    batches = [items[at : at + batch] for at in range(0, 200, batch)]
    first, *_ = seen(Detector(), [call(NOON + n * HOUR, "vector", *ids) for n, ids in enumerate(batches)])
    assert first.kind == "vectors"
    taken = sum(len(ids) for n, ids in enumerate(batches) if NOON + n * HOUR <= first.time)
    assert taken <= max(40, batch)


def test_day_and_night_without_a_sleep() -> None:
    items = scattered(400)
    looks = looked_at(items)
    (alert,) = seen(Detector(), looks + spread(items[:100], "opened", gap=20 * MINUTE))
    assert alert.kind == "off-hours" and alert.time < NOON + 27 * HOUR
    with_sleep = [one for one in spread(items[:100], "opened", gap=20 * MINUTE) if not 0 <= one.time % DAY < 4 * HOUR]
    assert seen(Detector(), looks + with_sleep) == []


def by_day(days: int) -> list[Call]:
    """Somebody who looks at pictures in the evening."""
    evenings = [START + day * DAY + 19 * HOUR for day in range(days)]
    return [call(at + n, "shown", 40_000 + 30 * day + n) for day, at in enumerate(evenings) for n in range(30)]


def night(item: int, day: int, n: int, hour: float = 2) -> list[Call]:
    """Somebody else, with the same key, who asks and opens: the record and the large picture."""
    opened = spread(range(item, item + 3 * n, 3), "opened", START + day * DAY + hour * HOUR, gap=4 * MINUTE)
    return [one for each in opened for one in (call(each.time, "told", *each.ids), each, each)]


def test_hours_at_which_a_key_is_not_used() -> None:
    nights = [one for day in range(12, 22) for one in night(1_000 + day * 100, day, 20)]
    alerts = seen(Detector(), sorted(by_day(22) + nights, key=lambda one: one.time))
    assert alerts[0].kind == "off-hours" and "hours at which this key is not used" in alerts[0].why
    assert START + 18 * DAY < alerts[0].time < START + 19 * DAY
    assert seen(Detector(), nights[: 9 * 60]) == [], "of a new key no hours are known"
    evenings = [one for day in range(12, 21) for one in night(1_000 + day * 100, day, 20, hour=19.5)]
    assert seen(Detector(), sorted(by_day(22) + evenings, key=lambda one: one.time)) == []


def test_who_looks_at_pictures_at_a_strange_hour_is_awake() -> None:
    opened = [one for day in (12, 13) for one in night(1_000 + day * 300, day, 70)]
    looks = [call(one.time - 30, "shown", *one.ids) for one in opened]
    assert seen(Detector(), sorted(by_day(14) + looks + opened, key=lambda one: one.time)) == []


def test_refused_calls() -> None:
    probing = [call(NOON + n * MINUTE, "", status=404 if n % 3 else 403) for n in range(40)]
    (alert,) = seen(Detector(), probing)
    assert alert.kind == "refusals" and alert.why == "31 calls in a day were refused, and 0 were not"
    busy = [call(NOON + n, "told", *range(20)) for n in range(2_000)]
    assert seen(Detector(), sorted(busy + probing, key=lambda one: one.time)[:2_030]) == []


def test_who_has_no_key_is_known_by_the_address() -> None:
    (alert,) = seen(Detector(), [call(NOON + n, "", who="", status=401) for n in range(31)])
    assert (alert.kind, alert.who) == ("refusals", "192.0.2.1")


# --------------------------------------------------------------------------------------------------------- what is told


def test_an_alert_is_told_again_when_it_has_grown_by_half() -> None:
    alerts = seen(Detector(), [call(NOON + n * MINUTE, "vector", n * 5) for n in range(200)])
    assert [alert.why.split()[3] for alert in alerts] == ["31", "47", "71", "107", "161"]


def test_declared_hours_allow_to_take_everything_and_no_others() -> None:
    def night_of(hour: float) -> list[Call]:
        return spread(range(1, 2_000), "original", START + hour * HOUR, gap=1)

    assert seen(Detector({"k1": (1, 5)}.get), night_of(2)) == []
    assert seen(Detector({"k1": (23, 5)}.get), night_of(24)) == []
    for declared in ({"k1": (3, 5)}, {"k2": (1, 5)}, {"k1": (23, 1)}, {}):
        assert [alert.kind for alert in seen(Detector(declared.get), night_of(2))][:1] == ["volume"]
    vectors = [call(START + 2 * HOUR + n, "vector", n) for n in range(40)]
    assert [alert.kind for alert in seen(Detector({"k1": (1, 5)}.get), vectors)] == ["vectors"]


def test_a_key_that_was_told_of_is_slowed_down_for_a_day_and_more_with_each_alert() -> None:
    detector = Detector()
    detector.hold("k1", "192.0.2.1", NOON)
    alerts = seen(detector, [call(NOON + n, "vector", n * 5) for n in range(50)])
    assert [alert.pause for alert in alerts] == [PAUSE, 2 * PAUSE]
    now = NOON + 50
    detector.hold("k1", "192.0.2.1", now)
    with pytest.raises(TooMany) as error:
        detector.hold("k1", "192.0.2.1", now + 0.5)
    assert error.value.seconds == 20
    detector.hold("k2", "192.0.2.1", now + 0.5)
    detector.hold("k1", "192.0.2.1", now + 20)
    for _ in range(2):
        detector.hold("k1", "192.0.2.1", alerts[-1].time + DAY)


def test_keys_and_collections_are_told_apart() -> None:
    detector = Detector()
    for who in ("a", "b", "c"):
        assert seen(detector, spread(scattered(25), "original", who=who)) == []
    both = [call(NOON + n, "opened", n, collection=name) for name in ("one", "two") for n in range(100, 190)]
    looks = [call(NOON - HOUR, "shown", *one.ids, collection=one.collection) for one in both]
    assert seen(Detector(), looks + both) == []


def test_a_look_in_one_collection_is_none_in_another() -> None:
    looks = [call(NOON - HOUR, "shown", item, collection="b") for item in scattered(40)]
    assert [alert.kind for alert in seen(Detector(), looks + spread(scattered(40), "original"))] == ["volume"]


def test_taking_a_little_from_each_collection_is_taking_much() -> None:
    some = [call(NOON + n, "original", item, collection=f"c{n % 10}") for n, item in enumerate(scattered(40))]
    assert [alert.kind for alert in seen(Detector(), some)] == ["volume"]


# ------------------------------------------------------------------------------------------------------- what it costs


def test_memory_of_a_key_is_constant() -> None:
    detector, rng = Detector(), random.Random(3)
    kinds: list[Handed] = ["shown", "opened", "original", "told", "brought", "vector"]
    calls = [call(NOON + n * 10 * MINUTE, kind, rng.randint(1, 10**6)) for n in range(5_000) for kind in kinds]
    calls += [call(NOON + 40 * DAY + n, "", status=404, who="k1") for n in range(100)]
    seen(detector, calls[:15_000])
    tracemalloc.start()
    seen(detector, calls[15_000:])
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000, "three more bitmaps, of a new month, and a few alerts"


def test_strangers_do_not_make_it_forget_a_key() -> None:
    detector = Detector(most=50)
    seen(detector, spread(scattered(30), "original"))
    for n in range(5_000):
        detector.see(Call(NOON, "", "", "", "GET", f"made up {n}", 404, f"198.51.{n // 250}.{n % 250}"))
        detector.see(call(NOON, "", status=404, who="other", collection=f"made up {n}"))
    assert len(detector._keys) + len(detector._strangers) <= 52
    assert [alert.kind for alert in seen(detector, spread(scattered(31)[30:], "original", NOON + HOUR))] == ["volume"]


def test_threads_lose_no_call() -> None:
    detector = Detector()
    found: list[Alert] = []
    parts = [scattered(28)[n::4] for n in range(4)]
    threads = [threading.Thread(target=lambda p=p: found.extend(seen(detector, spread(p, "original")))) for p in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == []
    assert len(seen(detector, spread(range(30_000, 30_012, 3), "original", NOON + HOUR))) == 1


def test_the_page_tells_the_limits() -> None:
    page = (Path(__file__).parents[4] / "docs/reference/unusual-use.md").read_text(encoding="utf-8")
    told = re.findall(r"\d+", page.partition("| --- |")[2].partition("\n\n")[0])
    usual = Usual()
    for limit in (usual.originals, usual.brought, usual.originals_unseen, usual.opened, usual.opened_unseen, usual.run,
                  usual.opened_unseen_weeks, usual.vectors, usual.taken_awake, round(usual.awake), usual.off_hours,
                  usual.refused, round(100 * usual.refused_share)):  # fmt: skip
        assert str(limit) in told


# ---------------------------------------------------------------------------------------- people and thieves, measured


def false_alerts(people: Iterable[world.Person]) -> tuple[list[str], int]:
    """What was told of honest people, and their days."""
    told: list[str] = []
    days = 0
    for person in people:
        detector = Detector({person.key: person.declared}.get)
        told += [f"{person.key}: {alert.kind}, {alert.why}" for alert in seen(detector, person.calls)]
        days += person.days
    return told, days


def leaked_when_told(attack: world.Attack) -> int | None:
    """Items that had leaked at the first alert since it began; None if there was none."""
    detector, leaked = Detector(), set[int]()
    for one, taken in zip(attack.calls, attack.taken, strict=True):
        leaked.update(taken)
        if detector.see(one) and one.time >= attack.began:
            return len(leaked)
    return None


def measure(seed: int, each: int) -> tuple[Counter[str], Counter[str], list[int]]:
    """Attacks by kind, by speed and by way: those told of before 2 % had leaked, and all; what had leaked then."""
    early, every, leaked = Counter[str](), Counter[str](), []
    for attack in world.attacks(seed, each):
        names = ("all", attack.kind, attack.speed, "by the page" if attack.page else "by the API")
        at = leaked_when_told(attack)
        every.update(names)
        if at is not None and at < 0.02 * world.ITEMS:
            early.update(names)
            leaked.append(at)
    return early, every, sorted(leaked)


def test_the_world_is_what_it_says() -> None:
    people = [world.person(kind, kind, 8, random.Random(kind)) for kind in world.KINDS]
    assert all(p.calls and p.calls == sorted(p.calls, key=lambda c: c.time) for p in people)
    assert sum(days * n for n, days in world._PEOPLE.values()) == 1_000
    attack = world.attack("enumeration", "3 a minute", random.Random(1), 0.0)
    assert len({item for ids in attack.taken for item in ids}) == 400
    assert all(one.handed != "shown" or not ids for one, ids in zip(attack.calls, attack.taken, strict=True))
    assert {a.kind for a in world.attacks(1, 0)} == set() and len(world.ATTACKS) * len(world.SPEEDS) * 8 == 200


def test_some_people_are_left_in_peace_and_some_thieves_told_of() -> None:
    """A part of what is measured behind DIPTYCH_SEEDS, at every run."""
    kinds = {"family": 3, "photographer": 1, "product": 1, "backup": 1, "newcomer": 1, "holiday": 1}
    people = [world.person(k, f"{k}-{n}", 20, random.Random(f"{k} {n}")) for k, of in kinds.items() for n in range(of)]
    told, days = false_alerts(people)
    assert days == 160 and len(told) <= 1, told
    early, every, _ = measure(11, 1)
    assert every["all"] == 25 and early["all"] >= 23


@pytest.mark.skipif(not SEEDS, reason="takes two minutes a seed: DIPTYCH_SEEDS=5")
@pytest.mark.parametrize("seed", range(2_001, 2_001 + SEEDS))
def test_thieves_are_told_of_early_and_people_left_in_peace(seed: int, capsys) -> None:
    """On seeds that were not looked at while the limits were chosen."""
    told, days = false_alerts(world.honest(seed))
    early, every, leaked = measure(seed, 8)
    lines = [
        f"seed {seed}: {len(told)} false alerts in {days} honest days, {early['all']} of {every['all']} thieves early",
        ", ".join(f"{name} {early[name]}/{n}" for name, n in every.items() if name != "all"),
        f"leaked by then: half below {leaked[len(leaked) // 2]}, nine of ten below {leaked[len(leaked) * 9 // 10]}",
        *told,
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n  ".join(lines) + "\n")
    assert len(told) <= days / 200
    assert early["all"] >= 0.95 * every["all"]


@pytest.mark.skipif(not SEEDS, reason="takes a minute: DIPTYCH_SEEDS=5")
def test_a_thief_who_does_as_people_do_is_found_when_they_take_more_than_people(capsys) -> None:
    """How patient a thief must be: of twenty, those told of before 2 % had leaked."""
    found = {}
    for per_day in (400, 200, 150, 100, 50, 20):
        told = [leaked_when_told(world.patient(per_day, seed)) for seed in range(2_001, 2_021)]
        found[per_day] = sum(at is not None and at < 0.02 * world.ITEMS for at in told)
    with capsys.disabled():
        sys.stdout.write("\n" + ", ".join(f"{per_day} a day {n}/20" for per_day, n in found.items()) + "\n")
    assert found[400] >= 19 and found[200] >= 10
