"""What a product asks of a collection besides the nearest of all: filters, pages, more like this, rows added.

Beside a flat Faiss index with a mask from pandas, and LanceDB (IVF_PQ, an index over the column that is filtered by),
in one run over the same rows: pictures in a cone as CLIP lays them out (`collection.py`), each with a price, a date and
a tag. Every question has a filter that was not asked before; `again` asks for other words with the filter before it.

  vector    the nearest of a row among the rows that a filter lets pass: recall@10 against all of them scored
  words     the same with words, which `mini` encodes and the verdict rates. Peers have no such thing
  alone     a page of what a filter lets pass, the latest first; LanceDB's in no order
  similar   more like an item, without it
  offset    a page behind the first 5,000 answers
  add       rows a second until they are durable; and with the index over them
  memory    the peak of a process that opens the collection and asks for the first four; with words, of one that has
            `mini` loaded as well

Times are milliseconds of one thread's CPU, the median over the questions, and in brackets those of a clock on the wall,
which other work on the machine prolongs. LanceDB has no setting for threads: it takes all there are.

    pip install -e ".[torch,bench]"
    python bench/api.py [--json] [--items 100000] [--quick]
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import processes

from collection import network, pictures, said
from diptych.collection import Collection, Entry
from diptych.encoders.pair import OnnxPair
from diptych.kinds import Array, Ints

K, OFFSET, WIDTH = 10, 5000, 256
SHARES = (0.01, 0.1, 0.5)
ASKED = 40
"""Questions of each kind."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class World:
    """Rows, and what is filtered by: prices from 0 to 100, in no relation to the rows; months; tags."""

    rows: Array
    prices: Array
    taken: list[str]

    @classmethod
    def painted(cls, n: int, encoder: OnnxPair) -> World:
        rng = np.random.default_rng(1)
        months = zip(rng.integers(2000, 2025, n).tolist(), rng.integers(1, 13, n).tolist(), strict=True)
        taken = [f"{year}-{month:02d}-01T12:00:00" for year, month in months]
        return cls(pictures(n, encoder), np.round(100 * rng.random(n), 3), taken)

    def entries(self) -> Iterator[Entry]:
        for number, row in enumerate(self.rows):
            price, tags = float(self.prices[number]), ["even"] * (number % 2 == 0)
            yield Entry(f"sku-{number}", row, tags=tags, metadata={"price": price}, taken=self.taken[number])

    def nearest(self, row: Array, below: float) -> Ints:
        """The true answers, as places of rows."""
        passing = np.flatnonzero(self.prices < below)
        return passing[np.argsort(-(self.rows[passing] @ row), kind="stable")[:K]]


def timed(ask: Callable[[int], object], questions: int) -> tuple[Figures, list[Any]]:
    """Median CPU and wall milliseconds of questions by their number, and the answers; the first warms up."""
    ask(questions)
    clock, cpu, answers = [], [], []
    for number in range(questions):
        at = time.perf_counter(), time.process_time()
        answers.append(ask(number))
        clock.append(time.perf_counter() - at[0])
        cpu.append(time.process_time() - at[1])
    return {"ms": 1e3 * float(np.median(cpu)), "wall_ms": 1e3 * float(np.median(clock))}, answers


def below(share: float, number: int) -> float:
    """A price that this share of the rows is below, another for each question."""
    return 100 * share + 0.002 * (number % 200)


def recall(world: World, found: list[Any], share: float) -> float:
    """Of answers to question 0, 1 … as places of rows."""
    true = [world.nearest(world.rows[number], below(share, number)) for number in range(len(found))]
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true, strict=True)]))


def ours(world: World, home: Path, encoder: OnnxPair) -> Figures:
    results: Figures = {}
    at = time.perf_counter(), time.process_time()
    durable = [0.0, 0.0]

    def told(what: str, done: int, total: int) -> None:
        durable[:] = time.perf_counter() - at[0], time.process_time() - at[1]

    entries = list(world.entries())
    with Collection.open(home, encoder, write=True) as collection:
        at = time.perf_counter(), time.process_time()
        ids = collection.put(entries, progress=told)
        whole = time.perf_counter() - at[0], time.process_time() - at[1]
    n = len(ids)
    results["add"] = {"rows_s": n / durable[1], "wall_rows_s": n / durable[0], "with_index_s": whole[1]}
    place = {id: number for number, id in enumerate(ids)}
    texts = itertools.cycle(said(500, seed=4))
    with Collection.open(home, encoder) as collection:
        for share in SHARES:
            figures, answers = timed(
                lambda number, share=share: collection.search(f"#{ids[number]} AND price < {below(share, number)}"),
                ASKED,
            )
            found = [[place[hit.id] for hit in answer.results] for answer in answers]
            results[f"vector {share:.0%}"] = figures | {"recall": recall(world, found, share)}
            results[f"words {share:.0%}"], _ = timed(
                lambda number, share=share: collection.search(f"{next(texts)} AND price < {below(share, number + 50)}"),
                ASKED,
            )
            results[f"again {share:.0%}"], _ = timed(
                lambda number, share=share: collection.search(f"{next(texts)} AND price < {below(share, 199)}"), ASKED
            )
            results[f"alone {share:.0%}"], _ = timed(
                lambda number, share=share: collection.search(f"price < {below(share, number + 100)}"), ASKED
            )
        results["similar"], _ = timed(lambda number: collection.similar(ids[7 * number]), ASKED)
        results["offset"], _ = timed(lambda number: collection.search(f"#{ids[number]}", offset=OFFSET), ASKED)
        results["unfiltered"], _ = timed(lambda number: collection.search(next(texts)), ASKED)
    for name in ("vector", "words"):
        run = processes.run([sys.executable, __file__, "--reader", name, home, encoder.folder])
        results[f"memory, {name}"] = {"mb": run.peak_mb}
    return results


