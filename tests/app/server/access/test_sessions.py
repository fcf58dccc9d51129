"""Browsers that are signed in: cookies nobody else can write, that end, and with their key."""

import pytest

from diptych.app.server.access.caller import Caller, Unauthorised
from diptych.app.server.access.keys import Keys
from diptych.app.server.access.sessions import Sessions, cookie_name, set_cookie

HOUR, DAY = 3600, 86_400
SECRET = bytes(range(32))


@pytest.fixture
def keys(database, clock) -> Keys:
    return Keys(database, clock)


@pytest.fixture
def sessions(database, clock) -> Sessions:
    return Sessions(database, SECRET, idle=DAY, lifetime=7 * DAY, owner=True, clock=clock)


@pytest.fixture
def caller(keys: Keys) -> Caller:
    return keys.check(keys.create("laptop", "write", "anna").token)


def refused(sessions: Sessions, value: str, why: str) -> None:
    with pytest.raises(Unauthorised, match=why):
        sessions.check(value)


def test_a_cookie_tells_who_calls_and_each_is_another(sessions: Sessions, caller: Caller) -> None:
    one, two = sessions.begin(caller), sessions.begin(caller)
    assert sessions.check(one)[0] == sessions.check(two)[0] == caller
    assert sessions.check(one)[1].id != sessions.check(two)[1].id


def test_a_cookie_that_was_changed_anywhere_is_refused(sessions: Sessions, caller: Caller) -> None:
    value = sessions.begin(caller)
    for at in range(len(value.rstrip("=")) - 1):
        refused(sessions, value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :], "not of this server")


@pytest.mark.parametrize("value", ["", "x", "é", "gAAAA", "a.b.c", "\0"])
def test_nonsense_is_refused(sessions: Sessions, value: str) -> None:
    refused(sessions, value, "not of this server")


def test_a_cookie_of_another_server_is_refused(database, clock, sessions: Sessions, caller: Caller) -> None:
    refused(sessions, Sessions(database, bytes(32), clock=clock).begin(caller), "not of this server")


def test_a_session_ends_when_it_is_not_used_and_lasts_when_it_is(sessions: Sessions, caller: Caller, clock) -> None:
    value = idle = sessions.begin(caller)
    for _ in range(6):
        clock.now += DAY - HOUR
        _, session = sessions.check(value)
        value = sessions.renewed(session) or value
    refused(sessions, idle, "over")
    clock.now += DAY
    refused(sessions, value, "over")


def test_a_session_ends_after_its_lifetime_however_often_it_is_used(sessions: Sessions, caller: Caller, clock) -> None:
    value, began = sessions.begin(caller), clock.now
    while clock.now + HOUR * 12 < began + 7 * DAY:
        clock.now += HOUR * 12
        _, session = sessions.check(value)
        value = sessions.renewed(session) or value
    clock.now = began + 7 * DAY
    refused(sessions, value, "over")


def test_a_cookie_is_renewed_seldom(sessions: Sessions, caller: Caller, clock) -> None:
    _, session = sessions.check(sessions.begin(caller))
    clock.now += DAY / 10 - 1
    assert sessions.renewed(session) is None
    clock.now += 1
    later = sessions.renewed(session)
    assert later and sessions.check(later)[1].id == session.id


def test_signing_out_ends_every_copy_of_a_cookie_and_no_other(sessions: Sessions, caller: Caller, clock) -> None:
    one, two = sessions.begin(caller), sessions.begin(caller)
    _, session = sessions.check(one)
    clock.now += DAY / 2
    later = sessions.renewed(session)
    sessions.end(session)
    for value in (one, later):
        refused(sessions, value, "signed out")
    assert sessions.check(two)[0] == caller


def test_signing_out_everywhere_ends_the_sessions_of_one_key(keys: Keys, sessions: Sessions, caller: Caller) -> None:
    other = keys.check(keys.create("phone").token)
    mine, also, theirs, owners = (sessions.begin(who) for who in (caller, caller, other, Caller.OWNER))
    sessions.end_all(caller.key)
    refused(sessions, mine, "signed out")
    refused(sessions, also, "signed out")
    assert sessions.check(theirs)[0] == other and sessions.check(owners)[0] == Caller.OWNER
    assert sessions.check(sessions.begin(caller))[0] == caller
    sessions.end_all("")
    refused(sessions, owners, "signed out")


def test_a_session_ends_with_its_key(keys: Keys, sessions: Sessions, caller: Caller, clock) -> None:
    value = sessions.begin(caller)
    short = sessions.begin(keys.check(keys.create("short", seconds=HOUR).token))
    clock.now += HOUR
    refused(sessions, short, "expired")
    assert sessions.check(value)[0] == caller
    keys.revoke("laptop", "anna")
    refused(sessions, value, "revoked")


def test_the_owner_needs_no_key_where_the_server_wants_none(database, clock, sessions: Sessions) -> None:
    value = sessions.begin(Caller.OWNER)
    assert sessions.check(value)[0] == Caller.OWNER
    with pytest.raises(Unauthorised, match="wants a key"):
        Sessions(database, SECRET, clock=clock).check(value)


def test_a_token_against_forged_requests_is_of_one_session(sessions: Sessions, caller: Caller) -> None:
    (_, one), (_, two) = (sessions.check(sessions.begin(caller)) for _ in range(2))
    sessions.check_csrf(one, sessions.csrf(one))
    for wrong in (sessions.csrf(two), "", "é\ud800", sessions.csrf(one)[:-1], sessions.csrf(one).upper()):
        with pytest.raises(Unauthorised, match="did not come from the page"):
            sessions.check_csrf(one, wrong)


def test_a_cookie_tells_nothing_of_who_has_it(sessions: Sessions, caller: Caller) -> None:
    import base64

    assert caller.key.encode() not in base64.urlsafe_b64decode(sessions.begin(caller))


def test_no_script_reads_the_cookie_and_no_other_site_sends_it() -> None:
    plain, tls = set_cookie("abc", DAY, secure=False), set_cookie("abc", DAY, secure=True)
    assert plain.startswith("diptych=abc;") and tls.startswith("__Host-diptych=abc;")
    for header in (plain, tls):
        parts = set(header.split("; ")[1:])
        assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={DAY}"} <= parts
        assert not any(part.startswith("Domain") for part in parts)
    assert "Secure" in tls.split("; ") and "Secure" not in plain.split("; ")
    assert cookie_name(secure=True).startswith("__Host-"), "no other host of the domain may set it"
    assert "Max-Age=0" in set_cookie("", DAY, secure=True)
