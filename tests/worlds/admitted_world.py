"""A server with keys, sessions, links and an audit log, on loopback, in a thread of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from diptych.app.server.access.audit import Audit
from diptych.app.server.admission import Admission, admitting
from diptych.app.server.app import create
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings


@contextmanager
def running(home: Path, folders: Mapping[tuple[str, str], Path], **given: object) -> Iterator[tuple[str, Admission]]:
    """Its address, and who lets callers in. folders: (tenant, name) -> a collection."""
    settings = Settings.of({"DIPTYCH_HOME": str(home)}, **given)
    with admitting(settings) as admission, Library(bytes(32), 2, 10.0) as library:
        for (tenant, name), folder in folders.items():
            library.add(folder, name, tenant)
        audit = Audit(home / "audit", strict=settings.audit_strict)
        bound = socket.create_server(("127.0.0.1", 0))
        app = create(library, settings, admission, audit)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, proxy_headers=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}", admission
        finally:
            server.should_exit = True
            thread.join()
