"""Keys, sessions, links and the audit log at a server that runs: who is let in, by what, and what is written down."""

import io
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from admitted_world import running as served_in
from PIL import Image

from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys
from diptych.app.server.admission import Admission, admitting
from diptych.app.server.settings import Settings
from diptych.collection import Collection
from diptych.kinds import BadInput


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Three pictures with places and names in them, and a collection of them."""
    home = tmp_path_factory.mktemp("pictures")
    exif = Image.Exif()
    exif[0x010E] = "Anna at home"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    exif[0x0112] = 6  # it lies on its side
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (60, 40), colour).save(home / f"anna-{number}.jpg", exif=exif)
    with Collection.open(home / ".diptych", "mini", write=True) as collection:
        assert collection.add(home, workers=1).added == 3
    return home


@contextmanager
def running(pictures: Path, home: Path, **given: object) -> Iterator[tuple[str, Admission]]:
    """The collection of these pictures, as `anna` of the owner and of another tenant."""
    with served_in(
        home, {("", "anna"): pictures / ".diptych", ("other", "anna"): pictures / ".diptych"}, **given
    ) as one:
        yield one


@pytest.fixture(scope="module")
def server(pictures, tmp_path_factory) -> Iterator[tuple[str, Admission]]:
    with running(pictures, tmp_path_factory.mktemp("home"), keys=True) as one:
        yield one


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


COLLECTION = "/v1/collections/anna"


def test_a_key_lets_in_until_the_moment_it_is_revoked(server, pictures):
    url, admission = server
    new = admission.keys.create("until-revoked")
    with httpx2.Client(base_url=url, headers=bearer(new.token)) as client:
        assert client.get(COLLECTION).status_code == 200
        assert client.post(f"{COLLECTION}/jobs", json={}).status_code == 403
        told = client.get(f"{COLLECTION}/items").text
        assert str(pictures) not in told and "anna-0.jpg" in told
        admission.keys.revoke("until-revoked")
        refused = client.get(COLLECTION)
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert new.token not in refused.text and "revoked" in refused.json()["detail"]


def test_nobody_is_let_in_by_anything_else(server):
    url, admission = server
    token = admission.keys.create("whole").token
    wrong = [token[:-1] + ("0" if token[-1] != "0" else "1"), token.upper(), "dpt_", token[:30]]
    with httpx2.Client(base_url=url) as client:
        assert client.get(COLLECTION, headers={"api-key": token}).status_code == 200
        for one in wrong:
            assert client.get(COLLECTION, headers=bearer(one)).status_code == 401
        for header in ("X-Original-URL", "X-Forwarded-For", "X-Rewrite-URL"):
            assert client.get(COLLECTION, headers={header: "/healthz"}).status_code == 401
        for path in (
            "//v1/collections",
            "/healthz/../v1/collections",
            "/V1/collections",
            "/v1/collections/",
            "/page%2f..%2fv1%2fcollections",
            "/sign-in%2f..%2fv1/collections",
            "/v1/collections.",
            "/metrics",
            "/v1/openapi.json",
            "/nowhere",
        ):
            for method in ("GET", "HEAD", "OPTIONS", "POST"):
                assert client.request(method, path).status_code in (401, 404), (method, path)
                assert client.request(method, path).status_code == 401, (method, path)


def test_a_key_for_another_tenant_or_another_collection_sees_nothing(server):
    url, admission = server
    other = admission.keys.create("of-another", tenant="other").token
    narrow = admission.keys.create("narrow", collections=["letters"]).token
    with httpx2.Client(base_url=url) as client:
        mine = client.get(f"{COLLECTION}/items", headers=bearer(admission.keys.create("mine").token)).json()["items"]
        theirs = client.get(f"{COLLECTION}/items", headers=bearer(other)).json()["items"]
        assert len(mine) == len(theirs) == 3 and not {one["id"] for one in mine} & {one["id"] for one in theirs}
        assert client.get(f"{COLLECTION}/items/{mine[0]['id']}", headers=bearer(other)).status_code == 404
        hidden, absent = (client.get(f"/v1/collections/{name}", headers=bearer(narrow)) for name in ("anna", "nothing"))
        assert hidden.status_code == absent.status_code == 404
        assert hidden.json()["detail"].replace("anna", "nothing") == absent.json()["detail"]
        assert client.get("/v1/collections", headers=bearer(narrow)).json() == {"collections": []}


def test_a_key_is_for_a_collection_and_not_for_its_name(pictures, tmp_path):
    """Names are given anew at each start: what takes one tomorrow is none of the business of yesterday's keys."""
    with Collection.open(tmp_path / "others", "mini", write=True) as collection:
        collection.add(pictures / "anna-0.jpg", workers=1)
    mine, others = pictures / ".diptych", tmp_path / "others"
    with served_in(tmp_path / "home", {("", "anna"): mine, ("", "others"): others}, keys=True) as (url, admission):
        token = bearer(admission.keys.create("narrow", collections=[str(mine.resolve())]).token)
        seen = httpx2.get(f"{url}/v1/collections", headers=token).json()["collections"]
        assert [one["name"] for one in seen] == ["anna"]
    with served_in(tmp_path / "home", {("", "ours"): mine, ("", "anna"): others}, keys=True) as (url, _):
        seen = httpx2.get(f"{url}/v1/collections", headers=token).json()["collections"]
        assert [(one["name"], one["items"]) for one in seen] == [("ours", 3)]
        assert httpx2.get(f"{url}{COLLECTION}", headers=token).status_code == 404
    with served_in(tmp_path / "home", {("", "anna"): others}, keys=True) as (url, _):
        answer = httpx2.get(f"{url}{COLLECTION}", headers=token)
        assert answer.status_code == 404 and "no collection is served that you may see" in answer.json()["detail"]


