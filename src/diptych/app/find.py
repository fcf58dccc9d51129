"""Commands that find: index, search, similar, duplicates, captions, status, verify, reindex, export."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diptych.app.shell import JsonOption, app, progress, say, say_line
from diptych.kinds import BadInput

if TYPE_CHECKING:
    from diptych.collection import Answer, Collection, Waiting

INSIDE = ".diptych"

CollectionOption = Annotated[
    Path | None,
    typer.Option("--collection", "-c", help="The collection's folder; by default .diptych here, above, or the last."),
]
TopOption = Annotated[int, typer.Option("--top", "-t", help="How many answers.")]
PathsOption = Annotated[bool, typer.Option("--paths", "-f", help="Print paths only.")]
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write a contact sheet to this file.")]
PreviewOption = Annotated[
    bool | None,
    typer.Option("--preview/--no-preview", "-p", help="Show the pictures; by default where the terminal can."),
]
DiverseOption = Annotated[float, typer.Option("--diverse", help="0 to 1: hold back pictures like those before them.")]


@app.command()
def index(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders of pictures; by default those known.")] = None,
    collection: Annotated[
        Path | None, typer.Option("--collection", "-c", help="By default .diptych in the first folder.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="A name of `diptych models`, hub:owner/name, or a folder; by default mini."),
    ] = None,
    captions: Annotated[Path | None, typer.Option("--captions", help="A table of captions; see formats.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Look again at files that failed before.")] = False,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read every file again, for changes that size and time do not show.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking for changes until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make folders of pictures searchable, or bring a collection up to date with them."""
    from diptych.collection import Collection

    where = collection or (_beside(folders[0]) if folders else _near())
    for folder in folders or () if not where.exists() else ():  # else the collection knows which are away
        if not folder.exists():
            raise BadInput(f"{folder}: no such folder; is it misspelt, or its disk not mounted?")
    with Collection.open(where, model, write=True) as found:
        try:
            with progress() as on_progress:
                report = found.add(
                    *(folders or ()), captions=captions, retry=retry, contents=contents, progress=on_progress
                )
        except KeyboardInterrupt:
            _remember(where)
            again = shlex.join(["diptych", "index", *map(str, folders or ()), "--collection", str(where)])
            sys.stderr.write(f"stopped; {len(found)} pictures are indexed and kept. Go on: {again}\n")
            raise typer.Exit(130) from None
        _remember(where)
        if as_json:
            say({"collection": str(where), "items": len(found), **asdict(report)})
        else:
            counted_of = ("added", "updated", "renamed", "removed", "unchanged", "failed")
            counted = ", ".join(f"{number} {what}" for what in counted_of if (number := getattr(report, what)))
            say_line(f"{len(found)} pictures in {where}: {counted}; {report.seconds:.1f} s")
            if report.restored:
                say_line(f"{report.restored} are back, with the words that were given to them")
            for place, why in report.away:
                say_line(f"not looked at: {place}: {why}, or diptych forget {shlex.quote(place)}")
            for path, why in report.failures:
                say_line(f"not indexed: {path}: {why}")
        if watch:
            _watch(found, folders or (), as_json)


def _watch(found: Collection, folders: Sequence[Path], as_json: bool) -> None:
    """Tell every change on a line of its own, until Ctrl-C."""

    def changed(what: str, path: str, why: str) -> None:
        if as_json:
            say({"change": what, "path": path, "why": why})
        else:
            say_line(f"{what}\t{path}" + f"\t{why}" * bool(why))
        sys.stdout.flush()

    sys.stdout.flush()
    sys.stderr.write("watching; Ctrl-C ends it\n")
    try:
        for _ in found.watch(*folders, changed=changed):
            pass
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; {len(found)} pictures are indexed\n")


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Words, pictures and filters in the query language.")],
    collection: CollectionOption = None,
    top: TopOption = 10,
    offset: Annotated[int, typer.Option("--offset", help="Answers to pass over.")] = 0,
    diverse: DiverseOption = 0.0,
    keywords: Annotated[float, typer.Option("--keywords", help="0 to 1: what words in captions weigh.")] = 0.5,
    regions: Annotated[bool, typer.Option("--regions", help="Say which part of each answers best.")] = False,
    paths: PathsOption = False,
    html: HtmlOption = None,
    preview: PreviewOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find pictures: words, `dog + beach - people`, ./like-this.jpg, NOT people, year >= 2020 AND tag:family."""
    with _opened(collection) as found:
        _show(found.search(query, top, offset, diverse, keywords, regions), paths, html, preview, as_json)


@app.command()
def similar(
    picture: Annotated[str, typer.Argument(help="A picture file, or the id of an item as #12.")],
    collection: CollectionOption = None,
    top: TopOption = 10,
    diverse: DiverseOption = 0.0,
    paths: PathsOption = False,
    html: HtmlOption = None,
    preview: PreviewOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the pictures most like one."""
    with _opened(collection) as found:
        _show(found.similar(_item(picture), top, 0, diverse), paths, html, preview, as_json)


