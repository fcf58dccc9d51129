"""What there is: methods, datasets and features are found by the names of their files. Adding one touches one file."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import diptych.datasets
import diptych.methods
from diptych.kinds import BadInput, Card, Pairs, nearest
from diptych.method import Method
from diptych.sources import cache


def methods() -> dict[str, str]:
    """Method -> the shelf it stands on, without importing one."""
    shelves = [module.name for module in pkgutil.iter_modules(diptych.methods.__path__) if module.ispkg]
    found: dict[str, str] = {}
    for shelf in sorted(shelves):
        folder = Path(diptych.methods.__path__[0]) / shelf
        found |= {module.name: shelf for module in pkgutil.iter_modules([str(folder)])}
    return found


def method(name: str) -> type[Method]:
    """The class of a method. Raises BadInput with the nearest name there is."""
    shelves = methods()
    if name not in shelves:
        raise BadInput(f"there is no method {name!r}{nearest(name, shelves)}")
    module = importlib.import_module(f"diptych.methods.{shelves[name]}.{name}")
    return next(
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Method) and thing.__module__ == module.__name__
    )


@dataclass(frozen=True)
class MethodFacts:
    """What the table of methods shows. The paper and its year are those of the module's docstring."""

    name: str
    family: str
    needs: str
    space: str
    paper: str
    year: int

    @classmethod
    def of(cls, name: str) -> MethodFacts:
        found = method(name)
        text = inspect.getdoc(inspect.getmodule(found)) or ""
        paper = text.split("\n\n")[0].replace("\n", " ").strip()
        years = re.findall(r"\b(?:19|20)\d\d\b", paper)
        return cls(name, methods()[name], found.needs, repr(found.space), paper, int(years[0]) if years else 0)


@dataclass(frozen=True)
class Dataset:
    """A card, and the rows of each split when they are asked for."""

    card: Card
    read: Callable[[str], Pairs]


def datasets() -> list[str]:
    """The names of the datasets there are files for."""
    names = (module.name for module in pkgutil.iter_modules(diptych.datasets.__path__))
    return sorted(name for name in names if not name.startswith("_") and name != "local")


def dataset(name: str | Path) -> Dataset:
    """A dataset by name, or a person's own data by its path (the formats are in docs/reference/formats.md)."""
    if str(name) in datasets():
        module = importlib.import_module(f"diptych.datasets.{name}")
        card: Card = module.CARD
        return Dataset(card, lambda split: module.read(split, _home(card)))
    if not Path(name).exists():
        known = nearest(str(name), datasets())
        raise BadInput(f"there is no dataset {str(name)!r}, and no file or folder of that name{known}")
    from diptych.datasets import local

    return Dataset(local.card(name), partial(local.read, path=name))


def _home(card: Card) -> Path:
    if card.generated:
        return cache.home() / card.folder
    data = os.environ.get("DIPTYCH_DATA", "")
    if not data:
        raise BadInput(f"{card.name} needs the folder of your data sets in $DIPTYCH_DATA. {card.get}")
    return Path(data) / card.folder
