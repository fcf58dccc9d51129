"""Signing in with a key and out again, and where one is led to afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="the server's packages are not installed")

from fastapi.testclient import TestClient

from diptych.app.server.access import files
from diptych.app.server.access.caller import Caller
from diptych.app.server.access.keys import Keys
from diptych.app.server.access.sessions import cookie_name
from diptych.app.server.admission import Admission, admitting
from diptych.app.server.app import create
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings


@pytest.fixture
def admission(tmp_path: Path) -> Iterator[Admission]:
    with admitting(Settings(home=tmp_path, keys=True)) as admission:
        yield admission


@pytest.fixture
def keys(admission: Admission) -> Keys:
    return admission.keys


@pytest.fixture
def client(tmp_path: Path, admission: Admission) -> Iterator[TestClient]:
    with Library(files.secret(tmp_path), 1, 5.0) as library:
        app = create(library, admission.settings, admission)
        yield TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


def test_a_key_lets_in_and_the_page_holds_the_token_that_signs_out(client: TestClient, keys: Keys) -> None:
    assert client.get("/").status_code == 401
    assert "dpt_…" in client.get("/sign-in").text
    made = keys.create("anna")
    answer = client.post("/sign-in", data={"key": f" {made.token} ", "next": "/?q=snow"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=snow")
    kept = answer.headers["set-cookie"]
    assert "HttpOnly" in kept and "SameSite=Strict" in kept and made.token not in kept
    page = client.get("/")
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    token = page.text.partition('name="csrf-token" content="')[2].partition('"')[0]

    assert client.post("/sign-out", data={"csrf": "guessed"}).headers.get("set-cookie") is None
    assert client.get("/").status_code == 200  # another site cannot sign anybody out
    cookie = client.cookies[cookie_name(False)]
    assert client.post("/sign-out", data={"csrf": token}).headers["location"] == "/sign-in"
    assert client.get("/").status_code == 401
    client.cookies.set(cookie_name(False), cookie)
    assert client.get("/").status_code == 401  # nor does a copy of it


def test_a_wrong_key_is_told_and_not_repeated(client: TestClient) -> None:
    answer = client.post("/sign-in", data={"key": "dpt_0123456789ab_<script>"})
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert 'role="alert"' in answer.text and "script&gt;" not in answer.text and "<script>" not in answer.text


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/\n/a", ""]
)
def test_nobody_is_led_elsewhere(address: str, client: TestClient, keys: Keys) -> None:
    made = keys.create("anna")
    answer = client.post("/sign-in", data={"key": made.token, "next": address})
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    shown = client.get("/sign-in", params={"next": address}).text
    assert 'name="next" value="/"' in shown


def test_where_nobody_needs_a_key_there_is_nothing_to_sign_in_to(tmp_path: Path) -> None:
    with Library(files.secret(tmp_path), 1, 5.0) as library:
        client = TestClient(
            create(library, Settings(home=tmp_path), lambda _: Caller.OWNER), base_url="http://127.0.0.1"
        )
        for answer in (
            client.get("/sign-in", follow_redirects=False),
            client.post("/sign-in", data={"key": "x"}, follow_redirects=False),
            client.post("/sign-out", follow_redirects=False),
        ):
            assert (answer.status_code, urlsplit(answer.headers["location"]).path) == (303, "/")


def test_the_files_of_the_page_are_had_without_a_key_and_kept_for_ever(client: TestClient) -> None:
    from diptych.app.page.drawn import FILES, address

    for name, file in FILES.items():
        answer = client.get(address(name))
        assert answer.status_code == 200 and answer.content == file.data
        assert "immutable" in answer.headers["cache-control"]
        assert client.get(f"/page/{name}").headers["cache-control"] == "no-cache"
        assert client.get(f"/page/{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert client.get("/page/..%2froutes.py").status_code in (401, 404)
