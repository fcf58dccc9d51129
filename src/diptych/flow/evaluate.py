"""Fit a method on a dataset and measure it under one of the protocols on the dataset's card."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from diptych.flow import catalogue
from diptych.flow.encoder import Encoder
from diptych.kinds import (
    Array,
    BadInput,
    Card,
    Floats,
    Listed,
    Pairs,
    Progress,
    Protocol,
    Qrels,
    Report,
    Run,
    SharedLabels,
    Space,
    nearest,
)
from diptych.metrics import measures, ranking, statistics

METRICS = ("map@all", "map@50", "r@1", "r@5", "r@10", "recall@10", "mrr", "medr")
DIRECTIONS = ("i2t", "t2i")
RUN_DEPTH = 100


@dataclass(frozen=True)
class Direction:
    """One side asks, the other answers: settled rows of both, and who answers whom."""

    queries: Array
    items: Array
    qrels: Qrels
    space: Space

    def rankings(self, ties: ranking.Ties, graded: bool = False) -> Iterator[ranking.Ranking]:
        return ranking.rankings(self.queries, self.items, self.space, self.qrels, ties, graded)

    def run(self, depth: int, rows: Array | None = None) -> Run:
        """The best `depth` items of each query (of these rows only, when given), best first, never an n x n matrix."""
        queries = self.queries if rows is None else self.queries[rows]
        ids = self.qrels.query_ids if rows is None else tuple(self.qrels.query_ids[row] for row in rows)
        depth = min(depth, len(self.items))
        best, scores = [], []
        step = max(1, ranking.BLOCK // len(self.items))
        for start in range(0, len(queries), step):
            block = self.space.score(queries[start : start + step], self.items)
            near = np.argpartition(-block, depth - 1, axis=1)[:, :depth]
            near = np.take_along_axis(near, np.argsort(-np.take_along_axis(block, near, 1), axis=1, kind="stable"), 1)
            best.append(near)
            scores.append(np.take_along_axis(block, near, 1))
        return Run(ids, self.qrels.item_ids, np.concatenate(best), np.concatenate(scores).astype(np.float64))


@dataclass(frozen=True)
class Evaluation:
    """A report with what stands behind it, for those who want to look: encoder, items and both directions."""

    report: Report
    encoder: Encoder
    card: Card
    protocol: Protocol
    query: Pairs
    database: Pairs
    directions: dict[str, Direction]


def evaluate(
    name: str | Path,
    dataset: str | Path,
    *,
    settings: dict[str, str] | None = None,
    image_features: str = "",
    text_features: str = "",
    split: str = "",
    protocol: str = "",
    metrics: Sequence[str] = METRICS,
    ties: ranking.Ties = "expected",
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a method (fitted here on the protocol's training split) or a fitted folder (as it is).

    split    ask this split of itself, in place of the protocol's query and database splits
    Raises BadInput for whatever the caller can mend.
    """
    for metric in metrics:
        measures.known(metric)
    if ties not in ranking.TIES:
        raise BadInput(f"there is no tie policy {ties!r}{nearest(ties, ranking.TIES)}")
    found = catalogue.dataset(dataset)
    card, rules = found.card, found.card.protocol(protocol)
    if str(name) in catalogue.methods():
        image_features = image_features or card.image_features
        text_features = text_features or card.text_features
    encoder, fitted = Encoder.named(name, settings, image_features, text_features, seed)
    if fitted and card.splitless and not split:
        split = "all"
    if split:
        rules = replace(rules, query=split, database=split)

    def rows(part: str) -> Pairs:
        pairs = found.read(part)
        return pairs.joined() if rules.joined else pairs

    seconds = dict.fromkeys(("fit", "encode", "score"), 0.0)
    if not fitted:
        train = rows(rules.train)
        with clock(seconds, "fit"):
            encoder.fit_on(card, rules, train, seed, progress)
    query = rows(rules.query)
    database = query if rules.database == rules.query else rows(rules.database)
    with clock(seconds, "encode"):
        images, texts = encoder.encode_images(query.images, progress), encoder.encode_texts(query.texts, progress)
        if database is query:
            stored_images, stored_texts = images, texts
        else:
            stored_images = encoder.encode_images(database.images, progress)
            stored_texts = encoder.encode_texts(database.texts, progress)
    i2t_qrels, t2i_qrels = judgements(rules, query, database)
    directions = {
        "i2t": Direction(images, stored_texts, i2t_qrels, encoder.space),
        "t2i": Direction(texts, stored_images, t2i_qrels, encoder.space),
    }
    with clock(seconds, "score"):
        values = _measured(directions, query, rules.folds, metrics, ties)
    report = Report(
        method=encoder.method_.paper_name() if not fitted else str(name),
        dataset=card.name,
        protocol=rules.name,
        seed=seed,
        i2t={metric: measures.summary(metric, v) for metric, v in values["i2t"].items()},
        t2i={metric: measures.summary(metric, v) for metric, v in values["t2i"].items()},
        seconds={stage: round(spent, 4) for stage, spent in seconds.items()},
        bytes_per_item=stored_images[:1].nbytes,
        versions=_versions(),
        settings=encoder.method_.settings(),
        protocol_text=str(rules),
        ties=ties,
        features={"images": encoder.images_.text, "texts": encoder.texts_.text},
        counts={"queries": query.n_images, "images": database.n_images, "texts": database.n_texts},
        intervals={
            direction: {metric: _interval(metric, v, seed) for metric, v in of.items()}
            for direction, of in values.items()
        },
        per_query={
            direction: {metric: [round(float(x), 6) if np.isfinite(x) else None for x in v] for metric, v in of.items()}
            for direction, of in values.items()
        },
    )
    return Evaluation(report, encoder, card, rules, query, database, directions)


