"""A dataset under one of its protocols, seen through features: done once, shared by any number of methods."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from diptych import catalogue
from diptych.catalogue import Dataset
from diptych.features import composition
from diptych.features.composition import Composition
from diptych.features.feature import has_word
from diptych.kinds import (
    BadInput,
    Listed,
    Pairs,
    Progress,
    Protocol,
    Qrels,
    SharedLabels,
    named,
    nearest,
    shown,
)
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
    _pairs: dict[str, Pairs] = field(default_factory=dict)
    _items: dict[str, Pairs] = field(default_factory=dict)
    _rows: dict[str, Pairs] = field(default_factory=dict)

    def pairs(self, split: str) -> Pairs:
        """Pictures and strings of a split, as the dataset has them."""
        if split not in self._pairs:
            try:
                self._pairs[split] = self.dataset.read(split)
            except KeyError as error:
                if error.args != (split,):
                    raise
                card = self.dataset.card
                raise BadInput(f"{card.name} has no split {split!r}{nearest(split, card.splits)}") from None
        return self._pairs[split]

    def items(self, split: str) -> Pairs:
        """The same split with the texts of a picture joined where the protocol says so."""
        if split not in self._items:
            self._items[split] = self.pairs(split).joined() if self.rules.joined else self.pairs(split)
        return self._items[split]

    def rows(self, split: str) -> Pairs:
        """The same split as feature rows."""
        if split not in self._rows:
            items = self.worded(split)
            start = time.perf_counter()
            if not self.learned:
                train = self.worded(self.rules.train)
                self.images.fit(train.images, self.progress)
                self.texts.fit(train.texts, self.progress)
                self.learned = True
            images, of_images = self.images.viewed(items.images, self.progress)
            texts, of_texts = self.texts.viewed(items.texts, self.progress)
            self._rows[split] = items.features(images, texts, (of_images, of_texts))
            self.seconds += time.perf_counter() - start
        return self._rows[split]

    def digest(self, *splits: str) -> str:
        """Tells one set of pictures and texts from another: by names, strings, owners and labels, not by pixels."""
        found = hashlib.sha256()
        for pairs in map(self.pairs, splits):
            strings = pairs.texts if isinstance(pairs.texts, list) else []
            found.update(json.dumps([pairs.image_ids, pairs.text_ids, strings]).encode())
            found.update(pairs.owner.tobytes())
            found.update(b"" if pairs.labels is None else pairs.labels.tobytes())
        return found.hexdigest()[:16]

    def describe_training(self, trained_on: Mapping[str, Any]) -> tuple[str, bool]:
        """What a fit learned from, in words, and whether pictures that are asked here were among it.

        trained_on   as `flow.fit` writes it; data of the same name may be other data, so digests decide
        """
        name, split = trained_on.get("dataset", "data unknown"), trained_on.get("split", "")
        ours = name == self.dataset.card.name and split in {*self.dataset.card.splits, "all"}
        if not ours or self.digest(split) != trained_on.get("data"):
            return f"fitted elsewhere on {name}" + (f":{split}" if split else ""), False
        met = not set(self.pairs(split).image_ids).isdisjoint(self.pairs(self.rules.query).image_ids)
        return f"trained on {split}", met

    def worded(self, split: str) -> Pairs:
        """The items of a split. Raises BadInput where it has no texts, or one of them not a single word."""
        pairs = self.items(split)
        if not pairs.n_texts:
            raise BadInput(f"{self.dataset.card.name}: split {split} has {pairs.n_images} pictures and no texts")
        for name, text in zip(pairs.text_ids, pairs.texts, strict=True) if isinstance(pairs.texts, list) else ():
            if not has_word(text):
                raise BadInput(f"text {name} ({text[:40]!r}) holds no word; write at least one, or leave it out")
        return pairs

    def judgements(self) -> tuple[Qrels, Qrels]:
        """Who answers whom: pictures asking for texts, and texts asking for pictures."""
        query, database = self.items(self.rules.query), self.items(self.rules.database)
        if self.rules.relevance == "label":
            if self.rules.folds > 1:
                raise BadInput(f"protocol {self.rules.name} judges by label, and folds are for annotated pairs alone")
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

    Features left open are those of the card. `split` asks that split of itself, whatever the protocol says, and the
    protocol is then called `NAME@SPLIT`. `seed` is for every part whose settings name no seed of their own.
    Raises BadInput for whatever the caller can mend.
    """
    found = dataset if isinstance(dataset, Dataset) else catalogue.dataset(dataset)
    rules = found.card.protocol(protocol)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise BadInput(f"seed {shown(seed)}: a seed is a whole number from 0 to {2**32 - 1}")
    for what, features in (("image_features", image_features), ("text_features", text_features)):
        if not isinstance(features, str | Composition):
            raise BadInput(f"{what}: {shown(features)} names no features; give a text, such as tfidf@words=2000")
    if named(split, "split") and (rules.query, rules.database) != (split, split):
        rules = replace(rules, name=f"{rules.name}@{split}", query=split, database=split)
    images, texts = image_features or found.card.image_features, text_features or found.card.text_features
    learned = isinstance(images, Composition)
    images = composition.read(images, "image") if isinstance(images, str) else images
    texts = composition.read(texts, "text") if isinstance(texts, str) else texts
    for features in (images, texts) if not learned else ():
        for chain, written in zip(features.chains(), features.text.split("+"), strict=True):
            for part, said in zip_longest(chain, written.split(":"), fillvalue=""):
                if isinstance(part, Fitted) and "@seed=" not in said:  # `:raw` names a step that is none
                    seeded(part, seed)
    return Prepared(found, rules, images, texts, seed, learned, progress)


def seeded(part: Fitted, seed: int) -> None:
    """Hand a seed to a part that has one among its settings."""
    if "seed" in part.settings():
        setattr(part, "seed", seed)  # noqa: B010 - only some parts have one