def test_a_browser_signs_in_with_a_key_and_out_again(server):
    url, admission = server
    token = admission.keys.create("browser", "write").token
    with httpx2.Client(base_url=url, headers={"Accept": "text/html"}) as browser:
        sent = browser.get("/")
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2F")
        assert browser.post("/sign-in", data={"key": "dpt_wrong"}).status_code == 401
        inside = browser.post("/sign-in", data={"key": token, "next": "//elsewhere.example"})
        assert (inside.status_code, inside.headers["location"]) == (303, "/")
        cookie = inside.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and token not in cookie
        page = browser.get("/")
        csrf = page.text.partition('name="csrf-token" content="')[2].partition('"')[0]
        assert page.status_code == 200 and len(csrf) == 64
        forged = browser.post(f"{COLLECTION}/jobs", json={})
        assert forged.status_code == 403
        assert browser.post(f"{COLLECTION}/jobs", json={}, headers={"X-CSRF-Token": csrf}).status_code == 202
        kept = dict(browser.cookies)
        assert browser.post("/sign-out", data={"csrf": "0" * 64}).headers.get("set-cookie") is None
        assert browser.get(COLLECTION).status_code == 200
        assert 'diptych=""' in browser.post("/sign-out", data={"csrf": csrf}).headers["set-cookie"]
    with httpx2.Client(base_url=url, cookies=kept) as copied:
        assert copied.get(COLLECTION).status_code == 401, "a copy of the cookie is refused as well"


def test_wrong_keys_at_the_door_are_slowed_down(pictures, tmp_path):
    with running(pictures, tmp_path, keys=True) as (url, admission), httpx2.Client(base_url=url) as browser:
        for _ in range(10):
            assert browser.post("/sign-in", data={"key": "dpt_wrong"}).status_code == 401
        slowed = browser.post("/sign-in", data={"key": admission.keys.create("right").token})
        assert slowed.status_code == 429 and 0 < int(slowed.headers["retry-after"]) <= 60