def judgements(rules: Protocol, query: Pairs, database: Pairs) -> tuple[Qrels, Qrels]:
    """Who answers whom, pictures asking for texts and texts for pictures."""
    if rules.relevance == "label":
        for side, pairs in (("query", query), ("database", database)):
            if pairs.labels is None:
                raise BadInput(f"protocol {rules.name} is relevance by label, and the {side} split has no labels")
        return (
            SharedLabels(query.labels, database.text_labels, query.image_ids, database.text_ids),
            SharedLabels(query.text_labels, database.labels, query.text_ids, database.image_ids),
        )
    if query is not database:
        raise BadInput(f"protocol {rules.name} is relevance by pair, so queries and database are one split")
    pairs = Listed(query.owner, np.arange(query.n_texts), query.image_ids, query.text_ids)
    return pairs, pairs.transposed()


def _measured(
    directions: dict[str, Direction], query: Pairs, folds: int, metrics: Sequence[str], ties: ranking.Ties
) -> dict[str, dict[str, Floats]]:
    """Direction -> metric -> one value a query; with folds, each picture is ranked among the texts of its fold."""
    graded = measures.wants_grades(metrics)
    if folds == 1:
        return {
            side: measures.evaluate(metrics, direction.rankings(ties, graded)) for side, direction in directions.items()
        }
    blocks: dict[str, list[dict[str, Floats]]] = {side: [] for side in directions}
    i2t = directions["i2t"]
    for fold in ranking.fold_slices(query.n_images, folds):
        texts = np.flatnonzero((query.owner >= fold.start) & (query.owner < fold.stop))
        image_ids, text_ids = query.image_ids[fold], tuple(query.text_ids[row] for row in texts)
        pairs = Listed(query.owner[texts] - fold.start, np.arange(len(texts)), image_ids, text_ids)
        images, told = i2t.queries[fold], i2t.items[texts]
        cut = {
            "i2t": Direction(images, told, pairs, i2t.space),
            "t2i": Direction(told, images, pairs.transposed(), i2t.space),
        }
        for side, direction in cut.items():
            blocks[side].append(measures.evaluate(metrics, direction.rankings(ties, graded)))
    return {
        side: {metric: np.concatenate([block[metric] for block in found]) for metric in metrics}
        for side, found in blocks.items()
    }


def _interval(metric: str, values: Floats, seed: int) -> list[float]:
    statistic = "median" if metric == "medr" else "mean"
    return [float(edge) for edge in statistics.bootstrap_interval(values, seed=seed, statistic=statistic)]


def _versions() -> dict[str, str]:
    packages = ("diptych", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


@contextmanager
def clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time spent inside to a stage."""
    start = time.perf_counter()
    yield
    seconds[stage] += time.perf_counter() - start


