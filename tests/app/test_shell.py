"""What is printed comes out whole in any encoding, steers no terminal, and ends in good order where nobody reads it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

NAMES = [
    "plain name.jpg",
    "日本.jpg",
    "é\t\n\x1b]0;title\x07.jpg",
    "b\udcff.jpg",
    'say "hi" \\ \x9b.jpg',
    "gpj\u202egnp.exe",
]


def printing(lines: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A program of these lines, run as `diptych` runs its commands. NAMES is known to it."""
    body = "\n".join(f"    {line}" for line in lines)
    program = f"from diptych.app.shell import *\nNAMES = {NAMES!r}\ndef command():\n{body}\nrun(command, 'diptych')"
    command = [sys.executable, "-c", program]
    options["env"] = {**options.get("env", os.environ), "PYTHONUNBUFFERED": ""}  # what waits in a buffer is lost late
    return subprocess.run(command, **{"stdout": -1, "stderr": -1, **options})


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii", "cp1252:strict"])
def test_any_name_is_printed_in_any_encoding_on_one_line_without_what_a_terminal_obeys(encoding: str) -> None:
    answer = printing(
        ["for name in NAMES:", "    print_line('name', quoted(name))", "    print_json(name)", "    print_note(name)"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert answer.returncode == 0, answer.stderr
    for stream in (answer.stdout, answer.stderr):
        text = stream.decode(encoding.split(":")[0])
        assert not any(letter in text for letter in "\x1b\x07\x9b\u202e")
        assert len(text.splitlines()) == len(NAMES) * (2 if stream is answer.stdout else 1)
    lines = answer.stdout.decode(encoding.split(":")[0]).splitlines()
    assert [json.loads(line) for line in lines[1::2]] == NAMES
    assert all(line.count("\t") == 1 for line in lines[::2])


def test_a_name_is_printed_exactly_or_in_quotes_from_which_it_can_be_had_back() -> None:
    answer = printing(["for name in NAMES:", "    print_line(quoted(name))"], env={**os.environ, "PYTHONUTF8": "1"})
    assert answer.stdout.decode().splitlines() == [
        "plain name.jpg",
        "日本.jpg",
        r'"é\t\n\x1b]0;title\x07.jpg"',
        r'"b\xff.jpg"',
        r'"say \"hi\" \\ \u009b.jpg"',
        r'"gpj\u202egnp.exe"',
    ]


def test_numbers_that_json_cannot_hold_are_null() -> None:
    answer = printing(["print_json({'a': float('nan'), 'b': [float('inf'), 1.5, (1,)]})"])
    assert json.loads(answer.stdout) == {"a": None, "b": [None, 1.5, [1]]}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize(
    "line", ["print_line('x')", "write(b'x')", "print_json([1])", "for _ in range(9999): print_line('x' * 99)"]
)
def test_a_full_disk_is_one_line_and_exit_code_1(line: str) -> None:
    with open("/dev/full", "wb") as full:
        answer = printing([line], stdout=full)
    assert answer.returncode == 1
    told = answer.stderr.decode()
    assert told.count("\n") == 1 and "standard output cannot be written (No space left on device)" in told


def test_a_reader_that_has_gone_is_no_error_to_tell_of() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    answer = printing(["for _ in range(9999): print_line('x' * 99)"], stdout=writer)
    os.close(writer)
    assert (answer.returncode, answer.stderr) == (141, b"")


def test_notes_that_nobody_can_read_stop_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    answer = printing(["print_note('x')", "print_line('done')"], stderr=writer)
    os.close(writer)
    assert (answer.returncode, answer.stdout) == (0, b"done\n")


def test_without_standard_output_a_program_says_so_and_without_standard_error_it_goes_on() -> None:
    closed = printing(["print_line('x')"], preexec_fn=lambda: os.close(1))
    assert closed.returncode == 1 and closed.stderr.decode().count("\n") == 1 and b"Traceback" not in closed.stderr
    silent = printing(["print_note('x')", "print_line('done')"], preexec_fn=lambda: os.close(2))
    assert (silent.returncode, silent.stdout) == (0, b"done\n")


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        ("BadInput('a\\nb')", 2, b"diptych: a\\nb\n"),
        ("KeyboardInterrupt", 130, b"diptych: stopped\n"),
        ("SystemExit(3)", 3, b""),
    ],
)
def test_how_a_program_ends(raised: str, code: int, told: bytes) -> None:
    answer = printing(["from diptych.kinds import BadInput", "print_line('before')", f"raise {raised}"])
    assert (answer.returncode, answer.stdout, answer.stderr) == (code, b"before\n", told)


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    options = {"stdout": -1, "stderr": -1, **options}
    return subprocess.run([sys.executable, "-m", "diptych.app.cli", *arguments], **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_the_library_of_commands_prints_ends_the_same_way(option: str) -> None:
    with open("/dev/full", "wb") as full:
        answer = command(option, stdout=full)
    assert answer.returncode == 1 and b"Traceback" not in answer.stderr
    assert answer.stderr.count(b"\n") == 1 and b"standard output cannot be written" in answer.stderr
