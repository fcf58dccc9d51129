"""Training throughput of `infonce` and `dscmr` against the same loss in a bare PyTorch loop: what the loop costs.

Texts are sparse rows, as tf-idf gives them; the bare loop is handed them dense. Both have to end at the same loss. With
pytorch-metric-learning installed, its loss in the bare loop takes part, too.

    pip install -e ".[torch,bench]"
    python bench/descent.py [--json] [--pictures 3000] [--epochs 2] [--runs 3]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy import sparse

from diptych.kinds import Pairs
from diptych.method import Batch, Descent
from diptych.methods.deep.dscmr import DSCMR
from diptych.methods.towers.infonce import InfoNCE

IMAGE_WIDTH, WORDS, WORDS_A_TEXT, CLASSES, CAPTIONS = 1280, 2000, 9, 40, 2
CONSTANT = {"warmup": 0.0, "final": 1.0, "decay": 0.0, "held_out": 0.0}
Terms = Callable[[Any, Any, Any, Batch], "dict[str, torch.Tensor]"]


def drawn(pictures: int, seed: int = 0) -> Pairs:
    """Pictures of a class, with sparse captions whose words lean on it."""
    rng = np.random.default_rng(seed)
    labels = rng.random((pictures, CLASSES)) < 0.05
    labels[np.arange(pictures), rng.integers(0, CLASSES, pictures)] = True
    images = labels @ rng.standard_normal((CLASSES, IMAGE_WIDTH)) + rng.standard_normal((pictures, IMAGE_WIDTH))
    owner = np.repeat(np.arange(pictures), CAPTIONS)
    kind = labels[owner].argmax(axis=1)
    words = (rng.integers(0, WORDS, (len(owner), WORDS_A_TEXT)) // 4 + kind[:, None] * (WORDS // CLASSES)) % WORDS
    rows = np.repeat(np.arange(len(owner)), WORDS_A_TEXT)
    values = np.full(words.size, 1 / 3, dtype=np.float32)
    texts = sparse.csr_array((values, (rows, words.ravel())), shape=(len(owner), WORDS))
    return Pairs(images.astype(np.float32), texts, owner, labels)


def bare(method: Descent, pairs: Pairs, loss: Terms, dense: torch.Tensor) -> float:
    """The loop that one would write for this method alone; the mean loss of its last epoch."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    facts = {"image_width": IMAGE_WIDTH, "text_width": WORDS, "classes": CLASSES}
    torch.manual_seed(method.seed)
    net = method.network(facts).to(device)
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=method.rate, betas=(method.momentum, 0.999), weight_decay=0.0, fused=True
    )
    images, texts = torch.from_numpy(pairs.images), dense
    owners, labels = torch.from_numpy(pairs.owner), torch.from_numpy(pairs.text_labels).float()
    steps = -(-pairs.n_texts // method.batch)
    for epoch in range(method.epochs):
        order = np.random.default_rng([method.seed, epoch]).permutation(pairs.n_texts)
        total = 0.0
        for index in map(torch.from_numpy, np.array_split(order, steps)):
            owner = owners[index]
            x, y = images[owner].to(device), texts[index].to(device)
            batch = Batch(x, y, index, owner.to(device), labels[index].to(device), 0.0)
            terms = loss(net, net.images(x), net.texts(y), batch)
            objective = sum(terms.values())
            optimiser.zero_grad()
            objective.backward()
            optimiser.step()
            total += objective.item() * len(index)
    return total / pairs.n_texts


def ours(method: Descent, pairs: Pairs) -> float:
    last = method.fit(pairs).training_["epochs"][-1]
    return sum(last.values())


def metric_learning() -> Terms | None:
    """CLIP's loss by pytorch-metric-learning, where that is installed."""
    if importlib.util.find_spec("pytorch_metric_learning") is None:
        return None
    from pytorch_metric_learning.losses import NTXentLoss

    def loss(net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, torch.Tensor]:
        near = NTXentLoss(temperature=0.07)
        sides = (images, texts), (texts, images)
        return {"contrastive": sum(near(u, batch.owner, ref_emb=v, ref_labels=batch.owner) for u, v in sides) / 2}

    return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="alternating runs; the median counts")
    asked = parser.parse_args()

    pairs = drawn(asked.pictures)
    dense = torch.from_numpy(pairs.texts.toarray())
    result: dict[str, Any] = {}
    for method in (InfoNCE(epochs=asked.epochs, dropout=0.0, **CONSTANT), DSCMR(epochs=asked.epochs, **CONSTANT)):
        name = method.paper_name()
        ways = {"diptych": partial(ours, method, pairs), "bare loop": partial(bare, method, pairs, method.loss, dense)}
        if isinstance(method, InfoNCE) and (loss := metric_learning()) is not None:
            ways["pytorch-metric-learning"] = partial(bare, method, pairs, loss, dense)
        ends = {way: run() for way, run in ways.items()}
        if abs(ends["diptych"] - ends["bare loop"]) > 1e-3 * abs(ends["bare loop"]):
            raise SystemExit(f"{name}: the loops end at different losses: {ends}")
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(asked.runs):
            for way, run in ways.items():
                start = time.perf_counter()
                run()
                seconds[way].append(time.perf_counter() - start)
        result[name] = {
            "texts_per_second": {
                way: asked.epochs * pairs.n_texts / statistics.median(took) for way, took in seconds.items()
            },
            "ratio": {
                way: statistics.median(np.divide(took, seconds["diptych"]).tolist()) for way, took in seconds.items()
            },
        }
    if asked.json:
        print(json.dumps(result))
        return
    print(
        f"{asked.pictures:,} pictures, {CAPTIONS} texts each, {torch.get_num_threads()} threads, median of {asked.runs}"
    )
    for name, found in result.items():
        for way, rate in found["texts_per_second"].items():
            print(f"{name:8} {way:24} {rate:8.0f} texts/s   ours is x{found['ratio'][way]:.2f}")


if __name__ == "__main__":
    main()