def read(what: str, home: Path, encoder: str) -> None:
    """As a process whose memory is measured."""
    with Collection.open(home, encoder if what == "words" else None) as collection:
        asked = "a dog" if what == "words" else "#5"
        for query in (asked, f"{asked} AND price < 50", "price < 50"):
            collection.search(query)
        collection.search(asked, offset=OFFSET)
        collection.similar(5)


def faiss_and_pandas(world: World) -> Figures:
    import faiss
    import pandas

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(world.rows.shape[1])
    index.add(world.rows)
    frame = pandas.DataFrame({"price": world.prices, "taken": world.taken})

    def masked(row: Array, price: float) -> Ints:
        bits = np.packbits((frame["price"] < price).to_numpy(), bitorder="little")
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        return index.search(row[None], K, params=parameters)[1][0]

    def page(price: float) -> Any:
        return frame[frame["price"] < price].sort_values("taken", ascending=False).head(K)

    results: Figures = {}
    for share in SHARES:
        figures, found = timed(lambda number, share=share: masked(world.rows[number], below(share, number)), ASKED)
        results[f"vector {share:.0%}"] = figures | {"recall": recall(world, found, share)}
        results[f"alone {share:.0%}"], _ = timed(lambda number, share=share: page(below(share, number)), ASKED)
    results["similar"], _ = timed(lambda number: index.search(world.rows[number][None], K + 1), ASKED)
    results["offset"], _ = timed(lambda number: index.search(world.rows[number][None], OFFSET + K), ASKED)
    return results


def lancedb(world: World, home: Path) -> Figures:
    import lancedb
    import pyarrow
    from lancedb.index import BTree, IvfPq

    at = time.perf_counter(), time.process_time()
    values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(world.rows.reshape(-1)), world.rows.shape[1])
    columns = {"id": np.arange(len(world.rows)), "vector": values, "price": world.prices, "taken": world.taken}
    table = lancedb.connect(home).create_table("rows", pyarrow.table(columns))
    durable = time.perf_counter() - at[0], time.process_time() - at[1]
    cells = max(1, round(len(world.rows) ** 0.5))
    config = IvfPq(distance_type="dot", num_partitions=cells, num_sub_vectors=world.rows.shape[1] // 8)
    table.create_index("vector", config=config)
    table.create_index("price", config=BTree())
    n, whole = len(world.rows), time.process_time() - at[1]
    results: Figures = {"add": {"rows_s": n / durable[1], "wall_rows_s": n / durable[0], "with_index_s": whole}}

    def nearest(number: int, k: int = K, where: str = "", offset: int = 0) -> Ints:
        asked = table.search(world.rows[number]).distance_type("dot").nprobes(50).refine_factor(20)
        asked = asked.where(where, prefilter=True) if where else asked
        return asked.select(["id", "_distance"]).offset(offset).limit(k).to_arrow()["id"].to_numpy()

    for share in SHARES:
        figures, found = timed(
            lambda number, share=share: nearest(number, where=f"price < {below(share, number)}"), ASKED
        )
        results[f"vector {share:.0%}"] = figures | {"recall": recall(world, found, share)}
        results[f"alone {share:.0%}"], _ = timed(
            lambda number, share=share: table.search().where(f"price < {below(share, number)}").limit(K).to_arrow(),
            ASKED,
        )
    results["similar"], _ = timed(lambda number: nearest(number, K + 1), ASKED)
    results["offset"], _ = timed(lambda number: nearest(number, offset=OFFSET), ASKED)
    return results


def tell(name: str, found: dict[str, Figures]) -> None:
    """One line: ours, and the peers with how many times as long they take, or as many rows they add."""
    mine, told = found["ours"][name], []
    if "mb" in mine:
        print(f"{name:14} {mine['mb']:.0f} MB")
        return
    for way, figures in found.items():
        if one := figures.get(name):
            unit = "rows_s" if "rows_s" in one else "ms"
            text = f"{way} {one[unit]:,.2f} ({one[f'wall_{unit}']:,.2f})"
            text += f" recall {one.get('recall', 0):.3f}" * ("recall" in one)
            text += f" rows a second, {one.get('with_index_s', 0):.1f} s with the index" * (unit == "rows_s")
            told.append(text + f" x{one[unit] / mine[unit]:.2f}" * (way != "ours"))
    print(f"{name:14} " + " | ".join(told), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--reader"]:
        read(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="6,000 rows, to see that it works")
    asked = parser.parse_args()
    n = 6000 if asked.quick else asked.items
    import faiss
    import threadpoolctl

    faiss.omp_set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    encoder = OnnxPair(network(WIDTH))
    world = World.painted(n, encoder)
    with tempfile.TemporaryDirectory() as temporary:
        found = {"ours": ours(world, Path(temporary) / "collection", encoder)}
        if importlib.util.find_spec("pandas"):
            found["faiss + pandas"] = faiss_and_pandas(world)
        if importlib.util.find_spec("lancedb"):
            found["LanceDB"] = lancedb(world, Path(temporary) / "lance")
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{n:,} rows of {WIDTH} columns; CPU milliseconds a question, on the wall in brackets")
    for name in found["ours"]:
        tell(name, found)
    missing = [name for name in ("pandas", "lancedb") if not importlib.util.find_spec(name)]
    if missing:
        print(f"not installed, so left out: {', '.join(missing)}; pip install -e .[bench]")


if __name__ == "__main__":
    main()
