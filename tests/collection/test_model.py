"""Random work on a collection against a dictionary that does the same: not one answer may differ.

`DIPTYCH_OPERATIONS=20000` makes it long; `DIPTYCH_SEED` repeats a run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from collection_world import COLOURS, Palette

from diptych.collection import Collection, Entry
from diptych.kinds import cosine

OPERATIONS = int(os.environ.get("DIPTYCH_OPERATIONS", "2000"))
SEED = int(os.environ.get("DIPTYCH_SEED", "7"))
NAMES = [f"folder {number % 5}/item {number}.jpg" for number in range(60)]
WORDS = [*COLOURS, "dog", "cat", "house", "sea"]
TAGS = ["family", "work", "old"]


@dataclass(frozen=True)
class Known:
    """What the dictionary knows of an item."""

    id: int
    row: np.ndarray = field(repr=False)
    captions: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: dict[str, int]


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
            captions = tuple(dict.fromkeys(self.caption() for _ in range(int(self.rng.integers(0, 3)))))
            metadata = {"stars": int(self.rng.integers(0, 5))}
            entries.append(Entry(name, row, captions, self.some(TAGS, 2), metadata))
        ids = self.collection.put(entries)
        for entry, id in zip(entries, ids, strict=True):
            if entry.path in self.known:
                assert self.known[entry.path].id == id, "an item that is replaced keeps its id"
            else:
                assert id not in self.ever, "an id is never given twice"
            self.ever.add(id)
            self.known[entry.path] = Known(id, entry.row, entry.captions, tuple(sorted(entry.tags)), entry.metadata)

    def update(self) -> None:
        """Other captions, tags or metadata."""
        if not self.known:
            return
        name = str(self.rng.choice(sorted(self.known)))
        old = self.known[name]
        new = [
            {"captions": (self.caption(),)},
            {"tags": tuple(sorted(self.some(TAGS, 3)))},
            {"metadata": {"stars": int(self.rng.integers(0, 5)), "kept": 1}},
        ][int(self.rng.integers(0, 3))]
        self.collection.annotate(old.id, **new)
        self.known[name] = replace(old, **new)

    def remove(self) -> None:
        """Some that are there and some that are not."""
        names = self.some(NAMES, 4)
        ids = [self.known[name].id for name in names if name in self.known]
        assert self.collection.remove([*ids, 10**9]) == len(ids)
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
            item, known = self.collection.get(self.known[name].id), self.known[name]
            assert item.path.endswith(name)
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


def test_a_collection_does_what_a_dictionary_does(tmp_path):
    rng = np.random.default_rng(SEED)
    world = World(tmp_path / "collection", rng)
    work = [world.add, world.update, world.remove, world.search, world.words, world.look, world.reopen, world.reindex]
    often = np.array([20, 12, 8, 30, 10, 18, 1, 0.3])
    for number in range(OPERATIONS):
        step = work[int(rng.choice(len(work), p=often / often.sum()))]
        try:
            step()
            if number % 200 == 199:
                world.agree()
        except Exception as error:
            raise AssertionError(f"operation {number} ({step.__name__}) with DIPTYCH_SEED={SEED}: {error}") from error
    world.agree()
    world.collection.close()
