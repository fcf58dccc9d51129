"""The board on which all that was measured stands."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from diptych import catalogue
from diptych.flow.report import Line, best_first, board, leaderboard, measured, reported
from diptych.kinds import BadInput, Report


def line(method: str = "cca", i2t: float = 0.5, **changed) -> Line:
    blank = Line(
        method, "subspace", "full", "cards", "pairs", "", "r@1", i2t, i2t, None, 1, None, None, 64.0, "", 0.1, False,
        f"diptych evaluate {method} --dataset cards", "",
    )  # fmt: skip
    return replace(blank, **changed)


def test_what_comes_along_is_what_was_measured_and_reads_back_equal():
    lines = measured()
    assert {one.method for one in lines} <= {*catalogue.methods(), "mini"} and len(lines) > 100
    assert all(0 <= figure <= 1 for one in lines for figure in (one.i2t, one.t2i)) and lines == best_first(lines)
    assert leaderboard.written(lines) == leaderboard.MEASURED.read_text(encoding="utf-8")
    hashed = [one for one in lines if one.bits]
    # Where features have fewer directions, fewer bits are made of them.
    assert hashed and all(one.bytes_per_item <= one.bits / 8 and one.codes for one in hashed)
    assert {one.codes for one in hashed} == {"own", "unified"} and not any(one.codes for one in lines if not one.bits)
    assert any(one.flatters for one in lines) and any(one.half for one in lines if one.seeds > 1)


def test_the_best_stand_first_on_each_board_and_what_flatters_last():
    lines = [line("a", 0.1), line("b", 0.9, flatters=True), line("c", 0.2), line("d", 0.7, metric="map@all")]
    assert [one.method for one in best_first(lines)] == ["d", "c", "a", "b"]


def test_a_report_of_ones_own_becomes_a_line(tmp_path):
    settings = {
        "bits": 16,
        "seed": 0,
        **{k: v for k, v in catalogue.method("cmfh")().settings().items() if k != "bits"},
    }
    Report(
        "cmfh", "cards", "labels", 3, {"map@all": 0.4, "r@1": 0.2}, {"map@all": 0.3, "r@1": 0.1}, {"fit": 2.5}, 2.0, {},
        settings=settings,
    ).save(tmp_path / "report.json")  # fmt: skip
    made = reported(tmp_path)
    assert (made.metric, made.i2t, made.t2i, made.seconds) == ("map@all", 0.4, 0.3, 2.5)
    assert (made.bits, made.codes) == (16, "own")
    assert made.settings == "--set bits=16" and made.family == "hashing.shallow" and made.source == str(tmp_path)
    assert made.command == "diptych evaluate cmfh --dataset cards --protocol labels --set bits=16 --seed 3"
    Report("mini", "cards", "pairs", 0, {"r@1": 0.4}, {"r@1": 0.3}, {}, 512.0, {}).save(tmp_path / "mini.json")
    encoder = reported(tmp_path / "mini.json")
    assert (encoder.family, encoder.built, encoder.bits, encoder.codes, encoder.settings) == ("", "", None, "", "")
    with pytest.raises(BadInput, match="no such report"):
        reported(tmp_path / "none.json")


def test_the_page_opens_no_address_runs_its_own_script_alone_and_takes_any_text():
    hostile = line("</script><script>alert(1)</script>", source="<img src=x onerror=alert(1)>")
    page = board([hostile, line()], "rows.md")
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    allowed = re.search(r"script-src 'sha256-([^']+)'", page)
    assert allowed and base64.b64decode(allowed[1]) == hashlib.sha256(scripts[1].encode()).digest()
    told = json.loads(scripts[0])
    assert told["rows"] == "rows.md" and {one["method"] for one in told["lines"]} == {"cca", hostile.method}
    anchors = {one["method"]: one["anchor"] for one in told["lines"]}
    assert anchors == {"cca": line().anchor, hostile.method: ""}  # one of another's has no row on our page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
