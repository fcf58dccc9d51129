"""API keys: shown once, kept as a sum, refused from the next call on."""

import hashlib
import logging
import multiprocessing
import re
from pathlib import Path
from types import SimpleNamespace

import other_process
import pytest

from diptych.app.server.access import keys as module
from diptych.app.server.access.caller import SCOPES, Caller, Forbidden, Unauthorised
from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys
from diptych.kinds import BadInput

DAY = 86_400


@pytest.fixture
def keys(database, clock) -> Keys:
    return Keys(database, clock)


def test_a_key_tells_who_calls(keys: Keys) -> None:
    new = keys.create("laptop", "write", "anna", ["pictures"])
    assert keys.check(new.token) == Caller(
        "laptop", "anna", frozenset({"read", "write"}), frozenset({"pictures"}), new.key.id
    )


def test_a_key_holds_256_random_bits_and_its_public_id(keys: Keys) -> None:
    tokens = [keys.create(f"key {n}").token for n in range(50)]
    parts = [re.fullmatch(r"dpt_([0-9a-f]{12})_([0-9a-f]{64})", token) for token in tokens]
    assert len({part[2] for part in parts if part}) == 50
    assert [part[1] for part in parts if part] == [key.id for key in keys.all()]


@pytest.mark.parametrize(("scope", "may"), [("read", 1), ("write", 2), ("admin", 3)])
def test_a_scope_includes_those_before_it(keys: Keys, scope: str, may: int) -> None:
    caller = keys.check(keys.create("one", scope).token)
    assert [caller.may(other) for other in SCOPES] == [True] * may + [False] * (3 - may)
    for refused in SCOPES[may:]:
        with pytest.raises(Forbidden, match=f"a key that may {refused}"):
            caller.check(refused)


def test_a_caller_sees_the_collections_of_the_key_and_none_of_another_tenant(keys: Keys) -> None:
    some = keys.check(keys.create("some", tenant="anna", collections=["a", "b"]).token)
    every = keys.check(keys.create("all", tenant="anna").token)
    assert [some.sees("anna", name) for name in "abc"] == [True, True, False]
    assert every.sees("anna", "c") and not every.sees("ben", "c") and not some.sees("ben", "a")
    nothing = keys.check(keys.create("nothing", tenant="anna", collections=[]).token)
    assert not nothing.sees("anna", "a")


def test_a_collection_that_was_deleted_is_taken_out_of_the_keys_of_its_tenant(keys: Keys) -> None:
    made = [keys.create("some", tenant=tenant, collections=["/a", "/b"]).token for tenant in ("anna", "ben")]
    every = keys.create("all", tenant="anna").token
    keys.let_go("anna", "/a")
    some, of_ben = map(keys.check, made)
    assert [some.sees("anna", place) for place in ("/a", "/b")] == [False, True] and of_ben.sees("ben", "/a")
    assert keys.check(every).sees("anna", "/a")


def test_the_owner_of_the_machine_may_everything_with_their_own(keys: Keys) -> None:
    assert all(map(Caller.OWNER.may, SCOPES)) and Caller.OWNER.sees("", "pictures")
    assert not Caller.OWNER.sees("anna", "pictures")


@pytest.mark.parametrize(
    "token",
    ["", "dpt_", "nonsense", "dpt_é", "dpt_000000000000_" + "0" * 64, "ID_" + "0" * 64, "TOKEN0", " TOKEN", "TOKEN\n"],
)
def test_a_wrong_key_is_refused(keys: Keys, token: str) -> None:
    new = keys.create("laptop")
    token = token.replace("TOKEN", new.token).replace("ID", f"dpt_{new.key.id}")
    with pytest.raises(Unauthorised, match="not known"):
        keys.check(token)


def test_a_key_with_the_secret_of_another_is_refused(keys: Keys) -> None:
    one, two = (keys.create(name).token for name in ("one", "two"))
    with pytest.raises(Unauthorised, match="not known"):
        keys.check(one[:17] + two[17:])


