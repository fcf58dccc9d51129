"""What is taken along, the months of an answer, and the groups of duplicates, over HTTP."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the server's packages are not installed")

from album import paint
from fastapi.testclient import TestClient

from diptych.app.server.access import files
from diptych.app.server.access.caller import Caller
from diptych.app.server.app import create
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings
from diptych.collection import Collection

ALBUM = "/v1/collections/album"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An album that is indexed, with two files of one name in two folders."""
    folder = tmp_path_factory.mktemp("pictures") / "album"
    paint(folder, 16, side=160)
    for at in (folder / "a", folder / "b"):
        at.mkdir()
        some = sorted(folder.glob("*.jpg"))[len(at.name) + (at.name == "b")]
        (at / "Same.jpg").write_bytes(some.read_bytes()[:-2] + at.name.encode() + b"\xff\xd9")
    with Collection.open(folder / ".diptych", write=True) as collection:
        collection.add(folder)
    return folder


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    with served(folder, Settings(home=tmp_path), Caller.OWNER) as client:
        yield client


@contextmanager
def served(folder: Path, settings: Settings, caller: Caller) -> Iterator[TestClient]:
    with Library(files.secret(settings.home), 1, 20.0) as library:
        library.add(folder / ".diptych")
        yield TestClient(create(library, settings, lambda _: caller), base_url="http://127.0.0.1")


def items(client: TestClient) -> list[dict[str, Any]]:
    return client.get(f"{ALBUM}/items", params={"limit": 100}).json()["items"]


def test_a_zip_holds_the_files_as_they_are_each_under_a_name_of_its_own(client: TestClient, folder: Path) -> None:
    some = items(client)
    answer = client.post(f"{ALBUM}/export", json={"ids": [item["id"] for item in some]})
    assert answer.headers["content-disposition"] == 'attachment; filename="album.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(some) == len({name.lower() for name in names})
        assert {"Same.jpg", "Same-2.jpg"} <= set(names)
        assert not any("/" in name or "\\" in name for name in names)
        kept = {archive.read(name) for name in names}
        taken = archive.getinfo("once more.jpg").date_time
    assert kept == {Path(item["path"]).read_bytes() for item in some}
    assert taken == (1980, 1, 1, 0, 0, 0)  # of which nobody knows when it was taken


def test_a_file_that_is_gone_is_named(client: TestClient, folder: Path) -> None:
    some = items(client)[:3]
    at = Path(some[0]["path"])
    at.rename(at.with_suffix(".away"))
    try:
        answer = client.post(f"{ALBUM}/export", json={"ids": [item["id"] for item in some]})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.read("missing.txt").decode() == f"{at.name}\n" and len(archive.namelist()) == 3
    finally:
        at.with_suffix(".away").rename(at)


def test_a_list_tells_paths_to_who_looks_after_the_server_alone(
    client: TestClient, folder: Path, tmp_path: Path
) -> None:
    some = items(client)[:4]
    wanted = {"ids": [item["id"] for item in some], "format": "list"}
    assert client.post(f"{ALBUM}/export", json=wanted).text.splitlines() == [item["path"] for item in some]
    with served(folder, Settings(home=tmp_path), Caller("guest")) as guest:
        assert guest.post(f"{ALBUM}/export", json=wanted).text.splitlines() == [item["name"] for item in some]


def test_its_limits(folder: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, max_export=3)
    with served(folder, settings, Caller.OWNER) as client:
        ids = [item["id"] for item in items(client)]
        assert client.post(f"{ALBUM}/export", json={"ids": ids[:3]}).status_code == 200
        assert "3 at a time" in client.post(f"{ALBUM}/export", json={"ids": ids[:4]}).json()["detail"]
        assert client.post(f"{ALBUM}/export", json={"ids": []}).status_code == 422
        assert client.post(f"{ALBUM}/export", json={"ids": ["x" * 22]}).status_code == 404
    with served(folder, replace(settings, max_export_bytes=10), Caller.OWNER) as client:
        assert client.post(f"{ALBUM}/export", json={"ids": ids[:1]}).status_code == 413


def test_months_of_what_passes_a_filter(client: TestClient) -> None:
    bins = client.get(f"{ALBUM}/histogram").json()["bins"]
    taken = sorted(item["taken"][:7] for item in items(client) if item["taken"])
    assert [one["low"] for one in bins] == sorted(set(taken))
    assert {one["low"]: one["count"] for one in bins} == {month: taken.count(month) for month in set(taken)}
    few = client.get(f"{ALBUM}/histogram", params={"where": f"taken = {taken[0]}"}).json()["bins"]
    assert few == [one for one in bins if one["low"] == taken[0]]
    wide = client.get(f"{ALBUM}/histogram", params={"field": "width", "bins": "2"}).json()["bins"]
    assert len(wide) == 2 and sum(one["count"] for one in wide) == len(items(client))
    for wrong in ({"field": "camera"}, {"bins": "week"}, {"where": "dog"}):
        assert client.get(f"{ALBUM}/histogram", params=wrong).status_code == 400


def test_duplicates_are_found_by_a_job(client: TestClient) -> None:
    job = client.post(f"{ALBUM}/jobs", json={"kind": "duplicates"}).json()
    end = time.monotonic() + 60
    while job["state"] in ("waiting", "running"):
        assert time.monotonic() < end
        time.sleep(0.05)
        job = client.get(f"{ALBUM}/jobs/{job['id']}").json()
    assert job["state"] == "done" and job["report"]["total"] == len(job["report"]["groups"])
    names = [
        {group["keep"]["item"]["name"]} | {twin["item"]["name"] for twin in group["others"]}
        for group in job["report"]["groups"]
    ]
    assert sum("Same.jpg" in some for some in names) == 2, names
    assert all(group["keep"]["why"] for group in job["report"]["groups"])
    assert client.post(f"{ALBUM}/jobs", json={"kind": "tidy"}).status_code == 422


def test_files_that_could_not_be_read_are_told_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(b"no picture")
    with Collection.open(folder / ".diptych", write=True) as collection:
        collection.add(folder)
    with served(folder, Settings(home=tmp_path), Caller.OWNER) as client:
        told = client.get(f"{ALBUM}/failures", params={"offset": 1}).json()
        assert told["total"] == 2 and told["files"][0]["name"] == str(folder / "b.jpg") and told["files"][0]["why"]
    with served(folder, Settings(home=tmp_path), Caller("guest")) as client:
        assert [one["name"] for one in client.get(f"{ALBUM}/failures").json()["files"]] == ["a.jpg", "b.jpg"]
