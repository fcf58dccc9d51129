"""The demo from its first card to its last line, on few cards."""

from pathlib import Path

import pytest

from diptych import postcards
from diptych.app.demo import METHODS, PLAIN, QUERIES, demo, main


def test_the_demo_indexes_searches_and_measures(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    demo(None, tmp_path, cards=60)
    said = capsys.readouterr().out
    assert "60 pictures searchable" in said
    assert all(query in said for query in QUERIES if "{" not in query)
    rows = [line.split()[0] for line in said.splitlines() if line and line.split()[0] in METHODS]
    assert rows[: len(METHODS)] == list(METHODS)
    page = (tmp_path / "search.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") >= 30


def test_the_demo_on_a_persons_own_pictures(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    postcards.write(tmp_path / "mine", 30, seed=5)
    demo(tmp_path / "mine" / "images", tmp_path / "out")
    said = capsys.readouterr().out
    assert "30 pictures searchable" in said and all(query in said for query in PLAIN if "{" not in query)
    assert not (tmp_path / "mine" / "images" / ".diptych").exists()


def test_a_folder_without_pictures_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "empty")])
    assert ended.value.code == 2
    assert "empty" in capsys.readouterr().err