def test_sums_are_compared_in_constant_time_whether_the_id_is_known_or_not(keys: Keys, monkeypatch) -> None:
    token = keys.create("laptop").token
    compared: list[tuple[int, int]] = []
    real = module.hmac.compare_digest

    def spy(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(module, "hmac", SimpleNamespace(compare_digest=spy))
    keys.check(token)
    for wrong in (token[:-1] + ("0" if token[-1] != "0" else "1"), "dpt_ffffffffffff_" + "0" * 64, "?"):
        with pytest.raises(Unauthorised):
            keys.check(wrong)
    assert compared == [(32, 32)] * 4


def test_an_expired_key_is_refused_and_only_its_holder_is_told_why(keys: Keys, clock) -> None:
    token = keys.create("guest", seconds=DAY).token
    clock.now += DAY - 1
    keys.check(token)
    clock.now += 1
    with pytest.raises(Unauthorised, match=r"expired on 2027-01-16; ask for a new one"):
        keys.check(token)
    with pytest.raises(Unauthorised, match="not known"):
        keys.check(token[:-4] + "zzzz")


def test_a_revoked_key_is_refused_and_its_name_is_free_again(keys: Keys, clock) -> None:
    old = keys.create("laptop")
    with pytest.raises(BadInput, match="there is a key 'laptop' already"):
        keys.create("laptop")
    keys.create("laptop", tenant="anna")
    assert keys.revoke("laptop").id == old.key.id
    with pytest.raises(Unauthorised, match="was revoked on"):
        keys.check(old.token)
    with pytest.raises(Unauthorised, match="was revoked on"):
        keys.caller(old.key.id)
    keys.check(keys.create("laptop").token)
    assert keys.revoke(old.key.id).revoked == int(clock.now), "revoking again is no error and changes nothing"


def test_what_cannot_be_revoked_is_told(keys: Keys) -> None:
    with pytest.raises(BadInput, match="'phone' names no key"):
        keys.revoke("phone")


def test_a_revoked_key_is_refused_by_the_next_call_of_every_process(database, tmp_path: Path) -> None:
    keys = Keys(database)
    token = keys.create("laptop").token
    context = multiprocessing.get_context("spawn")
    questions, answers = context.Queue(), context.Queue()
    other = context.Process(target=other_process.check, args=(tmp_path / "home", questions, answers))
    other.start()
    try:
        questions.put(token)
        assert answers.get(timeout=120) == "laptop"
        keys.revoke("laptop")
        questions.put(token)
        assert "revoked" in answers.get(timeout=120)
    finally:
        questions.put(None)
        other.join()


def test_no_key_is_kept_logged_or_shown_except_once(database, tmp_path: Path, caplog, clock) -> None:
    keys = Keys(database, clock)
    caplog.set_level(logging.DEBUG)
    news = [keys.create("laptop"), keys.create("guest", seconds=60)]
    told = [repr(news), repr(keys.all()), repr(keys.check(news[0].token)), str(news[0])]
    keys.revoke("laptop")
    clock.now += 61
    for new in news:
        for wrong in (new.token, new.token + "0", new.token[:-2]):
            with pytest.raises(Unauthorised) as error:
                keys.check(wrong)
            told += [str(error.value), repr(error.value)]
    told += [record.getMessage() for record in caplog.records]
    files = [path.read_bytes() for path in (tmp_path / "home").iterdir()]
    assert len(files) >= 2
    for new in news:
        secret = new.token.split("_")[2]
        shapes = {secret[:12].encode(), secret[-12:].encode(), bytes.fromhex(secret)}
        assert not [text for text in told if secret[:12] in text or secret[-12:] in text]
        assert not [shape for shape in shapes for content in files if shape in content]
        assert any(hashlib.sha256(secret.encode()).digest() in content for content in files)


def test_when_a_key_was_used_is_kept_to_the_hour(keys: Keys, clock) -> None:
    token = keys.create("laptop").token
    assert keys.all()[0].used is None
    keys.check(token)
    assert keys.all()[0].used == int(clock.now) // 3600 * 3600
    first = keys.all()[0].used
    clock.now += 1800
    keys.check(token)
    clock.now += 3600
    keys.check(token)
    assert keys.all()[0].used == first + 3600


def test_whether_there_is_any_key_that_lets_somebody_in(keys: Keys, clock) -> None:
    assert not keys.any()
    keys.create("guest", seconds=60)
    assert keys.any()
    clock.now += 60
    assert not keys.any()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a", "tenant": "../b"}, "tenant"),
        ({"name": "a", "scope": "wirte"}, "did you mean 'write'"),
        ({"name": "a", "seconds": -1}, "expiry"),
        ({"name": "a", "seconds": float("nan")}, "expiry"),
        ({"name": "a", "collections": "pictures"}, "collections"),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(keys: Keys, arguments, named: str) -> None:
    with pytest.raises(BadInput, match=named) as error:
        keys.create(**arguments)
    assert "\n" not in str(error.value) and keys.all() == []


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "access.db").touch(mode=0o600)
    with sqlite3.connect(tmp_path / "access.db") as other:
        other.execute("CREATE TABLE things (x)")
    with pytest.raises(BadInput, match="another program"):
        Database(tmp_path)
    (tmp_path / "access.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(BadInput, match="cannot be read"):
        Database(tmp_path)
