"""Fit a method on a dataset and measure it under one of the protocols on the dataset's card."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from diptych import catalogue
from diptych.catalogue import Dataset
from diptych.encoder import Encoder, load
from diptych.encoders import shelf
from diptych.encoders.dual import DualEncoder
from diptych.flow.fit import fit, leaf
from diptych.flow.prepare import Prepared, prepare
from diptych.kinds import (
    Array,
    BadInput,
    Card,
    Floats,
    Ints,
    Listed,
    Pairs,
    Progress,
    Protocol,
    Qrels,
    Report,
    Run,
    Space,
    listed,
    nearest,
    shown,
)
from diptych.method import Method
from diptych.metrics import measures, ranking, statistics

METRICS = ("map@all", "map@50", "r@1", "r@5", "r@10", "recall@1", "recall@5", "recall@10", "mrr", "medr")
DIRECTIONS = ("i2t", "t2i")


@dataclass(frozen=True)
class Direction:
    """One side asks, the other answers: normalised rows of both, and who answers whom.

    owner   (n_q,) the row of the picture that each query is or belongs to
    """

    queries: Array
    items: Array
    qrels: Qrels
    space: Space
    owner: Ints

    def rankings(self, ties: ranking.Ties, graded: bool = False) -> Iterator[ranking.Ranking]:
        return ranking.rankings(self.queries, self.items, self.space, self.qrels, ties, graded)

    def run(self, depth: int, rows: Array | slice | None = None) -> Run:
        """The best `depth` items of each query (of these rows only, when given), best first.

        Equal scores stand in the order of the items, so those that a cut leaves out are the last ones.
        """
        asked = np.arange(len(self.queries))[slice(None) if rows is None else rows]
        queries, ids = self.queries[asked], tuple(self.qrels.query_ids[row] for row in asked)
        depth = min(depth, len(self.items))
        best, scores = [], []
        step = max(1, ranking.BLOCK // len(self.items))
        for _, block in ranking.score_blocks(queries, self.items, self.space, step):
            near = ranking.best_first(block, depth)
            best.append(near)
            scores.append(np.take_along_axis(block, near, 1))
        return Run(ids, self.qrels.item_ids, np.concatenate(best), np.concatenate(scores).astype(np.float64))


@dataclass(frozen=True)
class Evaluation:
    """A report with what stands behind it, for those who want to look.

    report       the figures
    encoder      what was fitted or measured; `encoder.save_pretrained(folder)` keeps it
    prepared     the dataset under its protocol, and its features
    directions   "i2t" and "t2i": normalised rows of both sides, and who answers whom
    """

    report: Report
    encoder: Encoder | DualEncoder
    prepared: Prepared
    directions: dict[str, Direction]

    @property
    def card(self) -> Card:
        """The facts of the dataset."""
        return self.prepared.dataset.card

    @property
    def protocol(self) -> Protocol:
        """What was asked of what."""
        return self.prepared.rules

    @property
    def query(self) -> Pairs:
        """Pictures and strings of the split that asks."""
        return self.prepared.items(self.prepared.rules.query)

    @property
    def database(self) -> Pairs:
        """Pictures and strings of the split that answers."""
        return self.prepared.items(self.prepared.rules.database)

    def ranked(self, side: str) -> list[Direction]:
        """What is ranked by itself: the direction as it is, or its part in each fold of the protocol."""
        return _folded(self.directions, self.query, self.protocol.folds)[side]


def evaluate(
    method: str | Path | Method | Encoder | DualEncoder,
    dataset: str | Path | Dataset,
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
    """Measure a method, fitted here on the protocol's training split, or an encoder as it is.

    method     a method's name, else what `load` takes: a fitted folder, `mini`, `hub:…`; or one of your own: a method,
               of whose settings a new one is fitted, or an encoder
    dataset    a dataset's name, the path of your own data, or a `Dataset`
    settings   hyper-parameters of a named method, as `key=value` strings
    metrics    names as in docs/reference/metrics.md, each for both directions
    ties       expected, stable, optimistic or pessimistic
    The rest are those of `prepare`. An encoder is asked all rows of a dataset that has no splits of its own. Raises
    BadInput for whatever the caller can mend.
    """
    found = dataset if isinstance(dataset, Dataset) else catalogue.dataset(dataset)
    if isinstance(method, Path):
        method = str(method)
    if not isinstance(method, str | Method | Encoder | DualEncoder):
        raise BadInput(f"method: {shown(method)} is neither a name nor a method or encoder made of a class of diptych")
    known = catalogue.methods()
    if isinstance(method, str) and not (method in known or shelf.is_encoder(method)):
        raise BadInput(
            f"{method!r} is no method and no fitted folder or model{nearest(method, [*known, *shelf.names()])}"
        )
    if isinstance(method, Method) or (isinstance(method, str) and method in known):
        leaf(method, settings)  # a wrong name or setting is told before any work
        prepared = prepare(
            found,
            image_features=image_features,
            text_features=text_features,
            split=split,
            protocol=protocol,
            seed=seed,
            progress=progress,
        )
        return measure(method, prepared, settings=settings, metrics=metrics, ties=ties)
    if settings or image_features or text_features:
        raise BadInput(f"{_named(method)} is fitted already; its settings and features cannot be changed, fit it anew")
    encoder = load(method) if isinstance(method, str) else method
    prepared = prepare(
        found,
        image_features=encoder.images_ if isinstance(encoder, Encoder) else "",
        text_features=encoder.texts_ if isinstance(encoder, Encoder) else "",
        split=split or ("all" if found.card.splitless else ""),
        protocol=protocol,
        seed=seed,
        progress=progress,
    )
    return measure(encoder, prepared, metrics=metrics, ties=ties)


def measure(
    method: str | Method | Encoder | DualEncoder,
    prepared: Prepared,
    *,
    settings: dict[str, str] | None = None,
    metrics: Sequence[str] = METRICS,
    ties: str = "expected",
) -> Evaluation:
    """Measure a method, by name or one's own, or an encoder, on a dataset that is prepared already.

    A `DualEncoder` takes pictures and strings as they are; the features of what is prepared are not computed.

    metrics   names as in `metrics.measures`; ties as in `metrics.ranking`
    """
    metrics = listed(metrics, "metrics", "names")
    for metric in metrics:
        measures.known(metric)
    policy = ranking.policy(ties)
    rules, seed = prepared.rules, prepared.seed
    qrels = prepared.judgements()
    seconds = dict.fromkeys(("features", "fit", "encode", "score"), 0.0)
    encoder: Encoder | DualEncoder
    if isinstance(method, Encoder | DualEncoder):
        encoder = method
    else:
        prepared.rows(rules.train)
        with clock(seconds, "fit"):
            encoder = fit(method, prepared, settings)
    own = isinstance(encoder, Encoder)
    query, database = ((prepared.rows if own else prepared.worded)(split) for split in (rules.query, rules.database))
    seconds["features"] = prepared.seconds
    with clock(seconds, "encode"):
        images, texts = _encoded(encoder, query, prepared.progress)
        stored_images, stored_texts = (
            (images, texts) if database is query else _encoded(encoder, database, prepared.progress)
        )
        if isinstance(encoder, Encoder):
            stored_images, stored_texts = map(encoder.method_.stored, (stored_images, stored_texts))
    directions = {
        "i2t": Direction(images, stored_texts, qrels[0], encoder.space, np.arange(query.n_images)),
        "t2i": Direction(texts, stored_images, qrels[1], encoder.space, query.owner),
    }
    ranked = _folded(directions, query, rules.folds)
    owners = {side: np.concatenate([part.owner for part in parts]) for side, parts in ranked.items()}
    with clock(seconds, "score"):
        values = {side: _measured(parts, metrics, policy) for side, parts in ranked.items()}
    trained, met = prepared.describe_training(encoder.trained_on_)
    trained += ", and asked about pictures it was trained on" if met else ""
    means = {
        direction: {metric: measures.summary(metric, each) for metric, each in found.items()}
        for direction, found in values.items()
    }
    report = Report(
        method=encoder.trained_on_.get("method") or _facts(encoder)[0],
        dataset=prepared.dataset.card.name,
        protocol=rules.name,
        seed=encoder.trained_on_.get("seed", seed),
        i2t=means["i2t"],
        t2i=means["t2i"],
        seconds={stage: round(spent, 4) for stage, spent in seconds.items()},
        bytes_per_item=stored_images[:1].nbytes,
        versions=_versions(),
        settings=_facts(encoder)[1],
        protocol_text=rules.describe(trained),
        ties=ties,
        features=_facts(encoder)[2],
        counts={"queries": query.n_images, "images": database.n_images, "texts": database.n_texts},
        intervals={
            direction: {metric: _interval(metric, each, owners[direction], seed) for metric, each in found.items()}
            for direction, found in values.items()
        },
        per_query={
            direction: {metric: _kept(each) for metric, each in found.items()} for direction, found in values.items()
        },
        data=prepared.digest(rules.query, rules.database),
        trained_on=encoder.trained_on_,
        rsum=measures.rsum(means["i2t"], means["t2i"]) if {"r@1", "r@5", "r@10"} <= set(metrics) else None,
        owners={direction: owner.tolist() for direction, owner in owners.items()},
    )
    return Evaluation(report, encoder, prepared, directions)


def _named(encoder: str | Encoder | DualEncoder) -> str:
    return encoder if isinstance(encoder, str) else _facts(encoder)[0]


def _encoded(encoder: Encoder | DualEncoder, pairs: Pairs, progress: Progress | None) -> tuple[Array, Array]:
    """Settled rows of both sides: of feature rows, or of pictures and strings."""
    if isinstance(encoder, Encoder):
        return encoder.method_.encode_images(pairs.images), encoder.method_.encode_texts(pairs.texts)
    return encoder.encode_images(pairs.images, progress), encoder.encode_texts(pairs.texts, progress)


def _facts(encoder: Encoder | DualEncoder) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Name, settings, and what stands before it on each side."""
    if isinstance(encoder, Encoder):
        features = {"images": encoder.images_.text, "texts": encoder.texts_.text}
        return encoder.method_.paper_name(), encoder.method_.settings(), features
    return encoder.name, {"digest": encoder.digest}, {"images": str(encoder.preprocessing), "texts": encoder.reads}


