"""The one thing that applications hold: add, search, look after."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from diptych.collection import (
    background_queries,
    duplicates,
    exchange,
    identity,
    ingest,
    outdated,
    verdict,
    verify,
    waiting,
)
from diptych.collection import query as language
from diptych.collection.duplicates import THRESHOLD, Duplicates
from diptych.collection.identity import EncoderProtocol, Identity
from diptych.collection.ingest import Changed, Entry, Ingested, Seen
from diptych.collection.nearest import Nearest
from diptych.collection.query import Query, Term
from diptych.collection.regions import Region
from diptych.collection.search import Answer, Search, SearchParams
from diptych.collection.store import Damaged, Item, OtherEncoder, Store
from diptych.collection.survey import below, inside, own_names, prefixes
from diptych.collection.vectors import SPACES, Vectors
from diptych.collection.verdict import Calibration
from diptych.collection.waiting import Waiting
from diptych.encoders import shelf
from diptych.kinds import Array, BadInput, Progress
from diptych.sources import ignore
from diptych.sources.decoders import SECONDS

ENTRIES = 5000
"""Entries between two commits of `Collection.put`."""


@dataclass(frozen=True)
class Forgotten:
    """What `Collection.forget` took out: the number of items, and the words that people had given to pictures."""

    removed: int
    words: tuple[Waiting, ...]


class Collection:
    """Pictures with words about them, and their vectors under one encoder.

    Use it in a `with`, from one thread; other threads and processes open it for themselves. Any number may read while
    one writes, and each search sees one state of it. Everything raises BadInput for what the caller can mend; of that,
    `Damaged`, `Locked` and `OtherEncoder` are kinds of their own.
    """

    def __init__(self, store: Store, vectors: Vectors, encoder: EncoderProtocol | None, encoder_at: str) -> None:
        """Use `open`."""
        self._store = store
        self._keys: tuple[int, frozenset[str]] = (-1, frozenset())
        self._use(vectors, encoder, encoder_at)

    def _use(self, vectors: Vectors, encoder: EncoderProtocol | None, encoder_at: str) -> None:
        self._vectors, self._encoder, self._encoder_at = vectors, encoder, encoder_at
        self._nearest = Nearest(vectors, lambda: self._texts(background_queries.rare()))
        self._search = Search(vectors, self._nearest, self._encoding)

    @classmethod
    def open(cls, folder: str | Path, encoder: EncoderProtocol | str | Path | None = None, write: bool = False) -> Self:
        """A collection that is there; with `write`, one that is begun where none is.

        encoder   an encoder; or the name or folder of one (see `encoders.shelf.open`), which is remembered; None takes
                  the remembered one, and `mini` for a new collection
        Raises OtherEncoder where the vectors are another's, Locked where another process writes, Damaged.
        """
        store = Store(_place(folder), write)
        try:
            if store.was == 1:
                own_names(store)
            if encoder is None and Vectors.remembered(store) is None:
                encoder = shelf.DEFAULT
            brought, at = _brought(encoder) if encoder is not None else (None, "")
            if brought is not None and Vectors.remembered(store) is None:
                made = Identity.of(brought)
                if made.space not in SPACES:
                    raise BadInput(f"a collection compares by {', '.join(SPACES)}; not by {made.space}")
                with store.transaction():
                    Vectors(store, 1, made).remember(at)
            found = Vectors.remembered(store)
            assert found is not None
            vectors, kept_at = found
            if brought is not None:
                _same(vectors, brought, at)
            return cls(store, vectors, brought, at or kept_at)
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others write."""
        self._store.close()

    def __len__(self) -> int:
        """Pictures that can be found."""
        return int(self._store.rows("SELECT count(*) FROM items WHERE status = 'ok'")[0][0])

    @property
    def folder(self) -> Path:
        return self._store.folder

    # ---------------------------------------------------------------------------------------------------------- writing

    def add(
        self,
        *folders: str | Path,
        captions: str | Path | None = None,
        retry: bool = False,
        contents: bool = False,
        workers: int | None = None,
        seconds: float = SECONDS,
        progress: Progress | None = None,
    ) -> Ingested:
        """Bring the collection up to date with folders and picture files; without any, with all it was ever given.

        Unchanged files (by size and time) are skipped, renamed and copied ones are known by their content, and pictures
        that are gone from these folders are removed. Words that people gave them wait for their content to return. A
        folder that is not there, cannot be listed, or whose pictures are all missing though it was not deleted, is
        reported as `away`, and what is known of it stays: its disk may not be mounted. Where that is so of all folders,
        it is an error.

        captions   a .jsonl, .csv, .tsv or .parquet with `image` and `captions`, which takes the place of earlier ones
        retry      look again at files that failed and did not change since
        contents   read every file again, for those whose content changed though size and time did not
        workers    processes that read files; default: one a core
        seconds    how long one file may take to read
        progress   told the number of files that are done, of those that are new or changed

        It may be stopped at any time, in any way: what is done is kept, and the next run goes on behind it.
        """
        for path in (*folders, *((captions,) if captions else ())):
            _place(path)
        report = ingest.add(
            self._vectors,
            self._encoding,
            folders,
            captions=captions,
            exclude=self.excluded(),
            retry=retry,
            contents=contents,
            workers=workers,
            seconds=seconds,
            progress=progress,
        )
        self._catch_up()
        return report

    def exclude(self, *patterns: str) -> None:
        """Leave out what these patterns match from now on, in every folder; `add` then takes what is indexed of it out.

        They are as in .gitignore (see `sources.ignore`), told from each folder that is given, and win against those of
        `.diptychignore` files. Raises BadInput for one that cannot be read.
        """
        for pattern in patterns:
            if not pattern.strip():
                raise BadInput("a pattern of what to leave out is empty; give one such as *.bak or scans/")
        ignore.Patterns(patterns, "--exclude")
        self._remember_excluded([*(kept for kept in self.excluded() if kept not in patterns), *patterns])

    def include(self, *patterns: str) -> None:
        """Forget patterns that `exclude` was given. Raises BadInput for one that it was not."""
        kept = self.excluded()
        for pattern in patterns:
            if pattern not in kept:
                there_are = f"; there are: {', '.join(kept)}" if kept else "; there is none"
                raise BadInput(
                    f"{pattern!r} is not among the patterns left out{there_are}. What is left out by default comes "
                    f"back with --exclude '!PATTERN', what a {ignore.FILE} leaves out with a change of that file"
                )
        self._remember_excluded([pattern for pattern in kept if pattern not in patterns])

    def excluded(self) -> list[str]:
        """The patterns that `exclude` was given, the weakest first."""
        found: list[str] = json.loads(self._store.meta("exclude", "[]"))
        return found

    def _remember_excluded(self, patterns: list[str]) -> None:
        with self._store.transaction():
            self._store.set_meta("exclude", json.dumps(patterns))

    def watch(
        self, *folders: str | Path, every: float = 2.0, workers: int | None = None, changed: Changed | None = None
    ) -> Iterator[Ingested]:
        """Keep the collection up to date for as long as it is asked for more: a report of each look with a change.

        A look reads names, sizes and times. It comes `every` so many seconds, or later, so that looking takes a tenth
        of the time at the most. A file whose size or time is not that of the last look is still being written, and
        waits for the next. A folder that is not there is told and waited for.

        changed   told of each file (what, path, why), when it is committed
        """
        seen: Seen = {}
        trouble = ""
        while True:
            started = time.monotonic()
            roots = folders or self._store.roots()
            try:
                report = ingest.add(
                    self._vectors,
                    self._encoding,
                    folders,
                    exclude=self.excluded(),
                    workers=workers,
                    changed=changed,
                    seen=seen,
                )
                if report.changes:
                    self._catch_up()
                    yield report
                trouble = ""
            except Damaged:
                raise
            except BadInput as error:
                if changed and str(error) != trouble:
                    changed("failed", str(roots[0]) if len(roots) == 1 else str(self.folder), str(error))
                trouble = str(error)
            time.sleep(max(every, 9 * (time.monotonic() - started)))

    def put(self, entries: Iterable[Entry], progress: Progress | None = None) -> list[int]:
        """Write items whose vectors, captions, tags or metadata are given; their ids.

        An entry with the path of an item takes its place and keeps its id. Some thousands at a time are committed
        together, and no more are asked for before.

        progress   told the number of entries that are durable; the index is brought up to date behind the last
        """
        ids: list[int] = []
        rest = iter(entries)
        while some := list(islice(rest, ENTRIES)):
            ids += ingest.give(self._vectors, self._encoding, some)[0]
            if progress:
                progress("entries", len(ids), len(ids))
        self._catch_up()
        return ids

    def annotate(
        self,
        id: int,
        captions: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        metadata: dict[str, str | int | float] | None = None,
    ) -> Item:
        """Give an item other captions, tags or metadata in the place of those given before; None leaves them.

        What stands in its file and beside it stays.
        """
        item = self._one(id)
        ingest.give(self._vectors, self._encoding, [Entry(item.path, None, captions, tags, metadata)])
        return self.get(id)

    def remove(self, ids: Iterable[int]) -> int:
        """Take items out, and say how many there were. A file that is still in its folder comes back with `add`.

        What people gave to a picture waits for its content to come back, too; `forget` removes it.
        """
        with self._store.transaction():
            return waiting.delete(self._store, ids)

    def forget(self, folder: str | Path, words: bool = True) -> Forgotten:
        """Forget a folder with everything indexed from it, whether it is still there or not.

        words   with what people gave to its pictures, those that are away among them; else that goes on waiting

        Raises BadInput for a folder that nothing is known of. No picture is touched.
        """
        store = self._store
        full = os.path.realpath(_place(folder))
        within = prefixes(store, full)
        paths = store.rows("SELECT id, path FROM items WHERE size IS NOT NULL")
        ids = [id for id, path in paths if below(path, within)]
        roots = [root for root in store.roots() if root == full or inside(root, full)]
        if not (ids or roots or any(below(some.path, within) for some in waiting.listed(store))):
            known = ", ".join(store.roots()) or "none"
            raise BadInput(f"{folder}: nothing is known of it; the folders of this collection: {known}")
        with store.transaction():
            store.change("DELETE FROM roots WHERE path = ?", [(store.kept_path(root),) for root in roots])
            removed = waiting.delete(store, ids)
            here = [some for some in waiting.listed(store) if below(some.path, within)] if words else []
            waiting.drop(store, [some.digest for some in here])
        return Forgotten(removed, tuple(self._in_full(some) for some in here if some.says_anything))

    def waiting(self) -> list[Waiting]:
        """What people gave to pictures that are not there now: it is kept until their content returns, or `forget`."""
        return [self._in_full(some) for some in waiting.gone(self._store)]

    def reindex(
        self,
        encoder: EncoderProtocol | str | Path | None = None,
        memory: float | None = None,
        latency: float | None = None,
        progress: Progress | None = None,
    ) -> Calibration:
        """Build the index anew and measure the collection; with another encoder, first encode everything with it.

        encoder   as in `open`; None leaves the one there is
        memory    bytes that the index may take; None: as many as it wants. Both wishes are remembered
        latency   seconds that one query may take; None: 5 ms

        Encoding is committed batch by batch and goes on where it was stopped; until it is done, the old vectors answer.
        """
        if encoder is not None:
            brought, at = _brought(encoder)
            made = Identity.of(brought)
            vectors = self._vectors
            if made != vectors.identity:
                vectors = exchange.encode_anew(vectors, brought, made, at, progress)
            else:
                with self._store.transaction():
                    vectors.remember(at)
            self._use(vectors, brought, at)
        with self._store.transaction():
            # Every index is built anew, so nobody needs to hear of what was removed before.
            self._store.change("DELETE FROM removed WHERE generation < ?", [(self._store.generation,)])
            self._store.set_meta("floor", str(self._store.generation))
            self._store.set_meta("wishes", json.dumps({"memory": memory, "latency": latency}))
        self._nearest.rebuild()
        return self.calibrate()

    def calibrate(self, weak: float | None = None, match: float | None = None) -> Calibration:
        """Measure what things that are not there would score, by which answers are called a match, weak or none.

        weak, match   the parts of absent things, 0 to 1, that are to be left below each; None: as before, and
                      verdict.WEAK and MATCH at first
        """
        before = self._measured()
        points = (before.points[0] if weak is None else weak), (before.points[1] if match is None else match)
        if not 0 < points[0] <= points[1] < 1:
            raise BadInput(f"weak, match: {points}; they lie between 0 and 1, weak below match")
        found, absent = verdict.calibrate(self._vectors, self._texts, *points)
        with self._store.transaction():
            absent.keep(self._vectors)
            self._store.set_meta("calibration", found.to_json())
        return found

    def backup(self, folder: str | Path) -> Path:
        """Copy the collection into a new folder while it is open, and even while another process writes to it."""
        return exchange.backup(self._store, _place(folder))

    def export(self, path: str | Path, vectors: bool = True) -> int:
        """Write all items to a `.jsonl` or `.parquet` file, or into a folder as clip-retrieval lays it out; how many.

        vectors   with the vector of each picture; a folder always has them
        """
        with self._store.snapshot():
            return exchange.export(self._vectors, _place(path), vectors)

    def import_(self, path: str | Path) -> int:
        """Put what `export`, or clip-retrieval, wrote; the number of items.

        Items without a vector must be in the collection. Vectors of another encoder are refused where the export says
        whose they are; an export of another program is taken at its word.
        """
        n = 0
        for entries in exchange.entries(self._vectors, _place(path)):
            n += len(ingest.give(self._vectors, self._encoding, entries)[0])
        self._catch_up()
        return n

    # ---------------------------------------------------------------------------------------------------------- reading

    def get(self, id: int) -> Item:
        """An item, its path in full. Raises BadInput where there is none of this id."""
        with self._reading():
            item = self._one(id)
            return replace(item, path=self._store.full_path(item.path))

    def ids(self, path: str | Path | None = None) -> list[int]:
        """The ids of all pictures that can be found, or of the one with this path."""
        sql = "SELECT id FROM items WHERE status = 'ok'"
        if path is None:
            return [id for (id,) in self._store.rows(f"{sql} ORDER BY id")]
        names = (str(path), self._store.own_path(str(path)))
        return [id for (id,) in self._store.rows(f"{sql} AND path IN (?, ?)", names)]

    def search(
        self,
        query: str | Query,
        k: int = 10,
        offset: int = 0,
        diverse: float = 0.0,
        keywords: float = 0.5,
        regions: bool = False,
    ) -> Answer:
        """The k best answers to a query of the query language, after the first `offset`.

        diverse    0 to 1: how much a picture like those before it is held back
        keywords   0 to 1: what words in captions, tags and names weigh against the vectors; 0 leaves them out
        regions    say of each hit which part of it answers best; takes a few encodings a hit
        """
        params = SearchParams(k, offset, diverse, keywords, regions=regions)
        with self._reading():
            return self._search.answer(self._parsed(query), params)

    def region(self, picture: int | str | Path, query: str | Query) -> Region:
        """The part of an item, or of a picture file, that answers a query best."""
        with self._reading():
            path = self._store.full_path(self._one(picture).path) if isinstance(picture, int) else str(picture)
            return self._search.region(path, self._parsed(query))

    def similar(self, picture: int | str | Path, k: int = 10, offset: int = 0, diverse: float = 0.0) -> Answer:
        """The pictures most like an item or a picture file, which is not among the answers itself."""
        with self._reading():
            ids, term = self._asked_with(picture)
            params = SearchParams(k, offset, diverse, 0.0, frozenset(ids))
            return self._search.answer(Query((term,), (), None, str(term)), params)

    def captions(
        self, picture: int | str | Path, k: int = 5, among: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The k texts nearest to an item or a picture file, with their scores: of all captions here, or of `among`."""
        if k < 1:
            raise BadInput(f"k: {k}; ask for at least one caption")
        with self._reading():
            _, term = self._asked_with(picture)
            row = self._search.rows([term])
            space = self._vectors.space
            if among is not None:
                texts = list(dict.fromkeys(among))
                rows = self._texts(texts)
                scores = space.score(row, rows)[0] if texts else np.empty(0)
                order = np.argsort(-scores, kind="stable")[:k].tolist()
                return [(texts[place], float(scores[place])) for place in order]
            best: dict[str, float] = {}
            for items, numbers, rows in self._vectors.blocks("text"):
                scores = space.score(row, rows)[0]
                top = np.argsort(-scores, kind="stable")[: 8 * k].tolist()  # one text may be said of many pictures
                for place in top:
                    found = (int(items[place]), int(numbers[place]))
                    ((text,),) = self._store.rows("SELECT text FROM captions WHERE item = ? AND row = ?", found)
                    best[text] = max(best.get(text, -np.inf), float(scores[place]))
                best = dict(sorted(best.items(), key=lambda entry: -entry[1])[:k])
            return list(best.items())

    def duplicates(
        self, threshold: float = THRESHOLD, workers: int | None = None, progress: Progress | None = None
    ) -> Duplicates:
        """Groups of pictures of which one is enough: the same bytes, the same picture, one moment; which to keep, why.

        threshold   likeness from which pixels are compared: the cosine of vectors, the part of equal bits of codes
        workers     processes that read files; default: one a core
        progress    told the pictures whose vectors were compared, then the files that were read
        """
        with self._reading():
            found = duplicates.candidates(self._vectors, self._nearest, threshold, progress)
        return duplicates.judge(found, workers, progress)

    def failures(self) -> list[tuple[str, str]]:
        """(path, why) of every file that cannot be found."""
        return self._reasons("failed")

    def notes(self) -> list[tuple[str, str]]:
        """(path, what) of every picture that can be found, and of which something is left out: words beside it, say."""
        return self._reasons("ok")

    def _reasons(self, status: str) -> list[tuple[str, str]]:
        sql = "SELECT path, reason FROM items WHERE status = ? AND reason != '' ORDER BY path"
        return [(self._store.full_path(path), reason) for path, reason in self._store.rows(sql, (status,))]

    def read_by_older(self) -> bool:
        """Whether an older version read its pictures, and this one, which reads more of them, has not indexed since."""
        with self._reading():
            return not outdated.begun(self._store)

    def status(self) -> dict[str, Any]:
        """Numbers and facts, as plain JSON values."""
        count = self._store.rows
        with self._reading():
            calibration = json.loads(self._store.meta("calibration", "{}"))
            saved = (self.folder / "index").glob("*.index")
            return {
                "collection": str(self.folder),
                "items": len(self),
                "failed": count("SELECT count(*) FROM items WHERE status = 'failed'")[0][0],
                "captions": count("SELECT count(*) FROM captions")[0][0],
                "tags": count("SELECT count(DISTINCT tag) FROM tags")[0][0],
                "folders": self._store.roots(),
                "outdated": len(outdated.ids(self._store)),
                "waiting": len(waiting.gone(self._store)),
                "excluded": self.excluded(),
                "generation": self._store.generation,
                "encoder": {**asdict(self._vectors.identity), "folder": self._encoder_at},
                "index": self._nearest.kept(),
                "calibration": {name: fact for name, fact in calibration.items() if name not in ("sample", "usual")},
                "bytes": {
                    "database": self._store.file.stat().st_size,
                    "index": sum(path.stat().st_size for path in saved),
                },
            }

    def verify(self, contents: bool = False, progress: Progress | None = None) -> list[str]:
        """Everything that is wrong with the collection, one line each; nothing when it is sound.

        contents   read every picture file again and compare its sha256
        """
        return verify.problems(self._vectors, self._nearest, contents, progress)

    # ----------------------------------------------------------------------------------------------------------- inside

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One state of the collection, and the encoder it has in that state: a reindex may have given it another."""
        with self._store.snapshot():
            found = Vectors.remembered(self._store)
            if found is not None and found[0].encoder != self._vectors.encoder:
                self._use(found[0], None, found[1])
            yield

    def _parsed(self, query: str | Query) -> Query:
        return language.parse(query, self._metadata_keys()) if isinstance(query, str) else query

    def _in_full(self, some: Waiting) -> Waiting:
        return replace(some, path=self._store.full_path(some.path))

    def _one(self, id: int) -> Item:
        found = self._store.items([id])
        if not found:
            raise BadInput(f"{self.folder} has no item {id}")
        return found[0]

    def _asked_with(self, picture: int | str | Path) -> tuple[list[int], Term]:
        """The item that this is, if it is one, and the term that stands for it; a file goes before a name."""
        if isinstance(picture, int):
            return [picture], Term(1.0, "item", str(picture))
        ids = self.ids(picture)
        if not ids and not Path(picture).expanduser().exists():
            ids = [self._search.named(str(picture))]
        return ids, Term(1.0, "item", str(ids[0])) if ids else Term(1.0, "picture", str(picture))

    def _encoding(self) -> EncoderProtocol:
        """The encoder, loaded when it is first needed, and checked to be the one that made the vectors."""
        if self._encoder is None:
            if not self._encoder_at:
                raise BadInput(
                    f"{self.folder}: its encoder ({self._vectors.identity}) was not loaded from a folder; give it"
                )
            try:
                self._encoder = identity.load(self._encoder_at)
            except BadInput as error:
                raise BadInput(
                    f"{self.folder}: its encoder does not load ({error}); bring it back, or encode everything anew: "
                    f"diptych reindex --collection {self.folder} --model MODEL"
                ) from None
            _same(self._vectors, self._encoder, self._encoder_at)
        return self._encoder

    def _texts(self, texts: list[str]) -> Array:
        return self._vectors.checked(self._encoding().encode_texts(texts), len(texts))

    def _metadata_keys(self) -> frozenset[str]:
        generation = self._store.generation
        if self._keys[0] != generation:
            keys = frozenset(key for (key,) in self._store.rows("SELECT DISTINCT key FROM metadata"))
            self._keys = generation, keys
        return self._keys[1]

    def _measured(self) -> Calibration:
        text = self._store.meta("calibration", "")
        return Calibration.read(text) if text else Calibration()

    def _catch_up(self) -> None:
        """After writing: measure the collection where it has doubled since, and keep the index."""
        if len(self) >= max(verdict.LEAST, 2 * self._measured().items):
            self.calibrate()
        self._nearest.save()


def _brought(encoder: EncoderProtocol | str | Path) -> tuple[EncoderProtocol, str]:
    """The encoder, and what finds it again; "" where it was handed over as an object."""
    if not isinstance(encoder, str | Path):
        return encoder, ""
    _place(encoder)
    at = shelf.canonical(encoder)
    return identity.load(at), at


def _place(path: str | Path) -> Path:
    """Raises BadInput for what is no path on any system; other calls would stumble on it, each in its own way."""
    if "\0" in str(path):
        raise BadInput(f"{str(path)!r} is no path: it holds a zero byte")
    return Path(path)


def _same(vectors: Vectors, brought: EncoderProtocol, at: str) -> None:
    made = Identity.of(brought)
    if made != vectors.identity:
        folder = vectors.store.folder
        raise OtherEncoder(
            f"{folder} was indexed with {vectors.identity}, and {made} is another encoder; "
            f"leave it out, or encode everything anew: diptych reindex --collection {folder} --model {at or 'MODEL'}"
        )
