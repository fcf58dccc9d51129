"""Index and search as a person does: whole processes, on painted cards, with an encoder that `diptych fit` wrote."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from diptych.flow.fit import fit
from diptych.flow.prepare import prepare
from diptych.sources import postcards

pytestmark = pytest.mark.usefixtures("own_cache")


def run(*arguments: str | Path, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "diptych.app.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=at, env=os.environ)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 60 cards, indexed, with an encoder fitted on 150."""
    home = tmp_path_factory.mktemp("album")
    postcards.write(home / "cards", 150)
    prepared = prepare(home / "cards" / "scenes.jsonl", image_features="colour")
    fit("cca", prepared, {"dims": "64"}).save_pretrained(home / "encoder")
    (home / "pictures").mkdir()
    for picture in sorted((home / "cards" / "images").iterdir())[:60]:
        shutil.copy(picture, home / "pictures")
    (home / "pictures" / "00000.txt").write_text("a quiet lagoon\n")
    (home / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    answer = run("index", home / "pictures", "--model", home / "encoder")
    assert answer.returncode == 0, answer.stderr
    assert "60 added" in answer.stdout and "broken.jpg" in answer.stdout
    return home / "pictures"


def test_search_prints_the_promised_json(album: Path) -> None:
    answer = run("search", "a forest at night", "-t", "5", "--json", at=album)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert set(found) == {"query", "verdict", "results", "seconds"}
    assert len(found["results"]) == 5
    assert set(found["results"][0]) == {"id", "path", "score", "verdict", "why"}
    scores = [hit["score"] for hit in found["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(Path(hit["path"]).is_file() for hit in found["results"])


def test_words_of_a_caption_find_its_picture_and_say_so(album: Path) -> None:
    found = json.loads(run("search", "lagoon", "--json", at=album).stdout)
    assert Path(found["results"][0]["path"]).name == "00000.png"
    assert any("lagoon" in why for why in found["results"][0]["why"])


def test_a_picture_finds_itself_first_and_similar_leaves_it_out(album: Path) -> None:
    picture = album / "00010.png"
    first = run("search", f"{picture}", "-t", "1", "-f", at=album)
    assert first.stdout.splitlines() == [str(picture)]
    others = run("similar", picture, "-t", "3", "-f", at=album).stdout.splitlines()
    assert len(others) == 3 and str(picture) not in others


def test_where_no_collection_is_near_the_one_indexed_last_is_searched(album: Path, tmp_path: Path) -> None:
    assert run("index", album).returncode == 0
    found = run("search", "a forest at night", "-t", "1", "-f", at=tmp_path)
    assert found.returncode == 0 and Path(found.stdout.strip()).parent == album
    assert "no collection" in run("index", at=tmp_path).stderr, "who writes has to name it"


def test_indexing_again_changes_nothing(album: Path) -> None:
    report = json.loads(run("index", "--json", at=album).stdout)
    assert (report["added"], report["updated"], report["encoded"]) == (0, 0, 0)
    assert report["items"] == 60


def test_status_verify_captions_duplicates_and_export(album: Path, tmp_path: Path) -> None:
    status = json.loads(run("status", "--json", at=album).stdout)
    assert status["items"] == 60 and "broken.jpg" in status["failures"][0]["path"]
    assert run("verify", at=album).stdout == "sound\n"
    texts = tmp_path / "texts.txt"
    texts.write_text("a desert at noon\na city at night\n")
    said = json.loads(run("captions", album / "00003.png", "--among", texts, "--json", at=album).stdout)
    assert {row["text"] for row in said} == {"a desert at noon", "a city at night"}
    assert run("duplicates", "--threshold", "0.999", at=album).returncode == 0
    assert run("export", tmp_path / "all.jsonl", at=album).returncode == 0
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) >= 60


def test_the_contact_sheet_asks_nothing_of_the_network(album: Path, tmp_path: Path) -> None:
    answer = run("search", '"<script>alert(1)</script> boat"', "--html", tmp_path / "sheet.html", at=album)
    assert answer.returncode == 0, answer.stderr
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 10
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["search", "boat AND"], "column 9"),
        (["search", "boat", "--collection", "nowhere"], "nowhere"),
        (["search", "./nowhere.jpg"], "nowhere.jpg"),
        (["index", "nowhere", "--model", "nothing"], "noth"),
        (["captions", "#9999"], "9999"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(album: Path, arguments: list[str], named: str) -> None:
    answer = run(*arguments, at=album)
    assert answer.returncode == 2, answer.stdout
    assert answer.stderr.count("\n") == 1 and named in answer.stderr, answer.stderr


def test_a_folder_without_a_collection_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    answer = run("search", "boat", at=tmp_path)
    assert answer.returncode == 2
    assert "diptych index" in answer.stderr
