"""A server under a fixed load for half an hour: it neither grows nor leaks.

DIPTYCH_SOAK=30 pytest --timeout=7200 -s tests/app/server/test_soak.py      # minutes; or: make soak
"""

import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from diptych import postcards

MINUTES = float(os.environ.get("DIPTYCH_SOAK", "0"))

CARDS, CLIENTS, PAUSE = 300, 4, 0.1

WORDS = ("a boat", "snow", "a red umbrella", "night", "mountains in autumn", "people at the sea", "a train", "fog")


def resident(pid: int) -> float:
    """MB of memory that a process holds."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.skipif(not MINUTES or not Path("/proc/self/status").exists(), reason="takes half an hour: make soak")
def test_a_server_under_load_neither_grows_nor_leaks(tmp_path):
    postcards.write(tmp_path / "cards", CARDS, seed=9)
    command = [sys.executable, "-m", "diptych.app.cli", "serve", str(tmp_path / "cards" / "images"), "--port", "0"]
    environment = os.environ | {"DIPTYCH_HOME": str(tmp_path / "home"), "DIPTYCH_CACHE": str(tmp_path / "cache")}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        url = server.stdout.readline().split()[0]
        with httpx2.Client(base_url=url, timeout=60) as client:
            while client.get("/v1/collections/images").json()["items"] < CARDS:
                time.sleep(0.5)
        end = threading.Event()
        failed: list[str] = []
        threads = [threading.Thread(target=ask, args=(url, seed, end, failed)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        started, sizes, open_files = time.monotonic(), [], []
        while (passed := time.monotonic() - started) < 60 * MINUTES:
            time.sleep(max(1.0, MINUTES / 3))
            if passed > 60 * MINUTES / 10:  # by then everything was loaded and every kind of call was made
                sizes.append(resident(server.pid))
                open_files.append(descriptors(server.pid))
        end.set()
        for thread in threads:
            thread.join()
        tenth = max(1, len(sizes) // 10)
        before, after = sum(sizes[:tenth]) / tenth, sum(sizes[-tenth:]) / tenth
        print(  # noqa: T201
            f"\n{MINUTES:g} minutes: {before:.1f} MB, then {after:.1f} MB ({after / before - 1:+.1%}); "
            f"descriptors {open_files[0]} to {open_files[-1]}, at most {max(open_files)}"
        )
        assert not failed
        assert after < 1.05 * before
        assert max(open_files[-tenth:]) <= max(open_files[:tenth]) + CLIENTS
    finally:
        server.terminate()
        server.wait(30)


def ask(url: str, seed: int, end: threading.Event, failed: list[str]) -> None:
    """What people do, over and over."""
    chance = random.Random(seed)
    collection = "/v1/collections/images"
    with httpx2.Client(base_url=url, timeout=60) as client:
        ids = [one["id"] for one in client.get(f"{collection}/items", params={"limit": CARDS}).json()["items"]]
        while not end.wait(PAUSE):
            id = chance.choice(ids)
            calls = (
                ("POST", f"{collection}/search", {"query": f"{chance.choice(WORDS)} {chance.randrange(99)}", "k": 30}),
                ("POST", f"{collection}/search", {"query": chance.choice(WORDS), "where": "width > 10", "k": 30}),
                ("GET", f"{collection}/items/{id}/similar", None),
                ("GET", f"{collection}/items/{id}/thumbnails/{chance.choice(('small', 'medium', 'large'))}", None),
                ("GET", f"{collection}/facets", None),
                ("PATCH", f"{collection}/items/{id}", {"tags": [f"tag{chance.randrange(20)}"]}),
                ("GET", "/metrics", None),
            )
            method, path, body = chance.choices(calls, (8, 3, 4, 8, 1, 1, 1))[0]
            answer = client.request(method, path, json=body)
            if answer.status_code != 200:
                failed.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
