"""What a method finds where something is wrong: with the pairs and labels it learns from, or with what it is asked.

    wrong pairs      a share of the training texts change places
    missing labels   a share of the labels of the training pictures is not told
    wrong labels     a share of them is told as another label, which the picture has not
    noise            every row that asks is moved in a direction drawn at random, by a share of its length
    attack           every row that asks is moved as far, but so that it comes near items of labels it has nothing to do
                     with: the targeted attack on cross-modal hashing (Wang, Zhu, Zhang, Cui & Shen 2023), in features

The paper's attack makes pixels with a network that learned to fool the one that is attacked. Here rows of features are
moved by steps up the gradient of the method itself, inside a ball (projected gradients: Madry et al. 2018). That needs
nothing to be learned, knows the method through and through, and so tells the worst case: what no noise of a size finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diptych.catalogue import Dataset
from diptych.encoder import Encoder
from diptych.flow.evaluate import DIRECTIONS, Direction
from diptych.flow.fit import fit
from diptych.flow.prepare import Prepared, prepare
from diptych.kinds import Array, BadInput, Pairs, Progress, Qrels, SharedLabels, Space
from diptych.method import Method, dense
from diptych.metrics import measures, ranking
from diptych.parts.algebra import unit

METRIC = "map@all"
SHARES = (0.2, 0.4, 0.6)
SIZES = (0.05, 0.1, 0.2)
STEPS = 10
"""Steps of an attack."""


@dataclass(frozen=True)
class Trial:
    """What was found, map@all in fractions of 1, pictures asking for texts and texts asking for pictures.

    what      nothing, wrong pairs, missing labels, wrong labels, noise or attack
    amount    the share of pairs or labels, or how far a row was moved, as a share of its length
    towards   by how items of the labels that the attack wanted stand: (i2t, t2i). Under noise, how they stand then
    """

    what: str
    amount: float
    i2t: float
    t2i: float
    towards: tuple[float, float] | None = None


def robustness(
    method: str | Method,
    dataset: str | Path | Dataset | Prepared,
    *,
    settings: dict[str, str] | None = None,
    shares: Sequence[float] = SHARES,
    sizes: Sequence[float] = SIZES,
    protocol: str = "",
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[Trial]:
    """One trial after another, the first with nothing wrong; the method is fitted anew for each share.

    method, dataset, settings   as `fit` takes them
    shares    of wrong pairs, of missing labels and of wrong ones
    sizes     how far rows that ask are moved, as shares of their length

    What a method does not learn from is not taken from it. Raises BadInput for shares and sizes out of bounds, and for
    a protocol that judges by pair: an attack wants other labels.
    """
    if any(not 0 < share < 1 for share in shares) or any(not 0 < size <= 1 for size in sizes):
        raise BadInput("shares and sizes lie between 0 and 1")
    found = (
        dataset if isinstance(dataset, Prepared) else prepare(dataset, protocol=protocol, seed=seed, progress=progress)
    )
    if found.rules.relevance != "label" or found.rules.folds > 1:
        raise BadInput(f"protocol {found.rules.name} judges by pair; robustness is told under one that judges by label")
    return _trials(method, found, settings, shares, sizes)


def _trials(
    method: str | Method,
    prepared: Prepared,
    settings: dict[str, str] | None,
    shares: Sequence[float],
    sizes: Sequence[float],
) -> Iterator[Trial]:
    split = prepared.rules.train
    train = prepared.rows(split)
    clean = _Asked(fit(method, prepared, settings), prepared)
    yield Trial("nothing", 0.0, *clean.found(clean.query.images, clean.query.texts))
    harms = [("wrong pairs", wrong_pairs)]
    if type(clean.method).needs in ("labels", "some labels"):
        harms += [("missing labels", missing_labels), ("wrong labels", wrong_labels)]
    for what, harm in harms:
        for share in shares:
            harmed = replace(prepared, _rows={**prepared._rows, split: harm(train, share, prepared.seed)})
            asked = _Asked(fit(method, harmed, settings), prepared)
            yield Trial(what, share, *asked.found(asked.query.images, asked.query.texts))
    for what, move in (("noise", clean.noisy), ("attack", clean.attacked)):
        for size in sizes:
            moved = move("images", size), move("texts", size)
            yield Trial(what, size, *clean.found(*moved), towards=clean.found(*moved, wanted=True))


def wrong_pairs(pairs: Pairs, share: float, seed: int = 0) -> Pairs:
    """The same pairs, but that a share of the texts stand in each other's place, none of them in its own."""
    rng = np.random.default_rng([seed, 1])
    moved = rng.permutation(pairs.n_texts)[: max(2, round(share * pairs.n_texts))]
    order = np.arange(pairs.n_texts)
    order[moved] = np.roll(moved, 1)
    return pairs.features(pairs.images, pairs.texts[order], pairs.views)


def missing_labels(pairs: Pairs, share: float, seed: int = 0) -> Pairs:
    """The same pairs, but that each label of a picture is not told with this probability."""
    told = np.random.default_rng([seed, 2]).random(pairs.labels.shape) >= share
    return replace(pairs, labels=np.where(told, pairs.labels, 0))