@app.command()
def captions(
    picture: Annotated[str, typer.Argument(help="A picture file, or the id of an item as #12.")],
    collection: CollectionOption = None,
    top: TopOption = 5,
    among: Annotated[Path | None, typer.Option("--among", help="Texts to choose from, one a line.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the texts that tell a picture best: of the collection's own captions, or of a list."""
    if among is not None and not among.is_file():
        raise BadInput(f"{among}: no such file; give one text a line")
    texts = among.read_text(encoding="utf-8").splitlines() if among else None
    with _opened(collection) as found:
        best = found.captions(_item(picture), top, [text for text in texts if text.strip()] if texts else None)
    if as_json:
        say([{"text": text, "score": score} for text, score in best])
    else:
        for text, score in best:
            say_line(f"{score:.3f}\t{text}")


@app.command()
def duplicates(
    collection: CollectionOption = None,
    threshold: Annotated[float, typer.Option("--threshold", help="Cosine from which two pictures are one.")] = 0.97,
    as_json: JsonOption = False,
) -> None:
    """List groups of pictures that are nearly the same."""
    with _opened(collection) as found, progress() as on_progress:
        groups = [[found.get(item).path for item in group] for group in found.duplicates(threshold, on_progress)]
    if as_json:
        say(groups)
    else:
        for group in groups:
            say_line("\t".join(group))


@app.command()
def status(collection: CollectionOption = None, as_json: JsonOption = False) -> None:
    """Tell what a collection holds, how it was measured and what could not be read."""
    with _opened(collection) as found:
        facts = found.status()
        failures = found.failures()
    if as_json:
        say({**facts, "failures": [{"path": path, "why": why} for path, why in failures]})
        return
    for name, fact in _flat(facts):
        say_line(f"{name}\t{fact}")
    for path, why in failures:
        say_line(f"not indexed\t{path}: {why}")


@app.command()
def forget(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder, there or not; without it, the words that wait are listed.")
    ] = None,
    collection: CollectionOption = None,
    keep_words: Annotated[
        bool, typer.Option("--keep-words", help="Let what was given to its pictures wait for them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a folder with everything indexed from it, and the captions, tags and metadata given to its pictures.

    No picture is touched. Without a folder: list what was given to pictures that are not there now.
    """
    from diptych.collection import Collection

    if folder is None:
        with _opened(collection) as found:
            words, removed = found.waiting(), 0
    else:
        with Collection.open(collection or _near(), write=True) as found:
            forgotten = found.forget(folder, words=not keep_words)
            words, removed = list(forgotten.words), forgotten.removed
    if as_json:
        say({"removed": removed, "words": [_words(some) for some in words]})
        return
    for some in words:
        said = [*some.given.captions, *(f"tag:{tag}" for tag in some.given.tags)]
        say_line("\t".join([some.path, *said, *(f"{key} = {value}" for key, value in some.metadata.items())]))
    if folder is not None:
        say_line(f"{removed} pictures forgotten, and the words given to {len(words)}")


def _words(some: Waiting) -> dict[str, Any]:
    words = {"captions": some.given.captions, "tags": some.given.tags, "metadata": dict(some.metadata)}
    return {"path": some.path, "digest": some.digest, **words}


@app.command()
def verify(
    collection: CollectionOption = None,
    contents: Annotated[bool, typer.Option("--contents", help="Read every picture again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a collection from the database to the index; exit code 1 when something is wrong."""
    with _opened(collection) as found, progress() as on_progress:
        problems = found.verify(contents, on_progress)
    if as_json:
        say(problems)
    else:
        for problem in problems or ["sound"]:
            say_line(problem)
    if problems:
        raise typer.Exit(1)


@app.command()
def reindex(
    collection: CollectionOption = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Encode everything anew with this one; as for index.")
    ] = None,
    memory: Annotated[float | None, typer.Option("--memory", help="Megabytes the index may take.")] = None,
    latency: Annotated[float | None, typer.Option("--latency", help="Milliseconds a query may take.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Build the index anew and measure it, or move the collection to another encoder."""
    from diptych.collection import Collection

    with Collection.open(collection or _near(), write=True) as found, progress() as on_progress:
        found.reindex(model, memory and memory * 1e6, latency and latency / 1e3, on_progress)
        facts = found.status()
    if as_json:
        say(facts)
    else:
        say_line(f"{facts['items']} pictures, index {facts['index']}")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="A .jsonl or .parquet file, or a folder for clip-retrieval's layout.")],
    collection: CollectionOption = None,
    vectors: Annotated[bool, typer.Option(help="With the vector of each picture.")] = True,
) -> None:
    """Write all items, with captions, tags, metadata and vectors."""
    with _opened(collection) as found:
        say_line(f"{found.export(path, vectors)} items written to {path}")


def _opened(collection: Path | None) -> Collection:
    from diptych.collection import Collection

    return Collection.open(collection or _near(or_last=True))


def _beside(folder: Path) -> Path:
    """Where the collection of a folder lives: inside it, or in the cache where nothing may be written into it."""
    from diptych.sources import cache

    inside = folder / INSIDE
    if inside.exists() or os.access(folder, os.W_OK) or not folder.is_dir():
        return inside
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return cache.home() / "collections" / name


def _near(or_last: bool = False) -> Path:
    """The collection of this folder, or of the nearest one above it that has one.

    or_last   where none has, the one that was indexed last
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (found := _beside(folder)).is_dir():
            return found
    if or_last and (last := _last_indexed()) is not None:
        if sys.stderr.isatty():
            sys.stderr.write(f"in {last}, which was indexed last\n")
        return last
    raise BadInput(
        f"there is no collection in {here} or above; name one with --collection, or `diptych index` a folder"
    )


def _last_indexed() -> Path | None:
    with suppress(OSError, UnicodeError):
        found = Path(_note_of_last().read_text(encoding="utf-8"))
        return found if found.is_dir() else None
    return None


def _remember(collection: Path) -> None:
    """As the one that was indexed last. A cache that cannot be written costs only the convenience."""
    with suppress(OSError):
        _note_of_last().parent.mkdir(parents=True, exist_ok=True)
        _note_of_last().write_text(str(collection.resolve()), encoding="utf-8")


def _note_of_last() -> Path:
    from diptych.sources import cache

    return cache.home() / "last-collection"


def _item(picture: str) -> int | str:
    return int(picture[1:]) if picture.startswith("#") and picture[1:].isdigit() else picture


def _flat(facts: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Nested facts as dotted names."""
    rows: list[tuple[str, Any]] = []
    for name, fact in facts.items():
        rows += _flat(fact, f"{before}{name}.") if isinstance(fact, dict) else [(before + name, fact)]
    return rows


SAID = {"match": "match", "weak": "weak match", "none": "no good match", "unrated": ""}


def _show(answer: Answer, paths: bool, html: Path | None, preview: bool | None, as_json: bool) -> None:
    """An answer as JSON, as bare paths, or one line a hit: score, path, why. The verdict goes to standard error."""
    from diptych.app import thumbnails

    form = thumbnails.form() if preview is not False and not (paths or as_json) else None
    if preview and form is None:
        raise BadInput(f"--preview: {thumbnails.NONE}; --html FILE writes a page with the pictures")
    if html is not None:
        from diptych.app import sheet

        sheet.write([answer], html)
        sys.stderr.write(f"wrote {html}\n")
    if as_json:
        facts = asdict(answer)
        for hit in facts["results"]:
            if hit["region"] is None:
                del hit["region"]
        say(facts)
    elif paths:
        for hit in answer.results:
            say_line(hit.path)
    else:
        if SAID[answer.verdict]:
            sys.stderr.write(f"{SAID[answer.verdict]}\n")
        for hit in answer.results:
            said = "; ".join(filter(None, (SAID[hit.verdict], *hit.why)))
            say_line(f"{hit.score:.3f}\t{hit.path}\t{said}".rstrip())
            if form is not None:
                say_line(thumbnails.drawn(hit.path, form))
