"""The collections that are served: readers that requests borrow, and for each one thread that writes."""

from __future__ import annotations

import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from diptych.app.server.access import files
from diptych.app.server.access.opaque import OpaqueIds
from diptych.app.server.experiment import Against, Drafts
from diptych.app.server.jobs import Jobs
from diptych.app.server.problems import Problem
from diptych.app.server.thumbnails import Thumbnails
from diptych.collection import Collection, Item, identity
from diptych.collection.store import FILE, HIDDEN
from diptych.kinds import Array, BadInput, shown

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)

IDLE = 2.0
"""Seconds after the last write when the collection is let go of, so that other programs may write."""


class Writer:
    """One thread that writes to a collection, one thing after another; the lock is held only while there is work.

    Whatever takes long asks `between` now and then: what came in the meantime, a mark or a caption, is written there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._work: queue.SimpleQueue[tuple[Callable[[Collection], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._long: queue.SimpleQueue[tuple[Callable[[Collection], Any], Future[Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, work: Callable[[Collection], T], long: bool = False) -> Future[T]:
        """Have something written. long: it may be preceded and interrupted by what is not."""
        future: Future[T] = Future()
        if long:
            self._long.put((work, future))
        self._work.put(None if long else (work, future))
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=f"writer of {self._folder.name}", daemon=True)
                self._thread.start()
        return future

    def between(self, collection: Collection) -> None:
        """Write what waits and is short. Outside of a transaction."""
        waiting = []
        with suppress(queue.Empty):
            while True:
                waiting.append(self._work.get_nowait())
        for one in waiting:
            if one is None:
                self._work.put(None)
            else:
                _done(*one, collection)

    def _run(self) -> None:
        while True:
            try:
                one = self._work.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if self._work.empty():
                        self._thread = None
                        return
                continue
            work, future = one if one is not None else self._long.get()
            try:
                with Collection.open(self._folder, write=True) as collection:
                    _done(work, future, collection)
                    self._more(collection)
            except Exception as error:
                if not future.done():
                    future.set_exception(error)

    def _more(self, collection: Collection) -> None:
        """What follows soon finds the collection open."""
        with suppress(queue.Empty):
            while True:
                one = self._work.get(timeout=IDLE)
                _done(*(one if one is not None else self._long.get()), collection)


def _done(work: Callable[[Collection], Any], future: Future[Any], collection: Collection) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work(collection))
        except BaseException as error:
            future.set_exception(error)


class Served:
    """One collection. name: of its address; tenant: who owns it.

    place     where it lies, which tells it from all others: names are given anew each time that the server starts
    is_made   over HTTP, and not of a person's own folder
    """

    def __init__(self, name: str, folder: Path, secret: bytes, readers: int, seconds: float, tenant: str = "") -> None:
        self.name, self.folder, self.tenant, self._seconds = name, folder, tenant, seconds
        self.place = str(folder.resolve())
        self.opaque = OpaqueIds(secret, tenant, self.place)  # browsers keep thumbnails by their ids for a day
        self.inbox = folder.parent / "uploads" if folder.name == HIDDEN else folder / "pictures"
        with Collection.open(folder) as first:
            at, is_encrypted = first.status()["encoder"]["folder"], first.is_encrypted
        self._encoder = identity.load(at) if at else None
        self._free: queue.LifoQueue[Collection | None] = queue.LifoQueue()  # the last one back has everything in memory
        for _ in range(readers):
            self._free.put(None)
        self.writer = Writer(folder)
        self.jobs = Jobs(self.writer)
        self.is_made = False
        self.against: Against | None = None
        self.drafts = Drafts()
        self.thumbnails = Thumbnails(None if is_encrypted else folder)

    @property
    def is_writable(self) -> bool:
        """Whether the disk and the owner of the files let anything be written."""
        return os.access(self.folder, os.W_OK) and os.access(self.folder / FILE, os.W_OK)

    @contextmanager
    def reader(self) -> Iterator[Collection]:
        """A collection to read in. Raises Problem where none gets free in time; errors do not tell where it lies."""
        try:
            collection = self._free.get(timeout=self._seconds)
        except queue.Empty:
            raise Problem(503, "too many searches at once; try again soon", Retry_After="1") from None
        try:
            if collection is None:
                collection = Collection.open(self.folder, self._encoder)
            with collection.within(self._seconds):
                yield collection
        except BadInput as error:
            raise type(error)(str(error).replace(str(self.folder), self.name)) from None
        finally:
            self._free.put(collection)

    def write(self, work: Callable[[Collection], T]) -> T:
        """Have something written, and wait for it. What is not begun in time is not written at all."""
        future = self.writer.submit(work)
        try:
            return future.result(self._seconds)
        except TimeoutError:
            if not future.cancel():
                return future.result()
            raise Problem(
                503, "another program is writing to the collection; try again soon", Retry_After="5"
            ) from None
        except BadInput as error:
            raise type(error)(str(error).replace(str(self.folder), self.name)) from None

    def opened(self, reader: Collection, id: str) -> int:
        """The number of an item. Raises Problem, in the same words for an id that never was and one that is gone."""
        number = self.opaque.find(id)
        if number is None or not reader.ids(number):
            raise Problem(404, "there is no such item")
        return number

    def item(self, id: str) -> Item:
        """What is known of an item. Raises Problem as `opened`."""
        with self.reader() as reader:
            return reader.get(self.opened(reader, id))

    def encode_texts(self, texts: list[str]) -> Array:
        """One row a text. Raises Problem where the collection has no encoder."""
        if self._encoder is None:
            raise Problem(409, f"{self.name} holds rows alone and has no encoder")
        return np.asarray(self._encoder.encode_texts(texts))

    def close(self) -> None:
        self.jobs.close()
        self.thumbnails.close()
        with suppress(queue.Empty):
            while True:
                if (collection := self._free.get_nowait()) is not None:
                    collection.close()


class Library:
    """The collections of a server by name. Use it in a `with`."""

    def __init__(self, secret: bytes, readers: int, seconds: float) -> None:
        self._secret, self._readers, self._seconds = secret, readers, seconds
        self._served: dict[tuple[str, str], Served] = {}
        self._aside: list[Served] = []
        self.started = time.time()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        for served in (*self._served.values(), *self._aside):
            served.close()

    def add(self, folder: Path, name: str = "", tenant: str = "") -> Served:
        """Serve the collection in a folder; by default under the name of the folder it is about."""
        own = name or (folder.resolve().parent.name if folder.name == HIDDEN else folder.resolve().name)
        name, number = own, 1
        while (tenant, name) in self._served:
            number += 1
            name = f"{own}-{number}"
        served = Served(name, folder, self._secret, self._readers, self._seconds, tenant)
        self._served[tenant, name] = served
        return served

    def aside(self, folder: Path) -> Served:
        """A collection that nobody is shown, for what another one needs of it."""
        served = Served(folder.name, folder, self._secret, self._readers, self._seconds)
        self._aside.append(served)
        return served

    def make(self, home: Path, tenant: str, name: str) -> Served:
        """A new collection, to be filled with uploads. Raises BadInput for a name that is taken or is none."""
        if not _NAME.fullmatch(name):
            raise BadInput(f"name: {shown(name)}; give 1 to 64 letters, digits, - and _, a letter or digit first")
        folder = files.collection(home, tenant, name)
        if (tenant, name) in self._served or folder.exists():
            raise BadInput(f"name: there is a collection {name} already; choose another")
        Collection.open(folder, write=True).close()
        return self._add_made(folder, name, tenant)

    def add_made(self, home: Path) -> None:
        """Serve what `make` made when the server ran before."""
        for file in sorted(home.glob(f"collections/*/*/{FILE}")):
            owner = file.parents[1].name
            self._add_made(file.parent, file.parent.name, "" if owner == files.OWN else owner)

    def _add_made(self, folder: Path, name: str, tenant: str) -> Served:
        served = self.add(folder, name, tenant)
        served.is_made = True
        return served

    def delete(self, served: Served) -> None:
        """Delete a collection that `make` made, with what was uploaded. Raises BadInput for one of a person's own."""
        if not served.is_made:
            raise BadInput(f"{served.name} lies in a folder of its own; delete it there")
        del self._served[served.tenant, served.name]
        served.close()
        shutil.rmtree(served.folder)

    def opaque(self, *of: str) -> OpaqueIds:
        """Ids of items that mean something in one place alone."""
        return OpaqueIds(self._secret, *of)

    def get(self, tenant: str, name: str) -> Served | None:
        return self._served.get((tenant, name))

    def at(self, tenant: str, place: str) -> Served | None:
        """The one that lies there."""
        return next((served for served in self.of(tenant) if served.place == place), None)

    def of(self, tenant: str) -> Sequence[Served]:
        """Those of a tenant: the ones that were named, in that order, and then those made here, by name."""
        some = [served for served in self._served.values() if served.tenant == tenant]
        return sorted(some, key=lambda one: (one.is_made, one.name if one.is_made else ""))

    def all(self) -> Sequence[Served]:
        return list(self._served.values())
