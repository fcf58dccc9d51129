"""From what stands on the command line to a server that runs: folders become collections, and are kept up to date."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn

from diptych.app.server import experiment
from diptych.app.server.access import files
from diptych.app.server.access.audit import Audit
from diptych.app.server.access.keys import Keys
from diptych.app.server.admission import admitting
from diptych.app.server.app import create
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings
from diptych.app.shell import print_note
from diptych.collection import Collection
from diptych.collection.store import FILE
from diptych.kinds import BadInput, Progress


@contextmanager
def ready(
    places: Sequence[tuple[str, Path]], settings: Settings, against: str = ""
) -> Iterator[tuple[uvicorn.Config, socket.socket, str]]:
    """A server that is about to run, the socket it listens on, and its address.

    places    (tenant, a collection or a folder of pictures)
    against   the second ranker of an experiment on the one place there is; see `experiment.read`
    """
    secret = files.secret(settings.home)
    with admitting(settings) as admission, Library(secret, settings.readers, settings.seconds) as library:
        library.add_made(settings.home)
        for tenant, place in places:
            serve(library, place, tenant, against)
        for line in unseen(library, admission.keys):
            print_note(line)
        audit = Audit(settings.home / "audit", settings.audit_days, settings.audit_strict)
        app = create(library, settings, admission, audit)
        bound = _bound(settings)
        address = f"http://{settings.host}:{bound.getsockname()[1]}/"
        yield (
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=3,  # who follows a job would hold it up for as long as the job takes
                proxy_headers=False,  # it believes whoever is on this machine; `Admission` counts our proxies
            ),
            bound,
            address,
        )


def unseen(library: Library, keys: Keys) -> list[str]:
    """A line for each collection that a key in use is for and that is not served, whatever has its name now."""
    return [
        f"diptych: the key {key.name} is for {place}, which is not served here"
        for key in keys.active()
        for place in key.collections or ()
        if library.at(key.tenant, place) is None
    ]


def serve(library: Library, place: Path, tenant: str = "", against: str = "") -> None:
    """Serve a collection; a folder of pictures becomes one, in the background, and is looked at anew.

    against   the second ranker of an experiment
    """
    from diptych.app import places

    folder = places.served(place)
    is_collection = folder == place
    if not (folder / FILE).is_file():
        Collection.open(folder, write=True).close()
    served = library.add(folder, "" if is_collection else place.resolve().name, tenant)
    if against:
        experiment.begin(served, against, library)
    if not is_collection:
        served.jobs.start("index", lambda writer, progress: _indexed(writer, progress, place))


def _indexed(writer: Collection, progress: Progress, *folders: Path) -> dict[str, Any]:
    report = writer.add(*folders, progress=progress)
    numbers = {name: value for name, value in asdict(report).items() if isinstance(value, int | float)}
    return numbers | {"failed": len(report.failures), "away": len(report.away), "passed": len(report.passed)}


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named, so that asyncio sets TCP_NODELAY: else a body waits until its head is acknowledged, 40 ms later.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
