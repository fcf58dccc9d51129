"""MAP of whole Hamming rankings, ties in expectation, against a sort: 2,000 queries, 100,000 items, 64 bits, 24 labels.

Both peers rank a query by a stable argsort, gather the relevance in that order and take a cumulative sum; relevance
comes from the same judgements. They differ in the distances that they sort:

    bytes   XOR of packed bytes, bits counted and summed by row, the usual numpy line; its sums are 64-bit integers
    words   XOR of 64-bit words, one byte a distance: numpy then sorts by radix, the strongest form that we know

    python bench/hamming_map.py [--json] [--queries 2000] [--items 100000]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from diptych.kinds import SharedLabels, hamming
from diptych.metrics.measures import evaluate, summary
from diptych.metrics.ranking import rankings

Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]


def by_histograms(queries: np.ndarray, items: np.ndarray, qrels: SharedLabels) -> float:
    return summary("map@all", evaluate(["map@all"], rankings(queries, items, hamming, qrels))["map@all"])


def distances_from_bytes(query: np.ndarray, items: np.ndarray) -> np.ndarray:
    return np.bitwise_count(query ^ items).sum(axis=1)


def distances_from_words(query: np.ndarray, items: np.ndarray) -> np.ndarray:
    return np.bitwise_count(query.view(np.uint64) ^ items.view(np.uint64)[:, 0])


def by_sorting(queries: np.ndarray, items: np.ndarray, qrels: SharedLabels, distances: Distances) -> float:
    values = []
    for row, query in enumerate(queries):
        relevant = qrels.relevant(row, row + 1)[0]
        hits = relevant[np.argsort(distances(query, items), kind="stable")]
        ranks = np.flatnonzero(hits) + 1
        values.append((np.cumsum(hits)[ranks - 1] / ranks).mean())
    return float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5, help="alternating runs; the median counts")
    parser.add_argument("--peer-queries", type=int, default=200, help="queries the peer ranks; its time is scaled up")
    asked = parser.parse_args()

    rng = np.random.default_rng(0)
    query_labels, item_labels = (rng.random((n, 24)) < 0.1 for n in (asked.queries, asked.items))
    query_labels[:, 0] |= ~query_labels.any(axis=1)
    # Codes that know a little about labels, so that the distances are spread as those of a trained hash are.
    directions = rng.standard_normal((24, 64))
    queries, items = (
        hamming.normalise(labels @ directions + rng.standard_normal((len(labels), 64)))
        for labels in (query_labels, item_labels)
    )
    qrels = SharedLabels(query_labels, item_labels)
    some = SharedLabels(query_labels[: asked.peer_queries], item_labels)

    peers: dict[str, Distances] = {"bytes": distances_from_bytes, "words": distances_from_words}
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    result: dict[str, float] = {}
    for run in range(asked.runs):
        start = time.perf_counter()
        result["map"] = by_histograms(queries, items, qrels)
        ours.append(time.perf_counter() - start)
        if run == 0:  # before the peers have taken memory of their own
            result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for name, distances in peers.items():
            start = time.perf_counter()
            by_sorting(queries[: asked.peer_queries], items, some, distances)
            theirs[name].append((time.perf_counter() - start) * asked.queries / len(some.query_ids))
    result["seconds"] = statistics.median(ours)
    for name, seconds in theirs.items():
        result[f"{name}_seconds"] = statistics.median(seconds)
        result[f"times_faster_than_{name}"] = statistics.median(np.divide(seconds, ours).tolist())
    if asked.json:
        print(json.dumps(result))
        return
    print(f"{asked.queries:,} queries x {asked.items:,} items x 64 bits, 24 labels, median of {asked.runs} runs")
    peak, score = result["peak_mb"], result["map"]
    print(f"histograms               {result['seconds']:7.2f} s   peak {peak:.0f} MB   map@all {score:.4f}")
    for name in peers:
        took, ratio = result[f"{name}_seconds"], result[f"times_faster_than_{name}"]
        print(f"argsort of {name} + cumsum {took:7.2f} s   histograms are {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
