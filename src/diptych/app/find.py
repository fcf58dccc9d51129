"""Commands that find: index, search, similar, duplicates, captions, status, verify, reindex, export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diptych.app import places, protect
from diptych.app.schemes import schemes
from diptych.app.shell import (
    JsonOption,
    a_person_reads,
    app,
    flush,
    print_json,
    print_line,
    print_note,
    progress,
    quoted,
    write,
)
from diptych.kinds import BadInput

if TYPE_CHECKING:
    from diptych.collection import Answer, Collection, Ingested, Waiting
    from diptych.collection.duplicates import Group
    from diptych.sources.walk import Passed

KINDS, SOME = 10, 3
"""Kinds of files, and names, that a line tells at the most."""

CollectionOption = Annotated[
    Path | None,
    typer.Option("--collection", "-c", help="The collection's folder; by default .diptych here, above, or the last."),
]
TopOption = Annotated[int, typer.Option("--top", "-t", help="How many answers.")]
PathsOption = Annotated[bool, typer.Option("--paths", "-f", help="Print paths only.")]
NulOption = Annotated[
    bool, typer.Option("--print0", "-0", help="Print paths only, exactly, a zero byte after each: for xargs -0.")
]
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
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", help="Leave out what matches, from now on; as in .gitignore. May be repeated."),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", help="Take a pattern of --exclude back. May be repeated.")
    ] = None,
    readmit: Annotated[
        list[Path] | None,
        typer.Option("--readmit", help="Take back what forget --forever was given: a file, or a folder for all in it."),
    ] = None,
    show_passed: Annotated[
        bool, typer.Option("--show-passed", help="Name the files that are passed over or left out.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Look again at files that failed before.")] = False,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read every file again, for changes that size and time do not show.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking for changes until Ctrl-C.")] = False,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt a new collection; the key goes into the system's keyring.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="With --encrypt: the key's file, which is made if it is not there."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make folders of pictures searchable, or bring a collection up to date with them."""
    from diptych.collection import Collection
    from diptych.encoders import shelf

    if folders:
        where = places.named(collection) if collection else places.into(folders[0])
    else:
        where = _there(collection)
    for folder in folders or () if not where.exists() else ():  # else the collection knows which are away
        if not folder.exists():
            raise BadInput(f"{folder}: no such folder; is it misspelt, or its disk not mounted?")
    key = protect.key(where, key_file) if encrypt or key_file else None
    begun_with = None if where.exists() else model or shelf.DEFAULT
    with Collection.open(where, model, write=True, key=key) as found:
        if include:
            found.include(*include)
        if exclude:
            found.exclude(*exclude)
        for place in readmit or ():
            if not found.readmit(place):
                raise BadInput(f"{place}: nothing of it was forgotten for ever; diptych status lists what was")
        try:
            with progress() as on_progress:
                report = found.add(
                    *(folders or ()), captions=captions, retry=retry, contents=contents, progress=on_progress
                )
        except KeyboardInterrupt:
            places.remember(where)
            again = _command(where, "index", *map(str, folders or ()))
            print_note(f"stopped; {len(found)} pictures are indexed and kept. Go on: {again}")
            raise typer.Exit(130) from None
        places.remember(where)
        if as_json:
            print_json({"collection": str(where), "items": len(found), **_facts(report, show_passed)})
        else:
            _report(report, len(found), where, captions, show_passed)
            if begun_with == shelf.DEFAULT and a_person_reads():
                stronger = _command(where, "reindex", "--model", "NAME")
                print_note(f"{shelf.DEFAULT} knows everyday scenes; diptych models says what knows more: {stronger}")
        if watch:
            _watch(found, folders or (), as_json)


def _facts(report: Ingested, show_passed: bool) -> dict[str, Any]:
    """What one run did, for machines; files that are no pictures as numbers, and by name where they are asked for."""
    passed, left_out = report.passed, report.left_out
    numbers = {
        "files": len(passed),
        "endings": dict(Counter(file.ending for file in passed if not file.looks)),
        "look_like": dict(Counter(file.looks for file in passed if file.looks)),
    }
    facts = {**asdict(report), "passed": numbers, "left_out": len(left_out)}
    if show_passed:
        facts |= {"passed_files": [file._asdict() for file in passed], "left_out_files": left_out}
    return facts


