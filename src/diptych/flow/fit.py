"""Fit a method, with the features under it, on the training split of a dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diptych import __version__, catalogue
from diptych.catalogue import Dataset
from diptych.encoder import Encoder
from diptych.flow.prepare import Prepared, prepare, seeded
from diptych.kinds import BadInput, shown
from diptych.method import Method


def fit(
    method: str | Method, dataset: str | Path | Dataset | Prepared, settings: dict[str, str] | None = None
) -> Encoder:
    """A fitted encoder; `encoder.save_pretrained(folder)` keeps it.

    method     a method's name, or one of your own, of whose settings (its seed, too) a new one is fitted
    dataset    what `prepare` gives; else a dataset as `prepare` takes it, under its first protocol and its own features
    settings   hyper-parameters of a named method as `key=value` strings
    Raises BadInput for whatever the caller can mend.
    """
    prepared = dataset if isinstance(dataset, Prepared) else prepare(dataset)
    fresh = leaf(method, settings)
    if isinstance(method, str) and "seed" not in (settings or {}):
        seeded(fresh, prepared.seed)
    fresh.fit(prepared.rows(prepared.rules.train))
    encoder = Encoder.of(prepared.images, prepared.texts, fresh)
    encoder.trained_on_ = {
        "method": method if isinstance(method, str) else fresh.paper_name(),
        "dataset": prepared.dataset.card.name,
        "protocol": prepared.rules.name,
        "split": prepared.rules.train,
        "data": prepared.digest(prepared.rules.train),
        "seed": prepared.seed,
        "diptych": __version__,
    }
    return encoder


def leaf(method: str | Method, settings: dict[str, str] | None = None) -> Method:
    """A method that has not learned yet: by name and settings, or with the settings of this one."""
    if not isinstance(method, str | Method):
        raise BadInput(f"method: {shown(method)} is neither a name nor a method; of a class make one: Class()")
    if not isinstance(method, Method):
        return catalogue.method(method).configured(settings)
    if settings:
        raise BadInput(f"settings: {method.paper_name()} has its own; give them where you make it")
    method.settings()  # a class that is no dataclass is told by name
    return replace(method)
