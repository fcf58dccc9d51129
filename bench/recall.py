"""R@k of 5,000 pictures and 25,000 captions of 512 floats, both directions, against the bare matrix products.

python bench/recall.py [--json] [--images 5000] [--width 512]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time

import numpy as np

from diptych.kinds import Listed, cosine
from diptych.metrics.measures import evaluate, rsum, summary
from diptych.metrics.ranking import BLOCK, rankings

NAMES = ("r@1", "r@5", "r@10", "medr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3, help="alternating runs; the median counts")
    asked = parser.parse_args()

    rng = np.random.default_rng(0)
    images = cosine.normalise(rng.standard_normal((asked.images, asked.width), dtype=np.float32))
    owner = np.repeat(np.arange(asked.images), 5)
    noise = rng.standard_normal((len(owner), asked.width), dtype=np.float32)
    texts = cosine.normalise(images[owner] * 3 + noise)
    ids = [tuple(map(str, range(n))) for n in (len(images), len(texts))]
    i2t = Listed(owner, np.arange(len(owner)), *ids)
    sides = ((images, texts, i2t), (texts, images, i2t.transposed()))

    ours, bare = [], []
    peak = total = 0.0
    for run in range(asked.runs):
        start = time.perf_counter()
        scores = []
        for queries, items, qrels in sides:
            values = evaluate(NAMES, rankings(queries, items, cosine, qrels))
            scores.append({name: summary(name, value) for name, value in values.items()})
        middle = time.perf_counter()
        if run == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            total = rsum(*scores)
            middle = time.perf_counter()
        ours.append(middle - start)
        start = time.perf_counter()
        for queries, items, _ in sides:
            rows = BLOCK // len(items)
            for first in range(0, len(queries), rows):
                queries[first : first + rows] @ items.T
        bare.append(time.perf_counter() - start)
    result = {
        "seconds": statistics.median(ours),
        "products_seconds": statistics.median(bare),
        "times_the_products": statistics.median(np.divide(ours, bare).tolist()),
        "peak_mb": peak,
        "rsum": total,
    }
    if asked.json:
        print(json.dumps(result))
        return
    print(f"{len(images):,} images x {len(texts):,} texts x {asked.width}, both ways, median of {asked.runs} runs")
    print(f"ranking and measures  {result['seconds']:6.2f} s   peak {peak:.0f} MB   rsum {100 * total:.1f}")
    print(f"bare products         {result['products_seconds']:6.2f} s   ratio {result['times_the_products']:.2f}")


if __name__ == "__main__":
    main()
