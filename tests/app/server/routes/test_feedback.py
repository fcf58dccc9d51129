"""What people do with answers, over HTTP: kept for who did it, unseen by others, gone when they say so."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from admitted_world import running
from collection_world import paint
from served_world import Served

from diptych.app.server import library
from diptych.collection import Collection, Event
from diptych.collection.feedback import log

pytestmark = pytest.mark.xdist_group("server")

C, THEIRS = "/v1/collections/cards", "/v1/collections/theirs"

Does = Callable[..., httpx2.Response]


@pytest.fixture
def does(server: Served) -> Iterator[Does]:
    """`does("read", "a dog", item, mark="yes")`; at the end all of it is forgotten."""
    seen = set()

    def done(who: str, query: str, item: str, at: str = C, **more: Any) -> httpx2.Response:
        body = {"query": query, "item": item, **more}
        answer = httpx2.post(f"{server.url}{at}/feedback", headers=key(who), json=body, timeout=60)
        if answer.is_success:
            seen.add((who, at))
        return answer

    yield done
    for who, at in seen:
        httpx2.delete(f"{server.url}{at}/feedback", headers=key(who)).raise_for_status()


def key(who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {who}"}


def standing(server: Served, who: str, query: str, at: str = C) -> dict[str, list[str]]:
    answer = httpx2.get(f"{server.url}{at}/feedback", headers=key(who), params={"query": query})
    assert answer.status_code == 200, answer.text
    marks: dict[str, list[str]] = answer.json()
    return marks


def kept(server: Served, name: str = "cards") -> list[Event]:
    """From the file itself, as another program reads it."""
    found = server.library.get("", name)
    assert found is not None
    with Collection.open(found.folder) as collection:
        return list(collection.feedback.events())


def test_marks_stand_until_they_are_taken_back(server, cards, does):
    assert does("read", "a dog", cards[3], mark="yes").status_code == 204
    does("read", "a dog", cards[4], mark="no")
    does("read", "a dog", cards[5], mark="yes")
    does("read", "a dog", cards[5], mark=None)
    does("read", "a cat", cards[6], mark="yes")
    assert standing(server, "read", "a dog") == {"yes": [cards[3]], "no": [cards[4]]}
    assert standing(server, "read", "a cat") == {"yes": [cards[6]], "no": []}
    assert standing(server, "read", "a bird") == {"yes": [], "no": []}


def test_what_is_kept_is_what_was_done_by_whom(server, cards, does):
    before = {event.id for event in kept(server)}
    does("read", "a dog", cards[3], kind="click", rank=3, shown=cards[:2])
    does("write", "a dog", cards[3], kind="dwell", seconds=2.5)
    does("admin", "a dog", cards[3], mark="no")
    with server.library.get("", "cards").reader() as reader:
        by_number = {reader.get(id).metadata["number"]: id for id in reader.ids()}
    new = [event for event in kept(server) if event.id not in before]
    assert [(event.user, event.kind, event.value, event.rank) for event in new] == [
        ("reader", "click", 1.0, 3),
        ("writer", "dwell", 2.5, None),
        ("owner", "no", 1.0, None),
    ]
    assert {event.item for event in new} == {by_number[3]}
    assert new[0].shown == (by_number[0], by_number[1]) == new[0].above


def test_marks_of_one_are_neither_seen_by_another_nor_move_their_answers(server, cards, does):
    """Of another key, and of another tenant with the very same pictures."""
    others = {"write": C, "admin": C, "stranger": THEIRS}

    def ranked() -> dict[str, list[tuple[str, float]]]:
        asked = {"query": "a dog", "k": 40}
        answers = {
            who: httpx2.post(f"{server.url}{at}/search", headers=key(who), json=asked) for who, at in others.items()
        }
        return {who: [(hit["name"], hit["score"]) for hit in one.json()["results"]] for who, one in answers.items()}

    before = ranked()
    for card in cards[:10]:
        does("read", "a dog", card, mark="no")
        does("read", "a dog", card, kind="click", rank=1)
    assert ranked() == before and all(before.values())
    for who, at in others.items():
        assert standing(server, who, "a dog", at) == {"yes": [], "no": []}


def test_marks_given_with_a_search_move_it_and_it_says_so(http, cards):
    def ask(**marks: list[str]) -> dict[str, Any]:
        answer: dict[str, Any] = http.post(f"{C}/search", json={"query": "a dog", "k": 40, "marks": marks}).json()
        return answer

    plain = ask()
    ids = [hit["id"] for hit in plain["results"]]
    marked = ask(yes=[ids[-1]], no=[ids[0]])
    after = [hit["id"] for hit in marked["results"]]
    assert plain["ranked_by"] == "query" and marked["ranked_by"].startswith("marks")
    assert not {ids[-1], ids[0]} & set(after) and marked["total"] == plain["total"] - 2
    assert after != [id for id in ids if id in after]
    assert ask()["results"] == plain["results"]


def test_marks_of_items_that_are_gone_and_on_both_sides_are_named_by_their_opaque_ids(http, cards):
    def refused(**marks: list[str]) -> tuple[int, str]:
        answer = http.post(f"{C}/search", json={"query": "a dog", "marks": marks})
        return answer.status_code, answer.json()["detail"]

    never, neither = "x" * 22, "y" * 22
    gone = f"marks: there is no such item as '{never}', '{neither}'; leave it out"
    assert refused(yes=[cards[0], never], no=[neither]) == (404, gone)
    both = f"marks: '{cards[1]}' is marked yes and no; give its latest mark"
    assert refused(yes=[cards[0], cards[1]], no=[cards[1]]) == (400, both)


def test_of_more_marks_than_a_search_takes_the_latest_stand(server, cards, does, monkeypatch):
    monkeypatch.setattr(log, "MOST", 3)
    for card, mark in zip(cards, ("yes", "no", "yes", "no"), strict=False):
        assert does("read", "a dog", card, mark=mark).status_code == 204
    assert standing(server, "read", "a dog") == {"yes": [cards[2]], "no": [cards[1], cards[3]]}


def test_what_is_marked_where_nothing_is_asked_for_is_what_is_looked_for(http, cards):
    found = http.post(f"{C}/search", json={"marks": {"yes": [cards[7]]}, "k": 5}).json()
    alike = http.post(f"{C}/search", json={"query": f"#{cards[7]}", "k": 6}).json()
    assert [hit["id"] for hit in alike["results"]] == [cards[7], *(hit["id"] for hit in found["results"])]
    assert found["ranked_by"].startswith("marks")


def test_a_query_that_names_a_picture_is_asked_again_by_its_opaque_id(server, cards, does):
    does("read", f"#{cards[2]} - snow", cards[3], mark="yes")
    assert standing(server, "read", f"#{cards[2]} - snow")["yes"] == [cards[3]]
    with server.library.get("", "cards").reader() as reader:
        number = next(id for id in reader.ids() if reader.get(id).metadata["number"] == 2)
    assert kept(server)[-1].query == f"#{number} - snow"
    stolen = does("read", f"#{'A' * 22} - snow", cards[3], mark="yes")
    assert (stolen.status_code, stolen.json()["detail"]) == (404, "there is no such item")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"mark": "perhaps"}, "mark"),
        ({"kind": "click", "mark": "yes"}, "mark"),
        ({"kind": "dwell"}, "seconds"),
        ({"kind": "dwell", "seconds": -1}, "seconds"),
        ({"kind": "dwell", "seconds": 1e9}, "seconds"),
        ({"kind": "click", "seconds": 3}, "seconds"),
        ({"kind": "unmarked"}, "kind"),
        ({"mark": "yes", "rank": 0}, "rank"),
        ({"mark": "yes", "shown": [""] * 1_001}, "shown"),
        ({"mark": "yes", "query": ""}, "query"),
        ({"mark": "yes", "query": "x" * 4_001}, "query"),
        ({"mark": "yes", "user": "writer"}, "user"),
    ],
)
def test_what_is_no_feedback_is_refused_by_the_name_of_the_field(server, cards, does, given, field):
    before = len(kept(server))
    answer = does("read", **{"query": "a dog", "item": cards[0], **given})
    assert answer.status_code == 422 and answer.json()["detail"].startswith(f"{field}: ")
    assert len(kept(server)) == before


def test_made_up_ids_and_those_of_others_are_nothing_to_mark(server, cards, does):
    (stranger,) = httpx2.get(f"{server.url}{THEIRS}/items?limit=1", headers=key("stranger")).json()["items"]
    with server.library.get("", "cards").reader() as reader:
        number = reader.ids()[0]
    for wrong in (stranger["id"], str(number), "A" * 22, ""):
        assert does("read", "a dog", wrong, mark="yes").status_code == 404
        assert does("read", "a dog", cards[0], kind="click", shown=[wrong]).status_code == 404
    assert does("stranger", "a dog", cards[0], THEIRS, mark="yes").status_code == 404


def test_one_deletes_what_is_kept_of_oneself_and_an_administrator_what_is_kept_of_others(server, cards, does):
    for who in ("read", "write", "admin"):
        does(who, "a dog", cards[0], mark="yes")
    at = f"{server.url}{C}/feedback"
    others = httpx2.delete(at, headers=key("write"), params={"user": "reader"})
    assert others.status_code == 403 and "administrator" in others.json()["detail"]
    assert httpx2.delete(at, headers=key("read"), params={"user": "reader"}).json()["events"] >= 1
    assert standing(server, "read", "a dog")["yes"] == [] and standing(server, "write", "a dog")["yes"] == [cards[0]]
    assert httpx2.delete(at, headers=key("admin"), params={"user": "writer"}).json()["events"] >= 1
    assert {event.user for event in kept(server)} == {"owner"}


def test_nobody_fills_the_disk(server, cards, does, monkeypatch):
    httpx2.delete(f"{server.url}{C}/feedback", headers=key("read"))
    monkeypatch.setattr(server.app.state, "settings", type(server.settings)(max_feedback=3))
    for card in cards[:3]:
        assert does("read", "a dog", card, mark="yes").status_code == 204
    full = does("read", "a dog", cards[3], mark="yes")
    assert full.status_code == 409 and "3 events are kept of you" in full.json()["detail"]
    assert len(standing(server, "read", "a dog")["yes"]) == 3
    assert does("write", "a dog", cards[3], mark="yes").status_code == 204  # another's share is their own
    httpx2.delete(f"{server.url}{C}/feedback", headers=key("read"))
    assert does("read", "a dog", cards[3], mark="yes").status_code == 204


def test_a_server_that_keeps_nothing_says_so(server, http, cards, does, monkeypatch):
    assert http.get(C).json()["feedback"] is True
    before = len(kept(server))
    monkeypatch.setattr(server.app.state, "settings", type(server.settings)(feedback=False))
    refused = does("read", "a dog", cards[0], mark="yes")
    assert refused.status_code == 409 and "keeps no feedback" in refused.json()["detail"]
    assert http.get(C).json()["feedback"] is False and len(kept(server)) == before


def test_a_collection_that_cannot_be_written_says_so(server, http, cards, does, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(library.os, "access", lambda path, mode: os.fspath(path) == "elsewhere")
        for answer in (does("read", "a dog", cards[0], mark="yes"), http.delete(f"{C}/feedback")):
            assert answer.status_code == 409 and answer.json()["detail"].startswith("cards can be read and not written")
        assert http.get(C).json()["feedback"] is False and http.get(f"{C}/feedback?query=a").status_code == 200


def test_a_mark_does_not_wait_for_a_long_job(server, cards, does):
    """It is written between two of the job's steps, of which there is no end until it is."""
    found = server.library.get("", "cards")
    enough, began = threading.Event(), threading.Event()

    def long(writer: Collection, progress: Any) -> dict[str, Any]:
        while not enough.wait(0.01):
            progress("steps", 1, 2)
            began.set()
        return {}

    job = found.jobs.start("index", long)
    assert began.wait(30)
    try:
        assert does("read", "a dog", cards[0], mark="yes").status_code == 204
        assert not job.ended
    finally:
        enough.set()


