"""A dataset under one of its protocols, seen through features: done once, shared by any number of methods."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diptych.features import composition
from diptych.features.composition import Composition
from diptych.flow import catalogue
from diptych.flow.catalogue import Dataset
from diptych.kinds import BadInput, Listed, Pairs, Progress, Protocol, Qrels, SharedLabels
from diptych.parts.fitted import Fitted


@dataclass
class Prepared:
    """Splits are read, and turned into rows, when first asked for.

    images, texts   the features; learned on the protocol's training split unless `learned` already
    seconds         spent on features so far
    """

    dataset: Dataset
    rules: Protocol
    images: Composition
    texts: Composition
    seed: int = 0
    learned: bool = False
    progress: Progress | None = None
    seconds: float = 0.0
    _items: dict[str, Pairs] = field(default_factory=dict)
    _rows: dict[str, Pairs] = field(default_factory=dict)

    def items(self, split: str) -> Pairs:
        """Pictures and strings of a split, the texts of a picture joined where the protocol says so."""
        if split not in self._items:
            pairs = self.dataset.read(split)
            self._items[split] = pairs.joined() if self.rules.joined else pairs
        return self._items[split]

    def rows(self, split: str) -> Pairs:
        """The same split as feature rows."""
        if split not in self._rows:
            items = self.items(split)
            start = time.perf_counter()
            if not self.learned:
                train = self.items(self.rules.train)
                self.images.fit(train.images, self.progress)
                self.texts.fit(train.texts, self.progress)
                self.learned = True
            images = self.images.transform(items.images, self.progress)
            self._rows[split] = items.features(images, self.texts.transform(items.texts, self.progress))
            self.seconds += time.perf_counter() - start
        return self._rows[split]

    def judgements(self) -> tuple[Qrels, Qrels]:
        """Who answers whom: pictures asking for texts, and texts asking for pictures."""
        query, database = self.items(self.rules.query), self.items(self.rules.database)
        if self.rules.relevance == "label":
            for split, pairs in ((self.rules.query, query), (self.rules.database, database)):
                if pairs.labels is None:
                    raise BadInput(f"protocol {self.rules.name} judges by label, and split {split} has no labels")
            return (
                SharedLabels(query.labels, database.text_labels, query.image_ids, database.text_ids),
                SharedLabels(query.text_labels, database.labels, query.text_ids, database.image_ids),
            )
        if self.rules.query != self.rules.database:
            raise BadInput(f"protocol {self.rules.name} judges by pair, so its queries and database are one split")
        own = Listed(query.owner, range(query.n_texts), query.image_ids, query.text_ids)
        return own, own.transposed()


def prepare(
    dataset: str | Path | Dataset,
    *,
    image_features: str | Composition = "",
    text_features: str | Composition = "",
    split: str = "",
    protocol: str = "",
    seed: int = 0,
    progress: Progress | None = None,
) -> Prepared:
    """A dataset by name or path, with features in the language of `features.composition`, or already learned ones.

    Features left open are those of the card. `split` asks that split of itself, whatever the protocol says.
    Raises BadInput for whatever the caller can mend.
    """
    found = dataset if isinstance(dataset, Dataset) else catalogue.dataset(dataset)
    rules = found.card.protocol(protocol)
    if split:
        rules = replace(rules, query=split, database=split)
    images, texts = image_features or found.card.image_features, text_features or found.card.text_features
    learned = isinstance(images, Composition)
    images = composition.read(images, "image") if isinstance(images, str) else images
    texts = composition.read(texts, "text") if isinstance(texts, str) else texts
    for chain in images.chains() + texts.chains() if not learned else ():
        seeded(seed, *chain)
    return Prepared(found, rules, images, texts, seed, learned, progress)


def seeded(seed: int, *parts: Fitted) -> Any:
    """Hand a seed to every part that has one."""
    for part in parts:
        if any(setting.name == "seed" for setting in dataclasses.fields(part)):  # type: ignore[arg-type]
            setattr(part, "seed", seed)  # noqa: B010 - only some parts have one
