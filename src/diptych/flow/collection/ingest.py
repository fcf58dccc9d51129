"""From folders to a collection: what is new is looked at, encoded and committed, batch by batch.

A file is known again by its path, size and time; a renamed or copied one by its content. Both cost no encoding. What
a batch committed is done for good: whatever stops the work, the next run goes on behind it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from diptych.flow.collection.identity import Encodes
from diptych.flow.collection.store import Item, Value
from diptych.flow.collection.vectors import Vectors
from diptych.kinds import Array, BadInput, Progress, batches
from diptych.sources import jsonl, table
from diptych.sources.decoders import SECONDS, Decoders, Look
from diptych.sources.metadata.about import Words
from diptych.sources.rows import Row, merged
from diptych.sources.walk import Found, Tree, pictures, walk

BATCH = 64
"""Pictures between two commits: what an interruption costs at the most."""


@dataclass
class Ingested:
    """What one run did: numbers of files, and the reasons of those that failed.

    added, updated    pictures that are new, or whose content or words changed
    renamed           pictures known by their content under another path that is gone
    copied            of those added or updated, the ones whose vector was there already
    encoded           pictures that the encoder was asked for
    unmatched         lines of the captions file whose picture is not in the collection
    newly_failed      of the failures, those that were not known before
    waiting           files that still change, and are left for the next look (see `watch`)
    failures          (path, why), of this run
    """

    added: int = 0
    updated: int = 0
    renamed: int = 0
    unchanged: int = 0
    removed: int = 0
    copied: int = 0
    encoded: int = 0
    captioned: int = 0
    unmatched: int = 0
    waiting: int = 0
    newly_failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        return len(self.failures)

    @property
    def changes(self) -> int:
        """Files that are other than before."""
        return self.added + self.updated + self.renamed + self.removed + self.newly_failed


Changed = Callable[[str, str, str], None]
"""Told of one file: what happened ("added", "updated", "renamed", "removed", "failed"), its path, and why it failed."""

Seen = dict[str, tuple[int, int]]
"""Size and time of each file that is new or changed, at the last look."""


@dataclass(frozen=True)
class Entry:
    """One item that is given rather than read from a file.

    path    its name: any text that no other item has
    row     its vector, settled in the encoder's space; None leaves the one it has
    captions, tags, metadata   in the place of those given before; None leaves them
    """

    path: str
    row: Array | None = None
    captions: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    metadata: Mapping[str, Value] | None = None
    width: int | None = None
    height: int | None = None
    taken: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None


def add(
    vectors: Vectors,
    encoder: Callable[[], Encodes],
    folders: Sequence[str | Path],
    *,
    captions: str | Path | None = None,
    retry: bool = False,
    workers: int | None = None,
    seconds: float = SECONDS,
    progress: Progress | None = None,
    changed: Changed | None = None,
    seen: Seen | None = None,
) -> Ingested:
    """Bring the collection up to date with these folders; see `Collection.add`.

    seen   what the last call saw, which this one brings up to date: a file that looks otherwise is still being written,
           and is left for the next call
    """
    started = time.perf_counter()
    given = _captions(Path(captions)) if captions else []
    work = _Work(vectors, encoder, changed)
    report = work.report
    todo = work.scan([os.path.abspath(folder) for folder in folders], retry)  # noqa: PTH100 - links keep their names
    if seen is not None:
        looks_now = {file.path: (file.size, file.mtime_ns) for file in todo}
        todo = [file for file in todo if seen.get(file.path) == looks_now[file.path]]
        report.waiting = len(looks_now) - len(todo)
        seen.clear()
        seen.update(looks_now)
    done = 0
    # Whoever encodes pixels is handed them by the process that looked at the file; no file is decoded twice.
    sight = getattr(encoder(), "sight", None) if todo else None
    with Decoders(workers, seconds, sight) as decoders:
        looked: list[tuple[list[Found], Iterable[Look]]] = []
        for batch in [*batches(todo, BATCH), []]:
            # One batch ahead: the next is decoded while this one is encoded.
            looked.append((batch, decoders.looks([(file.path, file.beside) for file in batch])))
            if len(looked) == 1:
                continue
            files, looks = looked.pop(0)
            work.take(files, list(looks))
            done += len(files)
            if progress:
                progress("pictures", done, len(todo))
    work.finish()
    if given:
        work.caption(given, [os.path.abspath(folder) for folder in folders], Path(captions or ""))  # noqa: PTH100
    report.seconds = time.perf_counter() - started
    return report


class _Work:
    """One run over some folders.

    known   kept path -> id, size, mtime_ns, beside_at, status and reason of the item there
    gone    the ids of items whose file was not found, until one turns up under another name
    """

    def __init__(self, vectors: Vectors, encoder: Callable[[], Encodes], changed: Changed | None) -> None:
        self.vectors, self.store, self.encoder, self.changed = vectors, vectors.store, encoder, changed
        self.report = Ingested()
        self.known: dict[str, tuple[Any, ...]] = {}
        self.gone: set[int] = set()

    # ------------------------------------------------------------------------------------------------------ what is new

    def scan(self, folders: Sequence[str], retry: bool) -> list[Found]:
        """The files that are new or changed; those refused unseen are recorded at once."""
        sql = "SELECT path, id, size, mtime_ns, beside_at, status, reason FROM items"
        self.known = {path: tuple(state) for path, *state in self.store.rows(sql)}
        single = [path for path in folders if os.path.isfile(path)]  # noqa: PTH113 - a string is all that is needed
        folders = [folder for folder in folders if folder not in set(single)]
        trees = [*map(self._walked, folders), pictures(single)]
        found = {self.store.kept_path(file.path): file for tree in trees for file in tree.files}
        refused = {self.store.kept_path(path): why for tree in trees for path, why in tree.refused}
        closed = [self._below(folder) for tree in trees for folder in tree.closed]
        places = [self._below(folder) for folder in folders]
        self.gone = {
            id
            for path, (id, size, *_) in self.known.items()
            if size is not None  # else it was given as a row, and there is no file to miss
            and path not in found
            and path not in refused
            and under(path, places)
            and not under(path, closed)
        }
        roots = {root for (root,) in self.store.rows("SELECT path FROM roots")}
        news = {path: why for path, why in refused.items() if path not in self.known or self.known[path][5] != why}
        if news or not roots.issuperset(folders):  # else nothing is written, so that a look in vain costs no flush
            with self.store.transaction():
                self.store.change("INSERT OR IGNORE INTO roots VALUES (?)", [(folder,) for folder in folders])
                for path, why in news.items():
                    id = self.known[path][0] if path in self.known else 0
                    self._write(Item(path, id, "failed", why, size=0, mtime_ns=0), None)
            self.report.newly_failed += len(news)
            self._tell([("failed", self.store.full_path(path), why) for path, why in news.items()])
        self.report.failures += [(self.store.full_path(path), why) for path, why in refused.items()]
        todo = []
        for path, file in found.items():
            old = self.known.get(path)
            same = old is not None and old[1:4] == (file.size, file.mtime_ns, file.beside_at)
            if old is None or not same or (retry and old[4] == "failed"):
                todo.append(file)
            else:
                self.report.unchanged += 1
                if old[4] == "failed":
                    self.report.failures.append((file.path, old[5]))
        return todo

    def _walked(self, folder: str) -> Tree:
        tree = walk(folder)
        place = [self._below(folder)]
        n = 0 if tree.files or tree.closed else sum(under(path, place) for path in self.known)
        if n:
            raise BadInput(
                f"{folder}: no picture in it now, and {n:,} are indexed from there; is the disk mounted? "
                "To forget them, remove the folder from the collection"
            )
        return tree

    def _below(self, folder: str) -> str:
        """What the kept paths of everything in a folder begin with; "" where that is every relative path."""
        probe = self.store.kept_path(os.path.join(folder, "x"))  # noqa: PTH118 - pathlib would drop what is odd
        return probe[:-1]

    # ---------------------------------------------------------------------------------------------------------- a batch

    def take(self, files: Sequence[Found], looks: Sequence[Look]) -> None:
        """Encode what must be, and commit the batch."""
        paths = [self.store.kept_path(file.path) for file in files]
        old_ids = [self.known[path][0] for path in paths if path in self.known]
        old = {item.path: item for item in self.store.items(old_ids)}
        new: list[tuple[Item, Look, Item | None]] = []
        for path, file, look in zip(paths, files, looks, strict=True):
            before = old.get(path)
            item = self._item(path, file, look, before)
            if item.status == "ok" and before is None and (renamed := self._renamed(look.digest)):
                before = renamed
                item = replace(item, id=before.id, given=before.given, metadata=before.metadata)
            new.append((item, look, before))
        rows = self._rows(new)
        items = []
        for item, look, before in new:
            reason = rows[look.digest] if item.status == "ok" else None
            if isinstance(reason, str):
                item = replace(item, status="failed", reason=reason, digest=None)
            elif item.status == "ok" and _moved(look):
                # The row may be of another picture than the digest. No file has this time, so it is looked at again.
                item = replace(item, status="failed", reason="changed while it was read", digest=None, mtime_ns=0)
            items.append((item, before))
        told: list[tuple[str, str, str]] = []
        texts = self._texts(items)
        with self.store.transaction():
            for (item, before), (_, look, _) in zip(items, new, strict=True):
                row = rows.get(look.digest) if item.status == "ok" else None
                keeps = before is not None and before.status == item.status == "ok" and before.digest == item.digest
                self._write(item, None if keeps else row, texts.get(item.path), keeps)
                told.append((self._count(item, before, look), look.path, item.reason))
        self._tell(told)

    def _item(self, path: str, file: Found, look: Look, before: Item | None) -> Item:
        kept = Item(path) if before is None else Item(path, before.id, given=before.given, metadata=before.metadata)
        if look.reason:
            return replace(
                kept,
                status="failed",
                reason=look.reason,
                size=file.size,
                mtime_ns=file.mtime_ns,
                beside_at=file.beside_at,
            )
        facts = {name: getattr(look, name) for name in ("width", "height", "taken", "camera", "lat", "lon")}
        return replace(
            kept,
            reason=look.note,
            digest=look.digest,
            size=look.size,
            mtime_ns=look.mtime_ns,
            beside_at=file.beside_at,
            found=Words(look.captions, look.tags),
            **facts,
        )

    def _renamed(self, digest: str) -> Item | None:
        """An item of this content whose file is gone, and which nothing took over yet."""
        for (id,) in self.store.rows("SELECT id FROM items WHERE digest = ? AND status = 'ok' ORDER BY id", (digest,)):
            if id in self.gone:
                self.gone.discard(id)
                return self.store.items([id])[0]
        return None

    def _rows(self, new: Sequence[tuple[Item, Look, Item | None]]) -> dict[str, Array | str]:
        """digest -> the row of the picture, or why it has none."""
        wanted = {look.digest: look for item, look, _ in new if item.status == "ok"}
        rows: dict[str, Array | str] = {}
        for digest in wanted:
            twin = self.store.rows("SELECT id FROM items WHERE digest = ? AND status = 'ok' LIMIT 1", (digest,))
            if twin:
                rows[digest] = self.vectors.of([twin[0][0]])[0]
        missing = {digest: look for digest, look in wanted.items() if digest not in rows}
        self.report.encoded += len(missing)
        pixels = [look.pixels for look in missing.values() if look.pixels is not None]
        if pixels and len(pixels) == len(missing):
            seen = getattr(self.encoder(), "encode_pixels")(np.stack(pixels))  # noqa: B009 - only some encoders have it
            rows.update(zip(missing, self.vectors.checked(seen, len(pixels)), strict=True))
        else:
            paths = [look.path for look in missing.values()]
            rows.update(zip(missing, encoded(self.vectors, self.encoder, paths), strict=True))
        self.report.copied += sum(item.status == "ok" for item, _, _ in new) - len(missing)
        return rows

    def _texts(self, items: Sequence[tuple[Item, Item | None]]) -> dict[str, Array]:
        """path -> rows of its captions, of those whose captions are others than before."""
        changed = [i for i, old in items if old is None or old.captions != i.captions or old.status != i.status]
        changed = [item for item in changed if item.status == "ok"]
        return encoded_texts(self.vectors, self.encoder, {item.path: item.captions for item in changed})

    def _write(self, item: Item, row: Array | str | None, texts: Array | None = None, keeps: bool = False) -> None:
        write(self.vectors, item, row if isinstance(row, np.ndarray) else None, texts, keeps)

    def _count(self, item: Item, before: Item | None, look: Look) -> str:
        """Put it into the report, and say what happened."""
        report = self.report
        if item.status != "ok":
            report.failures.append((look.path, item.reason))
            report.newly_failed += 1
            return "failed"
        if before is None:
            report.added += 1
            return "added"
        if before.path != item.path:
            report.renamed += 1
            report.copied -= 1
            return "renamed"
        report.updated += 1
        if before.digest == item.digest:
            report.copied -= 1
        return "updated"

    def _tell(self, changes: Iterable[tuple[str, str, str]]) -> None:
        """After the commit, so that what is told is done."""
        if self.changed:
            for change in changes:
                self.changed(*change)

    def finish(self) -> None:
        """Remove what is gone."""
        if self.gone and not self.report.waiting:  # what is gone may be one of those that wait, under another name
            gone = sorted(self.gone)
            paths = [item.path for item in self.store.items(gone)]
            with self.store.transaction():
                self.report.removed = self.store.delete(gone)
            self._tell(("removed", self.store.full_path(path), "") for path in paths)

    # ---------------------------------------------------------------------------------------------------- captions file

    def caption(self, rows: Sequence[Row], folders: Sequence[str], file: Path) -> None:
        """Give the pictures that the lines of a captions file name their texts and labels."""
        places = [*folders, str(file.absolute().parent)]
        ids = {path: id for id, path in self.store.rows("SELECT id, path FROM items WHERE status = 'ok'")}
        for batch in batches(list(rows), 16 * BATCH):
            entries = {}
            for row in batch:
                names = (self.store.kept_path(os.path.abspath(Path(place) / row.image)) for place in places)  # noqa: PTH100
                path = next((name for name in names if name in ids), None)
                if path is None:
                    self.report.unmatched += 1
                else:
                    entries[path] = Entry(path, captions=row.texts, tags=row.labels)
            self.report.captioned += give(self.vectors, self.encoder, list(entries.values()))[1]


def give(vectors: Vectors, encoder: Callable[[], Encodes], entries: Sequence[Entry]) -> tuple[list[int], int]:
    """Write items that are given, in one commit: their ids, and how many of them are new or other than before."""
    store = vectors.store
    if len({entry.path for entry in entries}) < len(entries):
        raise BadInput("one path stands twice among the entries; join them into one")
    marks = ((path, id) for some in batches([entry.path for entry in entries], 500) for path, id in _ids(store, some))
    ids = dict(marks)
    old = {item.path: item for item in store.items(list(ids.values()))}
    items: list[tuple[Item, Array | None, bool]] = []
    for entry in entries:
        before = old.get(entry.path)
        if entry.row is None and (before is None or before.status != "ok"):
            raise BadInput(f"{entry.path}: not in the collection, so it needs a row; or add its file")
        item = _given(entry, before)
        row = None if entry.row is None else vectors.checked(np.asarray(entry.row)[None], 1)[0]
        items.append((item, row, before is not None and before == item and row is None))
    wanted = {
        item.path: item.captions
        for item, _, _ in items
        if item.path not in old or old[item.path].captions != item.captions
    }
    texts = encoded_texts(vectors, encoder, wanted)
    written = []
    with store.transaction():
        for item, row, same in items:
            if not same:
                item = write(vectors, item, row, texts.get(item.path), keeps=row is None)
            written.append(item.id)
    return written, sum(not same for _, _, same in items)


def write(vectors: Vectors, item: Item, row: Array | None, texts: Array | None, keeps: bool = False) -> Item:
    """Write an item with its vectors, inside a transaction.

    texts   the rows of its captions; None leaves them where it keeps its picture, and else it has none
    keeps   whether the vector of its picture stays as it is
    """
    was = item.id
    item = vectors.store.put(item, changed=not keeps)
    if not keeps:
        if was:
            vectors.drop("image", [item.id])
        if row is not None:
            vectors.put("image", [item.id], [0], row[None])
    if was and (texts is not None or item.status != "ok"):
        vectors.drop("text", [item.id])
    if texts is not None:
        vectors.put("text", [item.id] * len(texts), range(len(texts)), texts)
    return item


def encoded(vectors: Vectors, encoder: Callable[[], Encodes], paths: Sequence[str]) -> list[Array | str]:
    """The row of each picture, or why it has none. Raises BadInput where the fault is not the picture's."""
    if not paths:
        return []
    try:
        return list(vectors.checked(encoder().encode_images(list(paths)), len(paths)))
    except MemoryError:
        why = "takes more memory to encode than there is; scale it down first"
    except BadInput as error:
        if len(paths) == 1 and paths[0] not in str(error):
            raise
        why = str(error).removeprefix(f"{paths[0]}: ")
    # One picture spoils the whole batch: alone, each of the others is well. Not above, where the error still holds what
    # was in memory when it came.
    return [row for path in paths for row in encoded(vectors, encoder, [path])] if len(paths) > 1 else [why]