def test_marks_are_training_pairs_for_administrators(server, http, cards, does):
    does("read", "a dog at night", cards[0], mark="yes")
    does("write", "tag:even a boat", cards[0], mark="no")
    does("write", "a boat", cards[1], kind="click", rank=1)
    answer = http.get(f"{C}/feedback/export")
    (line,) = map(json.loads, answer.text.splitlines())
    assert Path(line["image"]) == server.pictures[0]
    assert (line["captions"], line["not"]) == (["a dog at night"], ["a boat"])
    assert "reader" not in answer.text and answer.headers["content-type"].startswith("application/jsonl")
    of_one = http.get(f"{C}/feedback/export", params={"user": "writer"}).text
    assert json.loads(of_one)["captions"] == []


def test_what_was_done_with_a_picture_goes_with_it(server, http, does):
    album = "/v1/collections/album"
    stored = http.post(f"{album}/items", files=[("files", ("new.png", server.pictures[9].read_bytes()))]).json()
    id = stored["items"][0]["id"]
    does("admin", "a dog", id, album, mark="yes")
    assert standing(server, "admin", "a dog", album)["yes"] == [id]
    http.delete(f"{album}/items/{id}").raise_for_status()
    assert standing(server, "admin", "a dog", album)["yes"] == []
    assert not [event for event in kept(server, "album") if event.user == "owner"]


