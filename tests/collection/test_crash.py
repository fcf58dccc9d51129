"""A process that indexes is killed at random points: what it acknowledged stays, and nothing is done twice.

`DIPTYCH_KILLS=50` makes it long; `DIPTYCH_SEED` repeats a run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import permutations
from pathlib import Path

import numpy as np
from collection_world import COLOURS, Palette, album

from diptych.collection import Collection

KILLS = int(os.environ.get("DIPTYCH_KILLS", "8"))
SEED = int(os.environ.get("DIPTYCH_SEED", "3"))
BATCH = 4
SUMS = (("+", 1), ("-", 1), ("+", 2), ("-", 3))

CHILD = """
import sys, time
from dataclasses import dataclass
sys.path.insert(0, sys.argv[1])
from collection_world import Palette
from diptych.collection import Collection, ingest

ingest.BATCH = int(sys.argv[4])

@dataclass
class Slow(Palette):
    def encode_images(self, items):
        with open(sys.argv[5], "a") as log:
            log.writelines(path + "\\n" for path in items)
        time.sleep(0.01)
        return super().encode_images(items)

Slow.__module__, Slow.__qualname__ = Palette.__module__, Palette.__qualname__
with Collection.open(sys.argv[2], Slow(), write=True) as collection:
    print(0, flush=True)
    collection.add(sys.argv[3], workers=1, progress=lambda what, done, of: print(done, flush=True))
print("end", flush=True)
"""


def index(collection: Path, pictures: Path, log: Path, stop: tuple[int, float] | None = None) -> int:
    """Index in a child; kill it some seconds after it acknowledged so many batches. How many pictures it told of."""
    here = str(Path(__file__).parents[1] / "worlds")
    command = [sys.executable, "-c", CHILD, here, str(collection), str(pictures), str(BATCH), str(log)]
    told = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for batch, line in enumerate(child.stdout):
            if line.strip() == "end":
                break
            told = int(line)
            if stop is not None and batch == stop[0]:
                time.sleep(stop[1])
                child.kill()
                break
        # What it wrote between the last line that was read and its end was acknowledged too.
        told = max([told, *(int(line) for line in child.stdout if line.strip().isdigit())])
        code = child.wait()
    assert code in (0, -9), f"the child ended with {code}"
    return told


def test_kill_9_loses_nothing_acknowledged_and_repeats_nothing_done(tmp_path):
    rng = np.random.default_rng(SEED)
    n = BATCH * max(24, KILLS)
    pictures, log = tmp_path / "pictures", tmp_path / "log"
    album(pictures, n)
    kept = 0
    for _ in range(KILLS):
        told = index(tmp_path / "c", pictures, log, (int(rng.integers(0, 3)), float(rng.uniform(0, 0.03))))
        with Collection.open(tmp_path / "c", Palette()) as collection:
            paths = [collection.get(id).path for id in collection.ids()]
            assert len(paths) == len(set(paths)) >= kept + told, "an acknowledged picture is lost"
            assert collection.verify() == []
            kept = len(paths)
    index(tmp_path / "c", pictures, log)
    encoded = log.read_text().splitlines()
    assert len(set(encoded)) == n and len(encoded) <= n + BATCH * KILLS
    with (
        Collection.open(tmp_path / "c", Palette()) as collection,
        Collection.open(tmp_path / "at once", Palette(), write=True) as whole,
    ):
        whole.add(pictures)
        assert len(collection) == n and collection.verify(contents=True) == []
        queries = [f"{one} {sign} {weight}:{other}" for one, other in permutations(COLOURS, 2) for sign, weight in SUMS]
        assert KILLS >= 7 and len(queries) >= 200
        for query in queries:
            interrupted, uninterrupted = collection.search(query).results, whole.search(query).results
            assert [(hit.path, hit.score) for hit in interrupted] == [(hit.path, hit.score) for hit in uninterrupted]