@pytest.mark.parametrize("proxies", [0, 1])
def test_the_next_request_is_too_many(pictures, tmp_path, proxies):
    """Of one address, whatever its keys and whoever it says it calls for; and of one key, wherever it calls from."""
    with Database(tmp_path) as database:
        Keys(database).create("the first")  # behind a proxy a server wants one to begin with
    with running(pictures, tmp_path, keys=True, rate=5, proxies=proxies) as (url, admission):
        answers = []
        tokens = [admission.keys.create(f"busy {number}").token for number in range(6)]
        for number in range(6):
            token = tokens[0] if proxies else tokens[number]
            headers = bearer(token) | {"X-Forwarded-For": f"203.0.113.{number}"}
            answers.append(httpx2.get(url + COLLECTION, headers=headers))
    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_every_call_stands_in_the_log_and_no_secret_and_no_query(pictures, tmp_path):
    with running(pictures, tmp_path, keys=True) as (url, admission), httpx2.Client(base_url=url) as client:
        token = admission.keys.create("logged").token
        client.post(f"{COLLECTION}/search", json={"query": "quagga"}, headers=bearer(token))
        client.get(COLLECTION, headers=bearer("dpt_nothing\n{}"[:11]))
    (file,) = (tmp_path / "audit").glob("audit-*.jsonl")
    text = file.read_text()
    search, refused = map(json.loads, text.splitlines())
    assert (search["name"], search["what"], search["status"]) == (
        "logged",
        "POST /v1/collections/{collection}/search",
        200,
    )
    assert (search["handed"], search["items"], search["collection"]) == ("told", 3, "anna")
    assert (refused["status"], refused["name"]) == (401, "")
    assert "quagga" not in text and token not in text and token.split("_")[2] not in text
    assert file.stat().st_mode & 0o077 == 0
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and token.split("_")[2].encode() in path.read_bytes()
    ]


def test_a_strict_log_that_cannot_be_written_answers_nothing(pictures, tmp_path):
    given = {"keys": True, "audit_strict": True}
    with running(pictures, tmp_path, **given) as (url, admission), httpx2.Client(base_url=url) as client:
        headers = bearer(admission.keys.create("one").token)
        assert client.get(COLLECTION, headers=headers).status_code == 200
        (file,) = (tmp_path / "audit").glob("audit-*.jsonl")
        file.unlink()
        (tmp_path / "audit").rmdir()
        (tmp_path / "audit").write_text("no folder")
        refused = client.get(COLLECTION, headers=headers)
    assert refused.status_code == 503 and "audit" in refused.json()["detail"]
    assert "items" not in refused.json()


def test_guests_see_what_a_link_opens_and_nothing_of_what_is_known(server):
    url, admission = server
    owner = bearer(admission.keys.create("sharer", "write").token)
    with httpx2.Client(base_url=url) as client:
        items = client.get(f"{COLLECTION}/items", headers=owner).json()["items"]
        assert items[0]["lat"] and items[0]["captions"] == ["Anna at home"]
        made = client.post(
            f"{COLLECTION}/shares",
            json={"name": "Two of them", "items": [one["id"] for one in items[:2]]},
            headers=owner,
        ).json()
        page = client.get(made["address"])
        assert page.status_code == 200 and "Two of them" in page.text and "anna" not in page.text.lower()
        small = [part.partition('"')[0] for part in page.text.split('src="')[1:]]
        assert len(small) == 2 and not any(one["id"] in page.text for one in items)
        picture = client.get(small[0].replace("small", "large"))
        assert picture.headers["content-disposition"] == 'inline; filename="picture.jpg"'
        assert b"Exif" not in picture.content and b"Anna" not in picture.content
        with Image.open(io.BytesIO(picture.content)) as seen:
            assert seen.size == (40, 60) and not seen.getexif(), "upright, and without a word"
        for elsewhere in (f"{COLLECTION}/items", "/", f"{COLLECTION}/items/{items[0]['id']}/original"):
            assert client.get(elsewhere).status_code == 401, "a link opens nothing else"
        third = made["address"] + f"/{items[2]['id']}/small.jpg"
        assert client.get(third).status_code == 404
        listed = client.get(f"{COLLECTION}/shares", headers=owner).json()["shares"]
        assert [one["address"] for one in listed] == [None]
        assert client.delete(f"{COLLECTION}/shares/{made['id']}", headers=owner).status_code == 204
        assert client.get(made["address"]).status_code == 404 and client.get(small[0]).status_code == 404


