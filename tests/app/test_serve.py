"""The command `diptych serve`, as a process."""

from __future__ import annotations

import os
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
