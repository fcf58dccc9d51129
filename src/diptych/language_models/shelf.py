"""The way from what a person writes to a language model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diptych.kinds import BadInput, Sought
from diptych.language_models.endpoint import Endpoint
from diptych.language_models.kept import Kept
from diptych.language_models.model import LanguageModel


def named(text: str) -> LanguageModel:
    """The model that `http://localhost:11434/v1#MODEL` names, whose answers are kept. Raises BadInput for others."""
    if _is_oracle(text):
        raise BadInput(
            "language model: the oracle knows the postcards that it is measured on, and no pictures of yours"
        )
    url, _, model = text.partition("#")
    return Kept(Endpoint(url, model))


def measured(text: str) -> LanguageModel | Callable[[Sought], LanguageModel]:
    """The same, or the oracle of the postcards, `oracle@noise=0.2,seed=1`, for measuring.

    The oracle has to know the pictures, so it is made of what is sought. Raises BadInput for anything else.
    """
    if not _is_oracle(text):
        return named(text)
    settings = dict(each.partition("=")[::2] for each in text.partition("@")[2].split(",") if each)
    try:
        noise, seed = float(settings.pop("noise", 0)), int(settings.pop("seed", 0))
    except ValueError:
        raise BadInput(f"language model: {text!r}; noise is a number from 0 to 1, and seed a whole one") from None
    if settings:
        raise BadInput(f"language model: the oracle has no setting {next(iter(settings))!r}; it has noise and seed")
    return lambda sought: _oracle(sought, noise, seed)


def _is_oracle(text: str) -> bool:
    return text.partition("@")[0] == "oracle"


def _oracle(sought: Sought, noise: float, seed: int) -> LanguageModel:
    from diptych import postcards
    from diptych.language_models.oracle import PostcardsOracle

    home = Path(sought.pictures[0]).parents[1]
    return PostcardsOracle(postcards.load(home), sought.pictures, noise, seed)