def test_a_link_opens_nothing_of_another_collection_that_has_the_name_now(pictures, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (60, 40), "white").save(other / "private.jpg")
    with Collection.open(other / ".diptych", "mini", write=True) as collection:
        assert collection.add(other, workers=1).added == 1
    home, links = tmp_path / "home", []
    with running(pictures, home) as (url, _), httpx2.Client(base_url=url) as client:
        first = min(client.get(f"{COLLECTION}/items").json()["items"], key=lambda one: one["name"])["id"]
        for what in ({"items": [first]}, {"query": "year >= 0"}):
            made = client.post(f"{COLLECTION}/shares", json={"name": "For guests", **what}).json()
            links.append(made["address"])
        assert client.get(links[0]).text.count("<img") == 1
    with running(other, home) as (url, _), httpx2.Client(base_url=url) as client:
        assert client.get(f"{COLLECTION}/items/{first}").status_code == 404, "or a browser shows thumbnails it has kept"
        assert [client.get(link).status_code for link in links] == [404, 404]
        assert client.get(f"{COLLECTION}/shares").json()["shares"] == []
    both = {("", "anna"): other / ".diptych", ("", "moved"): pictures / ".diptych"}
    with served_in(home, both) as (url, _), httpx2.Client(base_url=url) as client:
        page = client.get(links[0])
        assert page.text.count("<img") == 1, "it has another name now, and is the same one"
        assert client.get(page.text.split('src="')[1].partition('"')[0]).status_code == 200
        assert len(client.get("/v1/collections/moved/shares").json()["shares"]) == 2


def test_a_link_to_a_query_is_of_what_is_a_match(server):
    url, admission = server
    owner = bearer(admission.keys.create("sharer-of-queries", "write").token)
    with httpx2.Client(base_url=url) as client:
        made = client.post(f"{COLLECTION}/shares", json={"name": "x", "query": "caption ~ anna"}, headers=owner).json()
        assert client.get(made["address"]).text.count("<img") == 3
        made = client.post(f"{COLLECTION}/shares", json={"name": "x", "query": "invoice"}, headers=owner).json()
        assert "no picture here" in client.get(made["address"]).text, "all three are ranked, and none is a match"
        bad = client.post(f"{COLLECTION}/shares", json={"name": "x"}, headers=owner)
        assert bad.status_code == 400 and "a query or items" in bad.json()["detail"]
        bad = client.post(f"{COLLECTION}/shares", json={"name": "x", "query": "caption ~"}, headers=owner)
        assert bad.status_code == 400 and "query, column" in bad.json()["detail"]


def test_a_server_that_others_reach_wants_a_key_to_begin_with(tmp_path):
    settings = Settings.of({"DIPTYCH_HOME": str(tmp_path)}, host="0.0.0.0")
    with pytest.raises(BadInput, match="diptych keys create"), admitting(settings):
        pass


def test_on_this_machine_its_owner_needs_none(pictures, tmp_path):
    with running(pictures, tmp_path) as (url, _), httpx2.Client(base_url=url) as client:
        assert client.get(COLLECTION).status_code == 200
        assert client.get(COLLECTION, headers={"Host": "evil.example"}).status_code == 421
        forged = client.post(f"{COLLECTION}/jobs", json={}, headers={"Origin": "https://evil.example"})
        assert forged.status_code == 403