def _measured(parts: Sequence[Direction], metrics: Sequence[str], ties: ranking.Ties) -> dict[str, Floats]:
    """Metric -> one value a query, of what is ranked each by itself."""
    graded = measures.wants_grades(metrics)
    blocks = [measures.evaluate(metrics, part.rankings(ties, graded)) for part in parts]
    return {metric: np.concatenate([block[metric] for block in blocks]) for metric in metrics}


def _folded(directions: dict[str, Direction], query: Pairs, folds: int) -> dict[str, list[Direction]]:
    """Side -> what is ranked by itself: all of it, or the pictures of each fold with their texts."""
    if folds == 1:
        return {side: [direction] for side, direction in directions.items()}
    cut: dict[str, list[Direction]] = {side: [] for side in DIRECTIONS}
    i2t, t2i = directions["i2t"], directions["t2i"]
    for fold in ranking.fold_slices(query.n_images, folds):
        texts = np.flatnonzero((query.owner >= fold.start) & (query.owner < fold.stop))
        image_ids, text_ids = query.image_ids[fold], tuple(query.text_ids[row] for row in texts)
        pairs = Listed(query.owner[texts] - fold.start, np.arange(len(texts)), image_ids, text_ids)
        cut["i2t"].append(Direction(i2t.queries[fold], i2t.items[texts], pairs, i2t.space, i2t.owner[fold]))
        asking = (t2i.queries[texts], t2i.items[fold], pairs.transposed(), t2i.space, t2i.owner[texts])
        cut["t2i"].append(Direction(*asking))
    return cut


def _interval(metric: str, values: Floats, owner: Ints, seed: int) -> list[float]:
    centre: statistics.Centre = "median" if metric == "medr" else "mean"
    return list(statistics.bootstrap_interval(values, seed=seed, statistic=centre, clusters=owner))


def _kept(values: Floats) -> list[float | None]:
    """Per-query values as JSON holds them: six digits tell two systems apart."""
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]


def _versions() -> dict[str, str]:
    packages = ("diptych", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


@contextmanager
def clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time spent inside to a stage."""
    start = time.perf_counter()
    yield
    seconds[stage] += time.perf_counter() - start
