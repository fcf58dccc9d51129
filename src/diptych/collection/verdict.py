"""Whether an answer is good: its scores against those that things which are not there would get from the same pictures.

A raw score says little: one query scores .3 against everything, another .1 against what it means, and some pictures
score high with whatever is asked. So a collection is asked, once, for some 320 things that few folders of pictures
hold, less those that a caption says are there. What they score on a picture is its null distribution, and a hit is
rated by its **z-score**: how many deviations its score lies above the mean of that (score normalisation by impostors:
Auckenthaler, Carey & Lloyd-Thomas, Digital Signal Processing 10, 2000). An answer is as high as its best hundredth on
average, ten hits at the most.

What few people photograph needs better evidence than a dog: a z-score is raised by how **usual** the query is. That is
told from its row alone, by the direction that parts everyday things from rare ones (ridge regression on their rows:
Hoerl & Kennard, Technometrics 12, 1970).

How high an answer gets when what is asked for is not there is known from the same things, each rated against the
others. `weak` and `match` are points of these z-scores. A query of another shape gets points of its own when it is
asked: the absent things take the place of its words, all else stays, be it pictures, what is taken away, or a filter.
Where there are captions, pieces of them are asked for too, and tell how often what is there is called at least weak.

A picture is rated against pictures drawn at random: `weak` is more alike than 99 of 100 of them, `match` more than 999
of 1,000.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np

from diptych.collection import background_queries
from diptych.collection.vectors import Side, Vectors
from diptych.kinds import Array, Floats, Ints, Space, batches

Verdict = Literal["match", "weak", "none", "unrated"]

WEAK, MATCH = 0.75, 0.97
"""The part of absent things that stays below each threshold."""

PAIR_WEAK, PAIR_MATCH = 0.99, 0.999
"""The part of random pairs of pictures that stays below each threshold."""

QUERIES = 300
SAMPLE = 2000
"""Pictures that stand for the collection where it would take too long to ask all."""

LEAST = 20
"""Things to ask for, and pictures; with fewer nothing is rated."""

TELLING = 0.1
"""The part of the pictures that a word may be said of to tell them from others."""

_CAPTIONS = 20_000
"""Captions looked at to find out which words are telling."""

_AT_A_TIME = 500
"""Pictures that all things are scored with at a time: tables of more of them would be larger than the encoder."""

_THIN = 37
"""Of the pairs of a query and a picture that does not show it, every so many-th is kept."""

USUAL = 0.5
"""Deviations of z-score that one deviation of how usual a query is counts for: few, so that no word decides alone."""

_RIDGE = 0.3
"""The ridge of that regression, in mean eigenvalues."""

TOP = 10
"""The best hits that are rated together, at the most."""

_GIBBERISH = ("qzxvk", "wjrbf tphgz", "xq zzk jvw")
"""What an encoder that knows whole words cannot tell apart."""


@dataclass(frozen=True)
class Thresholds:
    """weak, match     z-score from which an answer is called so; for pictures, the score of a hit
    false_weak, false_match   the part of absent things, or random pairs, that pass such thresholds of the others
    found                     the part of pieces of captions whose answer is at least weak; None where there are none
    queries                   what was asked to find the thresholds
    """

    weak: float
    match: float
    false_weak: float
    false_match: float
    found: float | None
    queries: int

    def of(self, z_score: float) -> Verdict:
        return "match" if z_score >= self.match else "weak" if z_score >= self.weak else "none"

    def raised(self, by: float) -> Thresholds:
        return replace(self, weak=self.weak + by, match=self.match + by)


@dataclass(frozen=True)
class Calibration:
    """What was measured on a collection.

    text, picture   thresholds of queries in words and of a picture; None where nothing could be measured
    points          the parts of absent things that `text.weak` and `text.match` leave below them
    shift           how much further up an absent thing gets among all pictures than among the sample
    usual           what is added to the z-score of each absent thing, as if `Background.usual` were learned without it
    veto            deviations above the middle from which a picture shows what a NOT excludes, or half the way to the
                    best if that is less; found from captions, else 1
    items           pictures there were then
    sample          ids of the pictures that stand for the collection
    """

    text: Thresholds | None = None
    picture: Thresholds | None = None
    points: tuple[float, float] = (WEAK, MATCH)
    shift: float = 0.0
    usual: tuple[float, ...] = ()
    veto: float = 1.0
    items: int = 0
    sample: tuple[int, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Calibration:
        facts = json.loads(text)
        if "points" not in facts:  # measured in an earlier way: as good as not at all
            return cls()
        for side in ("text", "picture"):
            facts[side] = facts[side] and Thresholds(**facts[side])
        return cls(**{**facts, **{name: tuple(facts.get(name, ())) for name in ("points", "usual", "sample")}})


_KEPT: tuple[Side, ...] = ("absent", "unknown", "usual")


@dataclass(frozen=True)
class Background:
    """rows      (k, d) of the things that are not there, each another one
    unknown   (1, d) the row of words that the encoder does not know; (0, d) where it knows some of every word
    usual     (1, d) the direction from rare things to everyday ones; (0, d) where rows have none, or the encoder knows
              too few of either
    """

    rows: Array
    unknown: Array = field(repr=False)
    usual: Array = field(repr=False)

    @classmethod
    def kept(cls, vectors: Vectors) -> Background:
        """That of a collection; without rows where nothing was measured yet under this encoder."""
        return cls(*(vectors.all(side, "item = 0")[1] for side in _KEPT))

    def keep(self, vectors: Vectors) -> None:
        """Write it, inside a transaction."""
        for side, rows in zip(_KEPT, (self.rows, self.unknown, self.usual), strict=True):
            vectors.drop(side, [0])
            vectors.put(side, [0] * len(rows), range(len(rows)), rows)

    def knows(self, rows: Array) -> Array:
        """(n,) whether the encoder told these rows from that of the unknown."""
        if not len(self.unknown):
            return np.ones(len(rows), dtype=bool)
        return np.array([not np.allclose(row, self.unknown[0], rtol=1e-5, atol=1e-6) for row in rows], dtype=bool)

    def raised(self, rows: Array) -> Floats:
        """(n,) what how usual these rows are adds to the z-scores of their answers."""
        return USUAL * (rows @ self.usual.T).sum(axis=1).astype(np.float64) if len(self.usual) else np.zeros(len(rows))


def background(vectors: Vectors, encode: Callable[[list[str]], Array], seed: int = 0) -> tuple[Background, Floats]:
    """The things that no caption of this collection speaks of, as the encoder sees them; and `Calibration.usual`."""
    not_said = [thing for thing in background_queries.rare() if not len(_holding(vectors, [thing]))]
    gibberish = encode(list(_GIBBERISH))
    alike = all(np.allclose(row, gibberish[0], rtol=1e-5, atol=1e-6) for row in gibberish)
    found = Background(gibberish[:0], gibberish[: int(alike)], gibberish[:0])
    rows = encode(np.random.default_rng(seed).permutation(not_said).tolist())
    found = replace(found, rows=np.unique(rows[found.knows(rows)], axis=0))
    if vectors.space.name not in ("cosine", "dot"):
        return found, np.zeros(len(found.rows))
    rows = encode(background_queries.everyday())
    everyday = np.unique(rows[found.knows(rows)], axis=0)
    if min(len(found.rows), len(everyday)) < LEAST:
        return found, np.zeros(len(found.rows))
    usual, left_out = _direction(found.rows, everyday)
    return replace(found, usual=usual.astype(rows.dtype)), USUAL * left_out


def _direction(rare: Array, everyday: Array) -> tuple[Floats, Floats]:
    """(1, d) that tells two sets of rows apart, and (k,) what each rare row would get from that of all others.

    Scaled so that the latter deviate by 1. Both lack a constant, which z-scores and their thresholds would share.
    """
    rows = np.vstack([rare, everyday]).astype(np.float64)
    side = np.repeat([-1.0, 1.0], [len(rare), len(everyday)])
    centre = rows.mean(axis=0)
    side -= side.mean()
    left, values, right = np.linalg.svd(rows - centre, full_matrices=False)
    square = np.square(values)
    kept = square / (square + _RIDGE * square.mean())
    direction = right.T @ (kept / _some(values) * (left.T @ side))
    told, leverage = left @ (kept * (left.T @ side)), np.square(left) @ kept
    left_out = (side - (side - told) / (1 - leverage))[: len(rare)]
    scale = max(float(left_out.std()), 1e-6)
    return direction[None] / scale, (left_out + direction @ centre) / scale


def calibrate(
    vectors: Vectors,
    encode: Callable[[list[str]], Array],
    weak: float = WEAK,
    match: float = MATCH,
    seed: int = 0,
) -> tuple[Calibration, Background]:
    """Measure a collection; the same collection and seed give the same numbers.

    weak, match   the parts of absent things that are to stay below each threshold
    """
    store = vectors.store
    ids = np.array([id for (id,) in store.rows("SELECT id FROM items WHERE status = 'ok' ORDER BY id")], dtype=np.int64)
    points = (weak, match)
    absent, usual = background(vectors, encode)
    if len(ids) < LEAST:
        return Calibration(points=points, items=len(ids)), absent
    random = np.random.default_rng(seed)
    chosen = ids[np.linspace(0, len(ids) - 1, min(SAMPLE, len(ids))).astype(int)]
    sample = vectors.of(chosen.tolist())
    space, k = vectors.space, best_of(len(ids))
    pictures = _of_pictures(space, sample, random)
    pieces = _pieces(vectors, ids, random)
    said = encode([piece for piece, _ in pieces]) if pieces else absent.rows[:0]
    veto = _parting(*_far(vectors, said, sample, [shown for _, shown in pieces])) if pieces else None
    text, shift = None, 0.0
    if len(absent.rows) >= LEAST:
        every = _answers(vectors, absent.rows, absent.rows, k) + usual
        found = _answers(vectors, said, absent.rows, k) + absent.raised(said) if pieces else None
        text = _of_text(every, points, found)
        if len(chosen) < len(ids):
            shift = text.weak - of_absent(space, absent.rows, sample, usual, points).weak
    kept = tuple(usual.tolist()), veto or 1.0, len(ids), tuple(chosen.tolist())
    return Calibration(text, pictures, points, shift, *kept), absent


def best_of(n: int) -> int:
    """How many hits of n pictures are rated together: a hundredth, 1 to TOP.

    The mean of the best hundredth of n random z-scores hardly depends on n; a filter that lets few pictures pass leaves
    it where it is.
    """
    return min(TOP, max(1, -(-n // 100)))


def z_scores(space: Space, scores: Floats, items: Array, null: Array) -> Floats:
    """(n,) deviations that the scores of n pictures with a query lie above those of the rows `null` with each of them.

    scores   (n,)
    items    (n, d)
    null     (k, d): what the query would be if it asked for something that is not there
    """
    against = space.score(null, items).astype(np.float64)
    return np.asarray(scores - against.mean(axis=0)) / _some(against.std(axis=0))


def of_absent(space: Space, null: Array, items: Array, raised: Floats, points: tuple[float, float]) -> Thresholds:
    """Points of the z-scores that each row of `null` reaches against the others, among these pictures.

    raised   (k,) what is added to each
    """
    if not len(items):  # nothing passes, so nothing is high
        return Thresholds(float("inf"), float("inf"), 0.0, 0.0, None, len(null))
    scores, k = space.score(null, items), best_of(len(items))
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    return _of_text(_against_others(scores.astype(np.float64), best).mean(axis=1) + raised, points, None)


def of_pairs(space: Space, rows: Array, sample: Array, own: Ints) -> Thresholds:
    """Points of the scores of rows with pictures; half of the rows to find them and half to check.

    own   of each row, the place in the sample of the picture it was made of
    """
    scores = space.score(rows, sample).astype(np.float64)
    scores[np.arange(len(rows)), own] = np.nan
    found, held = (side[~np.isnan(side)] for side in np.array_split(scores, 2))
    weak, match = np.quantile(found, (PAIR_WEAK, PAIR_MATCH))
    return Thresholds(
        float(weak), float(match), float((held >= weak).mean()), float((held >= match).mean()), None, len(rows)
    )


def spread(space: Space, queries: Array, sample: Array) -> tuple[Floats, Floats]:
    """Median of each query's scores over rows that stand for the collection, and the deviation of those below it."""
    scores = space.score(queries, sample).astype(np.float64)
    middle = np.median(scores, axis=1)
    # The mean over all of them: half are below, so twice that mean is theirs.
    below = np.minimum(scores - middle[:, None], 0)
    return middle, np.sqrt(2 * np.square(below).mean(axis=1))


