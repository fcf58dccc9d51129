"""Who sends too much is told so, and does not only find the connection gone."""

from contextlib import suppress

import httpx2
import pytest
from served_world import Served

from diptych.app.server import lingering
from diptych.client import APIError, Client

pytestmark = pytest.mark.xdist_group("server")


def test_the_client_of_a_file_that_is_too_large_reads_why(server: Served, tmp_path):
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(3 * server.settings.max_upload))
    for key, status in (("admin", 413), ("nobody", 401)):
        with Client(server.url, key) as client, pytest.raises(APIError) as caught:
            client.upload("album", [large])
        assert caught.value.status == status


def test_it_is_not_listened_to_for_ever(server: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lingering, "BYTES", 100_000)
    sent = 0

    def pieces():
        nonlocal sent
        while sent < 500_000_000:
            sent += 65_536
            yield bytes(65_536)

    with suppress(httpx2.HTTPError):  # or it is answered, which is well, too
        httpx2.post(f"{server.url}/v1/collections", content=pieces(), timeout=60)
    assert sent < 500_000_000
