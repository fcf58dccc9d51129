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
from diptych.flow.fit import fit, rows
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
    method: str | Path,
    dataset: str | Path,
    *,
    settings: dict[str, str] | None = None,
    image_features: str = "",
    text_features: str = "",
    split: str = "",
    protocol: str = "",
    metrics: Sequence[str] = METRICS,
    ties: str = "expected",
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a method (fitted here on the protocol's training split) or a fitted folder (as it is).

    split    ask this split of itself, in place of the protocol's query and database splits
    Raises BadInput for whatever the caller can mend.
    """
    for metric in metrics:
        measures.known(metric)
    policy = next((known for known in ranking.TIES if known == ties), None)
    if policy is None:
        raise BadInput(f"there is no tie policy {ties!r}{nearest(ties, ranking.TIES)}")
    found = catalogue.dataset(dataset)
    seconds = dict.fromkeys(("fit", "encode", "score"), 0.0)
    fitted = method not in catalogue.methods() and (Path(method) / "config.json").is_file()
    if fitted:
        if settings or image_features or text_features:
            raise BadInput(f"{method} is fitted already; its settings and features cannot be changed, fit it anew")
        encoder = Encoder.from_pretrained(method)
        split = split or ("all" if found.card.splitless else "")
    else:
        catalogue.method(str(method))
    rules = found.card.protocol(protocol)
    if split:
        rules = replace(rules, query=split, database=split)
    query = rows(found, rules.query, rules)
    database = query if rules.database == rules.query else rows(found, rules.database, rules)
    qrels = judgements(rules, query, database)
    if not fitted:
        with clock(seconds, "fit"):
            encoder = fit(
                str(method),
                found,
                settings=settings,
                image_features=image_features,
                text_features=text_features,
                protocol=protocol,
                seed=seed,
                progress=progress,
            )
    with clock(seconds, "encode"):
        images, texts = encoder.encode_images(query.images, progress), encoder.encode_texts(query.texts, progress)
        if database is query:
            stored_images, stored_texts = images, texts
        else:
            stored_images = encoder.encode_images(database.images, progress)
            stored_texts = encoder.encode_texts(database.texts, progress)
    directions = {
        "i2t": Direction(images, stored_texts, qrels[0], encoder.space),
        "t2i": Direction(texts, stored_images, qrels[1], encoder.space),
    }
    with clock(seconds, "score"):
        values = _measured(directions, query, rules.folds, metrics, policy)
    report = Report(
        method=str(method),
        dataset=found.card.name,
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
    return Evaluation(report, encoder, found.card, rules, query, database, directions)


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
    own = Listed(query.owner, np.arange(query.n_texts), query.image_ids, query.text_ids)
    return own, own.transposed()


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
    edges = statistics.bootstrap_interval(values, seed=seed, statistic="median" if metric == "medr" else "mean")
    return [float(edge) for edge in edges]


def _versions() -> dict[str, str]:
    packages = ("diptych", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


@contextmanager
def clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time spent inside to a stage."""
    start = time.perf_counter()
    yield
    seconds[stage] += time.perf_counter() - start
