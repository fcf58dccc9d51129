"""Binary codes: making them, searching a million of them, and what re-scoring few candidates gives back.

encode    rows of 512 numbers to 64 bits by a linear method (`scm_hash`, fitted on made-up pairs), one thread; beside
          it the bare numpy line in float32, packbits(X A >= b)
search    one query at a time among a million codes of 64 bits, one thread, the index of a collection of codes; beside
          it Faiss's IndexBinaryFlat on the same codes, whose distances have to be the same
rescored  texts ask pictures across a gap, as in `ann.py`; codes are learned from pairs of a text and a picture (`acq`).
          How many of the ten best by real numbers are among the first candidates by codes, and so found once those are
          scored again; and the milliseconds of either

served    such texts and pictures as a collection serves them (`--codes own`): codes of its own rows in memory, and rows
          on the disk; beside exact search and the inverted file, both in memory. Each is tuned on other texts than it
          is measured on

    python bench/codes.py [encode] [search] [rescored] [served] [--json] [--rows 100000] [--codes 1000000]
        [--pictures 200000] [--collection 100000] [--bits 64 128 256]
        [--no-inverted]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ann import share_found, two_cones

from diptych.catalogue import method
from diptych.collection import codes
from diptych.index.codes import Codes
from diptych.index.flat import Flat
from diptych.index.hamming import Hamming
from diptych.index.index import Index
from diptych.index.ivf import IVF
from diptych.index.shelf import Shelf
from diptych.kinds import Array, Ints, Pairs, batches, cosine, hamming

BITS, K, ASKED, RUNS = 64, 10, 200, 5
CANDIDATES = (50, 100, 200, 500, 1000)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def encode(n: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    labels = rng.random((3000, 20)) < 0.15
    labels[:, 0] |= ~labels.any(axis=1)
    sides = [
        (labels @ rng.standard_normal((20, width)) + 2 * rng.standard_normal((3000, width))).astype(np.float32)
        for width in (512, 300)
    ]
    fitted: Any = method("scm_hash")(bits=BITS).fit(Pairs(*sides, labels=labels))
    rows = np.resize(sides[0], (n, 512))
    A, b = fitted.A_.astype(np.float32), (fitted.mean_x_ @ fitted.A_).astype(np.float32)
    assert np.bitwise_count(fitted.encode_images(rows) ^ np.packbits(rows @ A >= b, axis=1)).sum() < 1e-4 * n * BITS
    ours, bare = [], []
    for _ in range(RUNS):
        ours.append(seconds(lambda: fitted.encode_images(rows)))
        bare.append(seconds(lambda: np.packbits(rows @ A >= b, axis=1)))
    ratio = float(np.median(np.divide(ours, bare)))
    return [{"rows a second": round(n / np.median(ours)), "of the bare line's time": round(ratio, 2), "rows": n}]


def search(n: int) -> list[dict[str, Any]]:
    import faiss

    rng = np.random.default_rng(0)
    drawn, queries = (rng.integers(0, 256, (m, BITS // 8), dtype=np.uint8) for m in (n, ASKED))
    ours = Hamming(hamming, BITS // 8)
    ours.add(np.arange(n), drawn)
    theirs = faiss.IndexBinaryFlat(BITS)
    theirs.add(drawn)
    times: dict[str, list[float]] = {"ours": [], "Faiss": []}
    for query in queries[:, None]:
        times["ours"].append(seconds(lambda query=query: ours.search(query, K)))  # type: ignore[misc]
        times["Faiss"].append(seconds(lambda query=query: theirs.search(query, K)))  # type: ignore[misc]
        assert (-ours.search(query, K)[0] == theirs.search(query, K)[0]).all()
    told = {f"ms a query, {name}": round(1e3 * float(np.median(some)), 2) for name, some in times.items()}
    return [told | {"codes": n, "bits": BITS}]


def rescored(n: int) -> list[dict[str, Any]]:
    pictures, texts = two_cones(n, 4000 + ASKED, 256)
    learning, asking = texts[:4000], texts[4000:]
    exact = Flat(cosine, 256)
    exact.add(np.arange(n), pictures)
    truth = exact.search(asking, K)[1]
    told = exact.search(learning, 1)[1][:, 0]
    fitted: Any = method("acq")(bits=BITS).fit(Pairs(pictures[told], learning))
    index = Hamming(hamming, BITS // 8)
    index.add(np.arange(n), fitted.encode_images(pictures))
    coded = fitted.encode_texts(asking)
    float_ms = 1e3 * np.median([seconds(lambda q=q: exact.search(q, K)) for q in asking[:, None]])  # type: ignore[misc]
    lines = []
    for candidates in CANDIDATES:
        times, found = [], []
        for code, query in zip(coded[:, None], asking[:, None], strict=True):
            start = time.perf_counter()
            names = index.search(code, candidates)[1][0]
            scores = pictures[names] @ query[0]
            found.append(names[np.argsort(-scores, kind="stable")[:K]])
            times.append(time.perf_counter() - start)
        line: dict[str, Any] = {"candidates": candidates, "recall@10 of exact": share_found(np.array(found), truth)}
        lines.append(line | {"ms a query": round(1e3 * float(np.median(times)), 2)})
    lines.append(
        {"exact, ms a query": round(float(float_ms), 2), "pictures": n, "bytes a picture": [BITS // 8, 4 * 256]}
    )
    return lines


def served(n: int, widths: Sequence[int], inverted: bool) -> list[dict[str, Any]]:
    pictures, texts = two_cones(n, 4000 + ASKED, 256)
    learning, asking = texts[:4000], texts[4000:]
    ids = np.arange(n)
    exact = Flat(cosine, 256)
    exact.add(ids, pictures)
    truth = exact.search(asking, K)[1]
    lines = [_measured("exact", exact, asking, truth) | {"bytes in memory": 4 * 256 + 8}]
    print(f"# {lines[-1]}", file=sys.stderr, flush=True)  # the next takes minutes
    del exact
    if inverted:
        lines.append(_inverted(ids, pictures, learning, asking, truth))
        print(f"# {lines[-1]}", file=sys.stderr, flush=True)
    for bits in widths:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(_coded(Path(folder) / "rows", bits, pictures, learning, asking, truth))
            print(f"# {lines[-1]}", file=sys.stderr, flush=True)
    return lines


def _coded(shelf: Path, bits: int, rows: Array, learning: Array, asking: Array, truth: Ints) -> dict[str, Any]:
    """As a collection builds it (`collection/nearest`)."""
    index, start, ids = Codes(cosine, 256, bits), time.perf_counter(), np.arange(len(rows))
    sample = rows[np.random.default_rng(0).permutation(len(rows))[: codes.SAMPLE]]
    index.train(sample, learning[::2], codes.own(sample, bits))
    Shelf.write(shelf, 256, zip(batches(ids, 4000), batches(rows, 4000), strict=True))
    for some in batches(ids, 4000):
        index.add(some, rows[some])
    on_disk = Shelf(shelf, 256)
    index.reads(lambda some: on_disk.read(some)[0]).tune(learning[1::2])
    built = {"built in s": round(time.perf_counter() - start, 1), "scored again": index.candidates * K}
    size = {"bytes in memory": -(-bits // 8) + 8, "on the disk": -(-bits // 8) + 8 + Shelf.size(256)}
    return _measured(f"codes of {bits} bits", index, asking, truth) | size | built


def _inverted(ids: Ints, rows: Array, learning: Array, asking: Array, truth: Ints) -> dict[str, Any]:
    index, start = IVF(cosine, 256), time.perf_counter()
    index.train(rows, learning[::2])
    index.add(ids, rows)
    index.tune(learning[1::2])
    built = {"built in s": round(time.perf_counter() - start, 1), "scored again": index.candidates * K}
    return _measured("inverted file", index, asking, truth) | {"bytes in memory": 2 * 256 + 128 + 16} | built


def _measured(name: str, index: Index, asking: Array, truth: Ints) -> dict[str, Any]:
    """Recall of what one query after another finds, and the milliseconds of CPU that one takes, warm."""
    found, times = [], []
    for query in [*asking[:20, None], *asking[:, None]]:
        start = time.process_time()
        found.append(index.search(query, K)[1][0])
        times.append(time.process_time() - start)
    found, times = found[20:], times[20:]
    recall = round(share_found(np.array(found), truth), 3)
    return {"index": name, "recall@10": recall, "ms a query": round(1e3 * float(np.median(times)), 2)}


def main() -> None:
    import faiss
    import threadpoolctl

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts: dict[str, Callable[[argparse.Namespace], list[dict[str, Any]]]] = {
        "encode": lambda told: encode(told.rows),
        "search": lambda told: search(told.codes),
        "rescored": lambda told: rescored(told.pictures),
        "served": lambda told: served(told.collection, told.bits, told.inverted),
    }
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="by default all")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--codes", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=int, default=200_000)
    parser.add_argument("--collection", type=int, default=100_000)
    parser.add_argument("--bits", type=int, nargs="+", default=[64, 128, 256], help="of the codes that are served")
    parser.add_argument("--inverted", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    faiss.omp_set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        found = {name: parts[name](told) for name in told.parts or parts}
    if told.json:
        print(json.dumps(found))
        return
    for name, lines in found.items():
        print(f"\n{name}")
        for line in lines:
            print("  ".join(f"{what}: {value}" for what, value in line.items()))


if __name__ == "__main__":
    main()
