"""Uploaded files lie in one folder, whatever they call themselves, and are pictures by what they hold."""

from __future__ import annotations

import io
import os
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from served_world import Served

from diptych.app.server import inbox
from diptych.app.server.problems import Problem

pytestmark = pytest.mark.xdist_group("server")

NASTY = [
    "../../etc/passwd.jpg",
    "..\\..\\windows\\system32\\a.jpg",
    "/etc/cron.d/a.jpg",
    "C:\\autoexec.bat.jpg",
    "\\\\server\\share\\a.jpg",
    "..",
    ".",
    "",
    "   ",
    "....jpg",
    ".htaccess",
    ".diptychignore",
    "a\0b.jpg",
    "a.jpg\0.txt",
    "a\r\nX-Evil: 1.jpg",
    "con",
    "CON.jpg",
    "nul.tar.gz.jpg",
    "com1.jpg",
    "COM¹.jpg",
    "LPT³.png",
    "aux .jpg",
    "a:b:$DATA.jpg",
    "a.jpg.",
    "a.jpg ",
    "‥／‥／etc／passwd.jpg",
    "..∕..∕a.jpg",
    "\u202egpj.exe.jpg",
    "\u200bа.jpg",  # a letter of no width, and a Cyrillic one
    "-rf.jpg",
    "~root.jpg",
    "$(reboot).jpg",
    "`id`;|&.jpg",
    "%2e%2e%2fa.jpg",
    "日本語.jpg",
    "x" * 2_000 + ".jpg",
    "𝐀" * 300 + ".jpg",
    "é" * 300,
    "\U0001f600.jpg",
    "\udcff.jpg",
]


def is_safe(name: str) -> bool:
    """Whether a file of this name can be made on every system and steers no program that is told of it."""
    return (
        0 < len(os.fsencode(name)) <= 200
        and name == name.strip(" .")
        and not name.startswith((".", "~"))
        and not set(name) & set('/\\:*?"<>|\0$`;&%')
        and name.isprintable()
        and name.upper()
        not in {"CON", "PRN", "AUX", "NUL", *(f"{a}{n}" for a in ("COM", "LPT") for n in "123456789¹²³")}
    )