def _of_text(every: Floats, points: tuple[float, float], found: Floats | None) -> Thresholds:
    weak, match = np.quantile(every, points)
    # What passes is counted on each half with the thresholds of the other.
    halves = every[::2], every[1::2]
    false = [[(held >= bound).mean() for bound in np.quantile(other, points)] for held, other in (halves, halves[::-1])]
    false_weak, false_match = np.mean(false, axis=0)
    return Thresholds(
        weak=float(weak),
        match=float(match),
        false_weak=float(false_weak),
        false_match=float(false_match),
        found=float((found >= weak).mean()) if found is not None and len(found) else None,
        queries=len(every),
    )


def _of_pictures(space: Space, sample: Array, random: np.random.Generator) -> Thresholds:
    some = random.choice(len(sample), min(QUERIES, len(sample)), replace=False)
    return of_pairs(space, sample[some], sample, some)


def _answers(vectors: Vectors, queries: Array, null: Array, k: int) -> Floats:
    """How high the answer to each query is among all pictures. Those that are `null` are rated against the others."""
    best = np.full((len(queries), k), -np.inf), np.zeros((len(queries), k))
    blocks = vectors.blocks("image", "item IN (SELECT id FROM items WHERE status = 'ok')")
    for rows in (part for _, _, block in blocks for part in batches(block, _AT_A_TIME)):
        scores = vectors.space.score(queries, rows).astype(np.float64)
        if queries is null:
            above = _against_others(scores)
        else:
            against = vectors.space.score(null, rows).astype(np.float64)
            above = (scores - against.mean(axis=0)) / _some(against.std(axis=0))
        both = np.hstack([best[0], scores]), np.hstack([best[1], above])
        places = np.argpartition(both[0], -k, axis=1)[:, -k:]
        best = np.take_along_axis(both[0], places, 1), np.take_along_axis(both[1], places, 1)
    return np.asarray(best[1].mean(axis=1))