def _report(report: Ingested, items: int, where: Path, captions: Path | None, show_passed: bool) -> None:
    """What one run did, for people: a line of numbers, and one for everything that was left out."""
    counted_of = ("added", "updated", "renamed", "removed", "unchanged", "failed")
    counted = [f"{n} {what}" for what in counted_of if (n := getattr(report, what))]
    print_line(f"{number(items, 'picture')} in {where}: {', '.join(counted) or 'none found'}; {report.seconds:.1f} s")
    if report.reread:
        print_line(f"{number(report.reread, 'file')} of an older Diptych read again, since this one reads more of them")
    if report.words_waiting:
        n = report.words_waiting
        again = _command(where, "forget")
        print_line(f"what was given to {n} of those removed is kept for their return; {again} lists it")
    if report.restored:
        print_line(f"{report.restored} are back, with the words that were given to them")
    for place, why in report.away:
        print_line(f"not looked at: {quoted(place)}: {why}, or {_command(where, 'forget', place)}")
    for path, why in report.failures:
        print_line(f"not indexed: {quoted(path)}: {why}")
    for path, why in report.notes:
        print_line(f"note: {quoted(path)}: {why}")
    if captions:
        print_line(f"{captions}: words for {number(report.captioned, 'picture')} are new or changed")
    if images := report.unmatched_images:
        print_line(f"{number(len(images), 'picture')} of {captions} not in the collection: {_some(images)}")
    hint = "" if show_passed else " (--show-passed names them)"
    if report.passed:
        print_line(f"{number(len(report.passed), 'file')} passed over: {_kinds(report.passed)}{hint}")
    if report.left_out:
        print_line(f"{len(report.left_out)} left out by patterns{hint}")
    if show_passed:
        for file in report.passed:
            looks = f": looks like {file.looks}; give it the ending to index it" if file.looks else ""
            print_line(f"passed over: {quoted(file.path)}{looks}")
        for path in report.left_out:
            print_line(f"left out: {quoted(path)}")


def _kinds(passed: Sequence[Passed]) -> str:
    """`2 .cr2, 1 without an ending and 3 that look like JPEG without its ending`."""
    endings = Counter(file.ending for file in passed if not file.looks)
    looks = Counter(file.looks for file in passed if file.looks)
    kinds = [f"{n} {ending or 'without an ending'}" for ending, n in _most_first(endings)]
    if len(kinds) > KINDS:
        kinds[KINDS:] = [f"{sum(n for _, n in _most_first(endings)[KINDS:])} of other kinds"]
    kinds += [f"{n} that look{'s' * (n == 1)} like {kind} without its ending" for kind, n in _most_first(looks)]
    return " and ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))


def _most_first(numbers: Counter[str]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda entry: (-entry[1], entry[0]))


def number(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names[:SOME])) + ", …" * (len(names) > SOME)