def test_whoever_signs_in_with_a_key_is_who_has_the_key(tmp_path):
    """The page's cookie and a program's key are one user; another key is another, of the same name as well."""
    paint(tmp_path / "P" / "red.png", "red", 1)
    with Collection.open(tmp_path / "P" / ".diptych", "mini", write=True) as collection:
        collection.add(tmp_path / "P", workers=1)
    with running(tmp_path / "home", {("", "P"): tmp_path / "P" / ".diptych"}, keys=True) as (url, admission):
        anna, at = admission.keys.create("anna"), f"{url}/v1/collections/P"
        with httpx2.Client(headers={"Authorization": f"Bearer {anna.token}"}) as program, httpx2.Client() as page:
            (item,) = program.get(f"{at}/items").json()["items"]
            body = {"query": "a card", "item": item["id"], "mark": "yes"}
            program.post(f"{at}/feedback", json=body).raise_for_status()
            page.post(f"{url}/sign-in", data={"key": anna.token})
            assert page.get(f"{at}/feedback", params={"query": "a card"}).json()["yes"] == [item["id"]]
            assert page.post(f"{at}/feedback", json=body).status_code == 403  # a page elsewhere may not mark
        admission.keys.revoke("anna")
        again = {"Authorization": f"Bearer {admission.keys.create('anna').token}"}
        assert httpx2.get(f"{at}/feedback?query=a+card", headers=again).json() == {"yes": [], "no": []}
    with Collection.open(tmp_path / "P" / ".diptych") as collection:
        assert [event.user for event in collection.feedback.events()] == [anna.key.id]


