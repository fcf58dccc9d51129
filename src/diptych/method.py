"""The contract that every published method is written to.

A method file says what is new in its paper and nothing else. What all methods share is here: what a method is, the
linear closed forms, and how they stream. Items stay opaque: only the method looks inside them. A method never sees a
dataset, an index or a metric.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Self

import numpy as np

from diptych.kinds import Array, BadInput, Pairs, Space, cosine, count
from diptych.parts.algebra import Moments
from diptych.parts.fitted import Fitted

Needs = Literal["nothing", "pairs", "labels", "some labels"]


class Method(Fitted, ABC):
    """A dataclass whose fields are hyper-parameters; what `fit` learns ends in `_`.

    space   how its outputs are stored and compared
    needs   what it must be shown to learn
    """

    space: ClassVar[Space] = cosine
    needs: ClassVar[Needs] = "pairs"

    @abstractmethod
    def fit(self, train: Pairs) -> Self:
        """Learn from pairs of items. Fitting again forgets what was learned; same pairs, same result."""

    @abstractmethod
    def encode_images(self, items: Any) -> Array:
        """One row a picture, settled in `space`."""

    @abstractmethod
    def encode_texts(self, items: Any) -> Array:
        """One row a text, settled in `space`."""


class ClosedForm(Method):
    """A linear map for each side with a closed form: z = (x - mean) A. A leaf writes `solve`."""

    mean_x_: Array
    mean_y_: Array
    A_: Array
    B_: Array

    @abstractmethod
    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        """A (d_x, k) and B (d_y, k) from centred rows X (n, d_x) and Y (n, d_y), one row a pair.

        L is (n, C) labels, or None where the data has none.
        """

    def fit(self, train: Pairs) -> Self:
        X, Y, L = aligned(train, type(self).needs)
        self.mean_x_, self.mean_y_ = X.mean(axis=0), Y.mean(axis=0)
        self.A_, self.B_ = self.solve(X - self.mean_x_, Y - self.mean_y_, L)
        return self

    def encode_images(self, items: Any) -> Array:
        return self.space.settle(project(items, self.mean_x_, self.A_, "images"))

    def encode_texts(self, items: Any) -> Array:
        return self.space.settle(project(items, self.mean_y_, self.B_, "texts"))


class Streaming(ClosedForm):
    """A closed form that needs second moments only: it learns from any number of pairs in the memory of its widths.

    A leaf writes `directions`. `partial_fit` over batches gives the very solution of one `fit`.
    """

    @abstractmethod
    def directions(self, moments: Moments) -> tuple[Array, Array]:
        """A (d_x, k) and B (d_y, k) from the moments of all pairs so far."""

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        return self.directions(Moments().add(X, Y))

    def fit(self, train: Pairs) -> Self:
        self._moments = Moments()
        return self.partial_fit(train)

    def partial_fit(self, batch: Pairs) -> Self:
        """Learn from one more batch of pairs. Raises BadInput after `from_pretrained`: a folder keeps no moments."""
        if not hasattr(self, "_moments"):
            if self.learned():
                raise BadInput(f"{self.paper_name()}: what it learned from is not kept in a folder; fit it anew")
            self._moments = Moments()
        moments = self._moments.add(featured(batch.images, "images"), featured(batch.texts, "texts"), batch.owner)
        self.mean_x_, self.mean_y_ = moments.mean_x, moments.mean_y
        self.A_, self.B_ = self.directions(moments)
        return self


def featured(items: Any, side: str, width: int | None = None) -> Any:
    """Items as (n, d) feature rows, d the width that was fitted on; else BadInput."""
    if not hasattr(items, "shape") or len(items.shape) != 2 or items.dtype.kind not in "fiub":
        raise BadInput(f"{side} are not feature rows; turn them into features first, as flow.encoder.Encoder does")
    if width is not None and items.shape[1] != width:
        raise BadInput(f"{side} are {items.shape[1]} wide; this method was fitted on {width}")
    return items


def check(train: Pairs, needs: Needs) -> None:
    """Raise BadInput when a method cannot learn from these pairs: there are none, or it needs labels and has none."""
    if not train.n_texts:
        raise BadInput("there are no pairs to learn from")
    if needs == "labels" and (train.labels is None or not train.labels.any()):
        raise BadInput("this method learns from labels and the data has none; use one that needs pairs only")


def aligned(train: Pairs, needs: Needs) -> tuple[Array, Array, Array | None]:
    """Dense float64 rows, one a text: its picture's features, its own, and its labels."""
    check(train, needs)
    X = dense(featured(train.images, "images"))[train.owner]
    return X, dense(featured(train.texts, "texts")), train.text_labels


def dense(rows: Any) -> Array:
    """Rows as a float64 array."""
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)


def project(items: Any, mean: Array, directions: Array, side: str) -> Array:
    """(items - mean) directions, leaving sparse rows sparse. Raises BadInput for rows of another width."""
    rows = featured(items, side, len(mean))
    if not count(rows):
        return np.empty((0, directions.shape[1]))
    return np.asarray(rows @ directions - mean @ directions)