def _watch(found: Collection, folders: Sequence[Path], as_json: bool) -> None:
    """Tell every change on a line of its own, until Ctrl-C."""

    def changed(what: str, path: str, why: str) -> None:
        if as_json:
            print_json({"change": what, "path": path, "why": why})
        else:
            print_line(*filter(None, (what, quoted(path), why)))
        flush()

    flush()
    print_note("watching; Ctrl-C ends it")
    try:
        for _ in found.watch(*folders, changed=changed):
            pass
    except KeyboardInterrupt:
        print_note(f"stopped; {len(found)} pictures are indexed")


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Words, pictures and filters in the query language.")],
    collection: CollectionOption = None,
    top: TopOption = 10,
    offset: Annotated[int, typer.Option("--offset", help="Answers to pass over.")] = 0,
    diverse: DiverseOption = 0.0,
    keywords: Annotated[
        float | None, typer.Option("--keywords", help="0 to 1: what words in captions weigh; by default 0.5.")
    ] = None,
    regions: Annotated[bool, typer.Option("--regions", help="Say which part of each answers best.")] = False,
    yes: Annotated[
        list[str] | None, typer.Option("--yes", help="Like this: a picture of the collection, or #12. May be repeated.")
    ] = None,
    no: Annotated[list[str] | None, typer.Option("--no", help="Not like this; as --yes.")] = None,
    rewrite: Annotated[
        str, typer.Option("--rewrite", help="A language model rewrites the query by this scheme, e.g. cirevl.")
    ] = "",
    rerank: Annotated[
        str, typer.Option("--rerank", help="A language model looks closer at the first answers, e.g. yesno.")
    ] = "",
    language_model: Annotated[
        str, typer.Option("--language-model", help="Which one, as http://HOST/v1#MODEL; what is sent there is said.")
    ] = "",
    calls: Annotated[int | None, typer.Option("--calls", help="Prompts that --rerank may cost.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Time that --rerank may take.")] = None,
    paths: PathsOption = False,
    print0: NulOption = False,
    html: HtmlOption = None,
    preview: PreviewOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find pictures: words, `dog + beach - people`, ./like-this.jpg, NOT people, year >= 2020 AND tag:family."""
    from diptych.collection import Marks

    reworder, closer = schemes(rewrite, rerank, language_model, calls, seconds)
    with opened(collection) as found:
        marks = Marks([_item(picture) for picture in yes or ()], [_item(picture) for picture in no or ()])
        answer = found.search(
            query, top, offset, diverse, keywords, regions, marks=marks, rewrite=reworder, closer=closer
        )
        if (reworder or closer) and (paths or print0):
            print_note(f"ranked by {answer.ranked_by}")  # a model that was away must not pass unseen
        _show(answer, found.folder, paths, print0, html, preview, as_json)


@app.command()
def similar(
    picture: Annotated[str, typer.Argument(help="A picture file, the name of one in the collection, or an id as #12.")],
    collection: CollectionOption = None,
    top: TopOption = 10,
    diverse: DiverseOption = 0.0,
    paths: PathsOption = False,
    print0: NulOption = False,
    html: HtmlOption = None,
    preview: PreviewOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the pictures most like one."""
    with opened(collection) as found:
        answer = found.similar(_item(picture), top, 0, diverse)
        _show(answer, found.folder, paths, print0, html, preview, as_json)


