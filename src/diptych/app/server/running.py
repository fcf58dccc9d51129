"""From what stands on the command line to a server that runs: folders become collections, and are kept up to date."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn

from diptych.app.server.access import files
from diptych.app.server.access.caller import Caller
from diptych.app.server.app import create
from diptych.app.server.guard import let_in
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings
from diptych.collection import Collection
from diptych.collection.store import FILE
from diptych.kinds import BadInput, Progress


@contextmanager
def ready(places: Sequence[Path], settings: Settings) -> Iterator[tuple[uvicorn.Config, str]]:
    """A server that is about to run, and its address. places: collections, or folders of pictures."""
    secret = files.secret(settings.home)
    with Library(secret, settings.readers, settings.seconds) as library:
        for place in places:
            serve(library, place)
        app = create(library, settings, let_in(settings, Caller.OWNER))
        bound = _bound(settings)
        address = f"http://{settings.host}:{bound.getsockname()[1]}/"
        yield (
            uvicorn.Config(app, fd=bound.detach(), log_level="warning", server_header=False, access_log=False),
            address,
        )


def serve(library: Library, place: Path) -> None:
    """Serve a collection; a folder of pictures becomes one, in the background, and is looked at anew."""
    from diptych.app.find import _into

    is_collection = (place / FILE).is_file()
    folder = place if is_collection else _into(place)
    if not (folder / FILE).is_file():
        Collection.open(folder, write=True).close()
    served = library.add(folder, "" if is_collection else place.resolve().name)
    if not is_collection:
        served.jobs.start("index", lambda writer, progress: _indexed(writer, progress, place))


def _indexed(writer: Collection, progress: Progress, *folders: Path) -> dict[str, Any]:
    report = writer.add(*folders, progress=progress)
    numbers = {name: value for name, value in asdict(report).items() if isinstance(value, int | float)}
    return numbers | {"failed": len(report.failures), "away": len(report.away), "passed": len(report.passed)}


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
        bound.listen()  # who is told the address may call at once, and waits for the answer
    except OSError as error:
        bound.close()
        raise BadInput(
            f"{settings.host}:{settings.port}: cannot listen there ({error.strerror}); try --port 0"
        ) from None
    return bound
