"""Random work on a collection against a dictionary that does the same: not one answer may differ.

`DIPTYCH_OPERATIONS=20000` makes it long; `DIPTYCH_SEED` repeats a run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from collection_world import COLOURS, Palette

from diptych.collection import Collection, Entry, Term
from diptych.kinds import cosine

OPERATIONS = int(os.environ.get("DIPTYCH_OPERATIONS", "2000"))
SEED = int(os.environ.get("DIPTYCH_SEED", "7"))
NAMES = [
    *(f"folder {number % 5}/item {number}.jpg" for number in range(20)),
    *(f"sku-{number}" for number in range(15)),
    *(f"https://shop/{number}?a=1&b=ü" for number in range(10)),
    *(f"/abs/{number}/../like//{number}" for number in range(10)),
    *("#1", "12", "~", ".", 'a "b" AND NOT c'),
]
COLOUR_LISTS = [[], ["red"], ["red", "blue"], ["blue", "red", "red"], ["green", 5, True]]
WORDS = [*COLOURS, "dog", "cat", "house", "sea"]
TAGS = ["family", "work", "old"]


@dataclass(frozen=True)
class Known:
    """What the dictionary knows of an item."""

    id: int
    row: np.ndarray = field(repr=False)
    captions: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: dict[str, Any]

    @property
    def colours(self) -> list[Any]:
        return list(self.metadata.get("colours", []))


class World:
    """The dictionary, and a collection that has to agree with it."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.folder, self.rng, self.palette = folder, rng, Palette()
        self.known: dict[str, Known] = {}
        self.ever: set[int] = set()
        self.collection = Collection.open(folder, self.palette, write=True)

    def some(self, things: list[str], most: int) -> tuple[str, ...]:
        return tuple(self.rng.choice(things, int(self.rng.integers(0, most + 1)), replace=False).tolist())

    def caption(self) -> str:
        return " ".join(self.rng.choice(WORDS, 3).tolist())

    def add(self) -> None:
        """New items, and others in the place of those of the same name."""
        entries = []
        for name in self.rng.choice(NAMES, int(self.rng.integers(1, 6)), replace=False).tolist():
            row = cosine.normalise(self.rng.normal(size=16).astype(np.float32))
            if self.rng.random() < 0.2:
                row = row * np.float32(self.rng.uniform(0.01, 0.9))
            captions = tuple(dict.fromkeys(self.caption() for _ in range(int(self.rng.integers(0, 3)))))
            entries.append(Entry(name, row, captions, self.some(TAGS, 2), self.metadata()))
        ids = self.collection.put(entries)
        assert ids.normalised == sum(np.linalg.norm(entry.row) < 0.95 for entry in entries)
        for entry, id in zip(entries, ids, strict=True):
            if entry.key in self.known:
                assert self.known[entry.key].id == id, "an item that is replaced keeps its id"
            else:
                assert id not in self.ever, "an id is never given twice"
            self.ever.add(id)
            row = cosine.normalise(entry.row)
            self.known[entry.key] = Known(id, row, entry.captions, tuple(sorted(entry.tags)), dict(entry.metadata))

    def metadata(self) -> dict[str, Any]:
        """Numbers, lists and truths, each now and then."""
        values: dict[str, Any] = {"stars": int(self.rng.integers(0, 5))}
        if self.rng.random() < 0.6:
            values["colours"] = list(COLOUR_LISTS[int(self.rng.integers(0, len(COLOUR_LISTS)))])
        if self.rng.random() < 0.3:
            values["sold"] = bool(self.rng.random() < 0.5)
        if self.rng.random() < 0.3:
            values["price"] = float(self.rng.integers(0, 100)) / 4
        return values

    def called(self, name: str) -> int | str:
        """An item by its key or its id."""
        return name if self.rng.random() < 0.5 else self.known[name].id

    def update(self) -> None:
        """Other captions, tags or metadata."""
        if not self.known:
            return
        name = str(self.rng.choice(sorted(self.known)))
        old = self.known[name]
        new = [
            {"captions": (self.caption(),)},
            {"tags": tuple(sorted(self.some(TAGS, 3)))},
            {"metadata": {**self.metadata(), "kept": 1}},
        ][int(self.rng.integers(0, 3))]
        self.collection.annotate(self.called(name), **new)
        self.known[name] = replace(old, **new)

    def merge(self) -> None:
        """More of each, and a name of the metadata less."""
        if not self.known:
            return
        name = str(self.rng.choice(sorted(self.known)))
        old, caption, tags = self.known[name], self.caption(), self.some(TAGS, 2)
        more = {**self.metadata(), "kept": None}
        found = self.collection.annotate(self.called(name), (caption,), tags, more, merge=True)
        metadata = {key: value for key, value in {**old.metadata, **more}.items() if value is not None}
        captions = tuple(dict.fromkeys((*old.captions, caption)))
        self.known[name] = replace(old, captions=captions, tags=tuple(sorted({*old.tags, *tags})), metadata=metadata)
        assert found.metadata == metadata and found.captions == captions

    def remove(self) -> None:
        """Some that are there and some that are not."""
        names = self.some(NAMES, 4)
        gone = [self.called(name) for name in names if name in self.known]
        assert self.collection.remove([*gone, 10**9, "nobody is called so"]) == len(gone)
        self.known = {name: item for name, item in self.known.items() if name not in names}

    def search(self) -> None:
        """The nearest to words, with a filter now and then, against all scores sorted."""
        colours = self.rng.choice(list(COLOURS), 2, replace=False).tolist()
        query = " + ".join(colours)
        stars, tag = int(self.rng.integers(0, 5)), str(self.rng.choice(TAGS))
        passing = list(self.known.values())
        if self.rng.random() < 0.5 and any("stars" in item.metadata for item in passing):
            query, passing = (
                f"{query} AND stars >= {stars}",
                [i for i in passing if i.metadata.get("stars", -1) >= stars],
            )
        if self.rng.random() < 0.3:
            query, passing = f"{query} AND NOT tag:{tag}", [i for i in passing if tag not in i.tags]
        row = cosine.normalise(self.palette.encode_texts(colours).sum(axis=0))
        wanted = sorted(((float(item.row @ row), item.id) for item in passing), reverse=True)
        k = int(self.rng.integers(1, 15))
        found = self.collection.search(query, k=k, keywords=0).results
        assert len(found) == min(k, len(wanted)), query
        assert np.allclose([hit.score for hit in found], [score for score, _ in wanted[:k]], atol=1e-5), query
        scores = {id: score for score, id in wanted}
        assert all(abs(scores[hit.id] - hit.score) < 1e-5 for hit in found), "every score is that of its own item"

    def filtered(self) -> tuple[str, list[Known]]:
        """A filter, and what passes it."""
        stars, tag = int(self.rng.integers(0, 5)), str(self.rng.choice(TAGS))
        some = list(self.known.values())
        choices = [
            (f"stars >= {stars}", [item for item in some if item.metadata.get("stars", -1) >= stars]),
            (f"tag:{tag}", [item for item in some if tag in item.tags]),
            ("colours = red", [item for item in some if "red" in item.colours]),
            ("NOT colours = blue", [item for item in some if "blue" not in item.colours]),
            ("has(colours) AND colours != red", [i for i in some if i.colours and "red" not in i.colours]),
            ("sold = true", [item for item in some if item.metadata.get("sold") is True]),
            ("colours = 5", [item for item in some if 5 in item.colours]),
            (
                "price < 10 OR sold = false",
                [i for i in some if i.metadata.get("price", 99) < 10 or i.metadata.get("sold") is False],
            ),
            ("nobody = 1", []),
        ]
        return choices[int(self.rng.integers(0, len(choices)))]

    def vectors(self) -> None:
        """The nearest to vectors, one or several together, weighed beside words or alone, under a filter."""
        where, passing = self.filtered()
        vectors = cosine.normalise(self.rng.normal(size=(3, 16)).astype(np.float32))
        k = int(self.rng.integers(1, 15))
        together = self.collection.search(vectors, k=k, where=where)
        for vector, answer in zip(vectors, together, strict=True):
            self.nearest(answer, vector, passing, k)
            self.nearest(self.collection.search(vector, k=k, where=where), vector, passing, k)
        colour, weight = str(self.rng.choice(list(COLOURS))), float(self.rng.uniform(0.2, 2))
        mixed = cosine.normalise(weight * vectors[0] + self.palette.encode_texts([colour])[0])
        answer = self.collection.search([Term.of(vectors[0], weight), colour, where], k=k, keywords=0)
        self.nearest(answer, mixed, passing, k)
        if self.known:
            name = str(self.rng.choice(sorted(self.known)))
            others = [item for item in passing if item.id != self.known[name].id]
            answer = self.collection.similar(self.called(name), k=k, where=where)
            self.nearest(answer, self.known[name].row, others, k)

    def nearest(self, answer: Any, row: np.ndarray, passing: Iterable[Known], k: int) -> None:
        scores = {item.id: float(item.row @ row) for item in passing}
        wanted = sorted(scores.values(), reverse=True)[:k]
        assert answer.total == len(scores)
        assert np.allclose([hit.score for hit in answer.results], wanted, atol=1e-5)
        assert all(abs(scores[hit.id] - hit.score) < 1e-5 for hit in answer.results)

    def facets(self) -> None:
        """How often each value stands, and how many numbers lie in each step."""
        where, passing = self.filtered()
        count, held = self.collection.counts, Counter(tag for item in passing for tag in item.tags)
        assert count("tag", where) == held
        values = Counter((type(value), value) for item in passing for value in {*typed(item.colours)})
        assert {(type(value), value): n for value, n in count("colours", where).items()} == {
            (type(value[1]), value[1]): n for (_, value), n in values.items()
        }
        sold = Counter(item.metadata["sold"] for item in passing if "sold" in item.metadata)
        assert count("sold", where) == sold
        prices = [item.metadata["price"] for item in passing if "price" in item.metadata]
        bins = self.collection.histogram("price", 4, where)
        assert [step.count for step in bins] == (np.histogram(prices, 4)[0].tolist() if prices else [])
        hits = self.collection.search(where, k=60, fields=True).results
        assert {hit.key: (hit.captions, hit.tags, hit.metadata) for hit in hits} == {
            name: (item.captions, item.tags, item.metadata)
            for name, item in self.known.items()
            if any(item is one for one in passing)
        }

    def words(self) -> None:
        """Which items a word is said of."""
        word = str(self.rng.choice(["dog", "cat", "house", "sea"]))
        said = {item.id for item in self.known.values() if any(word in text.split() for text in item.captions)}
        found = self.collection.search(f'caption ~ "{word}"', k=60).results
        assert {hit.id for hit in found} == said
        fused = self.collection.search(f"1:{word}", k=60, keywords=1.0).results
        assert {hit.id for hit in fused[: len(said)]} == said

    def look(self) -> None:
        """One item, whole."""
        if self.known:
            name = str(self.rng.choice(sorted(self.known)))
            item, known = self.collection.get(self.called(name)), self.known[name]
            assert (item.id, item.key, item.path) == (known.id, name, None) and self.collection.ids(name) == [known.id]
            assert (item.captions, item.tags, dict(item.metadata)) == (known.captions, known.tags, known.metadata)

    def reopen(self) -> None:
        """As after a restart."""
        self.collection.close()
        self.collection = Collection.open(self.folder, self.palette, write=True)

    def reindex(self) -> None:
        self.collection.reindex()

    def agree(self) -> None:
        assert {item.id for item in self.known.values()} == set(self.collection.ids())
        assert self.collection.verify() == []


def typed(values: Iterable[Any]) -> list[tuple[type, Any]]:
    """Values that are told apart by their types, too: 1 is not True."""
    return [(type(value), value) for value in values]


def test_a_collection_does_what_a_dictionary_does(tmp_path):
    rng = np.random.default_rng(SEED)
    world = World(tmp_path / "collection", rng)
    often = {
        world.add: 20, world.update: 10, world.merge: 6, world.remove: 8, world.search: 20, world.vectors: 12,
        world.facets: 8, world.words: 8, world.look: 18, world.reopen: 1, world.reindex: 0.3,
    }  # fmt: skip
    work, weights = list(often), np.array(list(often.values()))
    for number in range(OPERATIONS):
        step = work[int(rng.choice(len(work), p=weights / weights.sum()))]
        try:
            step()
            if number % 200 == 199:
                world.agree()
        except Exception as error:
            raise AssertionError(f"operation {number} ({step.__name__}) with DIPTYCH_SEED={SEED}: {error}") from error
    world.agree()
    world.collection.close()