@app.command()
def captions(
    picture: Annotated[str, typer.Argument(help="A picture file, the name of one in the collection, or an id as #12.")],
    collection: CollectionOption = None,
    top: TopOption = 5,
    among: Annotated[Path | None, typer.Option("--among", help="Texts to choose from, one a line.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the texts that tell a picture best: of the collection's own captions, or of a list."""
    texts = _texts(among) if among else None
    with opened(collection) as found:
        best = found.captions(_item(picture), top, texts)
    if not best:
        print_note("no picture here has a caption; give texts to choose from with --among FILE")
    if as_json:
        print_json([{"text": text, "score": score} for text, score in best])
    else:
        for text, score in best:
            print_line(f"{score:.3f}", text)


@app.command()
def duplicates(
    collection: CollectionOption = None,
    threshold: Annotated[
        float, typer.Option("--threshold", help="Cosine from which the pixels of two pictures are compared.")
    ] = 0.93,
    as_json: JsonOption = False,
) -> None:
    """List pictures of which one is enough, exact, near and bursts: which to keep and why. Deletes nothing."""
    with opened(collection) as kept, progress() as on_progress:
        found = kept.duplicates(threshold, progress=on_progress)
    if as_json:
        unread = [{"path": path, "why": why} for path, why in found.unread]
        groups = [_group_facts(group) for group in found.groups]
        print_json({"collection": str(kept.folder), "groups": groups, "unread": unread})
        return
    for group in found.groups:
        print_line(group.kind, "keep", quoted(group.keep.path), "; ".join(group.keep.why))
        for other in group.others:
            move = (f"first move to the one to keep: {', '.join(map(repr, other.words))}",) if other.words else ()
            print_line(group.kind, "other", quoted(other.path), "; ".join((*other.why, *move)))
    for path, why in found.unread:
        print_note(f"not compared: {quoted(path)}: {why}")


def _group_facts(group: Group) -> dict[str, Any]:
    keep = group.keep
    others = [asdict(other) for other in group.others]
    return {"kind": group.kind, "id": keep.id, "keep": keep.path, "why": keep.why, "others": others}


@app.command()
def status(collection: CollectionOption = None, as_json: JsonOption = False) -> None:
    """Tell what a collection holds, how it was measured and what could not be read."""
    with opened(collection) as found:
        facts = found.status()
        reasons = {"failures": found.failures(), "notes": found.notes()}
    if as_json:
        print_json(facts | {name: [{"path": path, "why": why} for path, why in some] for name, some in reasons.items()})
        return
    for name, fact in _flat(facts):
        print_line(name, str(fact))
    for name, some in (("not indexed", reasons["failures"]), ("note", reasons["notes"])):
        for path, why in some:
            print_line(name, f"{quoted(path)}: {why}")


@app.command()
def forget(
    place: Annotated[
        Path | None, typer.Argument(help="A folder or a file, there or not; without it, words that wait are listed.")
    ] = None,
    collection: CollectionOption = None,
    keep_words: Annotated[
        bool, typer.Option("--keep-words", help="Let what was given to its pictures wait for them.")
    ] = False,
    forever: Annotated[
        bool, typer.Option("--forever", help="Index no file of the same content again, until index --readmit.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a folder or a file with everything indexed from it, and the captions, tags and metadata given to it.

    No picture is touched. Without a place: list what was given to pictures that are not there now.
    """
    if place is None:
        if forever:
            raise BadInput("--forever: name the folder or the file that is to stay forgotten")
        with opened(collection) as found:
            words, removed, returns = found.waiting(), 0, False
    else:
        with opened(collection, write=True) as found:
            forgotten = found.forget(place, words=not keep_words, forever=forever)
            words, removed = list(forgotten.words), forgotten.removed
            folders = map(Path, found.status()["folders"])
            returns = not forever and place.exists() and any(place.resolve().is_relative_to(root) for root in folders)
    if as_json:
        print_json({"removed": removed, "words": [_words(some) for some in words]})
        return
    for some in words:
        said = [*some.given.captions, *(f"tag:{tag}" for tag in some.given.tags)]
        print_line(quoted(some.path), *said, *(f"{key} = {value}" for key, value in some.metadata.items()))
    if place is not None:
        print_line(f"{number(removed, 'picture')} forgotten, and the words given to {len(words)}")
    if returns:
        print_note(f"{place} lies in a folder that is indexed, and comes back with it; --forever keeps it out")


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
    with opened(collection) as found, progress() as on_progress:
        problems = found.verify(contents, on_progress)
    if as_json:
        print_json(problems)
    else:
        for problem in problems or ["sound"]:
            print_line(problem)
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
    for name, value, unit in (("--memory", memory, "megabytes"), ("--latency", latency, "milliseconds")):
        if value is not None and not value > 0:
            raise BadInput(f"{name}: {value:g}; give {unit} above 0")
    with opened(collection, write=True) as found, progress() as on_progress:
        found.reindex(model, memory and memory * 1e6, latency and latency / 1e3, on_progress)
        facts = found.status()
    if as_json:
        print_json(facts)
    else:
        print_line(f"{facts['items']} pictures, index {facts['index']}")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="A .jsonl or .parquet file, or a folder for clip-retrieval's layout.")],
    collection: CollectionOption = None,
    vectors: Annotated[bool, typer.Option(help="With the vector of each picture.")] = True,
    anonymous: Annotated[
        int | None,
        typer.Option(
            "--anonymous", help="For strangers, no names or captions: each record like so many others (5, say)."
        ),
    ] = None,
) -> None:
    """Write all items, with captions, tags, metadata and vectors."""
    with opened(collection) as found:
        if anonymous is not None:
            print_line(f"{found.export_anonymous(path, anonymous)} records without names written to {path}")
            return
        print_line(f"{found.export(path, vectors)} items written to {path}")


def _texts(file: Path) -> list[str]:
    """The lines of a file that are not blank."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise BadInput(f"{file}: not readable ({why}); give one text a line, in UTF-8") from None
    if not any(map(str.strip, lines)):
        raise BadInput(f"{file}: no text in it; give one a line")
    return [line for line in lines if line.strip()]


def opened(collection: Path | None, write: bool = False) -> Collection:
    """One that is there. write: to change it, which is done to none that nobody is near or has named."""
    from diptych.collection import Collection

    if write:
        return Collection.open(_there(collection), write=True)
    found = Collection.open(places.named(collection) if collection else _near_told(or_last=True))
    if found.read_by_older():
        again = _command(found.folder, "index")
        print_note(f"an older Diptych read these pictures; this one reads more of them: {again}")
    return found


def _there(collection: Path | None) -> Path:
    """Where the collection lies that was named, or that is near. Raises BadInput where none is: none is begun."""
    from diptych.collection.store import FILE

    where = places.named(collection) if collection else _near_told()
    if not (where / FILE).is_file():
        raise BadInput(f"{where}: no collection in it; is it misspelt, or its disk not mounted?")
    return where


def _command(where: Path, *words: str) -> str:
    """A command about a collection, to be pasted into a shell."""
    from diptych.collection.store import command

    return command(where, *words)


def _near_told(or_last: bool = False) -> Path:
    """`places.near`, which nobody named: told on standard error, unless it is this very folder's."""
    found = places.near(or_last)
    if found != places.beside(Path.cwd()):
        print_note(f"in {found}")
    return found


def _item(picture: str) -> int | str:
    return int(picture[1:]) if picture.startswith("#") and picture[1:].isdigit() else picture


def _flat(facts: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Nested facts as dotted names, the parts of a list one by one."""
    rows: list[tuple[str, Any]] = []
    for name, fact in facts.items():
        if isinstance(fact, dict):
            rows += _flat(fact, f"{before}{name}.")
        else:
            rows += [(before + name, part) for part in (fact if isinstance(fact, list) else [fact])]
    return rows


SAID = {"match": "match", "weak": "weak match", "none": "no good match", "unrated": ""}


def _show(
    answer: Answer, where: Path, paths: bool, print0: bool, html: Path | None, preview: bool | None, as_json: bool
) -> None:
    """An answer as JSON, as bare paths, or one line a hit: score, path, why. The verdict goes to standard error."""
    from diptych.app import thumbnails

    form = thumbnails.form() if preview is not False and not (paths or print0 or as_json) else None
    if preview and form is None:
        raise BadInput(f"--preview: {thumbnails.NONE}; --html FILE writes a page with the pictures")
    if html is not None:
        from diptych.app import sheet

        try:
            sheet.write([answer], html)
        except OSError as error:
            raise BadInput(f"--html {html}: cannot be written ({error.strerror}); name another file") from None
        print_note(f"wrote {html}")
    if as_json:
        facts = asdict(answer) | {"collection": str(where)}
        for hit in facts["results"]:
            for name in ("captions", "tags", "metadata", "item", *(["region"] if hit["region"] is None else [])):
                del hit[name]  # nobody asked for it
        print_json(facts)
    elif print0:
        for hit in answer.results:
            write(hit.key.encode("utf-8", "surrogateescape") + b"\0")  # as on the disk, whatever the locale
    elif paths:
        for hit in answer.results:
            print_line(quoted(hit.key))
    else:
        for hint in answer.hints:
            print_note(hint)
        if SAID[answer.verdict]:
            print_note(SAID[answer.verdict])
        if answer.ranked_by not in ("query", "date taken"):
            print_note(f"ranked by {answer.ranked_by}")
        for hit in answer.results:
            said = "; ".join(filter(None, (SAID[hit.verdict], *hit.why)))
            print_line(f"{hit.score:.3f}", quoted(hit.key), *filter(None, (said,)))
            if form is not None and hit.path is not None:
                write(thumbnails.drawn(hit.path, form) + "\n")