def test_in_an_encrypted_collection_none_of_it_can_be_read(tmp_path, monkeypatch):
    pytest.importorskip("sqlcipher3", reason="encrypted collections need sqlcipher3")
    monkeypatch.setenv("DIPTYCH_KEY", bytes(range(32)).hex())
    paint(tmp_path / "P" / "red.png", "red", 1)
    with Collection.open(tmp_path / "C", "mini", write=True, key=bytes(range(32))) as collection:
        collection.add(tmp_path / "P", workers=1)
    with running(tmp_path / "home", {("", "C"): tmp_path / "C"}) as (url, _):
        at = f"{url}/v1/collections/C"
        (item,) = httpx2.get(f"{at}/items").json()["items"]
        body = {"query": "a secret wish", "item": item["id"], "mark": "yes"}
        httpx2.post(f"{at}/feedback", json=body).raise_for_status()
        assert httpx2.get(f"{at}/feedback", params={"query": "a secret wish"}).json()["yes"] == [item["id"]]
        assert httpx2.get(f"{at}/feedback/export").status_code == 409
        small = httpx2.get(f"{at}/items/{item['id']}/thumbnails/small").content
        assert small.startswith(b"\xff\xd8") and len(small) > 300
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert len(files) > 3
        for secret in (b"secret wish", small[-100:]):  # a thumbnail begins as every JPEG does
            assert not [file for file in files if secret in file.read_bytes()]
