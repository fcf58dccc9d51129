"""A server to talk to."""

from collections.abc import Iterator

import pytest
from talking_server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()
