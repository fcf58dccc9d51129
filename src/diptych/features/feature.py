"""What every extractor is: it may learn from the training items, then turns items into rows.

One file an extractor; the name of the file is the name on the command line. A new extractor is a new file here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from diptych.kinds import Array, BadInput, Progress
from diptych.parts.fitted import Fitted

Side = Literal["image", "text", "any"]


@dataclass
class Feature(Fitted):
    """Items in, rows out: pictures are a list of paths, texts a list of strings, and either may be an array already.

    side    what it reads
    then    the step that follows where none is named (see `composition`)
    """

    side: ClassVar[Side] = "any"
    then: ClassVar[str] = "raw"

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        """Learn from the training items what `transform` needs; by default there is nothing to learn."""
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        """(n, d) float32 rows of n items: an array, or scipy.sparse CSR where most values are zero."""
        raise NotImplementedError

    def outside(self) -> Any:
        """What tells files apart that it reads from elsewhere, as JSON: their contents; None where it reads none."""
        return None

    @classmethod
    def learns(cls) -> bool:
        """Whether fitting does anything."""
        return cls.fit is not Feature.fit


@dataclass
class Step(Feature):
    """A feature over rows: it comes after an extractor, as in `mobilenetv2:power`."""


def rows_of(name: str, items: Any, tokens: bool = False) -> Any:
    """The items as (n, d) float32 rows, dense or CSR; (n, t, d) ones, too, where `tokens` are read.

    Raises BadInput where they are no array of numbers.
    """
    if hasattr(items, "tocsr"):
        return items.tocsr().astype(np.float32)
    if not hasattr(items, "shape"):
        kind = type(items[0]).__name__ if len(items) else "nothing"
        raise BadInput(
            f"{name} reads rows of numbers, not {kind}; name an extractor, such as mobilenetv2 or tfidf, "
            "or a file of rows, given@file=rows.npz"
        )
    if items.ndim not in ((2, 3) if tokens else (2,)) or items.dtype.kind not in "fiub":
        raise BadInput(f"{name} reads an (n, d) array of numbers, not {items.dtype} of shape {items.shape}")
    return np.asarray(items, dtype=np.float32)


def paths_of(name: str, items: Any) -> list[Path]:
    """The items as paths. Raises BadInput for an array."""
    if getattr(items, "ndim", 1) != 1 or any(not isinstance(item, str | Path) for item in items):
        raise BadInput(f"{name} reads paths of pictures, and was given numbers; arrays go through `given`")
    return [Path(item) for item in items]


def texts_of(name: str, items: Any) -> list[str]:
    """The items as strings. Raises BadInput for an array, and for a text without a single letter or digit."""
    if getattr(items, "ndim", 1) != 1 or any(not isinstance(item, str) for item in items):
        raise BadInput(f"{name} reads texts, and was given numbers; arrays go through `given`")
    for row, text in enumerate(items):
        if not has_word(text):
            raise BadInput(f"text {row} ({text[:40]!r}) holds no word; write at least one, or leave it out")
    return list(items)


def has_word(text: str) -> bool:
    """Whether a text has a letter or a digit."""
    return re.search(r"[^\W_]", text) is not None


def with_values(rows: Any, values: Array) -> Any:
    """CSR rows with other values in the same places."""
    return type(rows)((values, rows.indices, rows.indptr), shape=rows.shape)
