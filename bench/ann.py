"""Recall@10 and speed on text queries over a modality gap: ours against Faiss HNSW, usearch and LanceDB, in one run.

Pictures and texts are painted in two cones, as CLIP lays them out: a common direction a side (means of norm .7 and
.86), a thousand topics, and a covariance whose eigenvalues fall as 1/rank, as those of CLIP ViT-B/32 do on Flickr8k
(fitted slope -1.0). A text holds the content of one picture under twice as much noise, half of it in directions that
pictures hardly use. Queries for training, tuning and measuring are disjoint.

Each is tuned to the same recall on the same texts, by doubling its effort, and measured on others; ours reaches it by
two standard errors, the others as it falls. One that does not reach it is shown at its most thorough. The graphs of
Faiss and usearch have the same number of links, and of candidates while they are built. Bytes are those of the saved
file or folder; of Faiss's graph, those it takes in memory.

Single: one query at a time, warm, on one thread (LanceDB has no such setting). Batch: all at once on two threads.

    pip install -e ".[bench]"
    python bench/ann.py [--json] [--n 500000] [--dims 512] [--recall .95] [--links 16] [--rows-alone] [--quick]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diptych.index.ivf import IVF
from diptych.kinds import Array, Ints, cosine

K = 10
SINGLE = 300
"""Queries asked one at a time, and to tune a peer."""

BUILDING = 80
"""Candidates of a graph while it is built (efConstruction)."""

EFFORTS = (64, 128, 256, 512, 1024, 2048, 4096)
"""Candidates of a graph while it is searched (ef): each is tried until one reaches the recall."""

LANCE = ((10, 10), (20, 10), (50, 20), (100, 20), (200, 50), (400, 50), (800, 100))
"""Cells that LanceDB probes, and candidates for every answer that it scores exactly."""

Answers = Callable[[Array], Ints]
Threads = Callable[[int], object]


def two_cones(n: int, n_queries: int, dims: int, seed: int = 0) -> tuple[Array, Array]:
    """Rows of pictures and of texts, unit, each text about some picture."""
    rng = np.random.default_rng(seed)
    falling = np.arange(1, dims + 1, dtype=np.float32) ** -0.5

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape, dtype=np.float32)

    topics = cosine.normalise(normal(1000, dims) * falling)
    weights = rng.dirichlet(np.ones(len(topics)))
    picture_cone, text_cone = cosine.normalise(normal(2, dims))
    pictures = np.empty((n, dims), dtype=np.float32)
    for start in range(0, n, 50_000):
        rows = pictures[start : start + 50_000]
        own = cosine.normalise(normal(*rows.shape) * falling)
        content = cosine.normalise(0.6 * topics[rng.choice(len(topics), len(rows), p=weights)] + 0.8 * own)
        rows[:] = cosine.normalise(0.7 * picture_cone + 0.71 * content)
    told = pictures[rng.choice(n, n_queries, replace=n < n_queries)]
    told = cosine.normalise(told - (told @ picture_cone)[:, None] * picture_cone)
    elsewhere = rng.permutation(falling)
    noise = [cosine.normalise(normal(n_queries, dims) * spread) for spread in (falling, elsewhere)]
    texts = cosine.normalise(told + 2.0 * cosine.normalise(noise[0] + noise[1]))
    return pictures, cosine.normalise(0.86 * text_cone + 0.51 * texts)


def share_found(found: Ints, truth: Ints) -> float:
    """Recall@K."""
    return float(np.mean([len(np.intersect1d(ours, true)) / K for ours, true in zip(found, truth, strict=True)]))


def figures(answers: Answers, queries: Array, truth: Ints, threads: Threads) -> dict[str, Any]:
    """Recall, and milliseconds a query both ways."""
    threads(1)
    answers(queries[:20])
    start = time.perf_counter()
    for row in range(min(SINGLE, len(queries))):
        answers(queries[row : row + 1])
    single = (time.perf_counter() - start) / min(SINGLE, len(queries))
    threads(2)
    start = time.perf_counter()
    found = answers(queries)
    batch = (time.perf_counter() - start) / len(queries)
    return {"recall": share_found(found, truth), "single_ms": 1e3 * single, "batch_ms": 1e3 * batch}


class Peers:
    """What is the same for all: rows, texts to tune and texts to measure, each with its true answers."""

    def __init__(self, rows: Array, tune: Array, queries: Array, recall: float, links: int) -> None:
        import faiss
        import threadpoolctl

        def threads(number: int) -> None:
            faiss.omp_set_num_threads(number)
            threadpoolctl.threadpool_limits(number)

        self.rows, self.tune, self.queries, self.recall, self.links = rows, tune, queries, recall, links
        self.ids, self.threads = np.arange(len(rows)), threads
        threads(2)
        self.tuned = self._exact(tune[:SINGLE])
        start = time.perf_counter()
        self.truth = self._exact(queries)
        self.exact_ms = 1e3 * (time.perf_counter() - start) / len(queries)

    def _exact(self, queries: Array) -> Ints:
        import faiss

        found: Ints = faiss.knn(queries, self.rows, K, metric=faiss.METRIC_INNER_PRODUCT)[1]
        return found

    def measured(
        self, built: float, size: float, efforts: Sequence[Any], set_to: Callable[[Any], object], answers: Answers,
        threads: Threads,
    ) -> dict[str, Any]:  # fmt: skip
        """Figures at the least of the efforts that finds enough."""
        threads(2)
        for effort in efforts:
            set_to(effort)
            if share_found(answers(self.tune[:SINGLE]), self.tuned) >= self.recall:
                break
        found = figures(answers, self.queries, self.truth, threads)
        return {**found, "effort": effort, "build_s": built, "mb": size / 1e6}

    def ours(self, train: Array | None) -> dict[str, Any]:
        start = time.perf_counter()
        index = IVF(cosine, self.rows.shape[1])
        index.train(self.rows, train)
        index.add(self.ids, self.rows)
        index.tune(self.tune, self.recall)
        built = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            index.save(Path(folder) / "index")
            size = sum(file.stat().st_size for file in Path(folder).iterdir())
        found = figures(lambda some: index.search(some, K)[1], self.queries, self.truth, self.threads)
        return {**found, "effort": [index.probes, index.candidates * K], "build_s": built, "mb": size / 1e6}

    def faiss_hnsw(self) -> dict[str, Any]:
        import faiss

        start = time.perf_counter()
        graph = faiss.IndexHNSWFlat(self.rows.shape[1], self.links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BUILDING
        graph.add(self.rows)
        built = time.perf_counter() - start
        hnsw = graph.hnsw
        size = self.rows.nbytes + 4 * hnsw.neighbors.size() + 8 * hnsw.offsets.size() + 4 * hnsw.levels.size()

        def set_to(effort: int) -> None:
            graph.hnsw.efSearch = effort

        return self.measured(built, size, EFFORTS, set_to, lambda some: graph.search(some, K)[1], self.threads)

    def usearch(self) -> dict[str, Any]:
        from usearch.index import Index

        start = time.perf_counter()
        graph = Index(
            ndim=self.rows.shape[1], metric="ip", dtype="f16", connectivity=self.links, expansion_add=BUILDING
        )
        graph.add(self.ids, self.rows, threads=2)
        built = time.perf_counter() - start
        number = [2]

        def set_to(effort: int) -> None:
            graph.expansion_search = effort

        def answers(some: Array) -> Ints:
            return np.asarray(graph.search(some, K, threads=number[0]).keys).astype(np.int64).reshape(len(some), K)

        def threads(wanted: int) -> None:
            number[0] = wanted

        return self.measured(built, graph.serialized_length, EFFORTS, set_to, answers, threads)

    def lancedb(self) -> dict[str, Any]:
        import lancedb
        import pyarrow
        from lancedb.index import IvfPq

        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(self.rows.reshape(-1)), self.rows.shape[1])
            table = lancedb.connect(folder).create_table("rows", pyarrow.table({"id": self.ids, "vector": values}))
            cells = max(1, round(len(self.rows) ** 0.5))
            config = IvfPq(distance_type="dot", num_partitions=cells, num_sub_vectors=self.rows.shape[1] // 8)
            table.create_index("vector", config=config)
            built = time.perf_counter() - start
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
            probes, refine = LANCE[0]

            def set_to(effort: tuple[int, int]) -> None:
                nonlocal probes, refine
                probes, refine = effort

            def answers(some: Array) -> Ints:
                def one(query: Array) -> Ints:
                    asked = table.search(query).distance_type("dot").nprobes(probes).refine_factor(refine)
                    found = asked.select(["id", "_distance"]).limit(K).to_arrow()["id"].to_numpy()
                    return np.pad(found, (0, K - len(found)), constant_values=-1)

                return np.stack([one(query) for query in some])

            return self.measured(built, size, LANCE, set_to, answers, lambda wanted: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--n", type=int, default=500_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--recall", type=float, default=0.95, help="what each is tuned to")
    parser.add_argument("--links", type=int, default=16, help="of a node of the graphs; 0 leaves them out")
    parser.add_argument("--rows-alone", action="store_true", help="also ours, trained without queries")
    parser.add_argument("--quick", action="store_true", help="5,000 rows of 64 columns, to see that it works")
    asked = parser.parse_args()
    if asked.quick:
        asked.n, asked.dims = 5000, 64

    rows, texts = two_cones(asked.n, 5000, asked.dims)
    train, tune, queries = texts[:3000], texts[3000:4000], texts[4000:]
    peers = Peers(rows, tune, queries, asked.recall, asked.links)
    results: dict[str, Any] = {"Faiss exact": {"recall": 1.0, "batch_ms": peers.exact_ms}}
    if not asked.json:
        print(f"{asked.n:,} x {asked.dims}, {len(queries):,} text queries; milliseconds a query")
        print(f"{'Faiss exact':24} recall@{K} 1.000   batch {peers.exact_ms:8.3f} ms", flush=True)
    ways: dict[str, Callable[[], dict[str, Any]]] = {"ours": lambda: peers.ours(train)}
    if asked.rows_alone:
        ways["ours, trained on rows"] = lambda: peers.ours(None)
    if asked.links:
        ways |= {f"Faiss HNSW, {asked.links} links": peers.faiss_hnsw}
        if importlib.util.find_spec("usearch"):
            ways |= {f"usearch, {asked.links} links": peers.usearch}
    if importlib.util.find_spec("lancedb"):
        ways |= {"LanceDB IVF_PQ": peers.lancedb}
    for name, way in ways.items():
        results[name] = found = way()
        if not asked.json:
            ratio = found["single_ms"] / results["ours"]["single_ms"]
            print(f"{name:24} recall@{K} {found['recall']:.3f}", end="")
            print(f"   single {found['single_ms']:8.3f} ms ({ratio:.1f} times ours)", end="")
            print(f"   batch {found['batch_ms']:8.3f} ms   built in {found['build_s']:.0f} s", end="")
            print(f"   {found['mb']:,.0f} MB   effort {found['effort']}", flush=True)
    missing = [name for name in ("usearch", "lancedb") if not importlib.util.find_spec(name)]
    if asked.json:
        print(json.dumps(results))
    elif missing:
        print(f"not installed, so left out: {', '.join(missing)}; pip install -e .[bench]")


if __name__ == "__main__":
    main()
