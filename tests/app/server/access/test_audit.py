"""The audit log: a line a call, whatever the call holds and whoever else writes."""

import errno
import json
import multiprocessing
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import other_process
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.app.server.access.audit import LETTERS, Audit, Call, NotWritten
from diptych.kinds import BadInput

DAY = 86_400
CALL = Call(
    1_800_000_000.25, "k1", "laptop", "anna", "GET /v1/search", "pictures", 200, "192.0.2.1", "told", 20, ids=(1, 2)
)


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for file in sorted(folder.iterdir()) for line in file.read_bytes().splitlines()]


def test_a_line_tells_who_did_what_where_and_how_it_ended(tmp_path: Path, clock) -> None:
    Audit(tmp_path, clock=clock).write(CALL)
    assert lines(tmp_path) == [
        {
            "time": "2027-01-15T08:00:00.250+00:00",
            "who": "k1",
            "name": "laptop",
            "tenant": "anna",
            "what": "GET /v1/search",
            "collection": "pictures",
            "status": 200,
            "address": "192.0.2.1",
            "handed": "told",
            "items": 20,
            "sent": 0,
        }
    ]


@given(
    st.text(max_size=300)
    | st.sampled_from(["a\nb", 'x"}\n{"who":"root"', "\r", "\u2028", "\x85", "\ud800", "\x1b[2J", "long" * 99])
)
def test_no_text_makes_two_lines_or_steers_a_terminal(text: str) -> None:
    fields = {"who": text, "name": text, "tenant": text, "what": text, "collection": text, "address": text}
    line = replace(CALL, **fields).line()
    assert line.endswith(b"\n") and all(32 <= byte < 127 for byte in line[:-1])
    assert json.loads(line)["collection"] == text[:LETTERS]
    assert len(line) < 10_000


def test_every_day_has_its_file_and_seven_are_kept(tmp_path: Path, clock) -> None:
    (tmp_path / "notes.txt").touch()
    audit = Audit(tmp_path, clock=clock)
    for _ in range(10):
        for _ in range(3):
            audit.write(CALL)
        clock.now += DAY
    found = sorted(path.name for path in tmp_path.glob("audit-*"))
    assert found == [f"audit-2027-01-{day}.jsonl" for day in range(18, 25)]
    assert all(len((tmp_path / name).read_bytes().splitlines()) == 3 for name in found)
    assert (tmp_path / "notes.txt").exists()


def test_nobody_else_can_read_it(tmp_path: Path, clock) -> None:
    before = os.umask(0)
    try:
        Audit(tmp_path, clock=clock).write(CALL)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600]


def test_a_file_that_was_deleted_is_begun_anew(tmp_path: Path, clock) -> None:
    audit = Audit(tmp_path, clock=clock)
    audit.write(CALL)
    for file in tmp_path.iterdir():
        file.unlink()
    audit.write(CALL)
    assert len(lines(tmp_path)) == 1


def test_threads_and_processes_write_side_by_side(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=other_process.write, args=(tmp_path, CALL, f"p{n}", 200)) for n in range(2)]
    for process in others:
        process.start()
    audit = Audit(tmp_path, clock=lambda: 1_800_000_000.0)
    threads = [
        threading.Thread(target=lambda n=n: [audit.write(replace(CALL, who=f"t{n}", status=s)) for s in range(200)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for one in [*threads, *others]:
        one.join()
    found = [(line["who"], line["status"]) for line in lines(tmp_path)]
    assert sorted(found) == sorted((who, n) for who in ("p0", "p1", "t0", "t1", "t2", "t3") for n in range(200))


@pytest.fixture
def full(monkeypatch):
    """A disk that takes half a line, for as long as the list holds something."""
    real, is_full = os.write, [True]

    def write(file: int, data: bytes) -> int:
        return real(file, data[: len(data) // 2] if is_full else data)

    monkeypatch.setattr("os.write", write)
    return is_full


def test_a_lenient_log_goes_on_and_says_so(tmp_path: Path, clock, full) -> None:
    audit = Audit(tmp_path, clock=clock)
    audit.write(CALL)
    assert "cannot be written" in audit.trouble
    full.clear()
    audit.write(CALL)
    assert audit.trouble == ""
    assert len(lines(tmp_path)) == 1, "no half of a line was left"


def test_a_strict_log_refuses_the_call(tmp_path: Path, clock, full) -> None:
    audit = Audit(tmp_path, strict=True, clock=clock)
    with pytest.raises(NotWritten, match="nothing is answered without it"):
        audit.write(CALL)
    assert audit.trouble
    full.clear()
    audit.write(CALL)
    assert len(lines(tmp_path)) == 1


def test_an_error_of_the_disk_is_told(tmp_path: Path, clock, monkeypatch) -> None:
    audit = Audit(tmp_path, clock=clock)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.write", broken)
    audit.write(CALL)
    assert audit.trouble.endswith("Input/output error")


def test_a_log_that_others_can_read_is_not_written_to(tmp_path: Path, clock) -> None:
    (tmp_path / "audit-2027-01-15.jsonl").touch(mode=0o600)
    (tmp_path / "audit-2027-01-15.jsonl").chmod(0o644)
    audit = Audit(tmp_path, clock=clock)
    audit.write(CALL)
    assert "may be read by others" in audit.trouble


def test_no_day_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="days"):
        Audit(tmp_path, days=0)
