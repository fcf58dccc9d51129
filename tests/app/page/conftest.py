"""A server with an album, for the whole run, since it takes long to start; and a browser before it, for each module: as
long as Playwright is there, nothing else in its process can run an event loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from album import paint
from running_server import Running

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

PICTURES = 140


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium; tests are skipped where it or Playwright is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there; apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "album"
    paint(folder, PICTURES)
    return folder


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two reports of one evaluation, and the page of one of them."""
    from diptych.kinds import Report

    folder = tmp_path_factory.mktemp("reports")
    for method, found in (("cca", 0.6), ("pls", 0.4)):
        asked = [float(query < found * 50) for query in range(50)]
        sides = {side: {"r@1": found, "r@5": found, "r@10": found, "map@all": found} for side in ("i2t", "t2i")}
        report = Report(
            method,
            "cards",
            "pairs",
            0,
            **sides,
            seconds={},
            bytes_per_item=64.0,
            versions={},
            data="1",
            protocol_text="test against test",
            counts={"images": 50, "texts": 50},
            per_query={side: {"r@1": asked, "r@5": asked} for side in ("i2t", "t2i")},
        )
        (folder / method).mkdir()
        report.save(folder / method / "report.json")
    (folder / "cca" / "report.html").write_text(
        "<!doctype html><title>cca</title><h1>cca on cards</h1><script>document.title = 'ran'</script>"
    )
    return folder


@pytest.fixture(scope="session")
def server(album: Path, reports: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIPTYCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        few = album.parent / "few"
        paint(few, 6, seed=8, side=200)
        running = Running([album, few], tmp_path_factory.mktemp("home"), reports)
        running.start()
        running.wait_for_pictures()
        yield running
        running.stop()


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, server: Running) -> Iterator[Opened]:
    """Opens the page: `opened("?q=snow", width=390, height=844)`.

    At the end nothing was asked of anybody else, and nothing went wrong in the page; `allowed` names what may fail,
    such as what is asked of a server that was stopped.
    """
    contexts: list[Any] = []
    faults: list[str] = []
    asked: set[str] = set()
    own: set[str] = set()

    def open_page(
        about: str = "", width: int = 1280, height: int = 800, allowed: str = "", at: str = server.address, **more: Any
    ) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        context.set_default_timeout(60_000)  # a busy machine is no fault of the page
        own.add(at.rstrip("/"))
        contexts.append(context)
        page = context.new_page()

        def told(message: Any) -> None:
            at = message.location.get("url", "")
            expected = allowed and allowed in f"{message.text} {at}"
            if message.type == "error" and not expected:
                faults.append(f"{message.text} {at}")

        page.on("console", told)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request", lambda request: asked.add(f"{urlsplit(request.url).scheme}://{urlsplit(request.url).netloc}")
        )
        page.goto(at + about)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")  # a route that is still under way would fail in the next test
        context.close()
    for name in ("album", "few"):  # marks are there when the next test asks the same
        httpx2.delete(f"{server.address}v1/collections/{name}/feedback", timeout=60).raise_for_status()
    assert not faults, faults
    assert asked <= {*own, "blob://", "data://"}