def test_a_collection_is_made_filled_and_deleted(server, pictures):
    url, admission = server
    admin = bearer(admission.keys.create("maker", "admin").token)
    narrow = bearer(admission.keys.create("narrow-admin", "admin", collections=["anna"]).token)
    with httpx2.Client(base_url=url, timeout=60) as client:
        assert client.post("/v1/collections", json={"name": "new"}, headers=narrow).status_code == 403
        assert client.post("/v1/collections", json={"name": "../new"}, headers=admin).status_code == 422
        assert client.post("/v1/collections", json={"name": "new"}, headers=admin).status_code == 201
        assert client.post("/v1/collections", json={"name": "new"}, headers=admin).status_code == 400
        file = (pictures / "anna-0.jpg").read_bytes()
        stored = client.post(
            "/v1/collections/new/items", files={"files": ("../../evil name.jpg", file)}, headers=admin
        ).json()
        (item,) = stored["items"]
        assert item["name"] == "evil name.jpg" and Path(item["path"]).read_bytes() == file
        assert client.delete(f"/v1/collections/new/items/{item['id']}", headers=admin).status_code == 204
        assert not Path(item["path"]).exists()
        place = str(Path(item["path"]).parents[1])
        for_new = bearer(admission.keys.create("for-new", collections=[place]).token)
        assert client.get("/v1/collections/new", headers=for_new).status_code == 200
        stored = client.post("/v1/collections/new/items", files={"files": ("a.jpg", file)}, headers=admin).json()
        about = {"name": "x", "items": [stored["items"][0]["id"]]}
        link = client.post("/v1/collections/new/shares", json=about, headers=admin).json()["address"]
        assert client.get(link).status_code == 200
        assert client.delete("/v1/collections/anna", headers=admin).status_code == 400
        assert client.delete("/v1/collections/new", headers=admin).status_code == 204
        assert client.get("/v1/collections/new", headers=admin).status_code == 404
        assert not Path(item["path"]).parents[1].exists()
        assert client.post("/v1/collections", json={"name": "new"}, headers=admin).status_code == 201
        for name in ("b.jpg", "c.jpg"):
            client.post("/v1/collections/new/items", files={"files": (name, file)}, headers=admin)
        assert client.get("/v1/collections/new", headers=for_new).status_code == 404, "it was for the one that is gone"
        assert client.get(link).status_code == 404, "what was shared is gone, whatever is there now"
        assert client.delete("/v1/collections/new", headers=admin).status_code == 204


def test_a_server_calls_nobody(pictures, tmp_path, monkeypatch):
    called = []
    connect = socket.socket.connect

    def told(self: socket.socket, address: object) -> None:
        called.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", told)
    with running(pictures, tmp_path) as (url, _), httpx2.Client(base_url=url, timeout=60) as client:
        found = client.post(f"{COLLECTION}/search", json={"query": "a red picture at http://example.com"}).json()
        assert len(found["results"]) == 3
        client.post(f"{COLLECTION}/search", json={"query": '"http://example.com/x.jpg"'})
        client.post(f"{COLLECTION}/pictures", files={"file": (pictures / "anna-0.jpg").read_bytes()})
        client.get("/")
        client.get("/v1/models")
    assert {address[0] for address in called} == {"127.0.0.1"}


def test_who_takes_what_people_do_not_is_told_of_and_slowed_down(pictures, tmp_path):
    """Refusals are the quickest sign; the others need more items than there are here (see test_detector)."""
    with running(pictures, tmp_path, keys=True) as (url, admission), httpx2.Client(base_url=url) as client:
        thief = bearer(admission.keys.create("thief").token)
        admin = bearer(admission.keys.create("admin", "admin").token)
        (item, *_) = client.get(f"{COLLECTION}/items", headers=thief).json()["items"]
        original = f"{COLLECTION}/items/{item['id']}/original"
        assert client.get(original, headers=thief).status_code == 200
        for number in range(60):
            client.get(f"{COLLECTION}/items/{'x' * 21}{number % 10}/original", headers=thief)
        (alert, *_) = client.get("/v1/alerts", headers=admin).json()["alerts"]
        assert (alert["kind"], alert["collection"]) == ("refusals", "anna")
        answers = [client.get(original, headers=thief) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 429] and int(answers[1].headers["retry-after"]) > 1
        assert client.get(original, headers=admin).status_code == 200
        other = bearer(admission.keys.create("another", "admin", tenant="other").token)
        assert client.get("/v1/alerts", headers=other).json() == {"alerts": []}
