"""Links for guests: read-only, some items, for a time, taken back at any moment."""

from pathlib import Path

import pytest

from diptych.app.server.access.caller import Caller, Forbidden, Unauthorised, including
from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys
from diptych.app.server.access.shares import Shares
from diptych.kinds import BadInput

DAY = 86_400
ANNA = Caller("anna", "anna", including("write"), frozenset({"/pictures"}), "k1")


@pytest.fixture
def shares(database, clock) -> Shares:
    return Shares(database, clock)


def test_a_link_opens_what_it_was_made_for_and_its_guest_may_only_read(shares: Shares) -> None:
    share = shares.check(shares.create(ANNA, "/pictures", "Our summer", DAY, items=[5, 3, 5]).token)
    assert (share.tenant, share.place, share.items, share.query) == ("anna", "/pictures", (5, 3), None)
    assert share.caller.scopes == {"read"} and share.caller.key == ""
    assert share.caller.sees("anna", "/pictures") and not share.caller.sees("anna", "/letters")
    assert shares.check(shares.create(ANNA, "/pictures", "Dogs", DAY, query="dog").token).query == "dog"


def test_a_link_is_over_at_its_time_and_when_it_is_taken_back(shares: Shares, clock) -> None:
    one, two = (shares.create(ANNA, "/pictures", name, DAY, query="dog") for name in ("one", "two"))
    assert [share.name for share in shares.of("anna")] == ["one", "two"]
    shares.revoke("anna", one.share.id)
    with pytest.raises(Unauthorised, match="not open anything"):
        shares.check(one.token)
    clock.now += DAY - 1
    shares.check(two.token)
    clock.now += 1
    with pytest.raises(Unauthorised, match="not open anything"):
        shares.check(two.token)
    assert shares.of("anna") == []


def test_a_link_lasts_no_longer_than_the_key_that_made_it(shares: Shares, database, clock) -> None:
    keys = Keys(database, clock)
    one, two = (keys.create(name, "write", "anna", seconds=DAY) for name in ("one", "two"))
    links = [
        shares.create(keys.check(key.token), "/pictures", key.key.name, 9 * DAY, query="dog") for key in (one, two)
    ]
    assert [link.share.expires for link in links] == [one.key.expires, two.key.expires]
    keys.revoke("one", "anna")
    with pytest.raises(Unauthorised, match="not open anything"):
        shares.check(links[0].token)
    assert [share.name for share in shares.of("anna")] == ["two"]
    assert shares.check(links[1].token).name == "two"
    clock.now += DAY
    with pytest.raises(Unauthorised, match="not open anything"):
        shares.check(links[1].token)


def test_a_tenant_neither_sees_nor_takes_back_the_links_of_another(shares: Shares) -> None:
    new = shares.create(ANNA, "/pictures", "one", DAY, query="dog")
    assert shares.of("ben") == []
    with pytest.raises(BadInput, match="there is no link"):
        shares.revoke("ben", new.share.id)
    shares.check(new.token)


def test_who_may_not_write_or_does_not_see_the_collection_makes_no_link(shares: Shares) -> None:
    with pytest.raises(Forbidden):
        shares.create(Caller("reader", "anna"), "pictures", "one", DAY, query="dog")
    with pytest.raises(Unauthorised):
        shares.create(ANNA, "/letters", "one", DAY, query="dog")
    assert shares.of("anna") == []


@pytest.mark.parametrize("change", ["", "0", "TOKEN0", "ID-" + "0" * 64, "TOKEN\n", "é"])
def test_a_wrong_link_opens_nothing(shares: Shares, change: str) -> None:
    new = shares.create(ANNA, "/pictures", "one", DAY, query="dog")
    with pytest.raises(Unauthorised):
        shares.check(change.replace("TOKEN", new.token).replace("ID", new.share.id))


def test_a_link_is_not_kept_and_not_shown(shares: Shares, tmp_path: Path) -> None:
    new = shares.create(ANNA, "/pictures", "one", DAY, query="dog")
    secret = new.token.split("-")[1]
    assert secret not in repr(new) + repr(shares.of("anna"))
    for file in (tmp_path / "home").iterdir():
        content = file.read_bytes()
        assert secret[:16].encode() not in content and bytes.fromhex(secret) not in content


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"seconds": 5, "query": "dog"}, "expiry"),
        ({"seconds": 1e9, "query": "dog"}, "expiry"),
        ({"seconds": float("nan"), "query": "dog"}, "expiry"),
        ({"seconds": DAY}, "one of the two"),
        ({"seconds": DAY, "query": "dog", "items": [1]}, "one of the two"),
        ({"seconds": DAY, "items": []}, "items"),
        ({"seconds": DAY, "items": ["1"]}, "items"),
    ],
)
def test_bad_input_is_told(shares: Shares, arguments, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        shares.create(ANNA, "/pictures", "one", **arguments)


def test_links_of_an_older_file_open_nothing_and_keys_stay(tmp_path: Path, clock) -> None:
    """Of the first version nobody knows which collection a link was for."""
    with Database(tmp_path / "old") as database:
        key = Keys(database, clock).create("anna").token
        link = Shares(database, clock).create(ANNA, "/pictures", "one", DAY, query="dog").token
        database.change("ALTER TABLE shares RENAME COLUMN place TO collection")
        database.change("PRAGMA user_version = 1")
    with Database(tmp_path / "old") as database:
        assert Keys(database, clock).check(key).name == "anna"
        assert Shares(database, clock).check(link).place == ""


def test_links_to_a_collection_are_taken_back_together(shares: Shares) -> None:
    anna = Caller("anna", "anna", including("write"))
    here, there = (shares.create(anna, place, "one", DAY, query="dog") for place in ("/a", "/b"))
    shares.revoke_all("ben", "/a")
    assert shares.check(here.token).place == "/a"
    shares.revoke_all("anna", "/a")
    with pytest.raises(Unauthorised):
        shares.check(here.token)
    assert shares.check(there.token).place == "/b"
