"""What marks and clicks are worth, with simulated people.

marks         who looks for one picture with one of its captions, and marks what they see, one mark in ten wrong; three
              times, and then ten marks more, all wrong
learning      clicks on answers that are as good as nobody but the people knows, by people who see what stands above: on
              rows of made-up words, and on those that `mini` makes of postcards and of Flickr8k
interleaving  false alarms of rankers that are the same, and how often a better one is found

Two protocols for `marks`, beside each other:

searching     target testing, as those search who look for one picture (Cox, Miller, Minka, Papathomas & Yianilos: the
              Bayesian image retrieval system PicHunter, IEEE Transactions on Image Processing 9, 2000). They see ten
              answers. Who sees the picture they look for knows it: nobody says "not this" of it. There the search ends
              ("found by then"). Else they mark all ten and see ten more, none that they have marked: marked is seen,
              and the standard of relevance feedback is to count in what is left (the residual collection: Salton &
              Buckley, JASIS 41, 1990). "Found by then" cannot fall. So "R@10" tells where the picture is *now* for who
              goes on all the same, to have more of the kind, and never marks the picture itself: that can fall
harsh         they see twenty, mark ten of those not marked yet, the picture looked for as any other; one time in ten
              that it is marked it is marked no, and barred from then on. Marked yes stays among the first answers

Marked yes is what is among the twenty pictures most like the one looked for: in what is said of it but for the caption
asked with, by tf-idf on Flickr8k; in the clauses of its other captions that hold, by the oracle on postcards. Who moves
no query and marks all the same does what paging does: "the query stays" is what marks have to be better than. And how
much one moved query makes of the best marks: R@10 where each picture that fits is marked, and rightly ("best marks").

People who search type a few words, so what is printed first is asked with the first five of a caption. Whole captions
stand beside it: with those, most of the postcards are found before anybody marks anything.

    python bench/feedback.py [marks] [learning] [interleaving] [speed] [--targets 150] [--seeds 5] [--words N] [--json]

Settings were chosen on postcards of the seeds 0 and 1 and on targets of Flickr8k that are left out here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diptych import catalogue, postcards
from diptych.collection import Collection, Entry, Marks, interleave
from diptych.collection.feedback.interleaving import comparison
from diptych.collection.feedback.marks import Way, moved
from diptych.encoders import shelf
from diptych.encoders.dual import DualEncoder
from diptych.kinds import Pairs, Space, cosine
from diptych.metrics.statistics import bootstrap_interval

MARKED, ROUNDS, WRONG = 10, 3, 0.1
FITTING = 20
"""Pictures that fit what is looked for."""

FIRST = 10
"""Answers among which the picture has to be."""

WORDS = 5
"""That people type: a caption's first."""


# ------------------------------------------------------------------------------------------------------------- marks


@dataclass(frozen=True)
class Wish:
    """Somebody looks for one picture.

    asked    what they ask with
    query    (d,) its row
    target   the place of the picture
    fits     (n,) whether each picture is one they would mark yes
    """

    asked: str
    query: np.ndarray
    target: int
    fits: np.ndarray


def fitting(likeness: np.ndarray, target: int) -> np.ndarray:
    """(n,) those that are most like the target, by what is said of them; ties with the last of them, too."""
    likeness = likeness.copy()
    likeness[target] = np.inf
    return likeness >= np.sort(likeness)[-FITTING]


@dataclass(frozen=True)
class Protocol:
    """How people search.

    shown       answers that they see
    knows       whether they know the picture they look for when they see it, and mark the others only
    sets_aside  whether what is marked yes makes room for others, as what is marked no does
    """

    shown: int
    knows: bool
    sets_aside: bool


SEARCHING, HARSH = Protocol(10, True, True), Protocol(20, False, False)


