"""`diptych keys`, as people and scripts meet it."""

import json
import re
from pathlib import Path

import pytest
from command_line import Answer, Run

from diptych.app.server.access import files
from diptych.app.server.access.caller import Unauthorised
from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys
from diptych.collection import Collection


@pytest.fixture
def run(tmp_path: Path, here: Run) -> Run:
    def run(*arguments: str, code: int = 0) -> Answer:
        done = here("keys", *arguments, DIPTYCH_HOME=str(tmp_path / "home"))
        assert done.returncode == code, done.stderr
        return done

    return run


def test_a_key_is_printed_alone_and_works(run, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    made = run("create", "laptop", "--scope", "write", "--collection", str(tmp_path / "pictures"))
    assert re.fullmatch(r"dpt_[0-9a-f]{12}_[0-9a-f]{64}\n", made.stdout)
    assert "not shown again" in made.stderr and made.stdout.strip() not in made.stderr
    with Database(tmp_path / "home") as database:
        caller = Keys(database).check(made.stdout.strip())
    assert (
        caller.name == "laptop"
        and caller.may("write")
        and caller.collections == {str(tmp_path / "pictures" / ".diptych")}
    )


def test_a_key_is_for_a_collection_by_where_it_lies(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be it called by its folder of pictures, by its own, or by the name under which it was made over HTTP."""
    monkeypatch.chdir(tmp_path)
    for name, tenant in (("pictures", ""), ("birds", "anna")):
        files.collection(tmp_path / "home", tenant, name).mkdir(parents=True)
    Collection.open(tmp_path / "letters", write=True).close()

    def places(*arguments: str) -> list[str]:
        found: list[str] = json.loads(run("create", *arguments, "--json").stdout)["collections"]
        return found

    made = places("a", "--collection", "pictures", "--collection", str(tmp_path / "letters"))
    assert made == sorted([str(tmp_path / "home" / "collections" / "_own" / "pictures"), str(tmp_path / "letters")])
    assert places("b", "--collection", "birds", "--tenant", "anna")[0].endswith("/collections/anna/birds")
    assert "no such folder" in run("create", "c", "--collection", "birds", code=2).stderr


def test_a_revoked_key_is_refused_and_listed_as_such(run, tmp_path: Path) -> None:
    token = run("create", "laptop").stdout.strip()
    run("create", "guest", "--days", "30", "--tenant", "anna")
    revoked = run("revoke", "laptop")
    assert "is refused from now on" in revoked.stdout
    assert f"diptych feedback FOLDER --forget {token.split('_')[1]}" in revoked.stderr
    with Database(tmp_path / "home") as database, pytest.raises(Unauthorised, match="revoked"):
        Keys(database).check(token)
    table = run("list").stdout
    assert re.search(r"laptop +[0-9a-f]{12} +– +read +revoked", table)
    assert re.search(r"guest +[0-9a-f]{12} +anna +read +active", table)
    assert token.rpartition("_")[2] not in table


def test_json_tells_all_there_is_and_the_key_only_once(run) -> None:
    made = json.loads(run("create", "laptop", "--days", "1", "--json").stdout)
    (listed,) = json.loads(run("list", "--json").stdout)
    assert made.pop("key").startswith(f"dpt_{made['id']}_")
    assert listed == made
    assert set(listed) == {
        *("id", "name", "tenant", "scope", "collections", "created", "expires", "used", "revoked", "state", "takes_all")
    }
    assert listed["state"] == "active" and listed["expires"] > listed["created"].replace("+00:00", "")
    assert json.loads(run("revoke", listed["id"], "--json").stdout)["state"] == "revoked"


def test_the_hours_of_a_backup_are_kept_with_its_key(run, tmp_path: Path) -> None:
    made = json.loads(run("create", "backup", "--takes-all", "1-5", "--json").stdout)
    with Database(tmp_path / "home") as database:
        assert Keys(database).takes_all(made["id"]) == (1, 5)
        assert Keys(database).takes_all("unknown") is None
    assert made["takes_all"] == [1, 5]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["create", "laptop", "--scope", "root"], "scope 'root'"),
        (["create", "a\nb"], "name"),
        (["create", "laptop", "--days", "0"], "expiry"),
        (["create", "backup", "--takes-all", "night"], "--takes-all 'night'"),
        (["create", "backup", "--takes-all", "1-25"], "hours"),
        (["revoke", "phone"], "'phone' names no key"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments: list[str], named: str) -> None:
    answer = run(*arguments, code=2)
    assert answer.stderr.count("\n") == 1 and named in answer.stderr, answer.stderr


def test_a_home_that_cannot_be_made_is_told(run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file" in run("create", "laptop", "--home", str(tmp_path / "file" / "home"), code=2).stderr
