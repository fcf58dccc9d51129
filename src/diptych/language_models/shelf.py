"""The way from what a person writes to a language model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diptych.kinds import BadInput, Sought
from diptych.language_models.endpoint import Endpoint
from diptych.language_models.kept import Kept
from diptych.language_models.model import LanguageModel

ORACLE = "oracle"


def named(text: str) -> LanguageModel | Callable[[Sought], LanguageModel]:
    """`http://localhost:11434/v1#MODEL`, whose answers are kept; or the oracle of the postcards, `oracle@noise=0.2`.

    The oracle has to know the pictures, so it is made of what is sought. Raises BadInput for anything else.
    """
    name, _, said = text.partition("@")
    if name == ORACLE:
        settings = dict(each.partition("=")[::2] for each in said.split(",") if each)
        try:
            noise, seed = float(settings.pop("noise", 0)), int(settings.pop("seed", 0))
        except ValueError:
            raise BadInput(f"language model: {text!r}; noise is a number from 0 to 1, and seed a whole one") from None
        if settings:
            raise BadInput(f"language model: the oracle has no setting {next(iter(settings))!r}; it has noise and seed")
        return lambda sought: _oracle(sought, noise, seed)
    url, _, model = text.partition("#")
    return Kept(Endpoint(url, model))


def _oracle(sought: Sought, noise: float, seed: int) -> LanguageModel:
    from diptych import postcards
    from diptych.language_models.oracle import PostcardsOracle

    home = Path(sought.pictures[0]).parents[1]
    return PostcardsOracle(postcards.load(home), sought.pictures, noise, seed)
