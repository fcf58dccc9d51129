"""The main job: make pictures searchable and search them; on postcards, fit several methods too and print the table.

`make demo` runs it; `make demo PICTURES=dir` runs it on a person's own pictures. On a terminal it ends with the page,
which is served until Ctrl-C.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from diptych import postcards
from diptych.app import sheet, tables
from diptych.app.shell import print_line, progress, run
from diptych.collection import Answer, Collection
from diptych.flow.evaluate import measure
from diptych.flow.prepare import prepare
from diptych.kinds import BadInput

CARDS = 2000
SEED = 1
"""Of the demo's own cards: others than `mini` was trained on."""
QUERIES = (
    "a lighthouse by the sea at night",
    "snow + mountains - night",
    "a green umbrella in the rain NOT city",
    "{picture} + snow",
    "boats tag:autumn tag:fog",
    "quarterly tax invoice",
)
"""Text, composed, denied, a picture with words, filtered, and something that no card shows."""
PLAIN = ("people", "a dog", "the sea", "{picture}", "food NOT people", "quarterly tax invoice")
"""What is asked of pictures that nobody knows."""
FEATURES = "colour+sift_words"
METHODS = ("pls", "cfa", "blm", "cm", "cca", "kcca")


def demo(pictures: Path | None, out: Path, cards: int = CARDS) -> None:
    """Index postcards painted into `out`, or `pictures`, search them, and write the sheet; all goes to `out`."""
    start = time.perf_counter()
    painted = out / "postcards"
    if pictures is None:
        with progress() as on_progress:
            scenes = postcards.write(painted, cards, seed=SEED, progress=on_progress)
        tags = out / "tags.jsonl"  # and no captions: what is asked for has to be found in the pictures
        names = (f"images/{scene.index:05d}.png" for scene in scenes)
        told_of = zip(names, scenes, strict=True)
        lines = ({"image": name, "captions": [], "labels": [scene.season, scene.weather]} for name, scene in told_of)
        tags.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        answers = searched(painted, out, QUERIES, tags)
    else:
        answers = searched(pictures.expanduser(), out, PLAIN)
    page = out / "search.html"
    sheet.write(answers, page)
    for answer in answers:
        first = Path(answer.results[0].key).name if answer.results else "nothing"
        print_line(f"{answer.query}: {answer.verdict}, first {first}, {1000 * answer.seconds:.0f} ms")
    if pictures is None:
        print_line()
        print_line("The other half: methods fitted and measured on the same cards and their captions.")
        print_line()
        compared(painted / "scenes.jsonl")
    print_line()
    print_line(f"Look at what the searches found: {page}")
    print_line(f'Search on: diptych search "a boat at dusk" --collection {out / "collection"}')
    print_line(f"All in {time.perf_counter() - start:.0f} seconds.")
    if sys.stdout.isatty():
        from diptych.app.serve import on_a_page

        print_line()
        print_line("And here is the page to search on:")
        on_a_page([("", out / "collection")])


def searched(pictures: Path, out: Path, queries: Sequence[str], tags: Path | None = None) -> list[Answer]:
    """Index a folder with the bundled encoder, and search it."""
    with Collection.open(out / "collection", "mini", write=True) as collection, progress() as on_progress:
        report = collection.add(pictures, captions=tags, progress=on_progress)
        print_line(f"{len(collection)} pictures searchable in {report.seconds:.1f} seconds")
        print_line()
        if not len(collection):
            raise BadInput(f"{pictures}: no picture in it that can be read")
        some = collection.get(collection.ids()[0]).key
        return [collection.search(query.format(picture=f'"{some}"')) for query in queries]


def compared(captioned: Path) -> None:
    """Fit methods of the linear family, and print what they find."""
    with progress() as on_progress:
        prepared = prepare(captioned, image_features=FEATURES, progress=on_progress)
        found = []
        for name in METHODS:
            found.append(measure(name, prepared).report)
            if on_progress:
                on_progress("fitting methods", len(found), len(METHODS))
    tables.several(found)


def main(arguments: list[str]) -> None:
    """`python -m diptych.app.demo [PICTURES]`: writes into ./demo."""
    run(lambda: demo(Path(arguments[0]).expanduser() if arguments else None, Path("demo")), "demo")


if __name__ == "__main__":
    main(sys.argv[1:])
