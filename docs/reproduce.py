"""Run every row of reproductions/ as it stands, hold it against its expected figures, render the pages.

    python docs/reproduce.py [FILE …]     # or: make reproduce; FILE is a name such as wikipedia

Exit code 1 when a figure left its tolerance. A data set that is not there is skipped and keeps the figures of its last
run.
"""

from __future__ import annotations

import contextlib
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
    return {key: report[key] for key in ("i2t", "t2i", "seconds", "seed", "versions")}


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


def main(names: list[str]) -> int:
    files = generate.load_rows()
    unknown = set(names) - files.keys()
    if unknown:
        print(f"no {', '.join(sorted(unknown))} in reproductions/; there are: {', '.join(files)}", file=sys.stderr)
        return 2
    rows = [row for name, file in files.items() if not names or name in names for row in file["row"]]
    measured = generate.load_measured()
    failed = skipped = 0
    for number, row in enumerate(rows, 1):
        command = row["command"]
        start = f"[{number}/{len(rows)}] {command}"
        if reason := absent(command):
            print(f"{start}: skipped, {reason}")
            skipped += 1
            continue
        print(start, flush=True)
        measured[command] = run(command)
        wrong = generate.off(row, measured[command])
        failed += bool(wrong)
        for line in wrong:
            print(f"    OFF: {line}")
        # Kept after every row, so that an interruption costs one row.
        known = {row["command"] for file in files.values() for row in file["row"]}
        kept = {command: measured[command] for command in sorted(measured.keys() & known)}
        text = json.dumps(kept, indent=1, ensure_ascii=False)
        (generate.REPRODUCTIONS / "measured.json").write_text(text + "\n", encoding="utf-8")
    generate.main()
    print(f"{len(rows) - skipped} rows ran, {skipped} skipped, {failed} left their tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