@dataclass(frozen=True)
class Asking:
    """People who ask with so many words of a caption; None: with all."""

    encoder: DualEncoder
    words: int | None

    def __call__(self, captions: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """What they ask with, and its rows (n, d)."""
        asked = [" ".join(caption.split()[: self.words]) for caption in captions]
        return asked, np.asarray(self.encoder.encode_texts(asked))


def by_tfidf(pairs: Pairs, asking: Asking, targets: Sequence[int]) -> list[Wish]:
    """The first caption asks; the others tell what fits."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    owner = np.asarray(pairs.owner)
    of = [np.flatnonzero(owner == picture) for picture in range(len(pairs.images))]
    told = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    every = told.fit_transform([" ".join(pairs.texts[text] for text in texts) for texts in of])
    others = told.transform([" ".join(pairs.texts[text] for text in of[target][1:]) for target in targets])
    likeness = (others @ every.T).toarray()
    asked, rows = asking([pairs.texts[of[target][0]] for target in targets])
    fits = [fitting(some, target) for some, target in zip(likeness, targets, strict=True)]
    return [Wish(*wish) for wish in zip(asked, rows, targets, fits, strict=True)]


def by_oracle(scenes: Sequence[postcards.Scene], asking: Asking, targets: Sequence[int]) -> list[Wish]:
    """The first caption asks; what fits has most of what the others say."""
    oracle = postcards.Oracle(scenes)
    held: dict[Any, np.ndarray] = {}
    asked, rows = asking([scenes[target].captions[0] for target in targets])
    wishes = []
    for text, row, target in zip(asked, rows, targets, strict=True):
        clauses = {clause for caption in scenes[target].captions[1:] for clause in oracle.clauses(caption)}
        for clause in clauses - held.keys():
            held[clause] = np.array([any(atom.holds(scene) for atom in clause) for scene in scenes])
        likeness = np.mean([held[clause] for clause in clauses], axis=0)
        wishes.append(Wish(text, row, target, fitting(likeness, target)))
    return wishes


def looked_for(
    space: Space,
    items: np.ndarray,
    wishes: Sequence[Wish],
    way: Way | None,
    seed: int,
    protocol: Protocol = SEARCHING,
    sides: Sequence[str] = ("yes", "no"),
) -> tuple[np.ndarray, np.ndarray]:
    """(wishes, rounds + 2) whether the target is among the first answers: at first, after each round, after ten wrong
    marks more; and whether it was by then.

    way     what moves the query; None: the choice of the marks; "none": nothing, but what is marked is left out
    sides   the marks that are given; others are made and dropped
    """
    sample = np.random.default_rng(0).permutation(len(items))[:500]
    found = np.zeros((len(wishes), ROUNDS + 2), dtype=bool)
    for row, wish in enumerate(wishes):
        person = np.random.default_rng([seed, wish.target])
        yes: list[int] = []
        no: list[int] = []
        query = wish.query[None]
        for step in range(ROUNDS + 2):
            scores = space.score(query, items)[0]
            aside = [*yes, *no] if protocol.sets_aside else no
            scores[aside] = -np.inf
            order = np.argsort(-scores, kind="stable")
            found[row, step] = wish.target in order[:FIRST] and wish.target not in aside
            known = [*yes, *no, *[wish.target] * protocol.knows]
            fresh = [item for item in order[: protocol.shown].tolist() if item not in known]
            for item in person.permutation(fresh)[:MARKED].tolist():
                is_wrong = person.random() < (WRONG if step < ROUNDS else 1.0)
                side, marks = ("yes", yes) if wish.fits[item] != is_wrong else ("no", no)
                if side in sides:
                    marks.append(item)
            if yes or no:
                background = items[np.setdiff1d(sample, [*yes, *no])]
                query = moved(space, wish.query[None], items[yes], items[no], background, way).vector
    return found, np.maximum.accumulate(found, axis=1)


def best_marks(space: Space, items: np.ndarray, wishes: Sequence[Wish]) -> np.ndarray:
    """(wishes, 2) whether the target is among the first answers that do not fit: as it is asked, and moved by a mark of
    each picture that fits and of each among the first hundred that does not."""
    found = np.zeros((len(wishes), 2), dtype=bool)
    for row, wish in enumerate(wishes):
        yes = np.setdiff1d(np.flatnonzero(wish.fits), [wish.target])
        first = np.argsort(-space.score(wish.query[None], items)[0], kind="stable")[:100]
        no = first[~wish.fits[first]]
        background = np.delete(items, [*yes, *no, wish.target], axis=0)
        best = moved(space, wish.query[None], items[yes], items[no], background).vector
        for when, query in enumerate((wish.query[None], best)):
            scores = space.score(query, items)[0]
            scores[yes] = -np.inf
            found[row, when] = (scores > scores[wish.target]).sum() < FIRST
    return found


def worlds(targets: int, asking: Asking) -> dict[str, tuple[np.ndarray, list[Wish]]]:
    """Rows of pictures, and wishes; Flickr8k where $DIPTYCH_DATA has it."""
    encoder = asking.encoder
    made: dict[str, tuple[np.ndarray, list[Wish]]] = {}
    with tempfile.TemporaryDirectory() as home:
        seed, n = 7, 2000
        scenes = postcards.generate(n, seed)
        postcards.write(home, n, seed=seed, workers=1)
        pictures = sorted(map(str, Path(home, "images").glob("*.png")))
        some = np.random.default_rng(3).permutation(n)[:targets].tolist()
        made["postcards"] = encoder.encode_images(pictures), by_oracle(scenes, asking, some)
    flickr8k = catalogue.dataset("flickr8k")
    try:
        pairs = flickr8k.read("dev")
    except (OSError, ValueError):
        return made
    order = [np.random.default_rng(seed).permutation(len(pairs.images)) for seed in (1, 2, 3)]
    looked_at = {*order[0][:250].tolist(), *order[1][:400].tolist()}
    some = [target for target in order[2].tolist() if target not in looked_at][:targets]
    made["Flickr8k dev"] = encoder.encode_images(list(pairs.images)), by_tfidf(pairs, asking, some)
    return made


def _points(shares: Iterable[float]) -> list[float]:
    return [round(100 * float(share), 1) for share in shares]


VARIANTS: dict[str, tuple[Way | None, tuple[str, ...]]] = {
    "choice of the marks": (None, ("yes", "no")),
    "the query stays, what is marked is left out": ("none", ("yes", "no")),
    "ridge alone": ("ridge", ("yes", "no")),
    "logistic alone": ("logistic", ("yes", "no")),
    "Rocchio alone": ("Rocchio", ("yes", "no")),
    "choice, yes alone": (None, ("yes",)),
    "choice, no alone": (None, ("no",)),
}


def marks(targets: int, seeds: int, lengths: Sequence[int | None] = (WORDS, None)) -> Iterator[dict[str, Any]]:
    """lengths: of what is asked with, in words; None: whole captions."""
    for words in lengths:
        asked = "whole captions" if words is None else f"{words} words"
        for name, (items, wishes) in worlds(targets, Asking(shelf.open("mini"), words)).items():
            world = {"world": name, "asked with": asked}
            for protocol in ("searching", "harsh"):
                yield from (world | row for row in rounds(protocol, items, wishes, seeds))
            yield world | {"best marks": _points(best_marks(cosine, items, wishes).mean(axis=0))}


def rounds(protocol: str, items: np.ndarray, wishes: Sequence[Wish], seeds: int) -> Iterator[dict[str, Any]]:
    """What each way makes of the marks, under one protocol."""
    how = {"searching": SEARCHING, "harsh": HARSH}[protocol]
    clusters = np.tile(np.arange(len(wishes)), seeds)
    for name, (way, sides) in VARIANTS.items():
        runs = [looked_for(cosine, items, wishes, way, seed, how, sides) for seed in range(seeds)]
        found, by_then = (np.concatenate(some).astype(float) for some in zip(*runs, strict=True))
        gain = found[:, ROUNDS] - found[:, 0]
        by_seed = [run[0].mean(axis=0) for run in runs]
        lost = found[:, 0] == 0
        yield {
            "protocol": protocol,
            "marks": name,
            "R@10": _points(found.mean(axis=0)),
            "gain": _points([gain.mean()]),
            "interval": _points(bootstrap_interval(gain, clusters=clusters)),
            "gain by seed": _points([run[ROUNDS] - run[0] for run in by_seed]),
            "worst seed after wrong marks": _points([min(run[-1] - run[0] for run in by_seed)]),
            "found by then": _points(by_then[:, : ROUNDS + 1].mean(axis=0)),
            "and of those not found at first": _points(by_then[lost, 1 : ROUNDS + 1].mean(axis=0)),
            "interval of those": _points(bootstrap_interval(by_then[lost, ROUNDS], clusters=clusters[lost])),
        }


# ---------------------------------------------------------------------------------------------------------- learning


class Words:
    """An encoder of made-up words, each a direction of its own; pictures it has none."""

    name, version, space = "words of the bench", "1", cosine

    def __init__(self, width: int = 32) -> None:
        self.width = width

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return cosine.normalise(
            np.stack([np.sum([self._row(word) for word in text.split()], axis=0) for text in texts])
        )

    def encode_images(self, items: Sequence[Any]) -> np.ndarray:
        raise NotImplementedError

    def _row(self, word: str) -> np.ndarray:
        return np.random.default_rng(list(word.encode())).normal(size=self.width)


@dataclass(frozen=True)
class Crowd:
    """People who ask and click.

    hit, miss    how often they click what they look at, when it is right and when it is not
    adversary    a part of all sessions that one of them makes, who clicks one bad answer always
    """

    hit: float
    miss: float
    adversary: float = 0.0
    people: int = 40
    sessions: int = 900


CROWDS = {
    "careful": Crowd(0.8, 0.05),
    "noisy": Crowd(0.7, 0.2),
    "very noisy": Crowd(0.6, 0.35),
    "pure noise": Crowd(0.3, 0.3),
    "with an adversary": Crowd(0.8, 0.05, 0.5),
}


@dataclass(frozen=True)
class World:
    """What people ask a collection for.

    encoder   of the queries
    rows      (n, d) of the items
    asked     the queries
    right     places of the items that are, for each query; None: eight of the first thirty, which are drawn
    """

    encoder: Any
    rows: np.ndarray
    asked: Sequence[str]
    right: Sequence[Sequence[int]] | None = None


Made = Callable[[np.random.Generator], World]


def made_up(rng: np.random.Generator, items: int = 600, queries: int = 40) -> World:
    words = Words()
    rows = words.encode_texts([f"word{rng.integers(13)} thing{rng.integers(queries)}" for _ in range(items)])
    rows = cosine.normalise(rows + 0.15 * rng.normal(size=rows.shape))
    return World(words, rows, [f"word{n % 13} thing{n}" for n in range(queries)])


def seen(queries: int = 40) -> dict[str, World]:
    """Postcards and Flickr8k as `mini` sees them, asked for with a few words; right is what fits, as of `marks`."""
    asking = Asking(shelf.open("mini"), WORDS)
    return {
        name: World(
            asking.encoder,
            items,
            [json.dumps(wish.asked, ensure_ascii=False) for wish in wishes],  # in quotes, words and nothing else
            [np.flatnonzero(wish.fits).tolist() for wish in wishes],
        )
        for name, (items, wishes) in worlds(queries, asking).items()
    }


def taught(home: Path, crowd: Crowd, seed: int, made: Made = made_up) -> dict[str, Any]:
    """What is learned from clicks, by what was held out and by what is right."""
    rng = np.random.default_rng(seed)
    world = made(rng)
    asked = list(dict.fromkeys(world.asked))
    with Collection.open(home, world.encoder, write=True) as collection:
        ids = collection.put(Entry(f"item {n}", row) for n, row in enumerate(world.rows))
        first = {query: [hit.id for hit in collection.search(query, k=30).results] for query in asked}
        # What is right only people know.
        if world.right is None:
            right = {query: set(rng.choice(first[query], 8, replace=False).tolist()) for query in asked}
        else:
            right = {
                query: {ids[place] for place in some} for query, some in zip(world.asked, world.right, strict=True)
            }
        with collection._store.transaction(heard=False):  # one commit for all
            for session in range(crowd.sessions):
                query = asked[int(rng.integers(len(asked)))]
                bad = rng.random() < crowd.adversary
                user = "adversary" if bad else f"person {rng.integers(crowd.people)}"
                page = first[query][:20]
                for rank, item in enumerate(page, 1):
                    if bad:
                        clicks = item == next((each for each in page[::-1] if each not in right[query]), None)
                    else:
                        looks = rng.random() < 1 / (1 + 0.1 * (rank - 1))
                        clicks = looks and rng.random() < (crowd.hit if item in right[query] else crowd.miss)
                    if clicks:
                        collection.feedback.record(user, query, item, "click", 1.0, rank, page, at=1e9 + 1e4 * session)
        learned = collection.feedback.learn()
        after = {query: [hit.id for hit in collection.search(query, user="somebody else").results] for query in asked}
    return {
        "on": learned.on,
        "held out before": learned.before,
        "held out after": learned.after if learned.on else learned.before,
        "right before": float(np.mean([ndcg(first[query][:FIRST], right[query]) for query in asked])),
        "right after": float(np.mean([ndcg(after[query], right[query]) for query in asked])),
    }


def ndcg(order: Sequence[int], right: set[int]) -> float:
    discounts = 1 / np.log2(2.0 + np.arange(FIRST))
    return float(discounts[[item in right for item in order]].sum() / discounts[: len(right)].sum())


def learning(seeds: int) -> Iterator[dict[str, Any]]:
    every: dict[str, Made] = {"made-up words": made_up}
    every |= {name: lambda rng, world=world: world for name, world in seen().items()}
    for world, made in every.items():
        for name, crowd in CROWDS.items():
            runs = []
            for seed in range(seeds):
                with tempfile.TemporaryDirectory() as home:
                    runs.append(taught(Path(home) / "collection", crowd, seed, made))
            told: dict[str, Any] = {
                "world": world,
                "clicks": name,
                "on": f"{sum(run['on'] for run in runs)} of {seeds}",
            }
            for what in ("held out", "right"):
                before, after = (np.array([run[f"{what} {when}"] for run in runs]) for when in ("before", "after"))
                told[f"nDCG@10 {what}"] = [round(float(before.mean()), 3), round(float(after.mean()), 3)]
                told[f"worst {what}"] = round(float((after - before).min()), 3)
            yield told


# ------------------------------------------------------------------------------------------------------ interleaving


def experiment(rng: np.random.Generator, swaps: int, queries: int = 100) -> float:
    """The p of one comparison. swaps: neighbours of the second's order that the first has the wrong way round."""
    winners = []
    for _ in range(queries):
        second = list(range(10))
        first = list(second)
        for _ in range(swaps):
            place = int(rng.integers(9))
            first[place], first[place + 1] = first[place + 1], first[place]
        shown = interleave(first, second, int(rng.integers(2**32)), k=10)
        clicks = [
            item
            for rank, item in enumerate(shown.ids)
            if rng.random() < 1 / (1 + 0.3 * rank) and rng.random() < (0.6 if item < 3 else 0.1)
        ]
        winners.append(shown.winner(clicks))
    return comparison(winners).p


def interleaving(experiments: int = 1000) -> list[dict[str, Any]]:
    told = []
    for swaps in (0, 10, 30, 300):
        rng = np.random.default_rng(swaps)
        p = np.array([experiment(rng, swaps) for _ in range(experiments)])
        told.append({"neighbours swapped": swaps, "p < .05": round(float((p < 0.05).mean()), 3)})
    rng = np.random.default_rng(0)
    ranks = np.zeros(10)
    for _ in range(experiments):
        order = rng.permutation(30).tolist()
        ranks += [
            team == "first"
            for team in interleave(order, rng.permutation(30).tolist(), int(rng.integers(2**32)), 10).teams
        ]
    told.append({"share of the first, by rank": [round(share, 3) for share in (ranks / experiments).tolist()]})
    return told


# ------------------------------------------------------------------------------------------------------------- speed


def speed(n: int = 100_000, width: int = 256, asked: int = 100) -> list[dict[str, Any]]:
    """Milliseconds of computing for one page, with and without thirty marks; medians of queries that take turns."""
    rng = np.random.default_rng(0)
    with (
        tempfile.TemporaryDirectory() as home,
        Collection.open(Path(home) / "c", space=cosine, width=width, write=True) as collection,
    ):
        collection.put(Entry(f"{place}", row) for place, row in enumerate(rng.normal(size=(n, width)).astype("f4")))
        collection.reindex()
        taken: dict[str, list[float]] = {"plain": [], "30 marks": []}
        for _ in range(asked):
            query = rng.normal(size=width).astype(np.float32)
            shown = [hit.id for hit in collection.search(query, k=30).results]
            for name, given in (
                ("plain", None),
                ("30 marks", Marks(shown[::3], [id for id in shown if id not in shown[::3]])),
            ):
                started = time.process_time()
                collection.search(query, marks=given)
                taken[name].append(1e3 * (time.process_time() - started))
    return [{name: f"{np.median(some):.1f} ms" for name, some in taken.items()} | {"rows": n, "width": width}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts: dict[str, Callable[[argparse.Namespace], Iterable[dict[str, Any]]]] = {
        "marks": lambda told: marks(told.targets, told.seeds, [told.words] if told.words else (WORDS, None)),
        "learning": lambda told: learning(told.seeds),
        "interleaving": lambda told: interleaving(),
        "speed": lambda told: speed(),
    }
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="by default all")
    parser.add_argument("--targets", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--words", type=int, help="ask with so many words of a caption and nothing else")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    if told.json:
        print(json.dumps({name: list(parts[name](told)) for name in told.parts or parts}))
        return
    for name in told.parts or parts:
        print(f"\n{name}")
        for row in parts[name](told):
            print("  ".join(f"{what}: {value}" for what, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
