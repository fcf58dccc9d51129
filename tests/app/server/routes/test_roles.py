"""Who may call what: every route that is published, asked as every role, with the answer that each should get."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from PIL import Image
from served_world import ROLES

pytestmark = pytest.mark.xdist_group("server")

CALLERS = ("nobody", "expired", *ROLES)
"""read, write and admin see all; blinkered is an admin who sees `album` alone; stranger one of another tenant."""

Expected = dict[str, int]


def reading(ok: int, unseen: int = 404) -> Expected:
    """unseen: for those who do not see `cards`."""
    return {
        "nobody": 401,
        "expired": 401,
        "read": ok,
        "write": ok,
        "admin": ok,
        "blinkered": unseen,
        "stranger": unseen,
    }


def writing(ok: int, unseen: int = 404) -> Expected:
    return {**reading(ok, unseen), "read": 403}


def administering(ok: int, unseen: int = 404) -> Expected:
    return {**writing(ok, unseen), "write": 403}


ADMINS: Expected = administering(200, 200)
ANYBODY: Expected = dict.fromkeys(CALLERS, 200)


@dataclass(frozen=True)
class Asked:
    """A call of a route. path: with the names of fixtures in it; more: what httpx2 is to send besides."""

    method: str
    path: str
    expected: Expected
    more: Callable[[], dict[str, Any]] = dict


def json(**body: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"json": body}


def picture(field: str) -> Callable[[], dict[str, Any]]:
    def files() -> dict[str, Any]:
        file = io.BytesIO()
        Image.new("RGB", (9, 9), "navy").save(file, "PNG")
        return {"files": {field: ("navy.png", file.getvalue())}}

    return files


C = "/v1/collections/cards"
MARKED = {"query": "a dog", "item": "", "mark": "yes"}
"""Of the first postcard, once it is known."""

ROUTES = {
    "healthz": Asked("GET", "/healthz", ANYBODY),
    "readyz": Asked("GET", "/readyz", ANYBODY),
    "metrics": Asked("GET", "/metrics", ADMINS),
    "list_collections": Asked("GET", "/v1/collections", reading(200, 200)),
    "get_collection": Asked("GET", C, reading(200)),
    "list_alerts": Asked("GET", "/v1/alerts", ADMINS),
    "list_failures": Asked("GET", f"{C}/failures", reading(200)),
    "make_collection": Asked("POST", "/v1/collections", administering(422, 422), json(name="../x")),
    "delete_collection": Asked("DELETE", C, administering(400)),
    "list_models": Asked("GET", "/v1/models", reading(200, 200)),
    "search": Asked("POST", f"{C}/search", reading(200), json(query="a dog", k=1)),
    "give_feedback": Asked("POST", f"{C}/feedback", reading(204), lambda: {"json": MARKED}),
    "standing_marks": Asked("GET", f"{C}/feedback?query=a", reading(200)),
    "forget_feedback": Asked("DELETE", f"{C}/feedback", reading(200)),
    "export_feedback": Asked("GET", f"{C}/feedback/export", administering(200)),
    "upload_to_ask": Asked("POST", f"{C}/pictures", reading(200), picture("file")),
    "fetch_to_ask": Asked("POST", f"{C}/pictures/fetch", reading(400), json(url="https://example.org/a.jpg")),
    "facets": Asked("GET", f"{C}/facets", reading(200)),
    "histogram": Asked("GET", f"{C}/histogram?field=number", reading(200)),
    "list_items": Asked("GET", f"{C}/items", reading(200)),
    "upload": Asked("POST", f"{C}/items", writing(201), picture("files")),
    "get_item": Asked("GET", f"{C}/items/{{item}}", reading(200)),
    "annotate": Asked("PATCH", f"{C}/items/{{new}}", writing(200), json(tags=["seen"])),
    "delete": Asked("DELETE", f"{C}/items/{{new}}", writing(204)),
    "similar": Asked("GET", f"{C}/items/{{item}}/similar", reading(200)),
    "captions": Asked("GET", f"{C}/items/{{item}}/captions", reading(200)),
    "thumbnail": Asked("GET", f"{C}/items/{{item}}/thumbnails/small", reading(200)),
    "original": Asked("GET", f"{C}/items/{{item}}/original", reading(200)),
    "export": Asked("POST", f"{C}/export", reading(404), json(ids=["none"], format="list")),
    "list_shares": Asked("GET", f"{C}/shares", writing(404)),
    "share": Asked("POST", f"{C}/shares", writing(404), json(name="x", query="a dog")),
    "take_back": Asked("DELETE", f"{C}/shares/none", writing(404)),
    "list_jobs": Asked("GET", f"{C}/jobs", reading(200)),
    "start_job": Asked("POST", f"{C}/jobs", writing(202), json()),
    "get_job": Asked("GET", f"{C}/jobs/{{job}}", reading(200)),
    "follow_job": Asked("GET", f"{C}/jobs/{{job}}/events", reading(200)),
    "stop_job": Asked("DELETE", f"{C}/jobs/{{job}}", writing(200)),
    "resume_job": Asked("POST", f"{C}/jobs/{{job}}/resume", writing(202)),
    "embeddings": Asked("POST", "/v1/embeddings", reading(200), json(model="cards", input="a dog")),
    "rerank": Asked("POST", "/v1/rerank", reading(200), json(model="cards", query="a dog", documents=["a"])),
}
"""By the operationId of the published description. A new route stands here, or the test below fails."""


@pytest.fixture(scope="module", autouse=True)
def marked(cards: list[str]) -> None:
    MARKED["item"] = cards[0]


@pytest.fixture(scope="module")
def published(http: httpx2.Client) -> dict[str, tuple[str, str, str]]:
    """operationId: method, path, scope."""
    paths = http.get("/v1/openapi.json").json()["paths"]
    return {
        operation["operationId"]: (method.upper(), path, operation.get("x-scope", ""))
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


@pytest.fixture(scope="module")
def job(http: httpx2.Client) -> str:
    """The id of a job that has ended."""
    id = http.post(f"{C}/jobs", json={}).json()["id"]
    http.get(f"{C}/jobs/{id}/events")
    return str(id)


@pytest.fixture(scope="module")
def fresh(http: httpx2.Client) -> Iterator[Callable[[], str]]:
    """Makes items that nobody else needs; their ids. None is left behind."""

    def made() -> str:
        stored = http.post(f"{C}/items", **picture("files")()).json()
        return str(stored["items"][0]["id"])

    yield made
    for item in http.get(f"{C}/items", params={"where": "name ~ navy", "limit": 100}).json()["items"]:
        http.delete(f"{C}/items/{item['id']}").raise_for_status()


def test_every_route_stands_in_the_table_with_the_scope_it_says(published):
    assert set(published) == set(ROUTES)
    for name, (method, _, scope) in published.items():
        asked = ROUTES[name]
        let_in = [role for role in ("nobody", "read", "write", "admin") if asked.expected[role] not in (401, 403)]
        assert (asked.method, let_in[0]) == (method, scope or "nobody"), name
        assert set(asked.expected) == set(CALLERS), name


@pytest.mark.parametrize("name", ROUTES)
def test_every_caller_gets_what_they_may_and_no_more(server, cards, job, fresh, name):
    asked = ROUTES[name]
    for who in CALLERS:
        path = asked.path.format(item=cards[0], job=job, new=fresh() if "{new}" in asked.path else "")
        key = {} if who == "nobody" else {"Authorization": f"Bearer {who}"}
        answer = httpx2.request(asked.method, server.url + path, headers=key, timeout=60, **asked.more())
        assert answer.status_code == asked.expected[who], (who, answer.text)


def test_what_one_may_not_see_is_told_of_as_what_is_not_there(server, cards):
    """Neither the words nor the length of an answer tell whether there is a collection or an item of another."""
    for path in ("", "/items", f"/items/{cards[0]}", "/jobs", "/facets"):
        for who in ("blinkered", "stranger"):
            key = {"Authorization": f"Bearer {who}"}
            hidden = httpx2.get(
                f"{server.url}/v1/collections/{'cards' if who == 'blinkered' else 'album'}{path}", headers=key
            )
            absent = httpx2.get(f"{server.url}/v1/collections/no-of{path}", headers=key)
            assert hidden.status_code == absent.status_code == 404
            assert hidden.text.replace("cards", "X").replace("album", "X") == absent.text.replace("no-of", "X")


def test_the_same_collection_of_two_tenants_has_other_ids(server, http, cards):
    """A tenant's ids open nothing for another, even where both have the very same pictures."""
    theirs = "/v1/collections/theirs"
    items = httpx2.get(
        f"{server.url}{theirs}/items", headers={"Authorization": "Bearer stranger"}, params={"limit": 100}
    )
    ids = {item["id"] for item in items.json()["items"]}
    assert len(ids) >= len(cards) and not ids & set(cards)
    key = {"Authorization": "Bearer stranger"}
    assert httpx2.get(f"{server.url}{theirs}/items/{cards[0]}", headers=key).status_code == 404
    for body in (
        {"parts": [{"item": cards[0]}]},
        {"query": f"#{cards[0]}"},
        {"query": "a", "marks": {"yes": [cards[0]]}},
    ):
        answer = httpx2.post(f"{server.url}{theirs}/search", headers=key, json=body)
        assert answer.status_code == 404 and "there is no such item" in answer.json()["detail"]


def test_only_administrators_are_told_where_files_lie(server, cards, fresh):
    def told(who: str) -> dict[str, Any]:
        return httpx2.get(f"{server.url}{C}/items/{cards[0]}", headers={"Authorization": f"Bearer {who}"}).json()

    assert told("admin")["path"] and told("write")["path"] is told("read")["path"] is None


@pytest.mark.parametrize("who", ["read", "write"])
def test_no_answer_to_others_names_a_folder_of_the_machine(server, cards, job, who):
    key = {"Authorization": f"Bearer {who}"}
    for asked in ROUTES.values():
        if asked.expected["read"] == 200 and "original" not in asked.path and "thumbnails" not in asked.path:
            path = asked.path.format(item=cards[0], job=job)
            answer = httpx2.request(asked.method, server.url + path, headers=key, timeout=60, **asked.more())
            assert str(server.album.parent) not in answer.text, path
