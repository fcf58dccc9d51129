"""Every setting has a variable and a test: what is just within a limit is taken, and what is one beyond is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the server's packages are not installed")

from album import paint
from fastapi.testclient import TestClient
from httpx2 import Response

from diptych.app.server.access import files
from diptych.app.server.access.caller import Caller
from diptych.app.server.app import create
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings
from diptych.collection import Collection
from diptych.collection.query import DEPTH, LENGTH, PARTS
from diptych.kinds import BadInput

ALBUM = "/v1/collections/album"

Ask = Callable[[TestClient, int], Response]


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "album"
    paint(folder, 6, side=48)
    with Collection.open(folder / ".diptych", "mini", write=True) as collection:
        collection.add(folder, workers=1)
    return folder


@contextmanager
def served(album: Path, home: Path, **given: Any) -> Iterator[TestClient]:
    with Library(files.secret(home), 1, 20.0) as library:
        library.add(album / ".diptych")
        yield TestClient(
            create(library, Settings(home=home, **given), lambda _: Caller.OWNER), base_url="http://127.0.0.1"
        )


def search(client: TestClient, **asked: Any) -> Response:
    return client.post(f"{ALBUM}/search", json={"query": "a boat", **asked})


def ids(client: TestClient) -> list[str]:
    return [item["id"] for item in client.get(f"{ALBUM}/items").json()["items"]]


def searched(client: TestClient, size: int) -> Response:
    """With a body of so many bytes."""
    empty = b'{"query": ""}'
    body = empty.replace(b'""', b'"' + b"x" * (size - len(empty)) + b'"')
    return client.post(f"{ALBUM}/search", content=body, headers={"Content-Type": "application/json"})


def uploaded(client: TestClient, size: int) -> Response:
    """A form of so many bytes with one file."""
    begin, end = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n', b"\r\n--b--\r\n"
    form = begin + b"x" * (size - len(begin) - len(end)) + end
    return client.post(f"{ALBUM}/items", content=form, headers={"Content-Type": "multipart/form-data; boundary=b"})


def embedded(client: TestClient, n: int) -> Response:
    return client.post("/v1/embeddings", json={"model": "album", "input": ["a"] * n})


def fed_back(client: TestClient, n: int) -> Response:
    said = [
        client.post(f"{ALBUM}/feedback", json={"query": "a", "item": ids(client)[0], "mark": "yes"}) for _ in range(n)
    ]
    client.delete(f"{ALBUM}/feedback")
    return said[-1]


def asked_with(client: TestClient, n: int) -> Response:
    """With the first of n pictures that were uploaded to ask with."""
    picture = ("a.jpg", client.get(f"{ALBUM}/items/{ids(client)[0]}/original").content)
    names = [client.post(f"{ALBUM}/pictures", files={"file": picture}).json()["picture"] for _ in range(n)]
    return search(client, parts=[{"picture": names[0]}])


MOST: dict[str, tuple[int, Ask, int]] = {
    "max_request": (300, searched, 413),
    "max_upload": (5_000, uploaded, 413),
    "max_files": (2, lambda client, n: client.post(f"{ALBUM}/items", files=[("files", ("a", b"x"))] * n), 413),
    "max_export": (2, lambda client, n: client.post(f"{ALBUM}/export", json={"ids": ids(client)[:n]}), 413),
    "max_k": (3, lambda client, n: search(client, k=n), 422),
    "max_offset": (3, lambda client, n: search(client, offset=n), 422),
    "max_batch": (2, embedded, 413),
    "max_feedback": (2, fed_back, 409),
    "uploads_kept": (2, asked_with, 404),
}
"""A setting, a small value of it, a call that takes so much, and how one is refused that takes one more."""

HERE = "tests/app/server"

ELSEWHERE = {
    "host": f"{HERE}/test_admission.py::test_a_server_that_others_reach_wants_a_key_to_begin_with",
    "port": "tests/app/test_serve.py::test_the_address_that_is_printed_can_be_called_at_once",
    "hosts": f"{HERE}/test_guard.py::test_a_name_of_ones_own_is_told_in_the_settings",
    "home": f"{HERE}/access/test_files.py::test_the_folder_and_all_in_it_are_this_users_alone",
    "reports": "tests/app/page/test_reports.py::test_without_a_folder_it_says_how_to_name_one",
    "keys": f"{HERE}/test_guard.py::test_whoever_a_proxy_asks_for_is_not_the_owner_of_the_machine",
    "proxies": f"{HERE}/test_admission.py::test_the_next_request_is_too_many",
    "fetch": f"{HERE}/test_settings.py::test_nothing_is_fetched_unless_it_is_allowed",
    "readers": f"{HERE}/routes/test_routes.py::test_readers_are_waited_for_and_no_longer_than_is_right",
    "max_export_bytes": f"{HERE}/routes/test_export.py::test_its_limits",
    "feedback": f"{HERE}/routes/test_feedback.py::test_a_server_that_keeps_nothing_says_so",
    "seconds": f"{HERE}/routes/test_routes.py::test_a_question_that_takes_too_long_is_stopped_and_said",
    "rate": f"{HERE}/test_admission.py::test_the_next_request_is_too_many",
    "upload_seconds": f"{HERE}/test_settings.py::test_an_uploaded_picture_is_kept_for_so_long",
    "session_seconds": f"{HERE}/access/test_sessions.py::test_a_session_ends_when_it_is_not_used_and_lasts_when_it_is",
    "audit_days": f"{HERE}/access/test_audit.py::test_every_day_has_its_file_and_seven_are_kept",
    "audit_strict": f"{HERE}/access/test_audit.py::test_a_strict_log_refuses_the_call",
}
"""Settings that are no number which a call goes beyond, and the test of each."""


def test_every_setting_has_a_test() -> None:
    assert {*MOST, *ELSEWHERE} == {one.name for one in fields(Settings)} and not MOST.keys() & ELSEWHERE.keys()
    root = Path(__file__).parents[3]
    for file, name in (place.split("::") for place in ELSEWHERE.values()):
        assert f"def {name}(" in (root / file).read_text(encoding="utf-8"), f"{file}::{name}"


@pytest.mark.parametrize("name", [one.name for one in fields(Settings)])
def test_every_setting_is_read_from_its_variable_and_given_ones_come_first(name: str) -> None:
    variable, default = f"DIPTYCH_{name.upper()}", getattr(Settings(), name)
    written, other = {bool: ("no", "yes"), int: ("7", "8"), float: ("2.5", "3.5")}.get(type(default), ("a", "b"))
    kind = {bool: lambda text: text == "yes"}.get(type(default), type(default))
    if isinstance(default, Path):
        kind = Path
    assert getattr(Settings.of({variable: written}), name) == kind(written)
    assert getattr(Settings.of({variable: written}, **{name: kind(other)}), name) == kind(other)
    if isinstance(default, bool | int | float):
        with pytest.raises(BadInput, match=f"^{variable}: 'x'; give "):
            Settings.of({variable: "x"})


@pytest.mark.parametrize("name", MOST)
def test_so_much_is_taken_and_one_more_is_refused(name: str, album: Path, tmp_path: Path) -> None:
    most, ask, refused = MOST[name]
    with served(album, tmp_path, **{name: most}) as client:
        assert ask(client, most).status_code < 300 or ask(client, most).status_code == 415
        answer = ask(client, most + 1)
    assert answer.status_code == refused and "\n" not in answer.json()["detail"], answer.text


def test_an_uploaded_picture_is_kept_for_so_long(album: Path, tmp_path: Path) -> None:
    for seconds, status in ((3_600.0, 200), (0.0, 404)):
        with served(album, tmp_path, upload_seconds=seconds) as client:
            assert asked_with(client, 1).status_code == status


def test_nothing_is_fetched_unless_it_is_allowed(album: Path, tmp_path: Path) -> None:
    """And then nothing of this machine."""
    for fetch, why in ((False, "are not fetched by their address here"), (True, "public")):
        with served(album, tmp_path, fetch=fetch) as client:
            answer = client.post(f"{ALBUM}/pictures/fetch", json={"url": "http://127.0.0.1/a.jpg"})
        assert answer.status_code == 400 and why in answer.json()["detail"]


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ("a" * LENGTH, "a" * (LENGTH + 1)),
        ("(" * DEPTH + "tag:a" + ")" * DEPTH, "(" * (DEPTH + 1) + "tag:a" + ")" * (DEPTH + 1)),
        (" OR ".join(["tag:a"] * PARTS), " OR ".join(["tag:a"] * (PARTS + 1))),
        ("a" + " + a" * (PARTS - 1), "a" + " + a" * PARTS),
    ],
    ids=["letters", "levels", "conditions", "terms"],
)
def test_a_query_is_read_up_to_its_bounds_and_refused_beyond_them(
    within: str, beyond: str, album: Path, tmp_path: Path
) -> None:
    with served(album, tmp_path) as client:
        assert search(client, query=within).status_code == 200
        answer = search(client, query=beyond)
        assert answer.status_code in (400, 422) and "at most" in answer.json()["detail"]
        by_filter = [search(client, where=text).status_code for text in (within, beyond) if "tag" in text]
        assert by_filter in ([], [200, 400])
