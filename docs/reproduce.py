"""Run every row of reproductions/ as it stands, hold it against its expected figures, render the pages.

    python docs/reproduce.py [FILE …]            # or: make reproduce; FILE is a name such as wikipedia
    python docs/reproduce.py --missing [FILE …]  # only what has not run yet; goes on where it was stopped
    python docs/reproduce.py --check 3 [FILE …]  # or: make reproduce CHECK=3; rows drawn by date, nothing written
    python docs/reproduce.py --check 3 --most 20 # of those whose runs take at most 20 seconds each

A row is run as it stands, and where it has such figures, untrained and without its idea; each with all its seeds. Exit
code 1 when a figure left its tolerance. A data set that is not there is skipped and keeps the figures of its last
run.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import io
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import generate

from diptych import catalogue
from diptych.app.cli import app


def run(command: str) -> dict[str, Any]:
    """What `diptych …` prints with --json, run in this process so that libraries load once."""
    program, *arguments = shlex.split(command)
    assert program == "diptych", command
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        app([*arguments, "--json"], standalone_mode=False)
    report = json.loads(printed.getvalue())
    return {key: report[key] for key in ("i2t", "t2i", "seconds", "seed", "versions", "bytes_per_item")}


def absent(command: str) -> str:
    """Why a command cannot run here; empty when its data are there."""
    words = shlex.split(command)
    card = catalogue.dataset(words[words.index("--dataset") + 1]).card
    if card.generated:
        return ""
    data = os.environ.get("DIPTYCH_DATA")
    if not data:
        return "DIPTYCH_DATA is not set"
    return "" if (Path(data) / card.folder).exists() else f"{card.folder}/ is not in $DIPTYCH_DATA"


def keep(measured: dict[str, Any], known: set[str]) -> None:
    """Write down what ran, after every run, so that an interruption costs one."""
    kept = {command: measured[command] for command in sorted(measured.keys() & known)}
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    (generate.REPRODUCTIONS / "measured.json").write_text(text + "\n", encoding="utf-8")


def commands(row: dict[str, Any]) -> list[str]:
    """Everything that a row has to be run for."""
    return [command for way in generate.WAYS for command in generate.asked(row, way)]


def drawn(rows: list[dict[str, Any]], n: int, day: str) -> list[dict[str, Any]]:
    """n rows by the sha256 of the day and their command: others every day, the same on every machine."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{day} {row['command']}".encode()).hexdigest())[:n]


def check(rows: list[dict[str, Any]], n: int, most: float, day: str) -> int:
    """Run n rows drawn by the day whose data are here, and tell which left their tolerance."""
    measured = generate.load_measured()

    def cheap(row: dict[str, Any]) -> bool:
        known = [measured[command] for command in commands(row) if command in measured]
        return bool(known) and all(sum(one["seconds"].values()) <= most for one in known)

    chosen = drawn([row for row in rows if not absent(row["command"]) and cheap(row)], n, day)
    failed = 0
    for row in chosen:
        print(row["command"], flush=True)
        wrong = generate.off(row, {command: run(command) for command in commands(row)})
        failed += bool(wrong)
        for line in wrong:
            print(f"    OFF: {line}")
    print(f"{len(chosen)} rows of {day} ran, {failed} left their tolerance")
    return 1 if failed or not chosen else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="FILE")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--check", type=int, metavar="N")
    parser.add_argument("--most", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--day", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    wanted = parser.parse_args(arguments)
    names = wanted.names
    files = generate.load_rows()
    unknown = set(names) - files.keys()
    if unknown:
        print(f"no {', '.join(sorted(unknown))} in reproductions/; there are: {', '.join(files)}", file=sys.stderr)
        return 2
    rows = [row for name, file in files.items() if not names or name in names for row in file["row"]]
    if wanted.check is not None:
        return check(rows, wanted.check, wanted.most, wanted.day)
    measured = generate.load_measured()
    known = {command for file in files.values() for row in file["row"] for command in commands(row)}
    failed = skipped = 0
    for number, row in enumerate(rows, 1):
        start = f"[{number}/{len(rows)}] {row['command']}"
        if reason := absent(row["command"]):
            print(f"{start}: skipped, {reason}")
            skipped += 1
            continue
        for command in commands(row):
            if wanted.missing and command in measured:
                continue
            print(f"[{number}/{len(rows)}] {command}", flush=True)
            measured[command] = run(command)
            keep(measured, known)
        wrong = generate.off(row, measured)
        failed += bool(wrong)
        for line in wrong:
            print(f"    OFF: {line}")
    generate.main()
    print(f"{len(rows) - skipped} rows ran, {skipped} skipped, {failed} left their tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