def encoded_texts(
    vectors: Vectors, encoder: Callable[[], Encodes], captions: Mapping[str, Sequence[str]]
) -> dict[str, Array]:
    """The rows of the captions under each key."""
    texts = [text for some in captions.values() for text in some]
    width = vectors.identity.width
    rows = vectors.checked(encoder().encode_texts(texts), len(texts)) if texts else np.empty((0, width))
    ends = np.cumsum([len(some) for some in captions.values()])[:-1]
    return dict(zip(captions, np.split(rows, ends), strict=True)) if captions else {}


def _ids(store: Any, paths: Sequence[str]) -> list[tuple[str, int]]:
    marks = ",".join("?" * len(paths))
    return [(path, id) for path, id in store.rows(f"SELECT path, id FROM items WHERE path IN ({marks})", paths)]


def _given(entry: Entry, before: Item | None) -> Item:
    """The item that an entry makes of the one there was."""
    item = before or Item(entry.path)
    captions, tags = item.given.captions, item.given.tags
    if entry.captions is not None:
        captions = tuple(dict.fromkeys(" ".join(text.split()) for text in entry.captions if text.strip()))
    if entry.tags is not None:
        tags = tuple(sorted({tag.strip() for tag in entry.tags if tag.strip()}))
    metadata = item.metadata if entry.metadata is None else {k: _value(k, v) for k, v in entry.metadata.items()}
    facts: dict[str, Any] = {
        place.name: getattr(entry, place.name) for place in fields(Entry)[5:] if getattr(entry, place.name) is not None
    }
    for name in {"lat", "lon"} & set(facts):
        facts[name] = float(facts[name]) + 0.0
    return replace(item, status="ok", given=Words(captions, tags), metadata=metadata, **facts)


