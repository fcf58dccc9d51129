"""Postcards: a seeded world of small painted scenes, with captions, and an oracle that knows every answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import ceil
from pathlib import Path

from diptych.kinds import BadInput, Progress
from diptych.postcards.card import SIZE
from diptych.postcards.oracle import Oracle
from diptych.postcards.paint import outlines, paint
from diptych.postcards.relations import FAMILY, families
from diptych.postcards.scene import ATTRIBUTES, CLASSES, Group, Scene, attribute_table, class_table, imagine
from diptych.postcards.words import captions, change

__all__ = [
    "ATTRIBUTES",
    "CLASSES",
    "FAMILY",
    "SIZE",
    "Group",
    "Oracle",
    "Scene",
    "attribute_table",
    "change",
    "class_table",
    "families",
    "generate",
    "imagine",
    "load",
    "outline",
    "outlines",
    "paint",
    "write",
]

WORLD = 1
"""Raised when the same seed paints another world than before, so that old folders are not taken for new ones."""

_FEW = 500
"""Scenes that one process paints about as soon as several have started."""


def generate(n: int, seed: int = 0, first: int = 0, unseen: bool = False) -> list[Scene]:
    """Scenes `first` to `first + n` of the world of this seed, with five captions each.

    unseen   made only of pairs (place with time, kind with colour) that no other scene shows
    """
    scenes = (imagine(index, seed, unseen) for index in range(first, first + n))
    return [replace(scene, captions=captions(scene, seed)) for scene in scenes]


def write(
    folder: str | Path,
    n: int,
    seed: int = 0,
    workers: int | None = None,
    *,
    first: int = 0,
    unseen: bool = False,
    related: bool = False,
    progress: Progress | None = None,
) -> list[Scene]:
    """Paint scenes into `folder`: `images/NNNNN.png`, and `scenes.jsonl` with
    a line `{image, captions, labels, attributes}` each.

    The folder appears when all of it is there. Work that was interrupted is taken up where it stopped; a folder that
    holds these scenes already is left as it is. Of several processes that want one folder, one paints and all others
    wait for it.

    unseen    as `generate` has it
    related   scenes in families that differ in who has what alone (`relations`)
    workers   processes; default: one a core, or one alone for a few hundred. The bytes do not depend on it.

    Raises BadInput when the folder holds something else.
    """
    home = Path(folder)
    scenes = families(n, seed, first) if related else generate(n, seed, first, unseen)
    world = {"world": WORLD, "n": n, "seed": seed, "first": first, "unseen": unseen}
    told = json.dumps(world | ({"related": True} if related else {}))  # older folders say nothing of it
    if _holds(home, told):
        return scenes
    with _alone(home):
        if _holds(home, told):  # another process was first
            return scenes
        if home.exists() and any(home.iterdir()):
            raise BadInput(f"{home} holds something other than these {n} postcards; choose an empty or a new folder")
        _paint_into(home, told, scenes, seed, workers, progress)
    return scenes


def outline(folder: str | Path, seed: int = 0) -> Path:
    """Write `regions.jsonl` beside `scenes.jsonl`, as the feature `regions` reads it: where the things of each are.

    seed   that of `write`. What is there already is left as it is. Raises BadInput where there are no scenes.
    """
    home = Path(folder)
    file = home / "regions.jsonl"
    if not file.exists():
        lines = (json.dumps({"image": _name(scene), "boxes": outlines(scene, seed)}) + "\n" for scene in load(home))
        wet = file.with_suffix(f".{os.getpid()}.wet")
        wet.write_text("".join(lines), encoding="utf-8")
        wet.replace(file)
    return file


def load(folder: str | Path) -> list[Scene]:
    """The scenes that `write` put into a folder, in order.

    Raises BadInput when there are none.
    """
    file = Path(folder) / "scenes.jsonl"
    try:
        return [Scene.read(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise BadInput(f"{file}: no such file; paint the postcards first with postcards.write(folder, n)") from None
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{file}: a line does not read as a scene ({error}); paint the folder anew") from None


def _paint_into(
    home: Path, world: str, scenes: Sequence[Scene], seed: int, workers: int | None, progress: Progress | None
) -> None:
    """Fill a folder beside `home` with what is not there yet, then give it its name."""
    part = home.with_name(f".{home.name}.part")
    if part.exists() and not _holds(part, world):
        shutil.rmtree(part)
    (part / "images").mkdir(parents=True, exist_ok=True)
    (part / "world.json").write_text(world + "\n", encoding="utf-8")
    (part / "scenes.jsonl").write_text(_lines(scenes), encoding="utf-8")
    missing = [scene for scene in scenes if not (part / _name(scene)).exists()]
    done = len(scenes) - len(missing)
    for number in _painted(part, seed, missing, workers or (_cores() if len(missing) > _FEW else 1)):
        done += number
        if progress:
            progress("painting postcards", done, len(scenes))
    for wet in (part / "images").glob("*.wet"):
        wet.unlink()
    if home.exists():
        home.rmdir()
    part.rename(home)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One process at a time, by a lock on a file beside `home`; the system opens the lock of a process that dies."""
    file = home.with_name(f".{home.name}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(file, "ab") as held:
            _lock(held.fileno())
            # Whoever was first has deleted the file, and others may have made a new one: only a lock on that counts.
            if not (file.exists() and os.path.samestat(os.fstat(held.fileno()), file.stat())):
                continue
            try:
                yield
            finally:
                with suppress(OSError):  # Windows deletes no open file
                    file.unlink()
            return


def _lock(file: int) -> None:
    """Wait for the lock. Painting programs do not inherit it, so it never outlives the one that asked for it."""
    if sys.platform == "win32":
        import msvcrt

        while True:
            with suppress(OSError):
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
                return
            time.sleep(0.2)
    else:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX)


