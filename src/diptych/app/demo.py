"""The main job on built-in data: paint postcards, fit several methods, print the table, write the contact sheet.

`make demo` runs it; `make demo PICTURES=dir` runs it on a person's own pictures and texts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from diptych.app import tables
from diptych.app.shell import progress, say_line
from diptych.flow import report
from diptych.flow.evaluate import Evaluation, measure
from diptych.flow.prepare import prepare
from diptych.kinds import BadInput
from diptych.sources import postcards

CARDS = 2000
IMAGE_FEATURES = "colour+sift_words"
METHODS = ("pls", "cfa", "blm", "cm", "cca", "kcca")


def demo(pictures: Path | None, out: Path) -> None:
    """Measure several methods on postcards painted into `out`, or on `pictures`; report the best one in `out`."""
    start = time.perf_counter()
    with progress() as told:
        if pictures is None:
            postcards.write(out / "postcards", CARDS, progress=told)
            pictures = out / "postcards" / "scenes.jsonl"
        prepared = prepare(pictures, image_features=IMAGE_FEATURES, progress=told)
        found: list[Evaluation] = []
        for name in METHODS:
            found.append(measure(name, prepared))
            if told:
                told("fitting methods", len(found), len(METHODS))
    tables.several([each.report for each in found])
    best = max(found, key=lambda each: each.report.i2t["r@10"] + each.report.t2i["r@10"])
    page = report.write(best, out / "report")
    encoder = out / "encoder"
    best.encoder.save_pretrained(encoder)
    say_line(f"\n{best.report.method} is the best of these. Its contact sheet: {page}")
    again = f"diptych evaluate {encoder} --dataset {pictures} --split {prepared.rules.query}"
    say_line(f"The fitted method: {encoder}. Measure it again: {again}")
    say_line(f"All in {time.perf_counter() - start:.0f} seconds.")


def main(arguments: list[str]) -> None:
    """`python -m diptych.app.demo [PICTURES]`: writes into ./demo."""
    try:
        demo(Path(arguments[0]) if arguments else None, Path("demo"))
    except BadInput as error:
        sys.stderr.write(f"demo: {error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(sys.argv[1:])
