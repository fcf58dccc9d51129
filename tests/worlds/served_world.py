"""A server on loopback to test against: forty postcards, a collection to change, callers told by their word."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request

from diptych import postcards
from diptych.app.server.access.caller import Caller, Unauthorised, including
from diptych.app.server.app import create
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings
from diptych.collection import Collection, Entry

CARDS = 40
SECRET = bytes(range(32))

ROLES = {
    "read": Caller("reader", key="reader", scopes=including("read")),
    "write": Caller("writer", key="writer", scopes=including("write")),
    "admin": Caller("owner", scopes=including("admin")),
    "blinkered": Caller("blinkered", key="blinkered", scopes=including("admin"), collections=frozenset()),
    "stranger": Caller("stranger", key="stranger", tenant="elsewhere", scopes=including("admin")),
}
"""What is shown in the place of a key, and who is let in for it."""


def who(request: Request, roles: Mapping[str, Caller] = ROLES) -> Caller:
    word = request.headers.get("authorization", "").removeprefix("Bearer ")
    if word == "expired":
        raise Unauthorised("this API key expired on 2020-01-01; ask for a new one")
    if word not in roles:
        raise Unauthorised("show an API key: Authorization: Bearer dpt_…")
    return roles[word]


@dataclass
class Served:
    """A running server. url: its address; pictures: the files of postcards; album: a folder."""

    url: str
    port: int
    app: FastAPI
    library: Library
    settings: Settings
    pictures: list[Path]
    album: Path


def painted(home: Path) -> list[Path]:
    """The files of postcards, in a collection `cards` with a caption each, and a few of them in an `album`."""
    scenes = postcards.write(home / "painted", CARDS, seed=3, workers=1)
    pictures = sorted((home / "painted" / "images").iterdir())
    words = home / "words.jsonl"
    lines = [
        {"image": str(path), "captions": list(scene.captions)} for path, scene in zip(pictures, scenes, strict=True)
    ]
    words.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with Collection.open(home / "cards", "mini", write=True) as collection:
        collection.add(home / "painted" / "images", captions=words, workers=1)
        kinds = ("even", "odd")
        collection.put(
            Entry(str(path), tags=[kinds[number % 2]], metadata={"number": number})
            for number, path in enumerate(pictures)
        )
    album = home / "album"
    album.mkdir()
    for path in pictures[:4]:
        (album / path.name).write_bytes(path.read_bytes())
    with Collection.open(home / "books", "mini", write=True) as collection:
        collection.add(album, workers=1)
    return pictures


@contextmanager
def served(home: Path, **settings: object) -> Iterator[Served]:
    """All of it, in a thread of this process."""
    pictures = painted(home)
    given = Settings.of({"DIPTYCH_HOME": str(home / "server")}, **settings)
    with Library(SECRET, readers=3, seconds=10) as library:
        library.add(home / "cards")
        album = library.add(home / "books", "album")
        narrow = replace(ROLES["blinkered"], collections=frozenset({album.place}))
        library.add(home / "cards", "theirs", tenant="elsewhere")
        app = create(library, given, partial(who, roles={**ROLES, "blinkered": narrow}))
        bound = socket.create_server(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", server_header=False, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{port}", port, app, library, given, pictures, home / "album")
        finally:
            server.should_exit = True
            thread.join()
