"""What the routes answer, when all is well and when it is not; who may call them is told in test_roles.py."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import httpx2
import numpy as np
import pytest
from PIL import Image
from served_world import CARDS, Served

from diptych.app.server import jobs as server_jobs
from diptych.app.server.routes.jobs import _events
from diptych.collection import Collection

pytestmark = pytest.mark.xdist_group("server")

C = "/v1/collections/cards"


# ------------------------------------------------------------------------------------------------------------ searching


def ask(http: httpx2.Client, **body: object) -> dict:
    answer = http.post(f"{C}/search", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_query_in_the_language_is_written_canonically_and_plain_words_are_left(http):
    assert ask(http, query='dog   AND number<5  - "the sea"')["written"] == "dog - the sea AND number < 5"
    assert ask(http, query="dog AND number < 5", language="plain")["written"] == "dog AND number < 5"
    assert ask(http, query="dog AND number < 5", language="plain")["total"] == CARDS
    assert ask(http, query="dog AND number < 5")["total"] == 5


def test_nothing_asked_for_lists_what_passes(http):
    assert ask(http)["total"] == CARDS
    listed = ask(http, where="number < 3")
    assert listed["total"] == len(listed["results"]) == 3


def test_an_item_is_named_by_its_id_in_a_query_and_by_nothing_else(http, cards, server):
    assert ask(http, query=f"#{cards[3]}", k=1)["results"][0]["id"] == cards[3]
    with_words = ask(http, query=f"2:#{cards[3]} - snow", k=CARDS)
    assert {hit["id"] for hit in with_words["results"]} == {*cards} - {cards[3]} and with_words["total"] == CARDS - 1
    assert ask(http, query=f"#{cards[3]}", language="plain")["total"] == CARDS  # words
    assert ask(http, query='"#1 of all"')["total"] == CARDS and ask(http, query="tag:#nothing")["total"] == 0
    with server.library.get("", "cards").reader() as reader:
        number = reader.ids()[3]
    for made_up in (
        f"#{number}",
        "#0",
        "#99999999",
        f"a + #{number}",
        f"a NOT #{number}",
        f"#{'A' * 22}",
        f"0.1:#{number}",
    ):
        answer = http.post(f"{C}/search", json={"query": made_up})
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such item"), made_up


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "~/.ssh/id_rsa.png", "./a.png", "../../a.jpg", "00001.png", "//x/y.png"]
)
def test_no_query_opens_a_file(http, server, path):
    """In the same words whether it is there or not."""
    own = server.pictures[0]
    for query in (path, f'"{path}"', str(own), f"{own.parent}/nothing.png"):
        answer = http.post(f"{C}/search", json={"query": query})
        assert answer.status_code == 400 and "may not be opened here" in answer.json()["detail"], query


def test_an_uploaded_picture_belongs_to_who_uploaded_it_and_is_forgotten(http, server, cards, monkeypatch):
    given = http.post(f"{C}/pictures", files={"file": server.pictures[5].read_bytes()}).json()["picture"]
    assert ask(http, parts=[{"picture": given}], k=1)["results"][0]["id"] == cards[5]
    for key, place in (("stranger", "theirs"), ("admin", "album")):
        answer = httpx2.post(
            f"{server.url}/v1/collections/{place}/search",
            headers={"Authorization": f"Bearer {key}"},
            json={"parts": [{"picture": given}]},
        )
        assert answer.status_code == 404 and "upload it again" in answer.json()["detail"]
    kept = server.app.state.uploads
    assert len(kept._kept) <= server.settings.uploads_kept
    monkeypatch.setattr(kept, "_most", 1)
    http.post(f"{C}/pictures", files={"file": server.pictures[6].read_bytes()})
    assert http.post(f"{C}/search", json={"parts": [{"picture": given}]}).status_code == 404


@pytest.mark.parametrize("data", [b"", b"words", b"\x89PNG\r\n\x1a\n" + bytes(99), b"<svg/>"])
def test_what_is_no_picture_cannot_be_asked_with(http, data):
    answer = http.post(f"{C}/pictures", files={"file": ("a.png", data)})
    assert answer.status_code == 415 and "/" not in answer.json()["detail"]


def test_a_page_behind_another_continues_it(http):
    whole = [hit["id"] for hit in ask(http, query="a boat", k=20)["results"]]
    parts = [hit["id"] for offset in (0, 7, 14) for hit in ask(http, query="a boat", k=7, offset=offset)["results"]]
    assert parts[:20] == whole


def test_facets_of_a_field_that_no_item_has_are_none(http):
    found = http.get(f"{C}/facets", params={"field": ["no such thing", "number"], "where": "number >= 38"}).json()
    assert found == {
        "total": 2,
        "fields": {"no such thing": [], "number": [{"value": 38, "count": 1}, {"value": 39, "count": 1}]},
    }
    assert http.get(f"{C}/facets", params={"where": "words"}).status_code == 400


# --------------------------------------------------------------------------------------------------------------- items


def test_items_are_listed_a_page_at_a_time(http, cards):
    some = [
        http.get(f"{C}/items", params={"limit": 15, "offset": at, "where": "has(number)"}).json() for at in (0, 15, 30)
    ]
    assert {item["id"] for page in some for item in page["items"]} == set(cards)
    assert [len(page["items"]) for page in some] == [15, 15, 10] and {page["total"] for page in some} == {CARDS}
    for wrong in ({"limit": 0}, {"limit": 1001}, {"offset": -1}, {"where": "x" * 4001}, {"limit": "many"}):
        assert http.get(f"{C}/items", params=wrong).status_code == 422


@pytest.mark.parametrize(
    "words",
    [
        {"captions": "one text"},
        {"tags": [1]},
        {"captions": ["x" * 8_001]},
        {"captions": ["a"] * 101},
        {"metadata": {"a": {"b": 1}}},
        {"metadata": {"a": [[1]]}},
        {"metadata": {"big": 2**70}},
        {"metadata": {"": 1}},
        {"unknown": 1},
        [],
    ],
)
def test_what_cannot_be_said_of_an_item_is_refused(http, cards, words):
    answer = http.patch(f"{C}/items/{cards[0]}", json=words)
    assert answer.status_code in (400, 422) and "\n" not in answer.json()["detail"]


def test_what_is_said_may_hold_anything(http, cards):
    odd = ["<script>alert(1)</script>", "'; DROP TABLE items; --", "日本語 🐕", "a\tb", "${7*7}{{7*7}}", "\u202eevil"]
    said = http.patch(f"{C}/items/{cards[9]}", json={"tags": odd, "metadata": {"x": odd, "number": 9}})
    assert said.status_code == 200 and set(said.json()["tags"]) == set(odd) and said.json()["metadata"]["x"] == odd
    assert said.headers["content-type"] == "application/json"
    assert http.get(f"{C}/items/{cards[9]}").json()["metadata"]["x"] == odd
    assert http.patch(f"{C}/items/{cards[9]}", json={"tags": ["odd"], "metadata": {"number": 9}}).status_code == 200


# ------------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(("size", "side"), [("small", 320), ("medium", 960), ("large", 2048)])
def test_a_thumbnail_is_pixels_alone_and_is_known_again(http, tmp_path, size, side):
    picture = tmp_path / "secret place.jpg"
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a secret of mine", 6
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 51.0, 30.0)
    noise = np.random.default_rng(1).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((2400, 1600)).save(picture, exif=exif, comment=b"another secret", quality=60)
    stored = http.post("/v1/collections/album/items", files=[("files", (picture.name, picture.read_bytes()))]).json()
    try:
        at = f"/v1/collections/album/items/{stored['items'][0]['id']}/thumbnails/{size}"
        answer = http.get(at)
        with Image.open(io.BytesIO(answer.content)) as small:
            assert small.format == "JPEG" and max(small.size) == side and small.height > small.width  # upright
            assert not small.getexif() and "comment" not in small.info
        assert b"secret" not in answer.content and b"Exif" not in answer.content
        assert "private" in answer.headers["cache-control"]
        again = http.get(at, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304 and not again.content and again.headers["etag"] == answer.headers["etag"]
        assert http.get(at, headers={"If-None-Match": '"other"'}).status_code == 200
    finally:
        http.delete(f"/v1/collections/album/items/{stored['items'][0]['id']}")


def test_a_thumbnail_that_is_kept_is_answered_without_its_item_and_one_that_is_known_without_itself(
    http, server, cards, monkeypatch
):
    found, at = server.library.get("", "cards"), f"{C}/items/{cards[4]}/thumbnails/small"
    first = http.get(at)

    def reads(*_: object) -> None:
        raise AssertionError("it is read")

    monkeypatch.setattr(Collection, "get", reads)
    kept = http.get(at)
    assert (kept.status_code, kept.content, kept.headers["etag"]) == (200, first.content, first.headers["etag"])
    monkeypatch.setattr(found.thumbnails, "get", reads)
    assert http.get(at, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert http.get(at, headers={"If-None-Match": first.headers["etag"], "Authorization": ""}).status_code == 401


def test_a_thumbnail_is_known_again_by_what_is_on_it_and_only_while_its_item_is_there(http, server, tmp_path):
    picture = tmp_path / "own" / "a.png"
    picture.parent.mkdir()
    shutil.copy(server.pictures[0], picture)
    with Collection.open(tmp_path / "c", "mini", write=True) as collection:
        collection.add(picture.parent, workers=1)
    server.library.add(tmp_path / "c", "other")
    (item,) = http.get("/v1/collections/other/items").json()["items"]
    at = f"/v1/collections/other/items/{item['id']}"
    shutil.copy(server.pictures[1], picture)
    changed = http.get(f"{at}/thumbnails/small")
    shutil.copy(server.pictures[0], picture)
    for _ in range(2):
        answer = http.get(f"{at}/thumbnails/small", headers={"If-None-Match": changed.headers["etag"]})
        assert answer.status_code == 200 and answer.content != changed.content
    same = {"If-None-Match": answer.headers["etag"]}
    assert http.get(f"{at}/thumbnails/small", headers=same).status_code == 304
    assert http.delete(at).status_code == 204
    assert http.get(f"{at}/thumbnails/small", headers=same).status_code == 404


def test_a_size_that_is_none_is_refused(http, cards):
    for size in ("tiny", "320", "small.jpg", ""):
        assert http.get(f"{C}/items/{cards[0]}/thumbnails/{size}").status_code in (404, 422)


def test_an_original_is_the_file_and_comes_in_parts(http, server, cards):
    answer = http.get(f"{C}/items/{cards[2]}/original")
    whole = server.pictures[2].read_bytes()
    assert answer.content == whole and answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == f'attachment; filename="{server.pictures[2].name}"'
    part = http.get(f"{C}/items/{cards[2]}/original", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == whole[10:20]
    same = {"If-None-Match": answer.headers["etag"]}
    assert http.get(f"{C}/items/{cards[2]}/original", headers=same).status_code == 304


def test_a_file_that_was_exchanged_for_no_picture_is_not_handed_out(http, server, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    shutil.copy(server.pictures[0], folder / "a.png")
    shutil.copy(server.pictures[1], folder / "b.png")
    with Collection.open(tmp_path / "c", "mini", write=True) as collection:
        collection.add(folder, workers=1)
    server.library.add(tmp_path / "c", "exchanged")
    ids = {one["name"]: one["id"] for one in http.get("/v1/collections/exchanged/items").json()["items"]}
    (folder / "a.png").write_text("root:x:0:0")
    (folder / "b.png").unlink()
    for name in ("a.png", "b.png"):
        for what in ("original", "thumbnails/small"):
            answer = http.get(f"/v1/collections/exchanged/items/{ids[name]}/{what}")
            assert answer.status_code == 404 and str(tmp_path) not in answer.text, (name, what)


# ---------------------------------------------------------------------------------------------------------------- paths


NASTY = [
    "..",
    ".",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2fetc%2fpasswd",
    "..%5c..%5cwindows",
    "%00",
    "cards%00",
    "a%0d%0ab",
]
NASTY += ["%c0%ae%c0%ae", "%252e%252e", "con", "*", "'", "%22", "%F0%9F%90%95", "x" * 3_000, "-1", "1", "null"]


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_nothing_in_a_path_leads_elsewhere(server, http, cards, nasty):
    """Every parameter of every path, sent as it stands."""
    published = http.get("/v1/openapi.json").json()["paths"]
    good = {"collection": "cards", "item": cards[0], "job": "none", "share": "none", "size": "small"}
    for path, methods in published.items():
        for name in re.findall(r"{(\w+)}", path):
            sent = path.format(**{**good, name: nasty})
            for method in set(methods) - {"post", "patch", "delete"} | ({"delete"} if name == "item" else set()):
                status, body = raw(server, method.upper(), sent)
                assert status in (307, 400, 401, 404, 405, 422), (method, sent, status)
                assert b"root:" not in body and str(server.album.parent).encode() not in body


def raw(server: Served, method: str, path: str) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


def test_a_question_that_takes_too_long_is_stopped_and_said(http, server, monkeypatch):
    def endless(collection, field, where):
        collection._store.rows(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        )

    with monkeypatch.context() as slow:
        slow.setattr(Collection, "counts", endless)
        slow.setattr(server.library.get("", "album"), "_seconds", 0.01)
        answer = http.get(f"{C}/facets")
    assert answer.status_code == 503 and "takes too long; ask for less" in answer.json()["detail"]
    assert http.get(f"{C}/facets").json()["total"] > 0


# ----------------------------------------------------------------------------------------------------------------- jobs


@pytest.fixture
def held(server: Served) -> Iterator[tuple[server_jobs.Job, threading.Event]]:
    """A job that runs until it is told to end."""
    begun, may_end = threading.Event(), threading.Event()

    def slow(collection, progress):
        begun.set()
        assert may_end.wait(60)
        return {}

    job = server.library.get("", "album").jobs.start("index", slow)
    assert begun.wait(60)
    yield job, may_end
    may_end.set()


def test_the_end_of_a_job_is_told_even_if_it_comes_while_something_else_is(held):
    job, may_end = held

    async def followed() -> list[str]:
        events = _events(job)
        first = await anext(events)
        may_end.set()
        while not job.ended:
            await anyio.sleep(0.01)
        return [first, *[event async for event in events]]

    seen = anyio.run(followed)
    assert '"state":"running"' in seen[0] and '"state":"done"' in seen[-1]


def test_many_who_follow_a_job_hold_up_nobody_who_asks(http, held, monkeypatch):
    """More than there are threads that answer, which is forty."""
    monkeypatch.setattr("diptych.app.server.routes.jobs.HEARTBEAT", 600.0)
    with ExitStack() as following:
        for _ in range(45):
            events = following.enter_context(
                http.stream("GET", f"/v1/collections/album/jobs/{held[0].id}/events", timeout=10)
            )
            assert '"state":"running"' in next(events.iter_lines())
        assert http.get(C, timeout=10).status_code == 200


def test_a_job_that_runs_may_be_stopped_and_goes_on_where_it_was(http, server, monkeypatch):
    """The job waits until it is told to go on, so that nothing depends on time."""
    begun, may_go_on = threading.Event(), threading.Event()

    def slow(collection, progress):
        for done in range(3):
            progress("pictures", done, 3)
            begun.set()
            assert may_go_on.wait(60)
        return {"added": 3}

    jobs = server.library.get("", "album").jobs
    running = jobs.start("index", slow)
    waiting = jobs.start("index", lambda collection, progress: {})
    begun.wait(60)
    at = "/v1/collections/album/jobs"
    assert http.get("/v1/collections/album").json()["indexing"]
    told = http.get(f"{at}/{running.id}").json()
    assert (told["state"], told["step"], told["done"], told["of"]) == ("running", "pictures", 0, 3)
    assert http.post(f"{at}/{running.id}/resume").status_code == 409
    assert http.delete(f"{at}/{waiting.id}").json()["state"] == "stopped"  # at once: it had not begun
    http.delete(f"{at}/{running.id}")
    may_go_on.set()
    events = http.get(f"{at}/{running.id}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    seen = [json.loads(line.removeprefix("data: ")) for line in events.text.split("\n\n") if line.startswith("data: ")]
    assert seen[-1]["state"] == "stopped"
    again = http.post(f"{at}/{running.id}/resume")
    assert again.status_code == 202
    http.get(f"{at}/{again.json()['id']}/events")
    assert http.get(f"{at}/{again.json()['id']}").json() | {"created": 0} == {
        **seen[-1],
        "id": again.json()["id"],
        "state": "done",
        "done": 2,
        "report": {"added": 3},
        "created": 0,
    }


def test_a_job_that_fails_says_why_to_who_can_mend_it_and_else_nothing(http, server):
    def broken(collection, progress):
        raise RuntimeError("the secret is in /home/ann")

    job = server.library.get("", "album").jobs.start("index", broken)
    http.get(f"/v1/collections/album/jobs/{job.id}/events")
    told = http.get(f"/v1/collections/album/jobs/{job.id}").json()
    assert told["state"] == "failed" and "fault of its own" in told["error"] and "secret" not in told["error"]


def test_only_the_last_jobs_are_remembered(http, server, monkeypatch):
    monkeypatch.setattr(server_jobs, "KEPT", 3)
    for _ in range(6):
        id = http.post("/v1/collections/album/jobs", json={}).json()["id"]
        http.get(f"/v1/collections/album/jobs/{id}/events")
    assert len(http.get("/v1/collections/album/jobs").json()["jobs"]) <= 5


# -------------------------------------------------------------------------------------------------------------- drop-in


def test_texts_become_the_rows_of_the_encoder_as_openai_writes_them(http, server):
    rows = server.library.get("", "cards").encode_texts(["a dog", "a boat"])
    told = http.post("/v1/embeddings", json={"model": "cards", "input": ["a dog", "a boat"]}).json()
    assert told["object"] == "list" and [one["index"] for one in told["data"]] == [0, 1]
    np.testing.assert_allclose([one["embedding"] for one in told["data"]], rows, rtol=1e-6)
    packed = http.post("/v1/embeddings", json={"model": "cards", "input": "a dog", "encoding_format": "base64"}).json()
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4"), rows[0])
    for wrong in ({"input": []}, {"input": ["a"] * 2_049}, {"input": [1, 2]}, {}):
        assert http.post("/v1/embeddings", json={"model": "cards", **wrong}).status_code == 422


def test_documents_are_ranked_as_cohere_tells_it(http):
    told = http.post("/v1/rerank", json={"model": "cards", "query": "a dog", "documents": ["a boat", "a puppy"]}).json()
    assert [one["index"] for one in told["results"]] == [1, 0]
    assert (
        len(
            http.post("/v1/rerank", json={"model": "cards", "query": "a", "documents": ["a"] * 9, "top_n": 2}).json()[
                "results"
            ]
        )
        == 2
    )
    assert http.post("/v1/rerank", json={"model": "none", "query": "a", "documents": ["a"]}).status_code == 404


# --------------------------------------------------------------------------------------------------------------- health


def test_a_collection_that_cannot_be_read_makes_it_not_ready(http, server, tmp_path, monkeypatch):
    def fails() -> None:
        raise OSError(f"{tmp_path} is gone")

    assert http.get("/readyz").json()["status"] == "ok"
    monkeypatch.setattr(server.library.get("", "album"), "reader", fails)
    answer = http.get("/readyz")
    assert answer.status_code == 503 and str(tmp_path) not in answer.text
    assert http.get("/healthz").status_code == 200


def test_calls_are_counted_by_route_without_a_name_in_it(http, cards):
    http.get(f"{C}/items/{cards[0]}")
    http.get("/v1/a-path-somebody-made-up")
    http.request("MADEUP", "/healthz")  # a word each of anybody's, without a key
    told = http.get("/metrics").text
    assert (
        f'diptych_calls_total{{method="GET",route="{C.replace("cards", "{collection}")}/items/{{item}}",status="200"}}'
        in told
    )
    assert cards[0] not in told and "cards" not in told and "made-up" not in told and 'route="other"' in told
    assert "MADEUP" not in told and 'method="other",route="/healthz"' in told


# --------------------------------------------------------------------------------------------------------- many at once


def test_readers_are_waited_for_and_no_longer_than_is_right(server, monkeypatch):
    found = server.library.get("", "cards")
    monkeypatch.setattr(found, "_seconds", 0.01)
    with found.reader(), found.reader(), found.reader():  # all there are
        answer = httpx2.get(f"{server.url}{C}", headers={"Authorization": "Bearer read"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_what_could_not_be_written_in_time_is_not_written_later(server, http, cards, monkeypatch):
    found = server.library.get("", "cards")
    begun, may_go_on = threading.Event(), threading.Event()
    found.writer.submit(lambda collection: (begun.set(), may_go_on.wait(60)))
    begun.wait(60)
    with monkeypatch.context() as patch:
        patch.setattr(found, "_seconds", 0.01)
        late = http.patch(f"{C}/items/{cards[11]}", json={"tags": ["late"]})
    may_go_on.set()
    assert (late.status_code, late.headers["retry-after"]) == (503, "5")
    assert http.patch(f"{C}/items/{cards[11]}", json={"merge": True}).json()["tags"] == ["odd"]


def test_uploads_that_could_not_be_written_leave_no_file(server, http, monkeypatch):
    found = server.library.get("", "album")
    before = sorted(found.inbox.iterdir()) if found.inbox.exists() else []

    def fails(work) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(found, "write", fails)
    with Image.new("RGB", (8, 8)) as image:
        file = io.BytesIO()
        image.save(file, "PNG")
    answer = http.post("/v1/collections/album/items", files=[("files", ("full.png", file.getvalue()))])
    assert answer.status_code == 500 and "space" not in answer.text
    assert (sorted(found.inbox.iterdir()) if found.inbox.exists() else []) == before


def test_the_folder_of_the_server_is_none_of_its_own_business(server):
    """Nothing of the working folder or the person's home was written."""
    assert not (Path.cwd() / "thumbnails.db").exists()
