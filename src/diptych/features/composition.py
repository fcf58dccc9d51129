"""The little language of `--image-features` and `--text-features`.

    mobilenetv2                         one extractor, with the step it is used with: mobilenetv2:power
    mobilenetv2:raw                     its values as they are
    mobilenetv2:power:standard          steps from left to right
    mobilenetv2+efficientnetv2          side by side
    tfidf@words=2000@min_documents=3    settings, each after an @

No character of it means anything to a shell. Values hold no `+`, `:` or `@`. An extractor that reads pictures is
followed by `power` where no step is named; one that reads texts is not. Names are the files of this folder; a file is
imported when its name is used.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

import diptych.features
from diptych.features.feature import Feature, Side, Step
from diptych.kinds import BadInput, Progress, nearest

_NO_STEP = "raw"


def names() -> list[str]:
    """The extractors and steps there are, without importing one."""
    found = {module.name for module in pkgutil.iter_modules(diptych.features.__path__)}
    return sorted(found - {"feature", "composition"})


def named(name: str) -> type[Feature]:
    """The extractor or step of this name. Raises BadInput with the nearest one there is."""
    if name not in names():
        raise BadInput(f"there is no feature {name!r}{nearest(name, names())}")
    module = importlib.import_module(f"diptych.features.{name}")
    return next(
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Feature) and thing.__module__ == module.__name__
    )


def read(text: str, side: Side = "any") -> Composition:
    """What `text` describes, not yet fitted. Raises BadInput for an unknown name or setting, and for the wrong side."""
    composition = Composition(text)
    for chain in composition.chains():
        if "any" not in (side, chain[0].side) and chain[0].side != side:
            fitting = [
                name for name in names() if not issubclass(named(name), Step) and named(name).side in (side, "any")
            ]
            raise BadInput(f"{chain[0].paper_name()} does not read {side}s; there are: {', '.join(fitting)}")
    return composition


@dataclass
class Composition(Feature):
    """Chains of an extractor and steps, side by side: (n, d_1 + d_2 + …) rows."""

    text: str = "given"

    def __post_init__(self) -> None:
        self._chains: list[list[str]] = []
        for row, chain in enumerate(self.text.split("+")):
            places = []
            for column, part in enumerate(_parts(chain)):
                places.append(f"part{row}_step{column}_{part.paper_name()}_")
                setattr(self, places[-1], part)
            self._chains.append(places)

    def chains(self) -> list[list[Feature]]:
        """The parts: chains in their order, each from the extractor to its last step."""
        return [[getattr(self, place) for place in places] for places in self._chains]

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        for chain in self.chains():
            rows = items
            for part, later in ((part, chain[column + 1 :]) for column, part in enumerate(chain)):
                part.fit(rows, progress)
                if not any(step.learns() for step in later):
                    break
                rows = part.transform(rows, progress)
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        return self.viewed(items, progress)[0]

    def viewed(self, items: Any, progress: Progress | None = None) -> tuple[Any, tuple[int, ...]]:
        """The rows, and of several chains how wide those of each are, as `Pairs.views` tells it of a side."""
        blocks = []
        for chain in self.chains():
            rows = items
            for part in chain:
                rows = part.transform(rows, progress)
            blocks.append(rows)
        if len(blocks) == 1:
            return blocks[0], ()
        if any(block.ndim != 2 for block in blocks):
            raise BadInput(f"{self.text}: sequences and grids can not stand beside others; name one feature alone")
        widths = tuple(block.shape[1] for block in blocks)
        if any(hasattr(block, "tocsr") for block in blocks):
            from scipy import sparse

            return sparse.hstack(blocks, format="csr", dtype=np.float32), widths
        return np.hstack(blocks), widths


def _parts(chain: str) -> list[Feature]:
    """`name@key=value:step:step` as features that are not yet fitted."""
    first, *steps = chain.strip().split(":")
    extractor = _part(first)
    if isinstance(extractor, Step):
        raise BadInput(f"{first!r} is a step over rows; put it after an extractor, such as given:{first}")
    parts = [_part(step) for step in steps or [extractor.then] if step != _NO_STEP]
    for part in parts:
        if not isinstance(part, Step):
            raise BadInput(f"{chain!r}: {part.paper_name()} is no step over rows; put features side by side with +")
    return [extractor, *parts]


def _part(text: str) -> Feature:
    name, *settings = text.split("@")
    values = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadInput(f"{text!r}: a setting is written {name}@key=value, and {setting!r} has no =")
        values[key] = value
    return named(name).configured(values)
