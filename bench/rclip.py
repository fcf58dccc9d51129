"""A folder of pictures indexed and searched, as whole processes: `diptych` against `rclip` from PyPI.

rclip runs the network of its own architecture, ViT-B-32-256 as float32 ONNX, with random weights: speed does not depend
on the values, and nothing but PyPI is needed. Ours runs twice: with the very same two files, so that all but the
network is compared, and with the encoder that it brings, so that first use is. rclip indexes and searches in one
process, ours in two; their seconds are added up.

  first     an empty database: all pictures are read, encoded and written, and one text is asked
  again     the same command(s) with nothing changed
  search    the text alone: `rclip --no-indexing` against `diptych search`

With one network the rows of both have to be the same. Seconds are on the clock; cpu is what all processes of a
program computed, and says more on a machine that has other work. Memory is the most that was held at a time.

    pip install -e ".[torch,bench]"
    DIPTYCH_DATA=... python bench/rclip.py [--json] [--pictures 7000] [--folder DIR] [--runs 5] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import processes
import random_clip
from processes import Run

from diptych.collection import Collection
from diptych.encoders import shelf
from diptych.kinds import cosine

QUERY = "two dogs in the snow"
RCLIP = "rclip==3.3.0"
MODEL = "ViT-B-32-256-datacomp_s34b_b86k"


class Theirs:
    """rclip in an environment of its own, with a folder of data that is thrown away."""

    def __init__(self, home: Path, network: Path) -> None:
        self.program = processes.installed("rclip", RCLIP) / "rclip"
        self.home = home
        for there, here in (
            (f"{MODEL}/visual.onnx", "image.onnx"),
            (f"{MODEL}/textual.onnx", "text.onnx"),
            ("tokenizer/bpe_simple_vocab_16e6.txt.gz", "vocabulary.txt.gz"),
        ):
            (home / there).parent.mkdir(parents=True, exist_ok=True)
            (home / there).symlink_to(network / here)

    def index(self, folder: Path) -> list[Run]:
        return [processes.run([self.program, QUERY], folder, RCLIP_DATADIR=self.home)]

    def search(self, folder: Path) -> Run:
        return processes.run([self.program, "--no-indexing", QUERY], folder, RCLIP_DATADIR=self.home)

    def rows(self, folder: Path) -> dict[str, np.ndarray]:
        with sqlite3.connect(self.home / "db.sqlite3") as database:
            found = database.execute("SELECT filepath, vector FROM images WHERE deleted IS NULL").fetchall()
        return {Path(path).name: np.frombuffer(vector, np.float32) for path, vector in found}


class Ours:
    """diptych in an environment of its own."""

    def __init__(self, home: Path, model: str | Path) -> None:
        self.program, self.home, self.model = processes.ours() / "diptych", home, model

    def index(self, folder: Path) -> list[Run]:
        command = [self.program, "index", folder, "--collection", self.home, "--model", self.model]
        return [processes.run(command, folder), self.search(folder)]

    def search(self, folder: Path) -> Run:
        return processes.run([self.program, "search", QUERY, "--collection", self.home], folder)

    def rows(self, folder: Path) -> dict[str, np.ndarray]:
        with Collection.open(self.home) as collection:
            ids, rows = collection._vectors.all("image")
            return {Path(collection.get(id).path).name: row for id, row in zip(ids.tolist(), rows, strict=True)}


def same_network(mine: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """The least cosine of two rows of one picture, both sides less the mean of all pictures."""
    if mine.keys() != other.keys():
        raise SystemExit(f"one has {len(mine)} pictures and the other {len(other)}")
    sides = [np.stack([rows[name] for name in sorted(mine)]) for rows in (mine, other)]
    centred = [cosine.normalise(rows - sides[0].mean(axis=0)) for rows in sides]
    least = float((centred[0] * centred[1]).sum(axis=1).min())
    if least < 0.99:
        raise SystemExit(f"one network, and rows that differ: cosine {least:.4f} about the mean")
    return least


def together(runs: list[Run]) -> Run:
    """One after the other."""
    seconds, cpu = (sum(getattr(run, name) for run in runs) for name in ("seconds", "cpu"))
    return Run(seconds, cpu, max(run.peak_mb for run in runs), "")


def copied(pictures: list[Path], folder: Path) -> None:
    folder.mkdir()
    for picture in pictures:
        shutil.copy2(picture, folder / picture.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pictures", type=int, default=7000)
    parser.add_argument("--folder", type=Path, help="JPEG files; default: Flickr8k in $DIPTYCH_DATA")
    parser.add_argument("--runs", type=int, default=5, help="of what comes after the first index; the median counts")
    parser.add_argument("--quick", action="store_true", help="64 pictures and one run, to see that it works")
    asked = parser.parse_args()
    if asked.quick:
        asked.pictures, asked.runs = 64, 1
    if not asked.folder and not os.environ.get("DIPTYCH_DATA"):
        raise SystemExit("name a folder of pictures with --folder, or set DIPTYCH_DATA")
    source = asked.folder or Path(os.environ["DIPTYCH_DATA"]) / "flickr8k" / "images"
    pictures = sorted(source.glob("*.jpg"))[: asked.pictures]

    network = random_clip.prepared(random_clip.VIT_B_32_256)
    bundled = any(model.name == shelf.DEFAULT and model.here for model in shelf.models())
    small = shelf.DEFAULT if bundled else random_clip.prepared(random_clip.SMALL)
    named = shelf.DEFAULT if bundled else f"random {random_clip.SMALL.name}, for want of {shelf.DEFAULT}"
    results: dict[str, dict[str, Run]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        copied(pictures, home / "pictures")
        programs: dict[str, Theirs | Ours] = {
            "rclip": Theirs(home / "rclip", network),
            "diptych, same network": Ours(home / "same", network),
            f"diptych, {named}": Ours(home / "own", small),
        }
        folder = home / "pictures"
        for name, program in programs.items():
            results[name] = {"first": together(program.index(folder))}
        likeness = same_network(*(program.rows(folder) for program in list(programs.values())[:2]))
        later: dict[str, dict[str, list[Run]]] = {name: {"again": [], "search": []} for name in programs}
        for _ in range(asked.runs):
            for name, program in programs.items():
                later[name]["again"].append(together(program.index(folder)))
                later[name]["search"].append(program.search(folder))
        for name, some in later.items():
            results[name] |= {what: Run.median(runs) for what, runs in some.items()}

    figures = {
        name: {
            what: {"seconds": run.seconds, "cpu": run.cpu, "peak_mb": run.peak_mb} for what, run in some.items()
        }
        for name, some in results.items()
    }  # fmt: skip
    if asked.json:
        print(json.dumps({"pictures": len(pictures), "least_cosine": likeness, "programs": figures}))
        return
    print(f"{len(pictures):,} pictures of {source}; {RCLIP}; rows of one network agree to {likeness:.5f}")
    for what in ("first", "again", "search"):
        print(what)
        peer = figures["rclip"][what]
        for name, some in figures.items():
            mine = some[what]
            ratios = ", ".join(f"{peer[key] / mine[key]:.2f}" for key in mine)
            print(
                f"  {name:48} {mine['seconds']:9.2f} s {mine['cpu']:9.2f} s cpu {mine['peak_mb']:8.0f} MB"
                + (f"   rclip takes {ratios} times as much" if name != "rclip" else "")
            )


if __name__ == "__main__":
    main()
