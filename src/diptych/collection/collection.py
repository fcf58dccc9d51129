"""The one thing that applications hold: add, search, look after."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from diptych.collection import (
    arguments,
    background_queries,
    barred,
    codes,
    database,
    duplicates,
    erasure,
    exchange,
    facets,
    identity,
    ingest,
    outdated,
    questions,
    schemes,
    secret,
    verdict,
    verify,
    waiting,
)
from diptych.collection.arguments import Allowed, Ids, Number
from diptych.collection.duplicates import THRESHOLD, Duplicates
from diptych.collection.entries import Entry, give
from diptych.collection.facets import Bin
from diptych.collection.feedback import learning, log
from diptych.collection.feedback.experiment import Experiment
from diptych.collection.feedback.feedback import Feedback
from diptych.collection.feedback.learning import Learned
from diptych.collection.feedback.marks import Marks
from diptych.collection.feedback.reranker import Candidates
from diptych.collection.identity import EncoderProtocol, Identity, Uncached
from diptych.collection.ingest import Changed, Ingested, Seen
from diptych.collection.items import Item
from diptych.collection.nearest import Nearest
from diptych.collection.query import Field, Filter, Query, Term
from diptych.collection.regions import Region
from diptych.collection.schemes import Closer, Reworder
from diptych.collection.search import KEYWORDS, Answer, Search, SearchParams
from diptych.collection.store import Damaged, OtherEncoder, Store, command, full
from diptych.collection.survey import below, inside, own_names, prefixes
from diptych.collection.vectors import SPACES, Vectors
from diptych.collection.verdict import Calibration
from diptych.collection.waiting import Waiting
from diptych.encoders import shelf
from diptych.kinds import Array, BadInput, Ints, Progress, Space, shown
from diptych.sources import ignore
from diptych.sources.decoders import SECONDS

if TYPE_CHECKING:
    from PIL.Image import Image

_NO_ENCODER = "holds rows alone and has no encoder"

_ASKED = 4000
"""Rows that stand for the queries to come."""

ENTRIES = 6000
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
        self._nearest = Nearest(vectors, self._as_asked)
        self._search = Search(vectors, self._nearest, self._encoding)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        encoder: EncoderProtocol | str | Path | None = None,
        write: bool = False,
        *,
        space: Space | str | None = None,
        width: int | None = None,
        key: bytes | str | Path | None = None,
    ) -> Self:
        """A collection that is there; with `write`, one that is begun where none is.

        encoder        an encoder; or the name or folder of one (see `encoders.shelf.open`), which is remembered; None
                       takes the remembered one, and `mini` for a new collection
        space, width   in the place of an encoder, of a collection whose rows are all given: how they are compared, and
                       the numbers in each, of packed bits (`hamming`) the bytes
        key            of an encrypted collection, or of a new one that shall be: 32 bytes, 64 hexadecimal digits, or
                       the Path of a file with them; by default what $DIPTYCH_KEY holds, $DIPTYCH_KEY_FILE names, or
                       the system's keyring keeps. Whatever is written to a disk is encrypted under it, and the index
                       stays in memory

        Raises OtherEncoder where the vectors are another's, Locked where another process writes, Damaged.
        """
        arguments.flags(write=write)
        place, rows = arguments.place(folder), _rows(space, width)
        if rows is not None and encoder is not None:
            raise BadInput("space, width: they are of rows without an encoder; give them or an encoder, not both")
        brought, at = _brought(encoder) if encoder is not None else (None, "")
        made = Identity.of(brought) if brought is not None else rows
        store = Store(place, write, secret.given(key))
        try:
            if store.was == 1:
                own_names(store)
            if Vectors.remembered(store) is None:
                if made is None:
                    brought, at = _brought(shelf.DEFAULT)
                    made = Identity.of(brought)
                if made.space not in SPACES:
                    raise BadInput(f"a collection compares by {', '.join(SPACES)}; not by {made.space}")
                with store.transaction():
                    Vectors(store, 1, made).remember(at)
            found = Vectors.remembered(store)
            assert found is not None
            vectors, kept_at = found
            if made is not None:
                _same(vectors, made, at)
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

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """A block in which nothing may be waited for longer than so many seconds: what is raises TooLong."""
        arguments.number(seconds, "seconds", 0, 1e9, "how long an answer may take")
        return self._store.within(seconds)

    def __len__(self) -> int:
        """Pictures that can be found."""
        return int(self._store.rows("SELECT count(*) FROM items WHERE status = 'ok'")[0][0])

    @property
    def folder(self) -> Path:
        return self._store.folder

    @property
    def is_encrypted(self) -> bool:
        """Whether everything of it that is written to a disk is encrypted."""
        return self._store.is_encrypted

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

        Files that were removed for ever (see `remove`) are left out.

        captions   a .jsonl, .csv, .tsv or .parquet with `image` and `captions`, which takes the place of earlier ones
        retry      look again at files that failed and did not change since
        contents   read every file again, for those whose content changed though size and time did not
        workers    processes that read files; default: one a core
        seconds    how long one file may take to read
        progress   told the number of files that are done, of those that are new or changed

        It may be stopped at any time, in any way: what is done is kept, and the next run goes on behind it.
        """
        places = [arguments.place(folder) for folder in folders]
        if captions is not None:
            arguments.place(captions)
        _workers(workers)
        arguments.flags(retry=retry, contents=contents)
        arguments.number(seconds, "seconds", 1e-3, 1e9, "how long one file may take to read")
        arguments.called(progress, "progress")
        self._need_encoder()
        report = ingest.add(
            self._vectors,
            self._encoding,
            places,
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
            if not isinstance(pattern, str) or not pattern.strip():
                raise BadInput(f"{shown(pattern)} is no pattern of what to leave out; give one such as *.bak or scans/")
        ignore.Patterns(patterns, "--exclude")
        self._remember_excluded([*(kept for kept in self.excluded() if kept not in patterns), *patterns])

    def include(self, *patterns: str) -> None:
        """Forget patterns that `exclude` was given. Raises BadInput for one that it was not."""
        kept = self.excluded()
        for pattern in patterns:
            if pattern not in kept:
                there_are = f"; there are: {', '.join(kept)}" if kept else "; there is none"
                raise BadInput(
                    f"{shown(pattern)} is not among the patterns left out{there_are}. What is left out by default "
                    f"comes back with --exclude '!PATTERN', what a {ignore.FILE} leaves out with a change of that file"
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
        places = [arguments.place(folder) for folder in folders]
        arguments.number(every, "every", 0, 1e9, "give seconds")
        _workers(workers)
        arguments.called(changed, "changed")
        self._need_encoder()
        return self._watching(places, every, workers, changed)

    def _watching(
        self, folders: Sequence[Path], every: float, workers: int | None, changed: Changed | None
    ) -> Iterator[Ingested]:
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

    def put(self, entries: Iterable[Entry], progress: Progress | None = None) -> Ids:
        """Write items whose vectors, captions, tags or metadata are given; their ids.

        An entry with the key of an item takes its place and keeps its id. In the space `cosine` rows are brought to
        unit length, and `ids.normalised` says how many were not. Some thousands at a time are committed together, and
        no more are asked for before.

        progress   told the number of entries that are durable; the index is brought up to date behind the last

        Raises BadInput naming the key of a row that is all zeros, not finite, or of another width.
        """
        arguments.called(progress, "progress")
        ids = Ids()
        rest = _entries(entries)
        while some := list(islice(rest, ENTRIES)):
            written = give(self._vectors, self._encoding, some)
            ids += written.ids
            ids.normalised += written.normalised
            if progress:
                progress("entries", len(ids), len(ids))
        self._catch_up()
        return ids

    def annotate(
        self,
        item: int | str | Path,
        captions: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        merge: bool = False,
    ) -> Item:
        """Give an item other captions, tags or metadata in the place of those given before; None leaves them.

        merge   put them beside those given before; metadata of the same name is replaced, and None takes a name away

        What stands in its file and beside it stays.
        """
        arguments.flags(merge=merge)
        one = self._one(item)
        if merge:
            captions = None if captions is None else [*one.given.captions, *arguments.strings(captions, "captions")]
            tags = None if tags is None else [*one.given.tags, *arguments.strings(tags, "tags")]
            if isinstance(metadata, Mapping):
                both = {**one.metadata, **metadata}
                metadata = {name: value for name, value in both.items() if value is not None}
        key = self._store.key(one.kept, one.size is not None)
        give(self._vectors, self._encoding, [Entry(key, None, captions, tags, metadata)])
        return self.get(one.id)

    def remove(self, items: Iterable[int | str | Path], forever: bool = False) -> int:
        """Take items out, by ids or keys, and say how many there were. A file still in its folder returns with `add`.

        forever   nor do files of the same content come back with `add`, until `readmit`

        What people gave to a picture waits for its content to come back, too; `forget` removes it.
        """
        arguments.flags(forever=forever)
        ids = [id for id in self._ids(arguments.names(items)) if id is not None]
        with self._store.transaction():
            if forever:
                barred.bar(self._store, ids)
            return waiting.delete(self._store, ids)

    def readmit(self, *keys: str | Path) -> int:
        """Let files that were removed for ever come back with the next `add`; without keys, all. How many.

        keys   of files, or folders for all that lay in them; `status` lists them (`removed_forever`)
        """
        names = [str(arguments.place(key)) for key in keys]
        with self._store.transaction():
            return barred.unbar(self._store, names if keys else None)

    def forget(self, place: str | Path, words: bool = True, forever: bool = False) -> Forgotten:
        """Forget a folder, or a file, with everything indexed from it, whether it is still there or not.

        words     with what people gave to its pictures, those that are away among them; else that goes on waiting
        forever   nor do files of the same content come back with `add`, wherever they lie, until `readmit`

        A file in a folder that stays comes back with `add`, else. Raises BadInput for a place that nothing is known of.
        No picture is touched.
        """
        arguments.flags(words=words, forever=forever)
        store = self._store
        folder = os.path.realpath(arguments.place(place))
        itself, within = store.kept_path(full(place)), prefixes(store, folder)

        def is_here(path: str) -> bool:
            return path == itself or below(path, within)

        paths = store.rows("SELECT id, path FROM items WHERE size IS NOT NULL")
        ids = [id for id, path in paths if is_here(path)]
        roots = [root for root in store.roots() if root == folder or inside(root, folder)]
        if not (ids or roots or any(is_here(some.path) for some in waiting.listed(store))):
            known = ", ".join(store.roots()) or "none"
            raise BadInput(f"{place}: nothing is known of it; the folders of this collection: {known}")
        with store.transaction():
            store.change("DELETE FROM roots WHERE path = ?", [(store.kept_path(root),) for root in roots])
            if forever:
                barred.bar(store, ids)
            else:
                left_out = [path for (path,) in store.rows("SELECT path FROM barred") if is_here(path)]
                store.change("DELETE FROM barred WHERE path = ?", [(path,) for path in left_out])
            removed = waiting.delete(store, ids)
            here = [some for some in waiting.listed(store) if is_here(some.path)] if words else []
            waiting.drop(store, [some.digest for some in here])
        return Forgotten(removed, tuple(self._in_full(some) for some in here if some.says_anything))

    def encrypt(self, key: bytes | str | Path) -> None:
        """Encrypt everything of the collection that is on the disk, and close it. key: as for `open`.

        The plain file is overwritten with zeros before it goes; a disk that moves what it overwrites, as most do that
        have no moving parts, and backups may hold old pages still.
        """
        made, file = secret.given(key), self._store.file
        if made is None or self._store.is_encrypted:
            raise BadInput(f"{self.folder}: encrypted already" if made else "key: there is none; give one")
        with self._store.transaction():
            self._store.set_meta("codes", "null")
        with self._store.alone():
            database.encrypt(file, made)
        self._nearest.delete()

    def erase(self, items: Iterable[int | str | Path]) -> int:
        """Remove items so that nothing of them is left on the disk, and say how many there were.

        Vectors, captions, tags, metadata and names go from the database, its index of words and its log, and the index
        of vectors is written anew without them; words that wait for their content go, too. Neither the file of a
        picture nor backups and exports are touched: a file that still lies in its folder comes back with `add`, as one
        that was never seen.
        """
        ids = [id for id in self._ids(arguments.names(items)) if id is not None]
        gone = erasure.erase(self._store, ids)
        self._nearest.renew()
        return gone

    def waiting(self) -> list[Waiting]:
        """What people gave to pictures that are not there now: it is kept until their content returns, or `forget`."""
        return [self._in_full(some) for some in waiting.gone(self._store)]

    def reindex(
        self,
        encoder: EncoderProtocol | str | Path | None = None,
        memory: float | None = None,
        latency: float | None = None,
        progress: Progress | None = None,
        *,
        codes: str | Path | None = None,
        bits: int | None = None,
    ) -> Calibration:
        """Build the index anew and measure the collection; with another encoder, first encode everything with it.

        encoder   as in `open`; None leaves the one there is
        memory    bytes that the index may take; None: as many as it wants. Wishes are remembered until the next call
        latency   seconds that one query may take; None: 5 ms
        codes     in the place of both, answer from binary codes; this and `bits` are as in `use_codes`. None: no more

        Rows of another length than 1, in the space `cosine`, as earlier versions took them, are normalised.

        Encoding is committed batch by batch and goes on where it was stopped; until it is done, the old vectors answer.
        """
        so = "give bytes and seconds above 0, or None"
        memory = None if memory is None else arguments.number(memory, "memory", 0, 1e18, so)
        latency = None if latency is None else arguments.number(latency, "latency", 0, 1e18, so)
        arguments.called(progress, "progress")
        if codes is not None and (memory, latency) != (None, None):
            raise BadInput("codes: they take the memory and the time they take; leave memory and latency out")
        if codes is None and bits is not None:
            raise BadInput("bits: they are of codes; say codes too")
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
        wish = None if codes is None else self._wish(codes, bits)
        with self._store.transaction():
            self._vectors.mend()
            # Every index is built anew, so nobody needs to hear of what was removed before.
            self._store.change("DELETE FROM removed WHERE generation < ?", [(self._store.generation,)])
            self._store.set_meta("floor", str(self._store.generation))
            self._store.set_meta("wishes", json.dumps({"memory": memory, "latency": latency}))
            self._store.set_meta("codes", wish.to_json() if wish else "null")
        self._nearest.rebuild()
        return self.calibrate()

    def use_codes(self, of: str | Path = codes.OWN, bits: int | None = None) -> None:
        """From now on, answer from binary codes of pictures, and score the nearest of them again by their rows.

        of     "own" learns them from the collection's own rows, without labels; or a folder that `diptych fit` wrote,
               with a hashing method that was fitted on rows of this encoder
        bits   of own codes, 64 by default

        In memory are the codes and ids alone, of 64 bits 16 bytes a picture; rows of float16 are read from a file
        beside the database. There are codes from 256 pictures on, and `status` says how often they find what an exact
        search finds. `reindex` without codes ends it.

        Raises BadInput for an encrypted collection, whose index is built whenever it is opened; for one whose rows are
        codes already; and for a folder that does not fit its rows.
        """
        wish = self._wish(of, bits)
        if self._store.meta("codes", "null") != wish.to_json():
            with self._store.transaction():
                self._store.set_meta("codes", wish.to_json())
        self._nearest.save()

    def _wish(self, of: str | Path, bits: int | None) -> codes.Wish:
        arguments.place(of)
        bits = None if bits is None else arguments.whole(bits, "bits", 1, 4096, "give the bits of a code")
        if self._store.is_encrypted:
            raise BadInput(
                f"codes: {self.folder} is encrypted, so its index is built whenever it is opened, and answers exactly; "
                "leave codes out"
            )
        return codes.wished(of, bits, self._vectors.identity)

    def calibrate(self, weak: float | None = None, match: float | None = None) -> Calibration:
        """Measure what things that are not there would score, by which answers are called a match, weak or none.

        weak, match   the parts of absent things, 0 to 1, that are to be left below each; None: as before, and
                      verdict.WEAK and MATCH at first
        """
        before = self._measured()
        points = (before.points[0] if weak is None else weak), (before.points[1] if match is None else match)
        so = "they lie between 0 and 1, weak below match"
        for name, point in zip(("weak", "match"), points, strict=True):
            arguments.number(point, name, 1e-9, 1 - 1e-9, so)
        if points[0] > points[1]:
            raise BadInput(f"weak, match: {points}; {so}")
        if self._vectors.identity.is_given:  # there is nothing to ask it with
            return replace(before, points=points, items=len(self))
        found, absent = verdict.calibrate(self._vectors, self._texts, *points)
        with self._store.transaction():
            absent.keep(self._vectors)
            self._store.set_meta("calibration", found.to_json())
        return found

    def backup(self, folder: str | Path) -> Path:
        """Copy the collection into a new folder while it is open, and even while another process writes to it."""
        return exchange.backup(self._store, arguments.place(folder))

    def export(self, path: str | Path, vectors: bool = True) -> int:
        """Write all items to a `.jsonl` or `.parquet` file, or into a folder as clip-retrieval lays it out; how many.

        vectors   with the vector of each picture; a folder always has them
        """
        arguments.flags(vectors=vectors)
        with self._store.snapshot():
            return exchange.export(self._vectors, arguments.place(path), vectors)

    def export_anonymous(self, path: str | Path, k: int = 5) -> int:
        """Write to a `.jsonl` file what may be told to strangers; how many records.

        Keys are random, and there are no names, captions, metadata or vectors. Times are months, places are a tenth of
        a degree, and whatever fewer than k items share is left out, so that every record is that of k items at least.

        Raises BadInput where there are fewer than k items.
        """
        arguments.whole(k, "k", 2, 10**9, "ask for at least 2 items of each kind")
        with self._store.snapshot():
            return exchange.export_anonymous(self._vectors, arguments.place(path), k)

    def import_(self, path: str | Path) -> Number:
        """Put what `export`, or clip-retrieval, wrote; the number of items. Rows are looked at as in `put`.

        Items without a vector must be in the collection. Vectors of another encoder are refused where the export says
        whose they are; an export of another program is taken at its word.
        """
        n = normalised = 0
        for entries in exchange.entries(self._vectors, arguments.place(path)):
            written = give(self._vectors, self._encoding, entries)
            n, normalised = n + len(written.ids), normalised + written.normalised
        self._catch_up()
        return Number.of(n, normalised)

    # ---------------------------------------------------------------------------------------------------------- reading

    @property
    def feedback(self) -> Feedback:
        """What people did with answers: kept, told, forgotten and learned from."""
        return Feedback(self._store, self._one, self._as_written, self._first)

    @property
    def experiment(self) -> Experiment:
        """Two orders held against each other by what people choose of both."""
        return Experiment(self._store, self.feedback)

    def get(self, item: int | str | Path) -> Item:
        """An item by its id or its key. Raises BadInput where there is none."""
        with self._reading():
            return self._store.named(self._one(item))

    def digest(self, item: int | str | Path) -> str | None:
        """The sha256 of an item's file, as `get` tells it, in a tenth of the time: nothing else is read, no checksum
        compared. None of an item without a file. Raises BadInput where there is no such item.
        """
        (id,) = self._ids([arguments.name(item)])
        found = self._store.rows("SELECT digest FROM items WHERE id = ?", (id,))
        if not found:
            raise self._unknown(item)
        (digest,) = found[0]
        if not isinstance(digest, str | None):
            raise self._store.damaged(f"item {id}: its digest is no text")
        return digest

    def ids(self, key: int | str | Path | None = None) -> list[int]:
        """The ids of all pictures that can be found, or of the one that is called so."""
        sql = "SELECT id FROM items WHERE status = 'ok'"
        if key is None:
            return [id for (id,) in self._store.rows(f"{sql} ORDER BY id")]
        found = [id for id in self._ids([arguments.name(key)]) if id is not None]
        return [id for (id,) in self._store.rows(f"{sql} AND id = ?", found)] if found else []

    @overload  # several vectors
    def search(  # type: ignore[overload-overlap]
        self, query: Sequence[Array] | Sequence[Sequence[float]], *options: Any, **named: Any
    ) -> list[Answer]: ...

    @overload
    def search(
        self,
        query: str | Query | Term | Path | Image | int | Sequence[str | Query | Term | Path | Array | float],
        k: int = 10,
        offset: int = 0,
        diverse: float = 0.0,
        keywords: float | None = None,
        regions: bool = False,
        *,
        where: str | Filter | None = None,
        fields: bool = False,
        language: str = "query",
        pictures: Allowed = Allowed.ANYTHING,
        marks: Marks | None = None,
        user: str | None = None,
        learned: bool = True,
        rewrite: Reworder | None = None,
        closer: Closer | None = None,
    ) -> Answer: ...

    @overload  # an Answer for a vector or pixels, a list for an array of vectors
    def search(self, query: Array, *options: Any, **named: Any) -> Any: ...

    def search(
        self,
        query: Any,
        k: int = 10,
        offset: int = 0,
        diverse: float = 0.0,
        keywords: float | None = None,
        regions: bool = False,
        *,
        where: str | Filter | None = None,
        fields: bool = False,
        language: str = "query",
        pictures: Allowed = Allowed.ANYTHING,
        marks: Marks | None = None,
        user: str | None = None,
        learned: bool = True,
        rewrite: Reworder | None = None,
        closer: Closer | None = None,
    ) -> Any:
        """The k best answers to a query, after the first `offset`; pages share none and leave none out.

        query      a text in the query language; a vector (d,); a picture, as Path, PIL's or pixels (h, w, 3) uint8;
                   an id; a `Term` or `Query`; or a list of these, which are added up. Of several vectors, (n, d) or a
                   list of them, a list of answers
        diverse    0 to 1: how much a picture like those before it is held back
        keywords   0 to 1: what words in captions, tags and names weigh against the vectors; 0 leaves them out. None:
                   what was learned of the user, else 0.5
        regions    say of each hit which part of it answers best; takes a few encodings a hit
        where      a filter of the query language besides
        fields     say of each hit what captions, tags and metadata it has, and all else that is known of its `item`
        language   "plain" for text that a stranger typed: nothing in it is an operator, a path or an id, and every text
                   is taken
        pictures   which picture files the query may open; `Allowed()` for none, if strangers write it
        marks      answers that somebody marked for this query: it moves towards those marked yes, and away from those
                   marked no. Both have been seen, and are no answers any more. None are looked up: see `feedback.marks`
        user       who asks: what was learned for them orders the answers (see `feedback.learn`)
        learned    False: in the order there would be if nothing had been learned
        rewrite    asks a language model what to look for in the place of this query
        closer     asks a language model about the first answers, and puts them in its order
        """
        arguments.flags(learned=learned)
        plainly = arguments.one_of(language, "language", questions.LANGUAGES) == "plain"
        weight = KEYWORDS if keywords is None else keywords
        params = SearchParams(k, offset, diverse, weight, regions=regions, fields=fields, pictures=pictures)
        if not isinstance(marks, Marks | None):
            raise BadInput(f"marks: {shown(marks)}; give Marks(yes=[…], no=[…])")
        for name, given, kind in (("rewrite", rewrite, Reworder), ("closer", closer, Closer)):
            if not isinstance(given, kind | None):
                raise BadInput(
                    f"{name}: {shown(given)}; give a {kind.__name__}, which names a scheme and a language model"
                )
        if user is not None:
            log.checked_user(user)
        rows = questions.vectors(query)
        if rows is not None and marks:
            raise BadInput("marks: they are of the answers to one query, and there are several; ask one by one")
        with self._reading():
            if marks:
                yes, no = self._marked(marks.yes), self._marked(marks.no)
                if both := set(yes) & set(no):
                    raise BadInput(f"marks: item {min(both)} is marked yes and no; give its latest mark")
                params = replace(params, yes=yes, no=no)
            if learned and (known := self._learned(user)) is not None:
                weight = known.keywords if keywords is None and known.keywords is not None else params.keywords
                params = replace(params, learned=known, user=user, keywords=weight)
            if rows is None:
                asked = questions.read(query, plainly, self._metadata_keys(), where)
                return self._hinting(self._schemed(asked, params, rewrite, closer), asked.where)
            if rewrite or closer:
                raise BadInput("rewrite, closer: a language model reads words, and vectors have none")
            condition = self._condition(where)
            answers = self._search.answers(rows, condition, params) if rows else []
            return [self._hinting(answer, condition) for answer in answers]

    def _schemed(self, query: Query, params: SearchParams, rewrite: Reworder | None, closer: Closer | None) -> Answer:
        """The answer to a query, with what a language model has to say to the one and the other."""
        if self.is_encrypted:  # what a model says of pictures is not written to a disk either
            rewrite, closer = rewrite and schemes.unkept(rewrite), closer and schemes.unkept(closer)
        by, asked = "query", query
        if rewrite is not None:
            pictured = [self._seen(term, params) for term in query.terms if term.kind not in ("text", "vector")]
            liked = [path for id in params.yes if (path := self.get(id).path) is not None]
            asked, by = schemes.reworded(rewrite, query, pictured, liked)
            if asked is not query:
                itself = (self._search.itself(term) for term in query.terms)
                params = replace(params, without=params.without.union(*itself))
        if closer is None or params.offset >= closer.first:
            answer = self._search.answer(asked, params)
        else:
            whole = self._search.answer(asked, replace(params, k=max(params.need, closer.first), offset=0))
            looked = schemes.looked(closer, whole, query if rewrite is None else asked, params.k)
            answer = replace(looked, results=looked.results[params.offset : params.need])
        if by != "query":  # which is what orders answers where nothing else does
            then = answer.ranked_by.removeprefix("query")
            by += then if then != answer.ranked_by else f", {then}"
            answer = replace(answer, ranked_by=by)
        return replace(answer, query=query.text)

    def _seen(self, term: Term, params: SearchParams) -> Any:
        """The picture of a term, as `seen` takes it. Raises BadInput where there is none to look at."""
        if term.kind == "open picture":
            return term.data
        path = os.path.expanduser(term.value)  # noqa: PTH111 - as in `Search.rows`
        if term.kind == "picture":
            arguments.check_may_open(params.pictures, path, term.value)
            if os.path.isfile(path):  # noqa: PTH113
                return path
        found = [self.get(id).path for id in sorted(self._search.itself(term))]
        if not found or found[0] is None:
            raise BadInput(f"query: {term} has no file that a model could look at")
        return found[0]

    def region(
        self, picture: int | str | Path, query: str | Query | Term, pictures: Allowed = Allowed.ANYTHING
    ) -> Region:
        """The part of an item, or of a picture file, that answers a query best. pictures: as in `search`."""
        name = arguments.name(picture)
        if not isinstance(pictures, Allowed):
            raise BadInput(f"pictures: {shown(pictures)}; give Allowed() for none, or Allowed([FOLDER])")
        with self._reading():
            (id,) = self._ids([name])
            path = self.get(id).path if id is not None else str(name)
            if path is None or (id is None and isinstance(name, int)):
                raise BadInput(f"{picture}: it has no file to look into; name an item that has one, or a picture file")
            return self._search.region(path, questions.read(query, False, self._metadata_keys()), pictures)

    def similar(
        self,
        picture: int | str | Path | Array | Image,
        k: int = 10,
        offset: int = 0,
        diverse: float = 0.0,
        *,
        where: str | Filter | None = None,
        fields: bool = False,
    ) -> Answer:
        """What is most like an item, which is no answer itself; or like a vector or a picture, as in `search`."""
        with self._reading():
            condition = self._condition(where)
            term, ids = self._thing(picture)
            params = SearchParams(k, offset, diverse, 0.0, frozenset(ids), fields=fields)
            return self._hinting(self._search.answer(Query((term,), (), condition, str(term)), params), condition)

    def captions(
        self, picture: int | str | Path | Array | Image, k: int = 5, among: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The k texts nearest to an item or a picture, with their scores: of all captions here, or of `among`."""
        arguments.whole(k, "k", 1, 10**6, "ask for at least one caption")
        texts = None if among is None else list(dict.fromkeys(arguments.strings(among, "among")))
        with self._reading():
            row = self._search.rows([self._thing(picture)[0]])
            space = self._vectors.space
            if texts is not None:
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
                    said = self._store.rows("SELECT text FROM captions WHERE item = ? AND row = ?", found)
                    if not said:
                        raise self._store.damaged(f"item {found[0]}: a caption that has a vector is not there")
                    best[said[0][0]] = max(best.get(said[0][0], -np.inf), float(scores[place]))
                best = dict(sorted(best.items(), key=lambda entry: -entry[1])[:k])
            return list(best.items())

    def _among(self, where: str | Filter | None) -> Ints | None:
        """The ids of the items that pass a filter; None of all. Inside a snapshot."""
        asked = self._condition(where)
        return None if asked is None else self._search.passing(asked).ids

    def counts(self, field: str, where: str | Filter | None = None) -> dict[Any, int]:
        """How many items have each value of a field, the most frequent first; of lists, captions and tags each counts.

        field   a field of the query language, such as "tag", "camera" or "year", or the name of metadata; in quotes
                always that: '"size"'
        where   a filter of the query language that the items pass
        """
        with self._reading():
            return facets.counts(self._store, _field(field), self._among(where))

    def histogram(self, field: str, bins: int | str | None = None, where: str | Filter | None = None) -> list[Bin]:
        """How many values of a number lie in each of some equal steps, or of the date `taken` in each month.

        field  as in `counts`
        bins   how many steps, 10 by default; of a date "year", "month" or "day"
        where  as in `counts`
        """
        of = _field(field)
        with self._reading():
            steps = bins if bins is not None else "month" if of.holds == "date" else 10
            return facets.histogram(self._store, of, steps, self._among(where))

    def duplicates(
        self, threshold: float = THRESHOLD, workers: int | None = None, progress: Progress | None = None
    ) -> Duplicates:
        """Groups of pictures of which one is enough: the same bytes, the same picture, one moment; which to keep, why.

        threshold   likeness from which pixels are compared: the cosine of vectors, the part of equal bits of codes
        workers     processes that read files; default: one a core
        progress    told the pictures whose vectors were compared, then the files that were read
        """
        arguments.number(threshold, "threshold", 0, 1, f"it is a likeness above 0 and up to 1, such as {THRESHOLD}")
        _workers(workers)
        arguments.called(progress, "progress")
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
            saved = [path for path in (self.folder / "index").glob("*") if path.suffix in (".index", ".rows")]
            return {
                "collection": str(self.folder),
                "items": len(self),
                "failed": count("SELECT count(*) FROM items WHERE status = 'failed'")[0][0],
                "captions": count("SELECT count(*) FROM captions")[0][0],
                "tags": count("SELECT count(DISTINCT tag) FROM tags")[0][0],
                "folders": self._store.roots(),
                "outdated": len(outdated.ids(self._store)),
                "waiting": len(waiting.gone(self._store)),
                "removed_forever": barred.listed(self._store),
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
        arguments.flags(contents=contents)
        arguments.called(progress, "progress")
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

    def _condition(self, where: str | Filter | None) -> Filter | None:
        return questions.condition(where, self._metadata_keys())

    def _hinting(self, answer: Answer, where: Filter | None) -> Answer:
        return replace(answer, hints=questions.hints(where, self._metadata_keys())) if where is not None else answer

    def _in_full(self, some: Waiting) -> Waiting:
        return replace(some, path=self._store.full_path(some.path))

    def _ids(self, names: Sequence[int | str | Path]) -> list[int | None]:
        """The ids of what is called so, in this order; None for a key that no item has. Ids are taken at their word."""
        keys = [name for name in names if not isinstance(name, int)]
        found = dict(zip(keys, self._store.find(keys), strict=True))
        return [name if isinstance(name, int) else found[name] for name in names]

    def _as_written(self, text: str) -> Query:
        return questions.read(text, False, self._metadata_keys())

    def _first(self, text: str) -> Candidates | None:
        """What `Feedback.learn` learns about; None of a query that cannot be asked any more."""
        try:
            with self._reading():
                return self._search.candidates(self._as_written(text))
        except Damaged:
            raise
        except BadInput:  # a picture it asked with is gone, a filter is none in this version
            return None

    def _learned(self, user: str | None) -> Learned | None:
        """What was learned that orders the answers of this user."""
        own = None if user is None else learning.kept(self._store, user)
        found = own if own is not None and own.on else learning.kept(self._store, None)
        return found if found is not None and found.on else None

    def _marked(self, names: Sequence[int | str | Path]) -> tuple[int, ...]:
        """The ids of these, in rising order. Raises BadInput for what cannot be found."""
        ids = self._ids(names)
        here = {item.id for item in self._store.items([id for id in ids if id is not None]) if item.status == "ok"}
        missing = next((name for name, id in zip(names, ids, strict=True) if id not in here), None)
        if missing is not None:
            raise BadInput(f"marks: {self.folder} has no item {shown(missing)}; leave it out")
        return tuple(sorted(here))

    def _one(self, item: Any) -> Item:
        name = arguments.name(item)
        (id,) = self._ids([name])
        found = self._store.items([id]) if id is not None else []
        if not found:
            raise self._unknown(name)
        return found[0]

    def _unknown(self, item: int | str | Path) -> BadInput:
        return BadInput(f"{self.folder} has no item {shown(item)}")

    def _thing(self, picture: Any) -> tuple[Term, list[int]]:
        """What to compare with: an item, by id or key, with its id; else a picture or a vector."""
        if isinstance(picture, int | np.integer | str | Path):
            name = arguments.name(picture)
            (id,) = self._ids([name])
            if id is not None:
                return Term(1.0, "item", str(self._one(id).id)), [id]
            place = str(name) if isinstance(name, int) else os.path.expanduser(name)  # noqa: PTH111
            if isinstance(name, int) or not os.path.exists(place):  # noqa: PTH110
                id = self._search.named(str(name))  # raises BadInput for none
                return Term(1.0, "item", str(id)), [id]
            if os.path.isdir(place):  # noqa: PTH112
                raise BadInput(f"{name}: a folder; name a picture file")
            return Term(1.0, "picture", str(name)), []
        return Term.of(picture), []

    def _need_encoder(self) -> None:
        """Raises BadInput where pictures cannot be indexed."""
        if self._vectors.identity.is_given:
            raise BadInput(f"{self.folder} {_NO_ENCODER}: put(entries) takes rows")

    def _encoding(self) -> EncoderProtocol:
        """The encoder, loaded when it is first needed, and checked to be the one that made the vectors."""
        if self._vectors.identity.is_given:
            raise BadInput(
                f"{self.folder} {_NO_ENCODER}: search by a vector, an item (#12) or a filter (caption ~ dog)"
            )
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
                    f"{command(self.folder, 'reindex', '--model', 'MODEL')}"
                ) from None
            _same(self._vectors, Identity.of(self._encoder), self._encoder_at)
        return Uncached(self._encoder) if self._store.is_encrypted else self._encoder

    def _texts(self, texts: list[str]) -> Array:
        return self._vectors.checked(self._encoding().encode_texts(texts), len(texts))

    def _as_asked(self) -> Array:
        """Rows as they will be asked for, where no captions tell: texts, or in the absence of an encoder, pictures."""
        if not self._vectors.identity.is_given:
            return self._texts(background_queries.rare())
        ids = np.array(self.ids())
        return self._vectors.of(np.random.default_rng(0).permutation(ids)[:_ASKED].tolist())

    def _metadata_keys(self) -> frozenset[str]:
        generation = self._store.generation
        if self._keys[0] != generation:
            # From each key to the next one in the index: DISTINCT would read all of it.
            beyond = "SELECT min(key) FROM metadata WHERE key > keys.key"
            first = "SELECT min(key) AS key FROM metadata"
            keys = f"WITH keys AS ({first} UNION ALL SELECT ({beyond}) FROM keys WHERE key NOT NULL)"
            self._keys = generation, frozenset(self._store.texts(f"{keys} SELECT key FROM keys WHERE key NOT NULL"))
        return self._keys[1]

    def _measured(self) -> Calibration:
        text = self._store.meta("calibration", "")
        return Calibration.read(text) if text else Calibration()

    def _catch_up(self) -> None:
        """After writing: measure the collection where it has doubled since, and keep the index."""
        if not self._vectors.identity.is_given and len(self) >= max(verdict.LEAST, 2 * self._measured().items):
            self.calibrate()
        self._nearest.save()


def _entries(entries: Iterable[Entry]) -> Iterator[Entry]:
    """These, one by one. Raises BadInput for what is no entry, or no number of them."""
    single = isinstance(entries, str | bytes | Entry | Mapping) or not isinstance(entries, Iterable)
    if single or getattr(entries, "ndim", 1) == 0:
        raise BadInput(f"put: entries: {shown(entries)}; give a list of Entry")
    for entry in entries:
        if not isinstance(entry, Entry):
            raise BadInput(f"put: {shown(entry)} is no Entry; give Entry(key, row, captions, tags, metadata)")
        yield entry


def _brought(encoder: EncoderProtocol | str | Path) -> tuple[EncoderProtocol, str]:
    """The encoder, and what finds it again; "" where it was handed over as an object."""
    if not isinstance(encoder, str | Path):
        return encoder, ""
    arguments.place(encoder)
    at = shelf.canonical(encoder)
    return identity.load(at), at


def _rows(space: Space | str | None, width: int | None) -> Identity | None:
    """Of a collection of given rows; None where neither is said."""
    if space is None and width is None:
        return None
    name = getattr(space, "name", space)
    if name not in SPACES:
        raise BadInput(f"space: {shown(name)}; there are: {', '.join(SPACES)}")
    so = "give how many numbers each row holds, of packed bits the bytes"
    return Identity.rows(SPACES[str(name)], arguments.whole(width, "width", 1, 65_536, so))


def _field(name: str) -> Field:
    if not isinstance(name, str) or not name:
        raise BadInput(f"field: {shown(name)}; give a field of the query language or the name of metadata")
    return facets.field(name)


def _workers(workers: int | None) -> None:
    if workers is not None:
        arguments.whole(workers, "workers", 1, 1024, "give a number of processes, or None for one a core")


def _same(vectors: Vectors, made: Identity, at: str) -> None:
    if made == vectors.identity:
        return
    folder = vectors.store.folder
    if made.is_given or vectors.identity.is_given:
        raise OtherEncoder(
            f"{folder} holds {vectors.identity}, and not {made}; leave it out, or begin a new collection"
        )
    raise OtherEncoder(
        f"{folder} was indexed with {vectors.identity}, and {made} is another encoder; "
        f"leave it out, or encode everything anew: {command(folder, 'reindex', '--model', at or 'MODEL')}"
    )
