"""At the door: under which names the server answers, to whom, how much it reads, and what every answer says."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator

import anyio.to_thread
import httpx2
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from served_world import SECRET, Served, who

from diptych.app.server.access.caller import Caller
from diptych.app.server.app import create
from diptych.app.server.guard import HEADERS, router
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings

pytestmark = pytest.mark.xdist_group("server")

OWNER = {"Authorization": "Bearer admin"}


def raw(server: Served, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Bytes sent as they stand, and the answer; what is not sent of a body is never sent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.1:1", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8642"])
def test_this_machine_is_called_by_its_names(server, name):
    assert raw(server, f"GET /healthz HTTP/1.1\nHost: {name}\n")[0] == 200


@pytest.mark.parametrize(
    "name",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "[::1].evil", "", "x@"],
)
def test_a_name_that_was_made_to_lead_here_is_refused(server, name):
    """DNS rebinding: a page elsewhere has its name point to 127.0.0.1, and its script is of the same origin then."""
    status, headers, body = raw(server, f"GET /v1/collections HTTP/1.1\nHost: {name}\nAuthorization: Bearer admin\n")
    assert (status, headers["content-type"]) == (421, "application/problem+json")
    assert "DIPTYCH_HOSTS" in json.loads(body)["detail"]


def test_a_name_of_ones_own_is_told_in_the_settings(tmp_path):
    with Library(SECRET, 1, 5) as library:
        app = create(library, Settings(home=tmp_path, hosts="Pictures.Home, other.home"), who)
        with TestClient(app, "http://pictures.home") as client:
            assert client.get("/healthz").status_code == 200
        with TestClient(app, "http://elsewhere.home") as client:
            assert client.get("/healthz").status_code == 421


def test_whoever_a_proxy_asks_for_is_not_the_owner_of_the_machine(tmp_path):
    """A proxy on this machine calls from this machine: without keys all who reach it would be let in as the owner."""
    with Library(SECRET, 1, 5) as library:
        alone = create(library, Settings(home=tmp_path), lambda _: Caller.OWNER)
        with TestClient(alone, "http://localhost") as client:
            assert client.get("/v1/collections").status_code == 200
            for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"):
                answer = client.get("/v1/collections", headers={header: "203.0.113.7"})
                assert answer.status_code == 403 and "DIPTYCH_PROXIES" in answer.json()["detail"], header
        for settings in (Settings(home=tmp_path, proxies=1), Settings(home=tmp_path, keys=True)):
            with TestClient(create(library, settings, who), "http://localhost") as client:
                key = {"Authorization": "Bearer read", "X-Forwarded-For": "203.0.113.7"}
                assert client.get("/v1/collections", headers=key).status_code == 200
    assert Settings(home=tmp_path).local and not Settings(home=tmp_path, proxies=1).local


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", ""])
def test_a_page_of_another_site_changes_nothing(server, origin):
    for method in ("POST", "DELETE", "PATCH", "PUT"):
        answer = httpx2.request(
            method, f"{server.url}/v1/collections/album/jobs", headers={**OWNER, "Origin": origin}, json={}
        )
        assert answer.status_code == 403 and "another site" in answer.json()["detail"]


def test_its_own_page_does_and_others_may_not_even_read(server):
    asked = f"{server.url}/v1/collections/cards/search"
    assert httpx2.post(asked, headers={**OWNER, "Origin": server.url}, json={"query": "a"}).status_code == 200
    assert httpx2.post(asked, headers=OWNER, json={"query": "a"}).status_code == 200  # no browser
    read = httpx2.get(f"{server.url}/v1/collections", headers={**OWNER, "Origin": "http://evil.example"})
    assert not [name for name in read.headers if name.startswith("access-control")]
    asked_first = httpx2.options(asked, headers={**OWNER, "Origin": "http://evil.example"})
    assert not [name for name in asked_first.headers if name.startswith("access-control")]


# -------------------------------------------------------------------------------------------------------------- callers


def test_nobody_is_told_anything_but_that_it_lives(server):
    for path in ("/healthz", "/readyz"):
        assert httpx2.get(server.url + path).status_code == 200
    for path in ("/v1/openapi.json", "/metrics", "/v1/nothing", "/", "/healthz/", "//healthz"):
        answer = httpx2.get(server.url + path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path


def test_a_route_that_does_not_say_its_scope_cannot_be_made():
    routes = router("/v1", "of a test")
    with pytest.raises(KeyError, match="x-scope"):
        routes.get("/secrets")(lambda: None)
    with pytest.raises(KeyError, match="x-scope"):
        routes.get("/secrets", openapi_extra={"x-other": 1})(lambda: None)


def test_every_route_under_v1_is_guarded(server):
    for route in server.app.routes:
        if getattr(route, "path", "").startswith("/v1") and route.path != "/v1/openapi.json":
            assert route.scope in ("read", "write", "admin"), route.path


# --------------------------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("application/json", "/v1/collections/cards/search"),
        ("multipart/form-data; boundary=x", "/v1/collections/album/items"),
    ],
)
def test_what_is_too_long_is_refused_before_it_is_sent(server, kind, path):
    head = f"POST {path} HTTP/1.1\nHost: localhost\nAuthorization: Bearer admin\nContent-Type: {kind}\n"
    status, headers, body = raw(server, head + "Content-Length: 99999999999\n")
    assert (status, headers["connection"]) == (413, "close")
    assert "larger than" in json.loads(body)["detail"]


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "0x10", "²"])
def test_a_length_that_is_none_is_refused(server, length):
    head = "POST /v1/collections/cards/search HTTP/1.1\nHost: localhost\nAuthorization: Bearer admin\n"
    assert raw(server, f"{head}Content-Length: {length}\n")[0] in (400, 413)


def pieces(piece: bytes, most: int) -> tuple[Callable[[], Iterator[bytes]], list[int]]:
    """A body without a length, and how much of it was taken."""
    taken = [0]

    def sent() -> Iterator[bytes]:
        while taken[0] < most:
            taken[0] += len(piece)
            yield piece

    return sent, taken


def test_what_does_not_say_how_long_it_is_is_cut_at_the_limit(server):
    body, taken = pieces(b" " * 65_536, 100 * server.settings.max_request)
    answer = httpx2.post(
        f"{server.url}/v1/collections/cards/search",
        headers={**OWNER, "Content-Type": "application/json"},
        content=body(),
        timeout=60,
    )
    assert answer.status_code == 413 and answer.headers["content-type"] == "application/problem+json"
    assert taken[0] < 50 * server.settings.max_request  # the rest was not waited for

    body, taken = pieces(b"x" * 65_536, 100 * server.settings.max_upload)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    answer = httpx2.post(
        f"{server.url}/v1/collections/album/items",
        headers={**OWNER, "Content-Type": "multipart/form-data; boundary=x"},
        content=(part for source in ([head], body()) for part in source),
        timeout=60,
    )
    assert answer.status_code == 413 and taken[0] < 50 * server.settings.max_upload


def test_a_body_is_not_read_of_who_may_not_send_one(server):
    """The length is within the limit, and not a byte of the body ever comes."""
    head = "POST /v1/collections/album/items HTTP/1.1\nHost: localhost\nContent-Type: multipart/form-data; boundary=x\n"
    for who_calls, status in (("nobody", 401), ("read", 403)):
        assert raw(server, f"{head}Content-Length: 1000000\nAuthorization: Bearer {who_calls}\n")[0] == status


# -------------------------------------------------------------------------------------------------------------- answers


def answers(server: Served) -> Iterator[tuple[str, httpx2.Response, int]]:
    """An answer of every kind, with the status that it should have."""
    with httpx2.Client(base_url=server.url, headers=OWNER) as client:
        item = client.get("/v1/collections/cards/items").json()["items"][0]["id"]
        search = "/v1/collections/cards/search"
        yield "json", client.get("/v1/collections"), 200
        yield "picture", client.get(f"/v1/collections/cards/items/{item}/thumbnails/small"), 200
        yield "original", client.get(f"/v1/collections/cards/items/{item}/original"), 200
        yield "metrics", client.get("/metrics"), 200
        yield "nobody", client.get("/v1/collections", headers={"Authorization": "Bearer x"}), 401
        yield "may not", client.get("/metrics", headers={"Authorization": "Bearer read"}), 403
        yield "nowhere", client.get("/nowhere"), 404
        yield "no collection", client.get("/v1/collections/none"), 404
        yield "no method", client.put("/v1/collections"), 405
        yield "too long", client.post(search, content=b"x" * 2_000_000), 413
        yield "no picture", client.post("/v1/collections/cards/pictures", files={"file": b"words"}), 415
        yield "other name", client.get("/healthz", headers={"Host": "evil.example"}), 421
        yield "wrong", client.post(search, json={"k": "many"}), 422
        yield "bad query", client.post(search, json={"query": "dog AND ("}), 400


def test_every_answer_says_how_it_may_be_used(server):
    for kind, answer, status in answers(server):
        assert answer.status_code == status, kind
        for name, value in HEADERS.items():
            assert answer.headers.get_list(name) == [value], (kind, name)
        assert "server" not in answer.headers and "x-powered-by" not in answer.headers


def test_an_answer_is_made_and_written_by_one_thread(http, monkeypatch):
    """Each other one waits for its turn, as every answer does that the thread of the connections writes itself."""
    calls = []
    run_sync = anyio.to_thread.run_sync

    async def counted(*args, **named):
        calls.append(args)
        return await run_sync(*args, **named)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    answer = http.post("/v1/collections/cards/search", json={"query": "a tree", "k": 3})
    assert (answer.status_code, answer.headers["content-type"], len(calls)) == (200, "application/json", 1)
    assert len(answer.json()["results"]) == 3


def test_every_error_is_a_problem_document(server):
    seen = set()
    for kind, answer, status in answers(server):
        if status >= 400:
            said = answer.json()
            assert answer.headers["content-type"] == "application/problem+json", kind
            assert set(said) == {"type", "title", "status", "detail"} and said["status"] == status, kind
            assert said["detail"] and "\n" not in said["detail"] and str(server.album.parent) not in said["detail"]
            seen.add(status)
    assert len(seen) > 8


def test_a_fault_of_the_server_tells_nothing_and_is_logged(tmp_path, caplog):
    def broken(request: Request) -> Caller:
        return Caller.OWNER

    with Library(SECRET, 1, 5) as library:
        app = create(library, Settings(home=tmp_path), broken)

        @app.get("/broken")
        def fails() -> None:
            raise RuntimeError("the secret is in /home/ann")

        with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
            answer = client.get("/broken")
        assert answer.status_code == 500 and "secret" not in answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        with TestClient(app, "http://localhost") as client, pytest.raises(RuntimeError, match="the secret"):
            client.get("/broken")  # which the server of the server logs


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"query": "\\ud800"}',
        b'{"query": "a", "unknown": 1}',
        b'{"query": 7}',
        b'{"k": 0}',
        b'{"k": 1e400}',
        b'{"k": 1001}',
        b'{"k": 99999999999999999999999}',
        b'{"offset": -1}',
        b'{"offset": 10001}',
        b'{"diverse": NaN}',
        b'{"keywords": Infinity}',
        b'{"parts": [{}]}',
        b'{"parts": [{"text": "a", "item": "b"}]}',
        b'{"parts": [{"text": "a", "weight": 0}]}',
        b'{"parts": [{"text": "a", "weight": 1e999}]}',
        b'{"marks": {"maybe": []}}',
        b'{"query": "' + b"x" * 8_001 + b'"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_what_is_no_search_is_refused_in_one_line(server, body):
    answer = httpx2.post(
        f"{server.url}/v1/collections/cards/search",
        headers={**OWNER, "Content-Type": "application/json"},
        content=body,
        timeout=60,
    )
    assert answer.status_code in (400, 422), answer.text
    assert "\n" not in answer.json()["detail"] and len(answer.json()["detail"]) < 500


def test_a_misspelt_field_is_named(http):
    answer = http.post("/v1/collections/cards/search", json={"query": "a", "ofset": 3})
    assert answer.status_code == 422 and "ofset" in answer.json()["detail"]
