"""How often somebody may call, and who that is."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.app.server.access import limits
from diptych.app.server.access.caller import Unauthorised
from diptych.app.server.access.limits import Bucket, OverQuota, Quota, Rates, SignIn, TooMany


@pytest.fixture
def wall(monkeypatch, clock):
    """The clock of the library."""
    monkeypatch.setattr("time.time", clock)
    return clock


def passed(check, *arguments) -> bool:
    try:
        check(*arguments)
    except TooMany:
        return False
    return True


def test_the_request_after_the_last_is_told_when_to_come_again(wall) -> None:
    rates = Rates(per_key=5, per_address=100)
    assert [passed(rates.check, "a", "192.0.2.1") for _ in range(6)] == [True] * 5 + [False]
    wall.now += 20
    with pytest.raises(TooMany, match=r"try again in 4[01] s") as error:
        rates.check("a", "192.0.2.1")
    wall.now += error.value.seconds + 0.1
    assert passed(rates.check, "a", "192.0.2.1")


def test_a_key_is_counted_over_its_addresses_and_an_address_over_its_keys(wall) -> None:
    rates = Rates(per_key=5, per_address=8)
    assert [passed(rates.check, "a", f"192.0.2.{n}") for n in range(6)] == [True] * 5 + [False]
    assert [passed(rates.check, f"k{n}", "198.51.100.1") for n in range(9)] == [True] * 8 + [False]
    assert [passed(rates.check, "", "203.0.113.1") for n in range(9)] == [True] * 8 + [False]


def test_an_address_named_like_a_key_is_not_that_key(wall) -> None:
    rates = Rates(per_key=1, per_address=1)
    rates.check("192.0.2.1", "192.0.2.9")
    rates.check("", "192.0.2.1")


def test_one_customer_has_one_address_whatever_the_end_of_it(wall) -> None:
    rates = Rates(per_key=100, per_address=3)
    assert [passed(rates.check, "", f"2001:db8:1:2::{n}") for n in range(1, 5)] == [True] * 3 + [False]
    assert passed(rates.check, "", "2001:db8:1:3::1")


def test_ten_wrong_tries_at_once_and_then_one_a_minute(clock) -> None:
    sign_in = SignIn(clock=clock)

    def wrong() -> bool:
        try:
            with sign_in.trying("192.0.2.1"):
                raise Unauthorised("no")
        except Unauthorised:
            return True
        except TooMany as error:
            assert error.seconds == 60
            return False

    assert [wrong() for _ in range(12)] == [True] * 10 + [False] * 2
    for _ in range(3):
        clock.now += 60
        assert [wrong(), wrong()] == [True, False]
    clock.now += 600
    assert [wrong() for _ in range(11)] == [True] * 10 + [False], "after ten quiet minutes all is as before"
    with sign_in.trying("192.0.2.2"):
        pass


def test_who_signs_in_rightly_is_never_slowed_down(clock) -> None:
    sign_in = SignIn(clock=clock)
    for _ in range(50):
        with sign_in.trying("192.0.2.1"):
            pass


def test_tries_count_before_they_are_known_to_be_wrong(clock) -> None:
    sign_in = SignIn(clock=clock)
    entered = [sign_in.trying("192.0.2.1") for _ in range(11)]
    for one in entered[:10]:
        one.__enter__()
    with pytest.raises(TooMany):
        entered[10].__enter__()


@given(st.lists(st.floats(0, 200), max_size=60))
def test_a_bucket_never_lets_through_more_than_its_burst_and_its_rate(gaps: list[float]) -> None:
    now = [0.0]
    bucket = Bucket(5, 30, lambda: now[0])
    let_through: list[float] = []
    for gap in gaps:
        now[0] += gap
        if passed(bucket.take, "x"):
            let_through.append(now[0])
    for start, first in enumerate(let_through):
        for end in range(start, len(let_through)):
            assert end - start + 1 <= 5 + (let_through[end] - first) / 30 + 1e-6


def test_a_bucket_forgets_names_that_are_quiet(clock) -> None:
    bucket = Bucket(2, 1, clock)
    for n in range(5000):
        clock.now += 10
        bucket.take(f"name {n}")
    assert len(bucket._empty) <= 1025


def test_a_name_in_the_header_is_not_believed_without_a_proxy_of_ours() -> None:
    assert limits.client("192.0.2.1", ["203.0.113.9"]) == "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded", "hops", "client"),
    [
        (["203.0.113.9"], 1, "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9"], 1, "203.0.113.9"),
        (["6.6.6.6", "203.0.113.9"], 1, "203.0.113.9"),
        (["6.6.6.6, 203.0.113.9, 198.51.100.1"], 2, "203.0.113.9"),
        (["203.0.113.9"], 2, "192.0.2.1"),
        ([], 1, "192.0.2.1"),
        (["6.6.6.6, nonsense"], 1, "192.0.2.1"),
        (["6.6.6.6,"], 1, "192.0.2.1"),
        (["203.0.113.9:4711"], 1, "203.0.113.9"),
        (["[2001:db8::1]:4711"], 1, "2001:db8::1"),
        (["::ffff:203.0.113.9"], 1, "203.0.113.9"),
        (["2001:DB8:0::1"], 1, "2001:db8::1"),
    ],
)
def test_the_client_is_counted_from_the_right(forwarded: list[str], hops: int, client: str) -> None:
    assert limits.client("192.0.2.1", forwarded, hops) == client


def test_a_stranger_who_invents_names_stays_one_stranger(wall) -> None:
    rates = Rates(per_key=100, per_address=5)
    for hops in (0, 1):
        seen = [
            passed(rates.check, "", limits.client(f"192.0.2.{hops}", [f"10.0.0.{n}, 192.0.2.{hops}"], hops))
            for n in range(6)
        ]
        assert seen == [True] * 5 + [False]


def test_a_quota_counts_what_is_kept_and_what_is_coming() -> None:
    quota = Quota(items=10, bytes=1000)
    kept = {"items": 7, "bytes": 100}

    def has() -> tuple[int, int]:
        return kept["items"], kept["bytes"]

    with quota.room("anna", has, 2, 100):
        with pytest.raises(OverQuota, match="10 items is all"), quota.room("anna", has, 2, 100):
            pass
        with quota.room("ben", lambda: (0, 0), 10, 1000):
            pass
        with quota.room("anna", has, 1, 100):
            pass
    with pytest.raises(OverQuota, match="1000 bytes is all"), quota.room("anna", has, 1, 901):
        pass
    with pytest.raises(ZeroDivisionError), quota.room("anna", has, 3, 900):
        1 / 0  # noqa: B018
    with quota.room("anna", has, 3, 900):
        pass


def test_many_who_write_at_once_stay_below_the_quota() -> None:
    quota = Quota(items=50, bytes=10**9)
    kept, lock, refused = [0], threading.Lock(), []

    def upload() -> None:
        try:
            with quota.room("anna", lambda: (kept[0], 0), 3, 1), lock:
                kept[0] += 3
        except OverQuota:
            refused.append(1)

    threads = [threading.Thread(target=upload) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept[0] <= 50 and refused
