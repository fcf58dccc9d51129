"""Whether an answer is good: its scores against those that the same collection gives to things it does not show.

A raw score says little: one query scores .3 against everything, another .1 against what it means. What is rated is the
height of a score above the middle of the query's scores over the collection, (score - median) / √deviation, where the
deviation is that of the scores below the median, which holds no matches. Not divided, the height ranks queries by how
common their words are; divided by the whole deviation, it forgets that a query the encoder does not know hardly
spreads at all. An answer is as high as the mean of its ten best.

How high an answer gets when what is asked for is not there is measured on the collection itself, by asking for things
that few folders of pictures hold, less those that a caption says are there. `weak` and `match` are the 90 % and 97 %
points of these heights, found on one half of the things; the other half tells how often each is passed all the same.
Where there are captions, pieces of them are asked for too, and tell how often what is there is called at least weak.

A picture is rated against pairs of pictures drawn at random: `weak` is more alike than 99 of 100 of them, `match` more
than 999 of 1,000. A query of words and pictures together is not rated.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from diptych.flow.collection.vectors import Vectors
from diptych.kinds import Array, Floats, Ints

Verdict = Literal["match", "weak", "none", "unrated"]

WEAK, MATCH = 0.9, 0.97
"""The part of absent things that stays below each threshold."""

PAIR_WEAK, PAIR_MATCH = 0.99, 0.999
"""The part of random pairs of pictures that stays below each threshold."""

QUERIES = 300
SAMPLE = 2000
"""Pictures that stand for the collection where the middle and the deviation of a query are taken."""

LEAST = 20
"""Things to ask for, and pictures; with fewer nothing is rated."""

TELLING = 0.1
"""The part of the pictures that a word may be said of to tell them from others."""

_CAPTIONS = 20_000
"""Captions looked at to find out which words are telling."""

_THIN = 37
"""Of the pairs of a query and a picture that does not show it, every so many-th is kept."""

TOP = 10
"""The best answers that are rated together."""

RARE = """
MRI scan of a knee; circuit board; periodic table; spreadsheet; invoice; electron microscope; submarine; chess
position; aquarium; giraffe; penguin colony; walrus; tractor engine; lighthouse; church organ; rocket launch;
skeleton; volcano; coral reef; beehive; spider web; parachute; hot air balloon; space station; telescope; oil
platform; wind tunnel; coal mine; printing press; loom; blast furnace; nuclear reactor; particle detector; server
rack; oscilloscope; soldering iron; barcode; crossword; sheet music; weather map; floor plan; passport; bank note;
stamp collection; coin; medal; sundial; compass; sextant; hourglass; typewriter; gramophone; harp; bagpipes;
accordion; pipe wrench; lathe; chainsaw; anvil; scarecrow; igloo; pyramid; pagoda; totem pole; suit of armour;
mummy; fossil; meteorite; crystal; lava; glacier crevasse; geyser; tornado; lightning bolt; eclipse; comet; galaxy;
aurora; mushroom cloud; shipwreck; whale; octopus; jellyfish; seahorse; crocodile; rattlesnake; chameleon;
tarantula; scorpion; vulture; flamingo; peacock; ostrich; hedgehog; armadillo; sloth; panda; koala; platypus;
rhinoceros; hippopotamus; camel caravan; reindeer sledge; sumo wrestler; fencing duel; bullfight; ballet; opera
stage; courtroom; operating theatre; dentist; laboratory mouse; autopsy; guillotine; cannon; tank; aircraft carrier;
steam locomotive; cable car; gondola; rickshaw; hearse; snowplough; combine harvester; vineyard; rice terrace
"""
"""Things of which a folder of pictures holds few or none."""


@dataclass(frozen=True)
class Thresholds:
    """weak, match     height above which an answer is called so; for pictures, the score of a hit
    false_weak, false_match   the part of held-out absent things, or pairs, that pass each
    found                     the part of pieces of captions whose answer is at least weak; None where there are none
    queries                   what was asked to find the thresholds
    """

    weak: float
    match: float
    false_weak: float
    false_match: float
    found: float | None
    queries: int

    def of(self, height: float) -> Verdict:
        return "match" if height >= self.match else "weak" if height >= self.weak else "none"


@dataclass(frozen=True)
class Calibration:
    """What was measured on a collection.

    text, picture   thresholds of queries in words and of a picture; None where nothing could be measured
    veto            deviations above the middle from which a picture shows what a NOT excludes, or half the way to the
                    best if that is less; found from captions, else 1
    items           pictures there were then
    sample          ids of the pictures that stand for the collection
    """

    text: Thresholds | None = None
    picture: Thresholds | None = None
    veto: float = 1.0
    items: int = 0
    sample: tuple[int, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Calibration:
        facts = json.loads(text)
        for side in ("text", "picture"):
            facts[side] = facts[side] and Thresholds(**facts[side])
        return cls(**{**facts, "sample": tuple(facts["sample"])})


def things() -> list[str]:
    """What to ask for, one by one."""
    return [" ".join(thing.split()) for thing in RARE.split(";")]


def calibrate(vectors: Vectors, encode: Callable[[list[str]], Array], seed: int = 0) -> Calibration:
    """Measure a collection; the same collection and seed give the same numbers."""
    store = vectors.store
    ids = np.array([id for (id,) in store.rows("SELECT id FROM items WHERE status = 'ok' ORDER BY id")], dtype=np.int64)
    if len(ids) < LEAST:
        return Calibration(items=len(ids))
    random = np.random.default_rng(seed)
    chosen = ids[np.linspace(0, len(ids) - 1, min(SAMPLE, len(ids))).astype(int)]
    sample = vectors.of(chosen.tolist())
    not_said = [thing for thing in random.permutation(things()).tolist() if not len(_holding(vectors, [thing]))]
    absent, _ = _asked(vectors, encode(not_said), sample)
    pieces = _pieces(vectors, ids, random)
    found, veto = None, None
    if pieces:
        present, far = _asked(vectors, encode([piece for piece, _ in pieces]), sample, [said for _, said in pieces])
        found, veto = present, _parting(*far) if far else None
    return Calibration(
        _of_text(absent, found), _of_pictures(vectors, sample, random), veto or 1.0, len(ids), tuple(chosen.tolist())
    )


def _of_text(absent: Floats, found: Floats | None) -> Thresholds | None:
    if len(absent) < LEAST:
        return None
    half = len(absent) // 2
    weak, match = np.quantile(absent[:half], (WEAK, MATCH))
    held = absent[half:]
    return Thresholds(
        weak=float(weak),
        match=float(match),
        false_weak=float((held >= weak).mean()),
        false_match=float((held >= match).mean()),
        found=float((found >= weak).mean()) if found is not None and len(found) else None,
        queries=len(absent),
    )


def _of_pictures(vectors: Vectors, sample: Array, random: np.random.Generator) -> Thresholds:
    """From the scores of pictures against each other, half of them to find and half to check."""
    some = random.choice(len(sample), min(QUERIES, len(sample)), replace=False)
    scores = vectors.space.score(sample[some], sample).astype(np.float64)
    scores[np.arange(len(some)), some] = np.nan
    found, held = (side[~np.isnan(side)] for side in np.array_split(scores, 2))
    weak, match = np.quantile(found, (PAIR_WEAK, PAIR_MATCH))
    return Thresholds(
        float(weak), float(match), float((held >= weak).mean()), float((held >= match).mean()), None, len(some)
    )


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


def _asked(
    vectors: Vectors, queries: Array, sample: Array, said: Sequence[Ints] = ()
) -> tuple[Floats, tuple[Floats, Floats] | None]:
    """The height of each query's answer, without queries of which the encoder knows no word.

    said   the items that show what a query asks for. With it also, in deviations above the middle, where these items
           stand and where the others do
    """
    if not len(queries):
        return np.empty(0), None
    middle, deviation = spread(vectors, queries, sample)
    top = np.full((len(queries), TOP), -np.inf)
    shown: list[Floats] = []
    others: list[Floats] = []
    for items, _, rows in vectors.blocks("image", "item IN (SELECT id FROM items WHERE status = 'ok')"):
        above = vectors.space.score(queries, rows) - middle[:, None]
        top = np.partition(np.hstack([top, above]), -TOP, axis=1)[:, -TOP:]
        if said:
            shows = np.stack([np.isin(items, some) for some in said])
            far = above / np.maximum(deviation, 1e-12)[:, None]
            shown.append(far[shows])
            others.append(far[~shows][::_THIN])
    known = deviation > 0
    height = top[known].mean(axis=1) / np.sqrt(deviation[known])
    return height, (np.concatenate(shown), np.concatenate(others)) if said else None


def spread(vectors: Vectors, queries: Array, sample: Array) -> tuple[Floats, Floats]:
    """Median of each query's scores over rows that stand for the collection, and the deviation of those below it."""
    scores = vectors.space.score(queries, sample).astype(np.float64)
    middle = np.median(scores, axis=1)
    # The mean over all of them: half are below, so twice that mean is theirs.
    below = np.minimum(scores - middle[:, None], 0)
    return middle, np.sqrt(2 * np.square(below).mean(axis=1))


def _parting(shown: Floats, others: Floats) -> float | None:
    """Where the parts of both sides that lie on their own side sum to the most (Youden's J, 1950)."""
    if not len(shown) or not len(others):
        return None
    cuts = np.quantile(shown, np.linspace(0, 1, 201))
    below = [np.searchsorted(np.sort(side), cuts) / len(side) for side in (shown, others)]
    return float(cuts[np.argmax(below[1] - below[0])])


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