def png(colour: str = "red", size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_a_nasty_name_becomes_a_harmless_one(name):
    assert is_safe(inbox.stem(name)), inbox.stem(name)


@given(st.text(max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_name_becomes_a_harmless_one_that_stays_as_it_is(name):
    once = inbox.stem(name)
    assert is_safe(once), once
    assert inbox.stem(f"{once}.jpg") == once


def test_a_decent_name_is_kept():
    assert inbox.stem("Trip to Rome (2), day-3.JPG") == "Trip to Rome (2), day-3"
    assert inbox.stem("C:\\Pictures\\Été 2020.png") == "Été 2020"


def test_two_of_one_name_are_two_files(tmp_path):
    paths = [inbox.take(tmp_path, "a.jpg", io.BytesIO(png(colour))) for colour in ("red", "blue", "red")]
    assert [path.name for path in paths] == ["a.png", "a-2.png", "a-3.png"]
    assert paths[0].read_bytes() == png("red") and paths[1].read_bytes() == png("blue")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.png", "a-3.png", "a.png"]  # and no draft


@pytest.mark.parametrize(
    "held",
    [
        b"",
        b"GIF",
        b"#!/bin/sh\nreboot",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"PK\3\4",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"\x7fELF",
        b"MZ",
        b"\0" * 100,
    ],
)
def test_what_is_no_picture_is_not_kept(tmp_path, held):
    with pytest.raises(Problem, match="not a picture") as caught:
        inbox.take(tmp_path, "a.jpg", io.BytesIO(held))
    assert caught.value.status_code == 415 and not list(tmp_path.iterdir())


def test_a_link_that_lies_in_wait_is_not_followed(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "outside.png"
    folder.mkdir()
    (folder / "a.png").symlink_to(outside)
    assert inbox.take(folder, "a.jpg", io.BytesIO(png())).name == "a-2.png" and not outside.exists()


# ------------------------------------------------------------------------------------------------------------ over HTTP


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_size for path in folder.rglob("*") if "thumbnails.db" not in path.name}


def part(name: str, data: bytes) -> bytes:
    """One file of a form, under a name that no client would send."""
    raw = name.encode().replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"")
    return b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + raw + b'"\r\n\r\n' + data + b"\r\n"


@pytest.mark.parametrize("start", range(0, len(NASTY) - 1, 5))  # the last one cannot be sent
def test_no_name_leads_out_of_the_inbox(server: Served, http: httpx2.Client, start: int):
    home, own = server.album.parent, server.library.get("home", "album").inbox
    before = everything(home)
    some = NASTY[:-1][start : start + 5]
    body = b"".join(part(name, png(f"#{start:02x}{place:02x}80")) for place, name in enumerate(some))
    answer = http.post(
        "/v1/collections/album/items",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        content=body + b"--x--\r\n",
    )
    assert answer.status_code == 201, answer.text
    made = {Path(path) for path in everything(home) if path not in before}
    pictures = {path for path in made if path.suffix in (".png", ".jpg")}
    assert all(path.parent == own and is_safe(path.stem) for path in pictures), pictures
    assert all(path.is_relative_to(home / "books") for path in made), made  # the database and its log
    items = answer.json()["items"]
    assert {path.name for path in pictures} == {item["name"] for item in items} and len(items) == len(some)
    for item in items:
        http.delete(f"/v1/collections/album/items/{item['id']}").raise_for_status()
    assert not list(own.iterdir())


def test_what_is_no_picture_is_refused_and_the_others_are_kept(http: httpx2.Client, server: Served):
    half = (server.pictures[0].read_bytes())[:400]
    files = [
        ("files", ("words.jpg", b"these are words", "image/jpeg")),
        ("files", ("good.jpg", png("green"), "text/html")),
        ("files", ("half.png", half, "image/png")),
    ]
    answer = http.post("/v1/collections/album/items", files=files)
    assert answer.status_code == 201
    stored = answer.json()
    assert [item["name"] for item in stored["items"]] == ["good.png"]
    assert {one["name"] for one in stored["refused"]} == {"words.jpg", "half.png"}
    assert all(one["why"] and str(server.album.parent) not in one["why"] for one in stored["refused"])
    inbox_of = server.library.get("home", "album").inbox
    assert [path.name for path in inbox_of.iterdir()] == ["good.png"]
    http.delete(f"/v1/collections/album/items/{stored['items'][0]['id']}").raise_for_status()


def test_nothing_but_words_is_an_error(http: httpx2.Client):
    answer = http.post("/v1/collections/album/items", files=[("files", ("a.jpg", b"words", "image/jpeg"))])
    assert answer.status_code == 415 and "not a picture" in answer.json()["detail"]


def test_more_files_than_are_allowed_are_refused(http: httpx2.Client, server: Served):
    most = server.settings.max_files
    files = [("files", (f"{number}.png", png(), "image/png")) for number in range(most + 1)]
    answer = http.post("/v1/collections/album/items", files=files)
    assert answer.status_code == 413 and f"at most {most}" in answer.json()["detail"]
    many = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n\r\n' for _ in range(1_001)
    )
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    assert http.post("/v1/collections/album/items", headers=head, content=many + b"--x--\r\n").status_code == 413


def test_a_picture_that_was_deleted_may_be_uploaded_again_and_one_of_a_folder_may_not(
    http: httpx2.Client, server: Served
):
    def sent(data: bytes) -> httpx2.Response:
        return http.post("/v1/collections/album/items", files=[("files", ("again.png", data, "image/png"))])

    for _ in range(2):
        (item,) = sent(png("pink")).json()["items"]
        assert http.delete(f"/v1/collections/album/items/{item['id']}").status_code == 204
        assert http.get(f"/v1/collections/album/items/{item['id']}").status_code == 404
    shared = http.get("/v1/collections/album/items", params={"limit": 100}).json()["items"]
    theirs = next(item for item in shared if item["name"] == server.pictures[3].name)
    assert http.delete(f"/v1/collections/album/items/{theirs['id']}").status_code == 204
    assert (server.album / theirs["name"]).exists()  # it is not the server's to delete
    refused = sent((server.album / theirs["name"]).read_bytes()).json()
    assert not refused["items"] and "deleted from the collection" in refused["refused"][0]["why"]
    assert not list(server.library.get("home", "album").inbox.iterdir())
