"""A large collection: a search in a new process, a search in a running one, and a look at files that did not change.

Vectors are made up, as CLIP lays them out: pictures and texts in two cones, the content of pictures drawn from what a
thousand texts say to the encoder. That is `mini` where its rows are as wide, else a network of about its size with
random weights (`random_clip.py`). Files are 8 x 8 pixels of a hundred kinds, so that indexing them encodes little.

  cold    `diptych search` from start to end, everything it reads in the page cache
  warm    `Collection.search` of another text each time; and of that, all but the encoder
  again   `diptych index` of a folder in which nothing changed

    pip install -e ".[torch,bench]"
    python bench/collection.py [--json] [--items 100000] [--files 100000] [--widths 512 256] [--quick]
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import processes
import random_clip
from PIL import Image
from processes import Run

from diptych.collection import Collection, Entry
from diptych.collection.background_queries import rare
from diptych.encoders import shelf
from diptych.encoders.pair import OnnxPair
from diptych.kinds import Array, cosine

WARM = 200
"""Texts asked in a running process."""


class Timed(OnnxPair):
    """The encoder, with a clock on texts."""

    seconds = 0.0

    def encode_texts(self, items: Any, progress: Any = None) -> Array:
        start = time.perf_counter()
        rows = super().encode_texts(items, progress)
        self.seconds = time.perf_counter() - start
        return rows


def network(width: int) -> Path:
    """The folder of a small encoder with rows of this width."""
    bundled = next((model.here for model in shelf.models() if model.name == shelf.DEFAULT), None)
    if bundled and OnnxPair(bundled).width == width:
        return bundled
    return random_clip.prepared(replace(random_clip.SMALL, dims=width))


def said(n: int, seed: int) -> list[str]:
    """Texts of two things, each another pair."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(a, b) for a in rare() for b in rare() if a < b])
    return [f"{a} and {b}" for a, b in pairs[rng.choice(len(pairs), n, replace=False)].tolist()]


def pictures(n: int, encoder: OnnxPair, seed: int = 0) -> Array:
    """(n, dims) rows of pictures, each with the content of a text and as much again of its own."""
    rng = np.random.default_rng(seed)
    texts = encoder.encode_texts(said(1000, seed=1))
    topics = cosine.normalise(texts - texts.mean(axis=0))
    cone = cosine.normalise(rng.standard_normal((1, encoder.width), dtype=np.float32))
    falling = np.arange(1, encoder.width + 1, dtype=np.float32) ** -0.5
    rows = np.empty((n, encoder.width), dtype=np.float32)
    for start in range(0, n, 20_000):
        some = rows[start : start + 20_000]
        own = cosine.normalise(rng.standard_normal(some.shape, dtype=np.float32) * falling)
        content = cosine.normalise(0.6 * topics[rng.integers(0, len(topics), len(some))] + 0.8 * own)
        some[:] = cosine.normalise(0.7 * cone + 0.71 * content)
    return rows


def searched(width: int, n: int, runs: int, program: Path, home: Path) -> dict[str, Any]:
    """Figures of a collection of n items."""
    encoder = Timed(network(width))
    rows = pictures(n, encoder)
    start = time.perf_counter()
    with Collection.open(home, str(encoder.folder), write=True) as collection:
        collection.put(Entry(f"picture {number}", row) for number, row in enumerate(rows))
        index = collection.status()["index"]
    put = time.perf_counter() - start
    asked = said(WARM + runs, seed=2)
    command = [program / "diptych", "search", "--collection", home, "--json"]
    colds = [processes.run([*command, text]) for text in asked[:runs]]
    assert all(len(json.loads(cold.output)["results"]) == 10 for cold in colds)
    clock, without = [], []
    with Collection.open(home, encoder) as collection:
        collection.search(asked[0])
        for text in asked[runs:]:
            start = time.perf_counter()
            collection.search(text)
            clock.append(time.perf_counter() - start)
            without.append(clock[-1] - encoder.seconds)
    cold = Run.median(colds)
    return {
        "encoder": encoder.name,
        "put_s": put,
        "index": index["kind"] if index else "exact, not kept",
        "recall": index["recall"]["value"] if index and index.get("recall") else None,
        "cold_s": cold.seconds,
        "cold_cpu_s": cold.cpu,
        "cold_mb": cold.peak_mb,
        "warm_ms": 1e3 * statistics.median(clock),
        "warm_p95_ms": 1e3 * float(np.quantile(clock, 0.95)),
        "warm_without_encoder_ms": 1e3 * statistics.median(without),
    }


