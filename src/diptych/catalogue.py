"""What there is: methods, datasets and features are found by the names of their files. Adding one touches one file.

Other distributions add methods and datasets as entry points of the groups `diptych.methods` (a class) and
`diptych.datasets` (a module with a `CARD` and `read(split, home)`). Names of this package win over theirs.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial, wraps
from importlib.metadata import EntryPoint
from pathlib import Path

import diptych.datasets
import diptych.methods
from diptych.kinds import BadInput, Card, Pairs, Sought, nearest, place, shown
from diptych.method import Method
from diptych.parts.plugins import DATASETS, METHODS, distribution, loaded, plugins
from diptych.scheme import Reranker, Rewriter
from diptych.sources import cache

SCHEMES = "mllm"
"""The shelf of schemes, which are not fitted and encode nothing: they ask a language model."""

PLUGIN = "plug-in"
"""The shelf of methods that other distributions bring."""


def methods() -> dict[str, str]:
    """Method -> the shelf it stands on, without importing one; of those that plug-ins bring it is `plug-in`."""
    found = _shelved()
    return found | dict.fromkeys(_plugged(METHODS, found), PLUGIN)


@lru_cache
def _shelved() -> dict[str, str]:
    """The methods of this package, listed once in a process; a shelf that stands in another is `hashing.shallow`."""
    found: dict[str, str] = {}
    within = f"{diptych.methods.__name__}."
    for module in pkgutil.walk_packages(diptych.methods.__path__, within):
        if not module.ispkg and not module.name.startswith(f"{within}{SCHEMES}."):
            shelf, _, name = module.name.removeprefix(within).rpartition(".")
            found[name] = shelf
    return found


def _plugged(group: str, ours: Iterable[str]) -> dict[str, EntryPoint]:
    """What plug-ins bring under names that are not ours; a clash is warned of."""
    entries = dict(plugins(group))
    for name in sorted(entries.keys() & set(ours)):
        told = f"{distribution(entries.pop(name))} brings {name!r} to {group}; the one that comes with diptych is used"
        warnings.warn(told, stacklevel=3)
    return entries


def method(name: str) -> type[Method]:
    """The class of a method. Raises BadInput with the nearest name, and for a plug-in that brings no method."""
    shelves = methods()
    if name not in shelves:
        raise BadInput(f"there is no method {name!r}{nearest(name, shelves)}")
    if shelves[name] == PLUGIN:
        found = loaded(plugins(METHODS)[name])
        if not (isinstance(found, type) and issubclass(found, Method)):
            raise BadInput(
                f"{distribution(plugins(METHODS)[name])}: its method {name} is no subclass of diptych.Method"
            )
        return found
    found = _leaf(f"{shelves[name]}.{name}", Method)
    assert issubclass(found, Method)
    return found


def _leaf(where: str, *kinds: type) -> type:
    """The class of one of these kinds that a file of `methods/` holds."""
    module = importlib.import_module(f"diptych.methods.{where}")
    return next(
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, kinds) and thing.__module__ == module.__name__
    )


@lru_cache
def schemes() -> tuple[str, ...]:
    """The schemes with a language model there are, without importing one."""
    within = importlib.import_module(f"{diptych.methods.__name__}.{SCHEMES}")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(within.__path__)))


def scheme(name: str) -> type[Rewriter | Reranker]:
    """The class of a scheme. Raises BadInput with the nearest name."""
    if name not in schemes():
        raise BadInput(f"there is no scheme {name!r}{nearest(name, schemes())}")
    found = _leaf(f"{SCHEMES}.{name}", Rewriter, Reranker)
    assert issubclass(found, Rewriter | Reranker)
    return found


@dataclass(frozen=True)
class MethodFacts:
    """What the table of methods shows. The paper and its year are those of the module's docstring.

    distribution   what brings it: name and version; "" where it comes with this package
    built          full; simplified or a reconstruction where the docstring has a paragraph that begins so, and says in
                   what. That features stand for the network that a paper trains from pixels is said of none
    """

    name: str
    family: str
    needs: str
    space: str
    paper: str
    year: int
    distribution: str = ""
    built: str = "full"

    @classmethod
    def of(cls, name: str) -> MethodFacts:
        found = scheme(name) if name in schemes() else method(name)
        text = inspect.getdoc(inspect.getmodule(found)) or ""
        paper = text.split("\n\n")[0].replace("\n", " ").strip()
        years = re.findall(r"\b(?:19|20)\d\d\b", paper)
        shelf = SCHEMES if issubclass(found, Rewriter | Reranker) else methods()[name]
        space = "text" if issubclass(found, Rewriter | Reranker) else repr(found.space)
        brought = distribution(plugins(METHODS)[name]) if shelf == PLUGIN else ""
        less = re.search(r"^(Simplified|Reconstruction): ", text, re.MULTILINE)
        built = less[1].lower() if less else "full"
        return cls(name, shelf, found.needs, space, paper, int(years[0]) if years else 0, brought, built)


@dataclass(frozen=True)
class Dataset:
    """A card, and the pairs of each split when they are asked for: `read` is given the name of a split.

    sought   protocol -> what is looked for in more than one step, where it has such things
    """

    card: Card
    read: Callable[[str], Pairs]
    sought: Mapping[str, Callable[[], Sought]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.card, Card) or not callable(self.read):
            raise BadInput(f"Dataset({shown(self.card)}, {shown(self.read)}): give a Card, and what reads a split")


def datasets() -> list[str]:
    """The names of the datasets there are files for, here and in plug-ins."""
    ours = _own_datasets()
    return sorted([*ours, *_plugged(DATASETS, ours)])


def dataset(name: str | Path) -> Dataset:
    """A dataset by name, or a person's own data by its path (the formats are in docs/reference/formats.md).

    Raises BadInput with the nearest name there is, and for a plug-in that brings no dataset.
    """
    place(name)
    ours = _own_datasets()
    theirs = _plugged(DATASETS, ours)
    if str(name) in ours or str(name) in theirs:
        plugin = theirs.get(str(name))
        module = loaded(plugin) if plugin else importlib.import_module(f"diptych.datasets.{name}")
        if plugin and not (hasattr(module, "CARD") and hasattr(module, "read")):
            raise BadInput(f"{distribution(plugin)}: its dataset {name} has no CARD and read(split, home)")
        card: Card = module.CARD
        sought = {each: _asked_at_home(what, card) for each, what in getattr(module, "SOUGHT", {}).items()}
        return Dataset(card, lambda split: module.read(split, _home(card)), sought)
    if not Path(name).exists():
        known = nearest(str(name), [*ours, *theirs])
        raise BadInput(f"there is no dataset {str(name)!r}, and no file or folder of that name{known}")
    from diptych.datasets import local

    return Dataset(local.card(name), partial(local.read, path=name))


def _asked_at_home(what: Callable[[Path], Sought], card: Card) -> Callable[[], Sought]:
    @wraps(what)
    def asked() -> Sought:
        return what(_home(card))

    return asked


def _own_datasets() -> list[str]:
    names = (module.name for module in pkgutil.iter_modules(diptych.datasets.__path__))
    return sorted(name for name in names if not name.startswith("_") and name != "local")


def _home(card: Card) -> Path:
    if card.generated:
        return cache.home() / card.folder
    data = os.environ.get("DIPTYCH_DATA", "")
    if not data:
        raise BadInput(f"{card.name} needs the folder of your data sets in $DIPTYCH_DATA. {card.get}")
    return Path(data) / card.folder
