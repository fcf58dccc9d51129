"""MAP and nDCG@10 of the same runs by Diptych, ranx and torchmetrics: 2,000 queries that rank 1,000 items each.

Every one is given the runs and judgements in the form it keeps them in, so what is timed is ranking and measuring.
Scores are distinct; the values have to agree.

    pip install -e ".[bench]"
    python bench/map_peers.py [--json] [--queries 2000] [--items 1000]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from diptych.kinds import Listed, Run
from diptych.metrics.measures import evaluate, summary
from diptych.metrics.ranking import rank_run

Measured = dict[str, float]


def diptych_way(scores: np.ndarray, grades: np.ndarray) -> Callable[[], Measured]:
    query, item = np.nonzero(grades)
    ids = [tuple(map(str, range(n))) for n in grades.shape]
    qrels = Listed(query, item, *ids, grades[query, item])
    order = np.argsort(-scores, axis=1)
    run = Run(*ids, order, np.take_along_axis(scores, order, axis=1))

    def measured() -> Measured:
        values = evaluate(["map@all", "ndcg@10"], [rank_run(run, qrels)])
        return {"map": summary("map@all", values["map@all"]), "ndcg@10": summary("ndcg@10", values["ndcg@10"])}

    return measured


def ranx_way(scores: np.ndarray, grades: np.ndarray) -> Callable[[], Measured]:
    import ranx

    qrels = ranx.Qrels({str(q): {str(i): int(row[i]) for i in np.flatnonzero(row)} for q, row in enumerate(grades)})
    run = ranx.Run({str(q): {str(i): float(s) for i, s in enumerate(row)} for q, row in enumerate(scores)})
    return lambda: dict(ranx.evaluate(qrels, run, ["map", "ndcg@10"]))


def torchmetrics_way(scores: np.ndarray, grades: np.ndarray) -> Callable[[], Measured]:
    import torch
    from torchmetrics.retrieval import RetrievalMAP, RetrievalNormalizedDCG

    query = torch.arange(len(scores)).repeat_interleave(scores.shape[1])
    found, grade = torch.from_numpy(scores).ravel(), torch.from_numpy(grades.astype(np.int64)).ravel()

    def measured() -> Measured:
        precision, gain = RetrievalMAP(), RetrievalNormalizedDCG(top_k=10)
        return {
            "map": float(precision(found, grade > 0, indexes=query)),
            "ndcg@10": float(gain(found, grade, indexes=query)),
        }

    return measured


WAYS = {"diptych": diptych_way, "ranx": ranx_way, "torchmetrics": torchmetrics_way}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5, help="alternating runs; the median counts")
    asked = parser.parse_args()

    rng = np.random.default_rng(0)
    shape = (asked.queries, asked.items)
    grades = rng.integers(1, 4, shape) * (rng.random(shape) < 0.05)
    grades[:, 0] += grades.sum(axis=1) == 0
    # Whole numbers below 2^24: float32 holds them exactly, and no two are equal. From 1 on, since torchmetrics takes an
    # item whose score is not above 0 for irrelevant.
    scores = 1 + np.argsort(np.argsort(rng.random(shape) + 0.2 * grades, axis=1), axis=1).astype(np.float32)

    ways, skipped = {}, []
    for name, way in WAYS.items():
        if importlib.util.find_spec(name) is None:
            skipped.append(name)
        else:
            ways[name] = way(scores, grades)
    values = {name: way() for name, way in ways.items()}  # also lets ranx compile
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(asked.runs):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    for name, value in values.items():
        for measure, theirs in value.items():
            if abs(theirs - values["diptych"][measure]) > 1e-5:
                raise SystemExit(f"{name}: {measure} is {theirs}, ours {values['diptych'][measure]}")

    result = {name: {"seconds": statistics.median(took), **values[name]} for name, took in seconds.items()}
    if asked.json:
        print(json.dumps({**result, "skipped": skipped}))
        return
    print(f"{asked.queries:,} queries that rank {asked.items:,} items, median of {asked.runs} runs")
    for name, row in result.items():
        ratio = row["seconds"] / result["diptych"]["seconds"]
        print(f"{name:14}{row['seconds']:8.3f} s  x{ratio:6.1f}   map {row['map']:.6f}   ndcg@10 {row['ndcg@10']:.6f}")
    for name in skipped:
        print(f"{name:14} skipped: pip install -e .[bench]")


if __name__ == "__main__":
    main()
