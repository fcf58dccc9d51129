"""Recall@10 and speed on text queries over a modality gap, against Faiss, usearch and LanceDB (those installed).

Pictures and texts are painted in two cones, as CLIP lays them out: a common direction a side (means of norm .7 and
.86), a thousand topics, and a covariance whose eigenvalues fall as 1/rank, as those of CLIP ViT-B/32 do on Flickr8k
(fitted slope -1.0). A text holds the content of one picture under twice as much noise, half of it in directions that
pictures hardly use. Queries for training, tuning and measuring are disjoint.

Single: one query at a time on one thread, warm. Batch: all at once on two threads.

    python bench/ann.py [--json] [--n 100000] [--dims 512] [--recall .95] [--hnsw 32]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable

import numpy as np

from diptych.index.ivf import IVF
from diptych.kinds import Array, Ints, cosine

K = 10
SINGLE = 300
"""Queries asked one at a time."""

Answers = Callable[[Array], Ints]


def two_cones(n: int, n_queries: int, dims: int, seed: int = 0) -> tuple[Array, Array]:
    """Rows of pictures and of texts, unit, each text about some picture."""
    rng = np.random.default_rng(seed)
    falling = np.arange(1, dims + 1, dtype=np.float32) ** -0.5

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape, dtype=np.float32)

    topics = cosine.settle(normal(1000, dims) * falling)
    weights = rng.dirichlet(np.ones(len(topics)))
    picture_cone, text_cone = cosine.settle(normal(2, dims))
    pictures = np.empty((n, dims), dtype=np.float32)
    for start in range(0, n, 50_000):
        rows = pictures[start : start + 50_000]
        own = cosine.settle(normal(*rows.shape) * falling)
        content = cosine.settle(0.6 * topics[rng.choice(len(topics), len(rows), p=weights)] + 0.8 * own)
        rows[:] = cosine.settle(0.7 * picture_cone + 0.71 * content)
    told = pictures[rng.choice(n, n_queries, replace=n < n_queries)]
    told = cosine.settle(told - (told @ picture_cone)[:, None] * picture_cone)
    elsewhere = rng.permutation(falling)
    noise = [cosine.settle(normal(n_queries, dims) * spread) for spread in (falling, elsewhere)]
    texts = cosine.settle(told + 2.0 * cosine.settle(noise[0] + noise[1]))
    return pictures, cosine.settle(0.86 * text_cone + 0.51 * texts)


def figures(answers: Answers, queries: Array, truth: Ints, threads: Callable[[int], object]) -> dict[str, float]:
    """Recall, and milliseconds a query both ways."""
    threads(1)
    answers(queries[:20])
    start = time.perf_counter()
    for row in range(SINGLE):
        answers(queries[row : row + 1])
    single = (time.perf_counter() - start) / SINGLE
    threads(2)
    start = time.perf_counter()
    found = answers(queries)
    batch = (time.perf_counter() - start) / len(queries)
    right = np.mean([len(np.intersect1d(ours, true)) / K for ours, true in zip(found, truth, strict=True)])
    return {"recall": float(right), "single_ms": 1e3 * single, "batch_ms": 1e3 * batch}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--recall", type=float, default=0.95, help="what ours is tuned to")
    parser.add_argument("--hnsw", type=int, default=32, help="links a node of the graphs; 0 leaves them out")
    asked = parser.parse_args()

    import faiss
    import threadpoolctl

    def threads(number: int) -> None:
        faiss.omp_set_num_threads(number)
        threadpoolctl.threadpool_limits(number)

    rows, texts = two_cones(asked.n, 5000, asked.dims)
    train, tune, queries = texts[:3000], texts[3000:4000], texts[4000:]
    ids = np.arange(asked.n)
    results: dict[str, dict[str, float] | str] = {}

    def told(name: str, result: dict[str, float] | str) -> None:
        results[name] = result
        if asked.json:
            return
        if isinstance(result, str):
            print(f"{name:24} {result}", flush=True)
            return
        build = f"   built in {result['build_s']:.0f} s" if "build_s" in result else ""
        build += f"   {result['mb']:,.0f} MB" if "mb" in result else ""
        print(
            f"{name:24} recall@10 {result['recall']:.3f}   single {result.get('single_ms', np.nan):7.3f} ms   "
            f"batch {result['batch_ms']:7.3f} ms{build}",
            flush=True,
        )

    if not asked.json:
        print(f"{asked.n:,} x {asked.dims}, {len(queries):,} text queries; milliseconds a query")
    threads(2)
    start = time.perf_counter()
    truth = faiss.knn(queries, rows, K, metric=faiss.METRIC_INNER_PRODUCT)[1]
    exact = (time.perf_counter() - start) / len(queries)
    told("Faiss exact", {"recall": 1.0, "batch_ms": 1e3 * exact})

    for name, from_queries in (("ours, IVF", train), ("ours, trained on rows", None)):
        start = time.perf_counter()
        index = IVF(cosine, asked.dims)
        index.train(rows, from_queries)
        index.add(ids, rows)
        index.tune(tune, asked.recall)
        build = time.perf_counter() - start
        ours = figures(lambda some, index=index: index.search(some, K)[1], queries, truth, threads)  # type: ignore[misc]
        bytes_a_row = 2 * asked.dims + index.width + 16
        told(name, {**ours, "build_s": build, "mb": bytes_a_row * asked.n / 1e6, "probes": index.probes})
        del index

    if asked.hnsw:
        start = time.perf_counter()
        graph = faiss.IndexHNSWFlat(asked.dims, asked.hnsw, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = 100
        graph.add(rows)
        build = time.perf_counter() - start
        for effort in (64, 128, 256, 512, 1024):
            graph.hnsw.efSearch = effort
            theirs = figures(lambda some: graph.search(some, K)[1], queries, truth, threads)
            told(
                f"Faiss HNSW, ef {effort}",
                {**theirs, "build_s": build, "mb": (rows.nbytes + 8 * asked.hnsw * asked.n) / 1e6},
            )
        del graph

    if asked.hnsw and importlib.util.find_spec("usearch"):
        from usearch.index import Index as Graph

        start = time.perf_counter()
        peer = Graph(ndim=asked.dims, metric="ip", dtype="f16", connectivity=asked.hnsw, expansion_add=100)
        peer.add(ids, rows, threads=2)
        build = time.perf_counter() - start
        number = [1]
        for effort in (128, 512, 1024):
            peer.expansion_search = effort
            theirs = figures(
                lambda some: np.asarray(peer.search(some, K, threads=number[0]).keys).reshape(len(some), K),
                queries, truth, lambda some: number.__setitem__(0, some),
            )  # fmt: skip
            told(f"usearch, ef {effort}", {**theirs, "build_s": build, "mb": peer.memory_usage / 1e6})
        del peer
    else:
        told("usearch", "skipped: not installed" if asked.hnsw else "skipped: --hnsw 0")

    if importlib.util.find_spec("lancedb") and importlib.util.find_spec("pyarrow"):
        import lancedb
        import pyarrow

        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), asked.dims)
            table = lancedb.connect(folder).create_table("rows", pyarrow.table({"id": ids, "vector": values}))
            table.create_index(metric="dot", num_partitions=1024, num_sub_vectors=asked.dims // 8)
            build = time.perf_counter() - start

            def lance(some: Array) -> Ints:
                found = [
                    table.search(query).distance_type("dot").nprobes(100).refine_factor(20).limit(K).to_arrow()["id"]
                    for query in some
                ]
                return np.array([answer.to_numpy() for answer in found])

            told("LanceDB IVF_PQ", {**figures(lance, queries[:SINGLE], truth[:SINGLE], threads), "build_s": build})
    else:
        told("LanceDB IVF_PQ", "skipped: not installed")
    if asked.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
