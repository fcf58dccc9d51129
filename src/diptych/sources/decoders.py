"""Picture files looked at by worker processes: one that is damaged, hostile or endless costs itself and nothing else.

A worker is `python -m diptych.sources.decoders`: a JSON line in names a few files, and for each a JSON line out says
what it is. It is a program of its own, not a fork: nothing of the calling process is copied into it, and nothing is
asked of the caller's main module. A worker that dies or takes too long is replaced, and the file it had in hand is the
reason. What an encoder would see of the picture comes with the answer, so that no file is decoded twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import LifoQueue
from typing import Any, Self

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from diptych.kinds import Array, BadInput, batches
from diptych.sources import pictures, shown
from diptych.sources.metadata import embedded, sidecar
from diptych.sources.metadata.about import joined
from diptych.sources.pictures import Preprocessing

SECONDS = 20.0
"""How long a worker may compute over one file, or a quarter more. What else the machine does does not count."""

_PATIENCE = 3
"""How many times as long a worker may stand still, for a slow disk or for its turn, without computing at all."""

MAX_BYTES = 1_000_000_000
"""Size of a file."""

_WHOLE = 32 << 20
"""Bytes of a file that is held in memory while it is looked at."""

_MEMORY = 2 << 30
"""Bytes that a worker may ask for beyond what it starts with, where the system can hold it to that."""

_LATE = "took more than {seconds:g} s of computing to read; it is tried again on the next run"
_HANGING = "took more than {seconds:g} s to read, waiting for its disk; it is tried again on the next run"

_STOPPED = "not read, since everything was ended; it is tried again on the next run"

_TOGETHER = 8
"""Files that a worker is asked for at once: each question wakes two threads."""

_ENOUGH = 64  # pixels a side: a JPEG is read to its end, but most of the work of turning it into pixels is spared


@dataclass(frozen=True)
class Look:
    """One file as a worker saw it.

    reason          why it is no picture that can be used; "" when it is one
    digest          sha256 of the file, hexadecimal
    width, height   pixels, as it stands upright
    captions, tags  what is written in it and beside it
    note            what of it, and of the words in it and beside it, could not be read, though the picture can
    plain           whether it is seen as it is stored, in every version of this program (see `shown.plain`)
    again           whether the reason may lie in the moment and not in the file, which is worth another look later
    pixels          (side, side, 3) uint8, where a preprocessing was asked for; (height, width, 3) of a `fit`
    """

    path: str
    reason: str = ""
    digest: str = ""
    size: int = 0
    mtime_ns: int = 0
    width: int = 0
    height: int = 0
    taken: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None
    captions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    note: str = ""
    plain: bool = True
    again: bool = False
    pixels: Array | None = field(default=None, compare=False, repr=False)


def look(
    path: str, beside: Sequence[str] = (), preprocessing: Preprocessing | None = None, fit: int | None = None
) -> Look:
    """What is in a picture file and the files of words beside it: read, hashed and decoded in this very process.

    preprocessing   how an encoder looks at pictures, for `pixels`
    fit             in its place: `pixels` for people, of the picture scaled down to so many a side
    """
    try:
        return _look(path, beside, preprocessing, fit)
    except BadInput as error:
        return Look(path, str(error).removeprefix(f"{path}: "))
    except OSError as error:
        return Look(path, f"not readable ({error.strerror or error})", again=True)
    except MemoryError:
        return Look(path, "takes more memory to read than it may")


def _look(path: str, beside: Sequence[str], preprocessing: Preprocessing | None, fit: int | None) -> Look:
    with open(path, "rb") as file:
        at = os.fstat(file.fileno())
        if at.st_size > MAX_BYTES:
            raise BadInput(f"{path}: {at.st_size:,} bytes, more than {MAX_BYTES:,}; scale it down first")
        # Read once, since four ask for it; what is very large is read by each, to hold little of it.
        source: io.BytesIO | io.BufferedReader = io.BytesIO(file.read(at.st_size)) if at.st_size <= _WHOLE else file
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        source.seek(0)
        with pictures.opened(source, path) as picture:
            stated = picture.size
            note = pictures.loaded(picture, preprocessing.enough if preprocessing else fit or _ENOUGH)
            # A JPEG may have come smaller than it is; PIL turns a TIFF upright itself.
            width, height = stated if isinstance(picture, JpegImageFile) else picture.size
            if pictures.orientation(picture) >= 5:  # lies on its side
                width, height = height, width
            plain = shown.plain(picture)
            pixels = preprocessing.square(pictures.upright(picture)) if preprocessing else None
            if fit:
                seen = pictures.upright(picture)
                seen.thumbnail((fit, fit), Image.Resampling.LANCZOS, reducing_gap=3.0)
                pixels = np.asarray(seen)
            inside = embedded.read(picture, source)  # a PNG may keep its words behind the pixels
    about = joined([*map(sidecar.read, beside), *inside])  # what stands beside it is believed first
    return Look(
        path,
        digest=digest,
        size=at.st_size,
        mtime_ns=at.st_mtime_ns,
        width=width,
        height=height,
        taken=about.taken,
        camera=about.camera,
        lat=about.lat,
        lon=about.lon,
        captions=about.captions,
        tags=about.tags,
        note="; ".join(filter(None, (note, *about.notes))),
        plain=plain,
        pixels=pixels,
    )


class Decoders:
    """A few worker processes, started when the first file comes. Use it in a `with`; leaving it ends them.

    preprocessing   how an encoder looks at pictures: each look then has its `pixels`
    """

    def __init__(
        self, workers: int | None = None, seconds: float = SECONDS, preprocessing: Preprocessing | None = None
    ) -> None:
        self.workers = workers or os.cpu_count() or 1
        self.seconds, self.preprocessing = seconds, preprocessing
        self._idle: LifoQueue[_Worker | None] = LifoQueue()  # who is there is asked before another is started
        self._all: set[_Worker] = set()
        for _ in range(self.workers):
            self._idle.put(None)  # a place for a worker that is not there yet
        self._threads = ThreadPoolExecutor(self.workers)
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._all):
            worker.end()  # nobody waits for the files that they have in hand
        self._threads.shutdown()
        for worker in self._all:
            worker.end()

    def looks(self, files: Iterable[tuple[str, Sequence[str]]]) -> Iterator[Look]:
        """A look at each (path, files beside it), in their order. Work begins at once."""
        files = list(files)
        parts = batches(files, min(_TOGETHER, -(-len(files) // self.workers)) or 1)
        waiting = [self._threads.submit(self._some, part, self.preprocessing) for part in parts]
        return (look for future in waiting for look in future.result())

    def small(self, path: str, side: int) -> Look:
        """A look at one picture for people, scaled down to fit so many pixels a side. From any thread."""
        (look,) = self._some([(path, ())], fit=side)
        return look

    def _some(
        self,
        files: Sequence[tuple[str, Sequence[str]]],
        preprocessing: Preprocessing | None = None,
        fit: int | None = None,
    ) -> list[Look]:
        how = {"preprocessing": preprocessing and asdict(preprocessing), "fit": fit}
        found: list[Look] = []
        suspect = None
        worker = self._idle.get()
        try:
            while len(found) < len(files) and not self._ended:
                if worker is None:
                    worker = _Worker(self.seconds)
                    self._all.add(worker)
                found += worker.ask(files[len(found) :], how)
                if len(found) < len(files):
                    self._all.discard(worker)
                    why, worker, at = worker.why, None, len(found)
                    given_up = why in (_LATE, _HANGING)
                    if given_up or at == suspect:
                        found.append(Look(files[at][0], why.format(seconds=self.seconds), again=given_up))
                    suspect = at  # it may have died of something else: a file is blamed when it takes two with it
        finally:
            self._idle.put(worker)
        return found + [Look(path, _STOPPED, again=True) for path, _ in files[len(found) :]]


class _Worker:
    """One process, the two pipes to it, and a thread that kills it where one file takes longer than so many seconds.

    why   it is gone, where it is
    """

    def __init__(self, seconds: float) -> None:
        # Whatever a library writes to standard output would be taken for an answer, so the worker moves its own away.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "diptych.sources.decoders"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=1 << 16,  # an answer with the pixels of a small square
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the caller, who ends the workers in good order
        )
        self.why = ""
        self._started = self._busy = False
        self._file = 0  # which one it has in hand, of all that it was ever asked for
        self._given_up = (-1, "")  # which one it was killed over, and why
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, args=(seconds,), daemon=True)
        self._watching.start()

    def ask(self, files: Sequence[tuple[str, Sequence[str]]], how: Mapping[str, Any]) -> Iterator[Look]:
        """A look at each, in order; it ends early where the worker is gone, of which the next file may be the cause."""
        assert self._process.stdin and self._process.stdout
        # Where it is gone, or is being ended, that is an OSError, a ValueError, or too little to read.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps({"files": files, **how}).encode() + b"\n")
            self._process.stdin.flush()
            if not self._started:  # how long a program takes to start, on a busy machine, is no fault of the file
                self._process.stdout.readline()
                self._started = True
            self._busy = True
            for _ in files:
                yield self._answer()
                self._file += 1
            self._busy = False
            return
        self.end()
        file, why = self._given_up
        died = f"the decoder died of it (exit code {self._process.returncode}); leave it out"
        self.why = why if file == self._file else died

    def _answer(self) -> Look:
        assert self._process.stdout
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if shape := answer["pixels"]:
            data = self._process.stdout.read(int(np.prod(shape)))
            answer["pixels"] = np.frombuffer(data, np.uint8).reshape(shape)
        return Look(**{**answer, "captions": tuple(answer["captions"]), "tags": tuple(answer["tags"])})

    def _watch(self, seconds: float) -> None:
        """Look at it now and then, which costs less than to set a clock for every file."""
        file, begun, last, moved = -1, 0.0, 0.0, 0.0
        while not self._over.wait(seconds / 4):
            if not self._busy:
                file = -1
                continue
            now, computed = time.monotonic(), self._computed()
            if file != self._file:
                file, begun, last, moved = self._file, computed, computed, now
            elif computed > last:
                last, moved = computed, now
            late = last - begun >= seconds
            if (late or now - moved >= _PATIENCE * seconds) and file == self._file:
                self._given_up = file, _LATE if late else _HANGING
                self._process.kill()
                return

    def _computed(self) -> float:
        """Seconds of a processor that it has used; where the system does not tell, those that have passed."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # in user and in kernel mode
        except (OSError, ValueError, IndexError):
            return time.monotonic()

    def end(self) -> None:
        self._over.set()
        self._watching.join()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()


def _bounded() -> None:
    """Hold this process to a size, so that a hostile file gets a MemoryError and not the machine."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (ImportError, OSError, ValueError):  # no such thing on this system
        pass


def _work() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _bounded()
    out.write(b"\n")
    out.flush()
    for line in sys.stdin.buffer:
        question = json.loads(line)
        preprocessing = question["preprocessing"] and Preprocessing(**question["preprocessing"])
        for path, beside in question["files"]:
            found = look(path, beside, preprocessing, question["fit"])
            pixels = found.pixels
            answer = {**vars(found), "pixels": None if pixels is None else pixels.shape}
            # Raw behind the line, since JSON would make four times as much of it; and in one piece, which wakes the
            # reader once.
            out.write(json.dumps(answer).encode() + b"\n" + (b"" if pixels is None else pixels.tobytes()))
            out.flush()


if __name__ == "__main__":
    _work()
