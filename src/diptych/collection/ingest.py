"""From folders to a collection: what is new is looked at, encoded and committed, batch by batch.

A file is known again by its path, size and time; a renamed or copied one by its content. Both cost no encoding. All
that moved is matched by content before anything is written (`matching`). What a batch committed is done for good:
whatever stops the work, the next run goes on behind it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diptych.collection import barred, matching, outdated, waiting
from diptych.collection.entries import Entry, give
from diptych.collection.identity import EncoderProtocol
from diptych.collection.items import Item
from diptych.collection.matching import Lost
from diptych.collection.store import full
from diptych.collection.survey import EMPTIED, Survey, below, inside, prefix, prefixes, survey
from diptych.collection.vectors import Vectors
from diptych.collection.waiting import Waiting
from diptych.collection.writing import Written, encoded, encoded_texts, write
from diptych.kinds import Array, BadInput, Progress, batches
from diptych.sources import jsonl, table
from diptych.sources.decoders import SECONDS, Decoders, Look
from diptych.sources.metadata.about import Words
from diptych.sources.rows import Row, merged
from diptych.sources.walk import Found, Passed, passed_over

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
    unmatched_images  those pictures, as the file names them
    reread            of those updated or unchanged, files that an older Diptych had read (see `outdated`)
    restored          pictures that have words again which were given before they were away
    normalised        rows of pictures that were not of unit length, in the space `cosine`, and were brought to it
    barred            files left out because they were removed for ever (`Collection.remove`)
    newly_failed      of the failures, those that were not known before
    words_waiting     of those removed, the ones whose given words wait for them
    waiting           files that still change, and are left for the next look (see `watch`)
    failures          (path, why), of this run
    away              (folder, why) of folders that are out of reach: what is known of them stays
    notes             (path, why) of pictures that can be found, and of which something is left out
    passed            files that are no pictures by their endings; not told by `watch`
    left_out          files and folders that a pattern leaves out
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
    reread: int = 0
    restored: int = 0
    words_waiting: int = 0
    waiting: int = 0
    normalised: int = 0
    barred: int = 0
    newly_failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    away: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    unmatched_images: list[str] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
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


def add(
    vectors: Vectors,
    encoder: Callable[[], EncoderProtocol],
    folders: Sequence[str | Path],
    *,
    captions: str | Path | None = None,
    exclude: Sequence[str] = (),
    retry: bool = False,
    contents: bool = False,
    workers: int | None = None,
    seconds: float = SECONDS,
    progress: Progress | None = None,
    changed: Changed | None = None,
    seen: Seen | None = None,
) -> Ingested:
    """Bring the collection up to date with these folders; see `Collection.add`.

    folders   none for all that it was ever given
    exclude   patterns of what to leave out (see `sources.ignore`)
    seen      what the last call saw, which this one brings up to date: a file that looks otherwise is still being
              written, and is left for the next call
    """
    started = time.perf_counter()
    given = _captions(Path(captions)) if captions else []
    outdated.mark(vectors.store)
    work = _Work(vectors, encoder, changed, exclude, watching=seen is not None)
    report = work.report
    todo = work.scan([os.fspath(folder) for folder in folders], retry, contents, progress)
    if seen is not None:
        looks_now = {file.path: (file.size, file.mtime_ns) for file in todo}
        todo = [file for file in todo if seen.get(file.path) == looks_now[file.path]]
        report.waiting = len(looks_now) - len(todo)
        seen.clear()
        seen.update(looks_now)
    todo = work.again + work.in_order(work.move(todo))
    work.tell_away()
    done = 0
    # Whoever encodes pixels is handed them by the process that looked at the file; no file is decoded twice.
    preprocessing = getattr(encoder(), "preprocessing", None) if todo else None
    with Decoders(workers, seconds, preprocessing) as decoders:
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
    if seen is None:  # who watches does not open the same files again and again
        own = (os.path.realpath(vectors.store.folder) + os.sep, os.path.realpath(captions) if captions else "/ ")
        report.passed = passed_over(path for path in work.look.passed if not path.startswith(own))
    if given:
        work.caption(given, Path(captions or ""))
    report.seconds = time.perf_counter() - started
    return report


class _Known(NamedTuple):
    """What is kept of an item that tells whether its file is another than before."""

    id: int
    size: int | None
    mtime_ns: int | None
    beside_at: str
    status: str
    reason: str
    digest: str | None


class _Work:
    """One run over some folders.

    known      kept path -> the item there
    gone       the ids of items whose file was not found
    look       what lies in the folders
    outdated   the ids of items that an older version read
    again      the files of those, where they look as before
    moved      kept paths of items that were somewhere else before
    ousted     items whose place another picture took, and whose content was found nowhere
    watching   whether this is one look of many: what failed for the moment waits for a run of its own
    """

    def __init__(
        self,
        vectors: Vectors,
        encoder: Callable[[], EncoderProtocol],
        changed: Changed | None,
        exclude: Sequence[str] = (),
        watching: bool = False,
    ) -> None:
        self.vectors, self.store, self.encoder, self.changed = vectors, vectors.store, encoder, changed
        self.exclude, self.watching = exclude, watching
        self.report = Ingested()
        self.known: dict[str, _Known] = {}
        self.look = Survey()
        self.gone: set[int] = set()
        self.outdated: set[int] = set()
        self.again: list[Found] = []
        self.moved: set[str] = set()
        self.ousted: list[Item] = []

    # ------------------------------------------------------------------------------------------------------ what is new

    def scan(self, folders: Sequence[str], retry: bool, contents: bool, progress: Progress | None) -> list[Found]:
        """The files that are new or changed; those refused unseen are recorded at once.

        contents   read the files that look as before, too, and take those of other content for changed
        """
        facts = "path, id, size, mtime_ns, beside_at, status, reason, digest FROM items WHERE size IS"
        self.known = {path: _Known(*state) for path, *state in self.store.rows(f"SELECT {facts} NOT NULL")}
        if not all(isinstance(path, str) for path in self.known):
            raise self.store.damaged("the path of an item is no text")
        filed = list(self.known)
        # One that was given under the path of a file, in an import say, is the item of this file from now on.
        for key, *state in self.store.rows(f"SELECT {facts} NULL AND path LIKE '/%'"):
            self.known.setdefault(self.store.kept_path(key), _Known(*state))
        unwelcome = {path: at for path, *at in self.store.rows("SELECT path, size, mtime_ns FROM barred")}
        folders = folders or self._all(filed)
        look = self.look = survey(self.store, folders, filed, self.exclude)
        self.report.left_out = look.left_out
        self.gone = {
            self.known[path].id
            for path in filed
            if path not in look.found
            and path not in look.refused
            and below(path, look.within)
            and not below(path, [prefix(folder) for folder in look.closed])
        } | {self.known[path].id for path in look.missing}
        self._record()
        self.outdated = outdated.ids(self.store)
        todo = []
        for path, file in look.found.items():
            old = self.known.get(path)
            times = (file.mtime_ns, ~file.mtime_ns) if self.watching else (file.mtime_ns,)
            same = (
                old is not None and (old.size, old.beside_at) == (file.size, file.beside_at) and old.mtime_ns in times
            )
            if old is None and unwelcome.get(path) == [file.size, file.mtime_ns]:
                self.report.barred += 1
            elif old is None or not same or (retry and old.status == "failed"):
                todo.append(file)
            elif old.id in self.outdated:
                self.again.append(file)
            else:
                self.report.unchanged += old.status == "ok"
                if old.reason:
                    told = self.report.failures if old.status == "failed" else self.report.notes
                    told.append((file.path, old.reason))
        return todo + self._other_contents(todo + self.again, progress) if contents else todo

    def _all(self, filed: Sequence[str]) -> list[str]:
        """The folders that the collection was ever given, and the picture files that lie in none of them."""
        roots = self.store.roots()
        within = [start for root in roots for start in prefixes(self.store, root)]
        single = [self.store.full_path(path) for path in filed if not below(path, within)]
        if not roots and not single:
            raise BadInput("nothing to index yet; name a folder")
        return roots + single

    def _record(self) -> None:
        """Remember the folders and what was refused; nothing is written where nothing is new: that costs a flush."""
        look, store = self.look, self.store
        before = set(store.roots())
        roots = [root for root in look.roots if root not in before and not any(inside(root, one) for one in before)]
        within = [one for one in before if any(inside(one, root) for root in roots)]
        mounts = store.mounts()
        disks = [(path, disk) for path, disk in look.mounts.items() if mounts.get(path) != disk]
        disks = [(path, disk) for path, disk in disks if path not in look.closed]
        reached = [root for root in look.roots if store.kept_path(root) not in look.closed]
        plain = [
            (path,)
            for path in mounts
            if path not in {*look.mounts, *look.closed}
            and (below(path, look.within) or any(inside(root, store.full_path(path)) for root in reached))
        ]
        news = {
            path: why for path, why in look.refused.items() if path not in self.known or self.known[path].reason != why
        }
        if news or roots or disks or plain:
            with store.transaction():
                store.change("DELETE FROM roots WHERE path = ?", [(store.kept_path(root),) for root in within])
                store.put_rows("roots", [(store.kept_path(root),) for root in roots])
                store.change("DELETE FROM mounts WHERE path = ?", plain)
                store.put_rows("mounts", disks)
                old = {item.kept: item for item in store.items([self.known[p].id for p in news if p in self.known])}
                refused = [
                    replace(old.get(path, Item(path)), kept=path, status="failed", reason=why, size=0, mtime_ns=0)
                    for path, why in news.items()
                ]
                write(self.vectors, [Written(item) for item in refused])
            self.report.newly_failed += len(news)
            self._tell([("failed", store.full_path(path), why) for path, why in news.items()])
        self.report.failures += [(store.full_path(path), why) for path, why in look.refused.items()]

    def _other_contents(self, todo: Sequence[Found], progress: Progress | None) -> list[Found]:
        """Files that have other content than before, though their size and time are the same."""
        looked_at = {file.path for file in todo}
        rest = [(path, file) for path, file in self.look.found.items() if file.path not in looked_at]
        rest = [(path, file) for path, file in rest if path in self.known]
        changed = []
        for number, (path, file) in enumerate(rest):
            old = self.known[path]
            if old.status == "ok" and old.digest not in (None, digest_of(file)):
                changed.append(file)
                self.report.unchanged -= 1
            if progress:
                progress("contents", number + 1, len(rest))
        return changed

    # --------------------------------------------------------------------------------------------------- what has moved

    def move(self, todo: Sequence[Found]) -> list[Found]:
        """Give items the paths where their content is now, all of them in one commit; what is left to look at.

        A file can be a lost item only if it has as many bytes, so only those files are read for it. An item that is out
        of reach, or in a folder that is not looked at, is lost as well where its file is not there.
        """
        new = {self.store.kept_path(file.path): file for file in todo}
        new_sizes = {file.size for file in new.values()}
        lost = {
            item.id: Lost(path, item.digest, item.size)
            for path, item in self.known.items()
            if item.digest is not None and item.size in new_sizes and item.status == "ok"
            if item.id in self.gone or path in new or not self._is_there(path)
        }
        sizes = {item.size for item in lost.values()}
        digests = {path: digest for path, file in new.items() if file.size in sizes and (digest := digest_of(file))}
        places = {id: path for id, path in matching.moves(lost, digests).items() if path != lost[id].path}
        self.gone -= set(places)
        if not places:
            return list(todo)
        items = self.store.items(list(places))
        left = {item.kept for item in items}
        # Whoever is still where another comes has gone: its content was found nowhere.
        ousted = self.store.items(
            [
                self.known[path].id
                for path in places.values()
                if path in self.known and self.known[path].id not in places
            ]
        )
        with self.store.transaction():
            self._oust(ousted)
            marks = [(f"\0{item.id}", item.id) for item in items]  # a path has one item: first all make room
            self.store.change("UPDATE items SET path = ? WHERE id = ?", marks)
            files = [new[places[item.id]] for item in items]
            moved = [
                replace(item, kept=places[item.id], size=file.size, mtime_ns=file.mtime_ns)
                for item, file in zip(items, files, strict=True)
            ]
            write(self.vectors, [Written(item, keeps=True) for item in moved])
        self.gone -= {item.id for item in ousted}
        self.report.renamed += len(items)
        self._tell([("removed", self.store.full_path(item.kept), "") for item in ousted])
        self._tell([("renamed", new[places[item.id]].path, "") for item in items])
        self.known = {path: item for path, item in self.known.items() if path not in left}
        for item in items:
            file = new[places[item.id]]
            state = _Known(item.id, file.size, file.mtime_ns, item.beside_at, "ok", item.reason, item.digest)
            self.known[places[item.id]] = state
        self.moved = set(places.values())
        # Words beside a file do not move with it of themselves.
        return [
            file for path, file in new.items() if path not in self.moved or file.beside_at or self.known[path].beside_at
        ]

    def in_order(self, files: Sequence[Found]) -> list[Found]:
        """Edits before what is new, in the order in which they were written.

        New content may lie in several places. It is an edit of the picture in whose place it was written first, and a
        copy everywhere else.
        """
        edits: list[Found] = []
        new: list[Found] = []
        for file in files:
            (edits if self.store.kept_path(file.path) in self.known else new).append(file)
        return sorted(edits, key=_written_at) + new

    def _is_there(self, path: str) -> bool:
        return path in self.look.found or os.path.lexists(self.store.full_path(path))

    def tell_away(self) -> None:
        """Report the folders that are out of reach, but those that are there and out of which everything has moved."""
        filed = [path for path, item in self.known.items() if item.size is not None]
        for folder, closed in self.look.closed.items():
            place = self.store.full_path(folder)
            held = sum(below(path, prefixes(self.store, place)) for path in filed)
            if held or closed is not EMPTIED:
                self.report.away.append((place, closed.told(held)))

    # ---------------------------------------------------------------------------------------------------------- a batch

    def take(self, files: Sequence[Found], looks: Sequence[Look]) -> None:
        """Encode what must be, and commit the batch."""
        paths = [self.store.kept_path(file.path) for file in files]
        old_ids = [self.known[path].id for path in paths if path in self.known]
        old = {item.id: item for item in self.store.items(old_ids)}
        digests = [look.digest for look in looks if look.digest]
        unwelcome = dict(self.store.pairs("digest, path", "barred", "digest", digests))
        unwanted: list[Look] = []
        awaited = waiting.of(self.store, digests)
        given: dict[str, Item | Waiting] = {**waiting.shared(self.store, digests), **awaited}
        new: list[tuple[Item, Look, Item | None]] = []
        ousted: list[Item] = []
        for path, file, look in zip(paths, files, looks, strict=True):
            before = old.get(self.known[path].id) if path in self.known else None
            if before is not None and not look.reason and not self._is_still(before, look, given, awaited):
                ousted.append(before)
                before = None
            if before is None and look.digest in unwelcome:
                unwanted.append(look)
                continue
            item = self._item(path, file, look, before)
            if item.status == "ok":
                if look.digest in given and (before is None or before.digest not in (None, look.digest)):
                    item = replace(item, given=given[look.digest].given, metadata=given[look.digest].metadata)
                elif look.digest in awaited:
                    item = waiting.with_words(item, awaited[look.digest])
                given.setdefault(look.digest, item)
            new.append((item, look, before))
        rows = self._rows(new)
        items = []
        for item, look, before in new:
            reason = rows[look.digest] if item.status == "ok" else None
            if isinstance(reason, str):
                item = _failed(item, before, reason)
            elif item.status == "ok" and _moved(look):
                # The row may be of another picture than the digest. No file has this time, so it is looked at again.
                item = replace(_failed(item, before, "changed while it was read"), mtime_ns=0)
            items.append((item, before))
        told = [("removed", self.store.full_path(item.kept), "") for item in ousted]
        texts = self._texts(items)
        work = []
        for (item, before), (_, look, _) in zip(items, new, strict=True):
            row = rows.get(look.digest) if item.status == "ok" else None
            keeps = before is not None and before.status == item.status == "ok" and before.digest == item.digest
            keeps = keeps and not self._seen_anew(before, look)
            made = row if isinstance(row, np.ndarray) and not keeps else None
            work.append(Written(item, made, texts.get(item.kept), keeps))
        with self.store.transaction():
            self._oust(ousted)
            self._bar(unwanted)
            write(self.vectors, work)
            for (item, before), (_, look, _) in zip(items, new, strict=True):
                if before is not None and (before.digest != item.digest or item.status != "ok"):
                    waiting.keep(self.store, before, "edited" if waiting.covers(item, before) else "gone")
                told.append((self._count(item, before, look), look.path, item.reason))
            outdated.done(self.store, [before.id for _, before in items if before is not None])
            back = {item.digest for item, _ in items if item.status == "ok"} & set(awaited)
            waiting.drop(self.store, [str(digest) for digest in back])
            self.report.restored += sum(
                awaited[str(digest)].why == "gone" and awaited[str(digest)].says_anything for digest in back
            )
        self._tell(told)

    def _oust(self, items: Sequence[Item]) -> None:
        """Remove items in whose place another picture lies, inside a transaction."""
        self.report.removed += waiting.delete(self.store, [item.id for item in items])
        self.ousted += items

    def _bar(self, unwanted: Sequence[Look]) -> None:
        """Remember where else the contents lie that were removed for ever: so they are not read again."""
        places = [(self.store.kept_path(look.path), look.digest, look.size, look.mtime_ns) for look in unwanted]
        barred.keep_out(self.store, places)
        self.report.barred += len(unwanted)

    def _is_still(self, before: Item, look: Look, given: Container[str], awaited: Mapping[str, Waiting]) -> bool:
        """Whether what lies in the place of an item is that item still: of the same content, or an edit of it.

        A picture that is known here, or was taken at another time, is another picture that took the name.
        """
        if before.digest in (None, look.digest):
            return True
        if look.digest in awaited and (awaited[look.digest].path, awaited[look.digest].why) == (before.kept, "edited"):
            return True  # the edit was taken back
        if look.digest in given or (before.status != "ok" and waiting.shared(self.store, [str(before.digest)])):
            return False
        known = min(len(before.taken or ""), len(look.taken or ""))  # a date may have lost its time of day
        return (before.taken or "")[:known] == (look.taken or "")[:known]

    def _seen_anew(self, before: Item | None, look: Look) -> bool:
        """Whether an older version may have seen other pixels in the same file."""
        return before is not None and before.id in self.outdated and not look.plain

    def _item(self, path: str, file: Found, look: Look, before: Item | None) -> Item:
        kept = Item(path)
        if before is not None:
            kept = Item(path, before.id, digest=before.digest, given=before.given, metadata=before.metadata)
        if look.reason:
            return replace(
                kept,
                status="failed",
                reason=look.reason,
                size=file.size,
                # Not its time, so that the next run looks at it again; but one that changed can still be told from it.
                mtime_ns=~file.mtime_ns if look.again else file.mtime_ns,
                beside_at=file.beside_at,
            )
        facts = {name: getattr(look, name) for name in ("width", "height", "taken", "camera", "lat", "lon")}
        return replace(
            kept,
            reason="; ".join(filter(None, (file.note, look.note))),
            digest=look.digest,
            size=look.size,
            mtime_ns=look.mtime_ns,
            beside_at=file.beside_at,
            found=Words(look.captions, look.tags),
            **facts,
        )

    def _rows(self, new: Sequence[tuple[Item, Look, Item | None]]) -> dict[str, Array | str]:
        """digest -> the row of the picture, or why it has none."""
        wanted = {look.digest: look for item, look, _ in new if item.status == "ok"}
        twins: dict[str, int] = {}
        for plain, also in ((True, ""), (False, "AND id NOT IN (SELECT item FROM outdated)")):
            digests = [digest for digest, look in wanted.items() if look.plain == plain]
            twins.update(self.store.pairs("digest, id", "items", "digest", digests, f"AND status = 'ok' {also}"))
        rows: dict[str, Array | str] = dict(zip(twins, self.vectors.of(list(twins.values())), strict=True))
        missing = {digest: look for digest, look in wanted.items() if digest not in rows}
        self.report.encoded += len(missing)
        pixels = [look.pixels for look in missing.values() if look.pixels is not None]
        if pixels and len(pixels) == len(missing):
            seen = getattr(self.encoder(), "encode_pixels")(np.stack(pixels))  # noqa: B009 - only some encoders have it
            made, normalised = self.vectors.judged(seen, len(pixels))
        else:
            made, normalised = encoded(self.vectors, self.encoder, [look.path for look in missing.values()])
        self.report.normalised += normalised
        rows.update(zip(missing, made, strict=True))
        self.report.copied += sum(item.status == "ok" for item, _, _ in new) - len(missing)
        return rows

    def _texts(self, items: Sequence[tuple[Item, Item | None]]) -> dict[str, Array]:
        """path -> rows of its captions, of those whose captions are others than before."""
        changed = [i for i, old in items if old is None or old.captions != i.captions or old.status != i.status]
        changed = [item for item in changed if item.status == "ok"]
        return encoded_texts(self.vectors, self.encoder, {item.kept: item.captions for item in changed})

    def _count(self, item: Item, before: Item | None, look: Look) -> str:
        """Put it into the report, and say what happened."""
        report = self.report
        if item.status != "ok":
            report.failures.append((look.path, item.reason))
            report.newly_failed += before is None or before.reason != item.reason
            return "failed"
        if item.reason:
            report.notes.append((look.path, item.reason))
        if before is None:
            report.added += 1
            return "added"
        anew = self._seen_anew(before, look)
        if before.digest == item.digest and not anew:
            report.copied -= 1
        if item.kept in self.moved:
            return ""
        report.reread += before.id in self.outdated
        if before.id in self.outdated and not anew and before.crc() == item.crc():
            report.unchanged += 1
            return ""
        report.updated += 1
        return "updated"

    def _tell(self, changes: Iterable[tuple[str, str, str]]) -> None:
        """After the commit, so that what is told is done."""
        if self.changed:
            for what, path, why in changes:
                if what:
                    self.changed(what, path, why)

    def finish(self) -> None:
        """Remove what is gone, and count whose words wait."""
        removed = self.ousted
        if self.gone and not self.report.waiting:  # what is gone may be one of those that wait, under another name
            gone = self.store.items(sorted(self.gone))
            with self.store.transaction():
                self.report.removed += waiting.delete(self.store, [item.id for item in gone])
            self._tell(("removed", self.store.full_path(item.kept), "") for item in gone)
            removed = removed + gone
        waits = waiting.of(self.store, [item.digest for item in removed if item.digest])
        self.report.words_waiting = sum(some.says_anything for some in waits.values())

    # ---------------------------------------------------------------------------------------------------- captions file

    def caption(self, rows: Sequence[Row], file: Path) -> None:
        """Give the pictures that the lines of a captions file name their texts and labels."""
        places = [*self.look.roots, str(file.resolve().parent)]
        sql = "SELECT path, size IS NOT NULL FROM items WHERE status = 'ok'"
        keys = {self.store.key(path, bool(has_file)) for path, has_file in self.store.rows(sql)}
        for batch in batches(list(rows), 16 * BATCH):
            entries = {}
            for row in batch:
                names = (full(str(Path(place) / row.image)) for place in places)
                key = next((name for name in names if name in keys), None)
                if key is None:
                    self.report.unmatched += 1
                    self.report.unmatched_images.append(row.image)
                else:
                    entries[key] = Entry(key, captions=row.texts, tags=row.labels)
            self.report.captioned += give(self.vectors, self.encoder, list(entries.values())).changes


def _written_at(file: Found) -> tuple[int, int]:
    """When a file was written. Copies may keep the time of what they are of, but not that of their own last change."""
    try:
        return file.mtime_ns, Path(file.path).stat().st_ctime_ns
    except OSError:
        return file.mtime_ns, 0


def _captions(file: Path) -> list[Row]:
    """The lines of a captions file, those of one picture together."""
    ending = file.suffix.lower()
    if ending not in (".jsonl", ".csv", ".tsv", ".parquet"):
        raise BadInput(f"{file}: captions come as .jsonl, .csv, .tsv or .parquet")
    if not file.is_file():
        raise BadInput(f"{file}: no such file")
    return merged(jsonl.rows(file) if ending == ".jsonl" else table.rows(file))


def _failed(item: Item, before: Item | None, reason: str) -> Item:
    """What is kept of it when it cannot be found: of the item that it was, the content and the words that has."""
    last = before or Item(item.kept)
    return replace(item, status="failed", reason=reason, digest=last.digest, given=last.given, metadata=last.metadata)


def digest_of(file: Found) -> str:
    """The sha256 of a file; "" where it cannot be read, or is not what it was when it was found."""
    try:
        with open(file.path, "rb") as stream:
            at = os.fstat(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
    return digest if (at.st_size, at.st_mtime_ns) == (file.size, file.mtime_ns) else ""


def _moved(look: Look) -> bool:
    try:
        at = os.stat(look.path)  # noqa: PTH116 - a string is all that is needed
    except OSError:
        return True
    return (at.st_size, at.st_mtime_ns) != (look.size, look.mtime_ns)