def _against_others(scores: Floats, places: Ints | None = None) -> Floats:
    """(k, n) how many deviations each score lies above the other k - 1 of its picture.

    places   (k, m) the pictures that are asked for in each row; None: all
    """
    others, total, squares = len(scores) - 1, scores.sum(axis=0), np.square(scores).sum(axis=0)
    if places is not None:
        scores, total, squares = np.take_along_axis(scores, places, 1), total[places], squares[places]
    mean = (total - scores) / others
    square = (squares - np.square(scores)) / others
    return np.asarray((scores - mean) / _some(np.sqrt(np.maximum(square - np.square(mean), 0))))


def _some(deviation: Floats) -> Floats:
    """A picture that scores the same with everything is above nothing."""
    return np.maximum(deviation, 1e-6)


def _holding(vectors: Vectors, words: list[str]) -> Ints:
    """The items with a caption that holds any of these, each taken as words in a row."""
    match = " OR ".join(f'"{word}"' for word in words)
    found = vectors.store.rows("SELECT rowid FROM words WHERE words MATCH ?", (f"captions : ({match})",))
    return np.array([id for (id,) in found], dtype=np.int64)


def _pieces(vectors: Vectors, ids: Ints, random: np.random.Generator) -> list[tuple[str, Ints]]:
    """(one to four words in a row from a caption, the pictures of which any telling word of it is said)."""
    captioned = vectors.store.rows(
        "SELECT item, text FROM captions JOIN items ON items.id = item WHERE status = 'ok' ORDER BY item, row"
    )
    captioned = [captioned[row] for row in random.permutation(len(captioned))[:_CAPTIONS].tolist()]
    said = Counter(word for _, word in {(item, word) for item, text in captioned for word in _words(text)})
    most = max(1, int(TELLING * len({item for item, _ in captioned})))
    found: list[tuple[str, Ints]] = []
    for _, text in captioned:
        words = _words(text)
        telling = [len(word) > 2 and said[word] <= most for word in words]
        if any(telling):
            length = int(random.integers(1, 5))
            first = max(0, int(random.choice(np.flatnonzero(telling))) - int(random.integers(0, length)))
            some = slice(first, first + length)
            keys = [word for word, tells in zip(words[some], telling[some], strict=True) if tells]
            found.append((" ".join(words[some]), _holding(vectors, keys)))
        if len(found) == QUERIES:
            break
    return found


def _far(vectors: Vectors, queries: Array, sample: Array, said: Sequence[Ints]) -> tuple[Floats, Floats]:
    """Where items that show what a query asks for stand, and where the others do, in deviations above the middle."""
    middle, deviation = spread(vectors.space, queries, sample)
    shown: list[Floats] = [np.empty(0)]
    others: list[Floats] = [np.empty(0)]
    for items, _, rows in vectors.blocks("image", "item IN (SELECT id FROM items WHERE status = 'ok')"):
        far = (vectors.space.score(queries, rows) - middle[:, None]) / np.maximum(deviation, 1e-12)[:, None]
        shows = np.stack([np.isin(items, some) for some in said])
        shown.append(far[shows])
        others.append(far[~shows][::_THIN])
    return np.concatenate(shown), np.concatenate(others)


def _parting(shown: Floats, others: Floats) -> float | None:
    """Where the parts of both sides that lie on their own side sum to the most (Youden's J, 1950)."""
    if not len(shown) or not len(others):
        return None
    cuts = np.quantile(shown, np.linspace(0, 1, 201))
    below = [np.searchsorted(np.sort(side), cuts) / len(side) for side in (shown, others)]
    return float(cuts[np.argmax(below[1] - below[0])])


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
