"""Fit a method, with the features under it, on the training split of a dataset."""

from __future__ import annotations

from diptych import __version__, catalogue
from diptych.encoder import Encoder
from diptych.flow.prepare import Prepared, seeded


def fit(method: str, prepared: Prepared, settings: dict[str, str] | None = None) -> Encoder:
    """A fitted encoder; `encoder.save_pretrained(folder)` keeps it.

    settings   hyper-parameters of the method as `key=value` strings
    Raises BadInput for whatever the caller can mend.
    """
    leaf = catalogue.method(method).configured(settings)
    if "seed" not in (settings or {}):
        seeded(leaf, prepared.seed)
    leaf.fit(prepared.rows(prepared.rules.train))
    encoder = Encoder.of(prepared.images, prepared.texts, leaf)
    encoder.trained_on_ = {
        "method": method,
        "dataset": prepared.dataset.card.name,
        "protocol": prepared.rules.name,
        "split": prepared.rules.train,
        "data": prepared.digest(prepared.rules.train),
        "seed": prepared.seed,
        "diptych": __version__,
    }
    return encoder
