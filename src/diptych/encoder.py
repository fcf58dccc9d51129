"""Features and a method, fitted together: from pictures and strings to rows of one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from diptych.encoders import shelf
from diptych.encoders.dual import DualEncoder
from diptych.features import composition
from diptych.features.composition import Composition
from diptych.kinds import Array, BadInput, Pairs, Progress, Space, listed, shown
from diptych.method import Method
from diptych.parts.fitted import Fitted
from diptych.sources import pictures


@dataclass
class Encoder(Fitted):
    """What `fit` leaves in a folder and what `evaluate` and the applications read back. Make one with `of`.

    images_, texts_   the features of each side
    method_           the method on top of them
    trained_on_       method, dataset, protocol, split and a digest of it, seed and version, as plain JSON
    """

    def __post_init__(self) -> None:
        self.images_: Composition
        self.texts_: Composition
        self.method_: Method
        self.trained_on_: dict[str, Any] = {}

    @classmethod
    def of(cls, images: Composition | str, texts: Composition | str, method: Method) -> Self:
        """An encoder of these parts, which `fit` teaches.

        images, texts   features; may be named in their language: "efficientnetv2", "tfidf@words=2000", or "given" for
                        rows that were computed elsewhere
        method          a method, of this package or your own
        Raises BadInput for an unknown feature or setting, and for a feature of the other side.
        """
        if not isinstance(method, Method):
            raise BadInput(f"method: {shown(method)} is none; give one that is made: Class()")
        for features in (images, texts):
            if not isinstance(features, str | Composition):
                raise BadInput(f"{shown(features)} names no features; give a text, such as tfidf@words=2000")
        encoder = cls()
        encoder.images_ = composition.read(images, "image") if isinstance(images, str) else images
        encoder.texts_ = composition.read(texts, "text") if isinstance(texts, str) else texts
        encoder.method_ = method
        return encoder

    @property
    def space(self) -> Space:
        """How its rows are compared: `encoder.space.score(rows, rows)`."""
        return self.method_.space

    def fit(self, train: Pairs, progress: Progress | None = None) -> Self:
        """Learn the features, then the method, from pictures and strings (or from arrays, with `given` features).

        Raises BadInput for pictures and texts that the features or the method cannot learn from, and what is no Pairs.
        """
        if not isinstance(train, Pairs):
            raise BadInput(f"fit: {shown(train)} is no Pairs; give Pairs(images, texts, owner)")
        images, of_images = self.images_.fit(train.images, progress).viewed(train.images, progress)
        texts, of_texts = self.texts_.fit(train.texts, progress).viewed(train.texts, progress)
        self.method_.fit(train.features(images, texts, (of_images, of_texts)))
        return self

    def encode_images(self, items: Any, progress: Progress | None = None) -> Array:
        """(n, d) one normalised row a picture, of n paths, or of (n, d_x) rows with `given` features.

        Raises BadInput for what is neither, rows of another width, and the first picture that does not decode.
        """
        _several(items, "encode_images", "pictures")
        return self.method_.encode_images(self.images_.transform(items, progress))

    def encode_texts(self, items: Any, progress: Progress | None = None) -> Array:
        """(n, d) one normalised row a text, of n strings, or of (n, d_y) rows with `given` features.

        Raises BadInput for what is neither, rows of another width, and a text without a word.
        """
        _several(items, "encode_texts", "texts")
        return self.method_.encode_texts(self.texts_.transform(items, progress))


def load(name: str | Path, modules: Sequence[str] = ()) -> Encoder | DualEncoder:
    """The encoder of this name, of the hub, or in this folder.

    name      `mini` or another name of `diptych models`; `hub:owner/name:variant@revision`; or a folder: what
              `diptych fit` or `save_pretrained` wrote, an ONNX pair, or a model of transformers
    modules   modules that classes of a fitted folder may come from, as for `Encoder.from_pretrained`

    Raises BadInput with the nearest name, with the command that fetches it, or with what is wrong in the folder.
    """
    found = shelf.open(name, modules)
    if not isinstance(found, Encoder | DualEncoder):
        raise BadInput(f"{name} holds {type(found).__name__}, which is no encoder of pictures and texts")
    return found


def _several(items: Any, who: str, what: str) -> None:
    """Raises BadInput for one alone, and for open pictures: what is computed from a picture is kept by its file."""
    if hasattr(items, "shape"):  # rows, sparse ones among them
        return
    for item in listed(items, who, what):
        is_open = hasattr(item, "getexif") or pictures.is_pixels(item)
        if item is None or is_open or isinstance(item, bytes | int | float):
            raise BadInput(f"{who}: {type(item).__name__} is not read here; give strings, of a picture its path")
