"""Who may read the server's folder, and that its secret is one, however many processes make it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diptych.app.server.access import files
from diptych.app.server.access.database import FILE, Database
from diptych.kinds import BadInput


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_all_in_it_are_this_users_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = os.umask(0)
    try:
        files.secret(home)
        with Database(home) as database, database.changing() as connection:
            connection.execute("INSERT INTO epochs VALUES ('', 1)")
            found = {path.name: mode(path) for path in home.iterdir()}
    finally:
        os.umask(before)
    assert mode(home) == 0o700
    assert {FILE, f"{FILE}-wal", files.SECRET} <= set(found) and set(found.values()) == {0o600}


@pytest.mark.parametrize("name", [files.SECRET, FILE])
def test_what_others_can_read_is_refused(tmp_path: Path, name: str) -> None:
    files.secret(tmp_path)
    Database(tmp_path).close()
    (tmp_path / name).chmod(0o640)
    with pytest.raises(BadInput, match=f"{name} may be read by others.*chmod 600"):
        files.secret(tmp_path) if name == files.SECRET else Database(tmp_path)


def test_a_link_in_the_place_of_a_private_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch(mode=0o600)
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match=r"access\.db"):
        Database(tmp_path)


def test_all_who_ask_at_once_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: files.secret(tmp_path), range(64)))
    assert len(found) == 1 and len(found.pop()) == 32
    assert [path.name for path in tmp_path.iterdir()] == [files.SECRET]


def test_a_secret_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    files.secret(tmp_path)
    (tmp_path / files.SECRET).write_bytes(b"short")
    with pytest.raises(BadInput, match="delete it"):
        files.secret(tmp_path)


def test_keys_for_different_things_differ_and_those_for_the_same_do_not(tmp_path: Path) -> None:
    secret = files.secret(tmp_path)
    asked = [
        ("items", "ab", "c"),
        ("items", "a", "bc"),
        ("items", "abc"),
        ("items", "a", "b", "c"),
        ("csrf", "ab", "c"),
    ]
    assert len({files.derived(secret, *parts) for parts in asked}) == len(asked)
    assert files.derived(secret, *asked[0]) == files.derived(secret, *asked[0])
    assert files.derived(bytes(32), *asked[0]) != files.derived(secret, *asked[0])