def _value(key: str, value: Any) -> Value:
    """A metadata value as SQLite gives it back."""
    if isinstance(value, bool | np.bool_ | np.integer):
        value = int(value)
    elif isinstance(value, np.floating):
        value = float(value)
    if isinstance(value, str) or (isinstance(value, int | float) and abs(value) < 2**63):
        return value
    raise BadInput(f"metadata {key!r}: {str(value)[:40]!r} is neither a text nor a finite number")


def _captions(file: Path) -> list[Row]:
    """The lines of a captions file, those of one picture together."""
    ending = file.suffix.lower()
    if ending not in (".jsonl", ".csv", ".tsv", ".parquet"):
        raise BadInput(f"{file}: captions come as .jsonl, .csv, .tsv or .parquet")
    if not file.is_file():
        raise BadInput(f"{file}: no such file")
    return merged(jsonl.rows(file) if ending == ".jsonl" else table.rows(file))


def under(path: str, places: Sequence[str]) -> bool:
    relative = not Path(path).is_absolute()
    return any((path.startswith(place) or path == place[:-1]) if place else relative for place in places)


def _moved(look: Look) -> bool:
    try:
        at = os.stat(look.path)  # noqa: PTH116 - a string is all that is needed
    except OSError:
        return True
    return (at.st_size, at.st_mtime_ns) != (look.size, look.mtime_ns)
