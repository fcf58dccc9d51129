"""Fit a method, with the features under it, on the training split of a dataset."""

from __future__ import annotations

from pathlib import Path

from diptych import __version__
from diptych.flow import catalogue
from diptych.flow.catalogue import Dataset
from diptych.flow.encoder import Encoder
from diptych.kinds import Pairs, Progress, Protocol


def fit(
    method: str,
    dataset: str | Path | Dataset,
    *,
    settings: dict[str, str] | None = None,
    image_features: str = "",
    text_features: str = "",
    protocol: str = "",
    seed: int = 0,
    progress: Progress | None = None,
) -> Encoder:
    """A fitted encoder; `encoder.save_pretrained(folder)` keeps it. Features left open are those of the dataset's card.

    settings   hyper-parameters of the method as `key=value` strings
    Raises BadInput for whatever the caller can mend.
    """
    leaf = catalogue.method(method).configured(settings)
    found = dataset if isinstance(dataset, Dataset) else catalogue.dataset(dataset)
    rules = found.card.protocol(protocol)
    images, texts = image_features or found.card.image_features, text_features or found.card.text_features
    encoder = Encoder.of(leaf, images, texts, seed).fit(rows(found, rules.train, rules), progress)
    encoder.trained_on_ = {
        "method": method,
        "dataset": found.card.name,
        "protocol": rules.name,
        "split": rules.train,
        "seed": seed,
        "diptych": __version__,
    }
    return encoder


def rows(found: Dataset, split: str, rules: Protocol) -> Pairs:
    """A split as the protocol wants it: the texts of a picture apart, or joined into one document."""
    pairs = found.read(split)
    return pairs.joined() if rules.joined else pairs