def _cores() -> int:
    """Cores this process may use; the affinity tells the truth inside a container, where there is one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _name(scene: Scene) -> str:
    return f"images/{scene.index:05d}.png"


def _lines(scenes: Iterable[Scene]) -> str:
    """A line of `scenes.jsonl` for each scene."""
    rows = (
        {
            "image": _name(scene),
            "captions": scene.captions,
            "labels": [f"{scene.place} at {scene.time}"],
            "attributes": scene.attributes(),
        }
        for scene in scenes
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


def _holds(folder: Path, world: str) -> bool:
    told = folder / "world.json"
    return told.exists() and told.read_text(encoding="utf-8").strip() == world


def _painted(folder: Path, seed: int, scenes: Sequence[Scene], workers: int) -> Iterator[int]:
    """How many scenes more are there, each time that some are."""
    if workers == 1:
        for some in _chunks(scenes, 50):
            save(folder, seed, some)
            yield len(some)
        return

    def program(some: Sequence[Scene]) -> int:
        # A program of its own, not a fork: a process that forks while it has threads, as those of libraries, may hang.
        command = [sys.executable, "-m", "diptych.postcards", str(folder), str(seed)]
        ended = subprocess.run(command, input=_lines(some), capture_output=True, text=True)
        if ended.returncode:
            why = (ended.stderr.strip() or f"exit code {ended.returncode}").splitlines()[-1]
            raise BadInput(f"{folder}: painting stopped ({why}); what is there is kept, begin again")
        return len(some)

    with ThreadPoolExecutor(workers) as threads:
        yield from threads.map(program, _chunks(scenes, min(250, ceil(len(scenes) / workers) or 1)))


def _chunks(scenes: Sequence[Scene], length: int) -> Iterator[Sequence[Scene]]:
    return (scenes[start : start + length] for start in range(0, len(scenes), length))


def save(folder: Path, seed: int, scenes: Iterable[Scene]) -> None:
    """Paint scenes of a folder that `write` is at; a file is there only when all of it is."""
    for scene in scenes:
        file = folder / _name(scene)
        wet = file.with_suffix(f".{os.getpid()}.wet")
        paint(scene, seed).save(wet, format="PNG", compress_level=1)
        wet.replace(file)
