from collections.abc import Iterator

import httpx2
import pytest
from served_world import Served, served


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), max_upload=2_000_000, max_files=5) as one:
        yield one


@pytest.fixture(scope="session")
def http(server: Served) -> Iterator[httpx2.Client]:
    """Calls as the owner."""
    with httpx2.Client(base_url=server.url, headers={"Authorization": "Bearer admin"}, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def cards(http: httpx2.Client) -> list[str]:
    """Ids of the postcards by their numbers; nothing changes them."""
    items = http.get("/v1/collections/cards/items", params={"where": "has(number)", "limit": 100}).json()["items"]
    return [item["id"] for item in sorted(items, key=lambda item: item["metadata"]["number"])]