def wrong_labels(pairs: Pairs, share: float, seed: int = 0) -> Pairs:
    """The same pairs, but that each label of a picture is with this probability another one, which it has not."""
    rng, labels = np.random.default_rng([seed, 5]), np.asarray(pairs.labels, dtype=bool)
    lost = labels & (rng.random(labels.shape) < share)
    # Of those that a picture has not, as many as it lost, drawn: the first in a random order that has its own last.
    place = (rng.random(labels.shape) + labels).argsort(axis=1).argsort(axis=1)
    raised = ~labels & (place < lost.sum(axis=1, keepdims=True))
    return replace(pairs, labels=(labels & ~lost) | raised)


class _Asked:
    """A fitted encoder, what is stored under it, and rows that ask.

    query     the rows that ask, dense
    stored    side -> settled rows of what answers
    wanted    direction -> who answers whom, had every query the labels that an attack wants
    """

    def __init__(self, encoder: Encoder, prepared: Prepared) -> None:
        rules = prepared.rules
        self.method = encoder.method_
        query, database = prepared.rows(rules.query), prepared.rows(rules.database)
        self.query = query.features(_dense(query.images), _dense(query.texts))
        self.stored = {
            "images": self.method.stored(self.method.encode_images(database.images)),
            "texts": self.method.stored(self.method.encode_texts(database.texts)),
        }
        self.right = dict(zip(DIRECTIONS, prepared.judgements(), strict=True))
        self.seed = prepared.seed
        labels = {"i2t": (query.labels, database.text_labels), "t2i": (query.text_labels, database.labels)}
        self.wanted = {way: self._others(*labels[way], self.right[way]) for way in DIRECTIONS}

    def found(self, images: Array, texts: Array, wanted: bool = False) -> tuple[float, float]:
        """map@all of both directions, of these rows that ask."""
        rows = {"i2t": self.method.encode_images(images), "t2i": self.method.encode_texts(texts)}
        answers = {"i2t": self.stored["texts"], "t2i": self.stored["images"]}
        figures = []
        for way in DIRECTIONS:
            judged = (self.wanted if wanted else self.right)[way]
            owner = np.arange(len(rows[way]))
            blocks = Direction(rows[way], answers[way], judged, self.method.space, owner).rankings(
                ranking.policy("expected")
            )
            figures.append(measures.summary(METRIC, measures.evaluate([METRIC], blocks)[METRIC]))
        return figures[0], figures[1]

    def noisy(self, side: str, size: float) -> Array:
        rows = getattr(self.query, side)
        drawn = np.random.default_rng([self.seed, 3, len(side)]).standard_normal(rows.shape)
        return np.asarray(rows + _reach(rows, size) * unit(drawn))

    def attacked(self, side: str, size: float) -> Array:
        rows = getattr(self.query, side)
        way, answers = ("i2t", "texts") if side == "images" else ("t2i", "images")
        wanted = _prototypes(self.stored[answers], self.wanted[way], self.method.space)
        reach = _reach(rows, size)
        moved = np.zeros_like(rows)
        for _ in range(STEPS):
            slope = self.method.slope("images" if side == "images" else "texts", rows + moved, wanted)
            # Steps add up to two and a half times the reach, so that any point of the ball can be come to.
            moved = moved + 2.5 / STEPS * reach * unit(slope)
            moved = moved * np.minimum(1.0, reach / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-30))
        return np.asarray(rows + moved)

    def _others(self, labels: Array, stored: Array, right: Qrels) -> SharedLabels:
        """For each query the labels of an item drawn from those that are wrong for it; its own where none is wrong."""
        rng = np.random.default_rng([self.seed, 4])
        targets = np.array(labels, copy=True)
        for row in range(len(labels)):
            wrong = np.flatnonzero(~right.relevant(row, row + 1)[0] & stored.any(axis=1))
            if len(wrong):
                targets[row] = stored[rng.choice(wrong)]
        return SharedLabels(targets, stored, right.query_ids, right.item_ids)


def _dense(rows: Array) -> Array:
    found = dense(rows)
    if found.ndim != 2:
        raise BadInput(f"rows of shape {found.shape}: robustness moves one row an item")
    return found


def _reach(rows: Array, size: float) -> Array:
    """(n, 1) how far each row may be moved."""
    return np.asarray(size * np.linalg.norm(rows, axis=1, keepdims=True))


def _prototypes(stored: Array, wanted: SharedLabels, space: Space) -> Array:
    """(n_q, k) the mean of what is stored under the labels that each query is to be led to; codes as -1 and 1."""
    items = 2.0 * np.unpackbits(stored, axis=1) - 1 if space.name == "hamming" else np.asarray(stored, dtype=np.float64)
    means, step = [], max(1, ranking.BLOCK // len(items))
    for start in range(0, wanted.shape[0], step):
        right = wanted.relevant(start, min(start + step, wanted.shape[0])).astype(np.float64)
        means.append(right @ items / np.maximum(right.sum(axis=1, keepdims=True), 1))
    return np.concatenate(means)