def paint(folder: Path, n: int) -> None:
    """n files, a thousand to a folder."""
    kinds = []
    for kind in range(100):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (2 * kind, 255 - kind, kind)).save(file, "PNG")
        kinds.append(file.getvalue())
    for number in range(n):
        below = folder / f"{number // 1000:03d}"
        if number % 1000 == 0:
            below.mkdir(parents=True)
        (below / f"{number:06d}.png").write_bytes(kinds[number % len(kinds)])


def scanned(n: int, runs: int, program: Path, home: Path) -> dict[str, float]:
    """Figures of a folder of n files."""
    paint(home / "pictures", n)
    command = [program / "diptych", "index", home / "pictures", "--collection", home / "collection", "--json"]
    first = processes.run([*command, "--model", network(256)])
    assert json.loads(first.output)["added"] == n
    agains = [processes.run(command) for _ in range(runs)]
    assert all(json.loads(again.output)["unchanged"] == n for again in agains)
    again = Run.median(agains)
    return {
        "first_s": first.seconds,
        "again_s": again.seconds,
        "again_cpu_s": again.cpu,
        "again_mb": again.peak_mb,
        "ratio": first.seconds / again.seconds,
    }


def tell_searched(n: int, width: int, found: dict[str, Any]) -> None:
    recall = "" if found["recall"] is None else f", recall@10 {found['recall']:.3f}"
    print(
        f"{n:,} items of {width} columns, {found['encoder']}, put in {found['put_s']:.0f} s: {found['index']}{recall}"
    )
    print(f"  cold   {found['cold_s']:8.2f} s   {found['cold_cpu_s']:.2f} s cpu, {found['cold_mb']:.0f} MB")
    print(f"  warm   {found['warm_ms']:8.2f} ms  95 of 100 within {found['warm_p95_ms']:.2f} ms", end="")
    print(f"; a cold one takes {1e3 * found['cold_s'] / found['warm_ms']:.0f} times as long")
    print(f"         {found['warm_without_encoder_ms']:8.2f} ms  without the encoder", flush=True)


def tell_scanned(n: int, found: dict[str, Any]) -> None:
    print(f"{n:,} files, indexed in {found['first_s']:.0f} s")
    print(f"  again  {found['again_s']:8.2f} s   {found['again_cpu_s']:.2f} s cpu, {found['again_mb']:.0f} MB", end="")
    print(f"; {found['ratio']:.0f} times as fast as at first")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--widths", type=int, nargs="*", default=[512, 256])
    parser.add_argument("--runs", type=int, default=5, help="of each process; the median counts")
    parser.add_argument("--quick", action="store_true", help="2,000 of each, one width and two runs")
    asked = parser.parse_args()
    if asked.quick:
        asked.items, asked.files, asked.widths, asked.runs = 2000, 2000, asked.widths[:1], 2

    program = processes.ours()
    results: dict[str, Any] = {"items": asked.items, "files": asked.files, "widths": {}}
    with tempfile.TemporaryDirectory() as temporary:
        for width in asked.widths:
            found = searched(width, asked.items, asked.runs, program, Path(temporary) / str(width))
            results["widths"][width] = found
            if not asked.json:
                tell_searched(asked.items, width, found)
        if asked.files:
            results["scan"] = found = scanned(asked.files, asked.runs, program, Path(temporary))
            if not asked.json:
                tell_scanned(asked.files, found)
    if asked.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
