"""The demo from its first card to its last line, on few cards."""

from pathlib import Path

import pytest

from diptych.app.demo import METHODS, demo
from diptych.kinds import Report


def test_the_demo_fits_every_method_and_leaves_what_it_speaks_of(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    demo(None, tmp_path, cards=60)
    said = capsys.readouterr().out
    rows = [line.split()[0] for line in said.splitlines() if line and line.split()[0] in METHODS]
    assert rows[: len(METHODS)] == list(METHODS)
    assert len(list((tmp_path / "postcards" / "images").iterdir())) == 60
    report = Report.load(tmp_path / "report")
    assert report.method in METHODS and report.method in (tmp_path / "report" / "report.html").read_text("utf-8")
    assert report.counts["queries"] == 12  # a fifth of the cards
    assert (tmp_path / "encoder" / "config.json").is_file() and (tmp_path / "search.html").is_file()
