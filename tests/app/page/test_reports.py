"""The page of reports: what it shows, and that nothing beside its folder is ever read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the server's packages are not installed")

from fastapi.testclient import TestClient

from diptych.app.server.access import files
from diptych.app.server.access.caller import Caller
from diptych.app.server.app import create
from diptych.app.server.library import Library
from diptych.app.server.settings import Settings

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def client(reports: Path, tmp_path: Path) -> Iterator[TestClient]:
    with Library(files.secret(tmp_path), 1, 5.0) as library:
        app = create(library, Settings(home=tmp_path, reports=str(reports)), lambda _: Caller.OWNER)
        yield TestClient(app, base_url="http://127.0.0.1")


def test_all_are_listed_and_those_that_compare_stand_together(client: TestClient) -> None:
    page = client.get("/reports").text
    assert page.count("<form") == 1 and ">60.0<" in page and ">40.0<" in page
    assert 'href="/reports/of/cca"' in page and 'href="/reports/of/pls"' not in page  # which has no page


def test_a_comparison_says_what_is_better_and_how_sure_it_is(client: TestClient) -> None:
    page = client.get("/reports/compare", params={"of": ["cca", "pls"]}).text
    assert page.count("+20.0") == 4 and "better" in page  # two measures, both ways
    assert client.get("/reports/compare", params={"of": ["cca"]}).status_code == 400
    assert client.get("/reports/compare", params={"of": ["cca"] * 9}).status_code == 422


def test_what_a_report_brings_along_does_not_run(client: TestClient, reports: Path, tmp_path: Path) -> None:
    page = client.get("/reports/of/cca")
    policy = page.headers["content-security-policy"]
    assert "script" not in policy.replace("default-src 'none'", "") and "sandbox" in policy
    told = json.loads((reports / "cca" / "report.json").read_text())
    hostile = reports / HOSTILE
    hostile.mkdir()
    try:
        (hostile / "report.json").write_text(json.dumps(told | {"method": HOSTILE, "dataset": HOSTILE}))
        (hostile / "report.html").write_text("<p>mine")
        shown = client.get("/reports").text
        assert "<img" not in shown and "&lt;img" in shown
        assert client.get(f"/reports/of/{HOSTILE}").text == "<p>mine"
    finally:
        for file in hostile.iterdir():
            file.unlink()
        hostile.rmdir()


def test_nothing_outside_of_the_folder_is_shown(client: TestClient, reports: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "report.json").write_text((reports / "cca" / "report.json").read_text())
    (outside / "report.html").write_text("secret")
    links = [reports / "elsewhere", reports / "pls" / "report.html"]
    links[0].symlink_to(outside)
    try:
        names = [
            "elsewhere",
            "../outside",
            "..%2Foutside",
            "cca/../../outside",
            "%2e%2e/outside",
            str(outside),
            f"/{outside}",
            "cca/",
            "cca%00",
            "..\\outside",
            ".",
        ]
        for name in names:
            assert "secret" not in client.get(f"/reports/of/{name}").text, name
        assert "elsewhere" not in client.get("/reports").text
        links[1].symlink_to(outside / "report.html")
        assert client.get("/reports/of/pls").status_code == 404
    finally:
        for link in links:
            link.unlink(missing_ok=True)


def test_a_damaged_report_is_named_and_the_others_are_shown(client: TestClient, reports: Path) -> None:
    broken = reports / "broken"
    broken.mkdir()
    (broken / "report.json").write_text("{")
    try:
        page = client.get("/reports").text
        assert "broken/report.json: not a report" in page and ">60.0<" in page and str(reports) not in page
    finally:
        (broken / "report.json").unlink()
        broken.rmdir()


def test_without_a_folder_it_says_how_to_name_one(tmp_path: Path) -> None:
    with Library(files.secret(tmp_path), 1, 5.0) as library:
        client = TestClient(
            create(library, Settings(home=tmp_path), lambda _: Caller.OWNER), base_url="http://127.0.0.1"
        )
        answer = client.get("/reports")
        assert answer.status_code == 404 and "--reports" in answer.json()["detail"]


def test_only_who_looks_after_the_server_sees_them(reports: Path, tmp_path: Path) -> None:
    with Library(files.secret(tmp_path), 1, 5.0) as library:
        settings = Settings(home=tmp_path, reports=str(reports))
        client = TestClient(create(library, settings, lambda _: Caller("guest")), base_url="http://127.0.0.1")
        for address in ("/reports", "/reports/of/cca", "/reports/compare?of=cca&of=pls"):
            assert client.get(address).status_code == 403
