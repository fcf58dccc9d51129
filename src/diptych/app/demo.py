"""The main job on built-in data: paint postcards, fit several methods, print the table, index and search.

`make demo` runs it; `make demo PICTURES=dir` runs it on a person's own pictures and texts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from diptych.app import sheet, tables
from diptych.app.shell import progress, say_line
from diptych.flow import report
from diptych.flow.collection import Answer, Collection
from diptych.flow.evaluate import Evaluation, measure
from diptych.flow.prepare import Prepared, prepare
from diptych.kinds import BadInput
from diptych.sources import postcards

CARDS = 2000
IMAGE_FEATURES = "colour+sift_words"
METHODS = ("pls", "cfa", "blm", "cm", "cca", "kcca")
QUERIES = (
    "a lighthouse by the sea at night",
    "snow + mountains - night",
    "a green umbrella in the rain NOT city",
    "{picture} + snow",
    "two red balloons over the desert",
    "quarterly tax invoice",
)
"""Text, composed, denied, a picture with words, counted and coloured, and something that no card shows."""


def demo(pictures: Path | None, out: Path, cards: int = CARDS) -> None:
    """Fit and search postcards painted into `out`, or `pictures`; report, encoder, collection and sheet go to `out`."""
    start = time.perf_counter()
    queries: tuple[str, ...] = QUERIES if pictures is None else ()
    with progress() as told:
        if pictures is None:
            postcards.write(out / "postcards", cards, progress=told)
            pictures = out / "postcards" / "scenes.jsonl"
        prepared = prepare(pictures.expanduser(), image_features=IMAGE_FEATURES, progress=told)
        found: list[Evaluation] = []
        for name in METHODS:
            found.append(measure(name, prepared))
            if told:
                told("fitting methods", len(found), len(METHODS))
    tables.several([each.report for each in found])
    best = max(found, key=lambda each: each.report.i2t["r@10"] + each.report.t2i["r@10"])
    page = report.write(best, out / "report")
    best.encoder.save_pretrained(out / "encoder")
    answers = searched(prepared, out, queries)
    sheet.write(answers, out / "search.html")
    say_line("")
    for answer in answers:
        first = Path(answer.results[0].path).name if answer.results else "nothing"
        say_line(f"{answer.query}: {answer.verdict}, first {first}, {1000 * answer.seconds:.0f} ms")
    say_line(f"\n{best.report.method} is the best of these methods. Look at its contact sheet: {page}")
    say_line(f"and at what the searches found: {out / 'search.html'}")
    say_line(f'Search on: diptych search "a boat at dusk" --collection {out / "collection"}')
    say_line(f"All in {time.perf_counter() - start:.0f} seconds.")


def searched(prepared: Prepared, out: Path, queries: tuple[str, ...]) -> list[Answer]:
    """Index the pictures that were not trained on, and search them; without queries, for some of their own texts."""
    asked = prepared.items(prepared.rules.query)
    if not queries:
        queries = tuple(f'"{text}"' for text in asked.texts[:: max(1, asked.n_texts // 5)][:5])
    with Collection.open(out / "collection", out / "encoder", write=True) as collection, progress() as told:
        collection.add(*asked.images, progress=told)
        return [collection.search(query.format(picture=asked.images[0])) for query in queries]


def main(arguments: list[str]) -> None:
    """`python -m diptych.app.demo [PICTURES]`: writes into ./demo."""
    try:
        demo(Path(arguments[0]).expanduser() if arguments else None, Path("demo"))
    except BadInput as error:
        sys.stderr.write(f"demo: {error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(sys.argv[1:])
