"""The command `diptych serve`, as a process."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from collection_world import paint

from diptych.collection import Collection

pytest.importorskip("fastapi")


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    with Collection.open(tmp_path / "album", "mini", write=True) as one:
        one.add(paint(tmp_path / "pictures" / "red.png", "red"), workers=1)
    return tmp_path / "album"


def test_a_folder_that_may_not_be_written_into_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its collection lies in the cache, in a folder with a name that says nothing."""
    from diptych.app.server.library import Library
    from diptych.app.server.running import serve

    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda place, how: False)  # whoever runs the tests may write everywhere
    paint(tmp_path / "Holidays" / "red.png", "red")
    with Library(bytes(32), 1, 30) as library:
        serve(library, tmp_path / "Holidays")
        (found,) = library.all()
        assert found.name == "Holidays" and found.folder.is_relative_to(tmp_path / "cache")


def test_what_was_named_comes_before_what_was_once_made_over_http(collection: Path, tmp_path: Path):
    """The page shows the first."""
    from diptych.app.server.library import Library
    from diptych.app.server.running import serve

    with Library(bytes(32), 1, 30) as library:
        for name in ("zebras", "aardvarks"):
            library.make(tmp_path / "home", "", name)
    with Library(bytes(32), 1, 30) as library:
        library.add_made(tmp_path / "home")
        for name in ("people", "birds"):
            serve(library, shutil.copytree(collection, tmp_path / name))
        assert [one.name for one in library.of("")] == ["people", "birds", "aardvarks", "zebras"]


def test_a_key_for_what_is_not_served_is_told_in_one_line(collection: Path, tmp_path: Path):
    from diptych.app.server.access.database import Database
    from diptych.app.server.access.keys import Keys
    from diptych.app.server.library import Library
    from diptych.app.server.running import unseen

    with Library(bytes(32), 1, 30) as library, Database(tmp_path / "home") as database:
        here, keys = library.add(collection).place, Keys(database)
        keys.create("all")
        keys.create("here", collections=[here])
        keys.create("gone", collections=["/srv/gone"])
        keys.create("by an older version", collections=["album"])
        keys.create("of another tenant", tenant="anna", collections=[here])
        keys.revoke("gone")
        assert unseen(library, keys) == [
            "diptych: the key by an older version is for album, which is not served here",
            f"diptych: the key of another tenant is for {here}, which is not served here",
        ]


def test_the_address_that_is_printed_can_be_called_at_once(collection: Path, tmp_path: Path):
    command = [sys.executable, "-m", "diptych.app.cli", "serve", str(collection), "--port", "0"]
    environment = {**os.environ, "DIPTYCH_HOME": str(tmp_path / "home")}
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as server:
        try:
            address = server.stdout.readline().split()[0]
            port = int(address.rstrip("/").rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:  # it is not tried again
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 200 ")
        finally:
            server.terminate()


def test_an_answer_is_not_held_back_until_the_client_acknowledges_its_first_half(collection: Path, tmp_path: Path):
    """uvicorn sends head and body by themselves; a client waits 40 ms before it acknowledges a head alone."""
    from diptych.app.server.running import ready
    from diptych.app.server.settings import Settings

    async def delays(bound: socket.socket) -> bool:
        accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        async with await asyncio.start_server(
            lambda _, writer: accepted.set_result(writer.get_extra_info("socket")), sock=bound
        ):
            with socket.create_connection(bound.getsockname()):
                return not (await accepted).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    with ready([("", collection)], Settings(port=0, home=tmp_path / "home")) as (_, bound, _):
        assert not asyncio.run(delays(bound))
