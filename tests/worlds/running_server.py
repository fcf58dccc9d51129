"""A server as `diptych serve` runs it, in a thread of this process."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit


class Running:
    """A server in a thread of its own, that can be stopped and started again on the same port."""

    def __init__(self, places: list[Path], home: Path, reports: Path | None = None, keys: bool = False) -> None:
        from diptych.app.server.settings import Settings

        self._places = [("", place) for place in places]
        shown = "" if reports is None else str(reports)
        self._settings = Settings(port=0, home=home, reports=shown, keys=keys, rate=100_000)
        self.address = ""

    def start(self) -> None:
        up = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(up,), daemon=True)
        self._thread.start()
        assert up.wait(60)

    def wait_for_pictures(self) -> None:
        """Until every folder was looked at."""
        import httpx2

        asked = httpx2.get(f"{self.address}v1/collections").json()["collections"]
        while any(one["indexing"] for one in asked):
            time.sleep(0.05)
            asked = httpx2.get(f"{self.address}v1/collections").json()["collections"]

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self, up: threading.Event) -> None:
        import uvicorn

        from diptych.app.server import running

        with running.ready(self._places, self._settings) as (config, bound, address):
            self.address = address
            self._settings = replace(self._settings, port=urlsplit(address).port or 0)
            self._server = uvicorn.Server(config)
            threading.Thread(target=self._told, args=(up,), daemon=True).start()
            self._server.run(sockets=[bound])

    def _told(self, up: threading.Event) -> None:
        while not self._server.started:
            time.sleep(0.02)
        up.set()
