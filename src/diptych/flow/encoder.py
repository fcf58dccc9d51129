"""Features and a method, fitted together: from pictures and strings to rows of one space."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from diptych import __version__
from diptych.features import composition
from diptych.features.composition import Composition
from diptych.flow import catalogue
from diptych.kinds import Array, BadInput, Card, Pairs, Progress, Protocol, Space
from diptych.method import Method
from diptych.parts.fitted import Fitted


@dataclass
class Encoder(Fitted):
    """What `fit` leaves in a folder and `evaluate` and the applications read back.

    images_, texts_   the features of each side
    method_           the method on top of them
    trained_on_       dataset, protocol, seed and version, as plain JSON
    """

    def __post_init__(self) -> None:
        self.images_: Composition
        self.texts_: Composition
        self.method_: Method
        self.trained_on_: dict[str, Any] = {}

    @classmethod
    def of(
        cls, method: Method, image_features: str = "given", text_features: str = "given", seed: int | None = None
    ) -> Self:
        """An encoder not yet fitted. A seed is handed to every part that has one."""
        encoder = cls()
        encoder.images_ = composition.read(image_features, "image")
        encoder.texts_ = composition.read(text_features, "text")
        encoder.method_ = method
        if seed is not None:
            chains = encoder.images_.chains() + encoder.texts_.chains()
            for part in (method, *(feature for chain in chains for feature in chain)):
                if any(field.name == "seed" for field in dataclasses.fields(part)):
                    part.seed = seed
        return encoder

    @property
    def space(self) -> Space:
        return self.method_.space

    def fit(self, train: Pairs, progress: Progress | None = None) -> Self:
        """Learn features, then the method, from pictures and strings (or from arrays, with `given` features)."""
        self.images_.fit(train.images, progress)
        self.texts_.fit(train.texts, progress)
        images = self.images_.transform(train.images, progress)
        texts = self.texts_.transform(train.texts, progress)
        self.method_.fit(train.features(images, texts))
        return self

    def fit_on(
        self, card: Card, protocol: Protocol, train: Pairs, seed: int = 0, progress: Progress | None = None
    ) -> Self:
        """`fit`, remembering on what."""
        self.fit(train, progress)
        self.trained_on_ = {
            "dataset": card.name,
            "protocol": protocol.name,
            "split": protocol.train,
            "seed": seed,
            "diptych": __version__,
        }
        return self

    def encode_images(self, items: Any, progress: Progress | None = None) -> Array:
        """One settled row a picture."""
        return self.method_.encode_images(self.images_.transform(items, progress))

    def encode_texts(self, items: Any, progress: Progress | None = None) -> Array:
        """One settled row a text."""
        return self.method_.encode_texts(self.texts_.transform(items, progress))

    @classmethod
    def named(
        cls,
        name: str | Path,
        settings: dict[str, str] | None = None,
        image_features: str = "",
        text_features: str = "",
        seed: int = 0,
    ) -> tuple[Self, bool]:
        """A method by name, not yet fitted, or a fitted folder as it is; and whether it is fitted already."""
        if str(name) not in catalogue.methods() and Path(name).is_dir():
            if settings or image_features or text_features:
                raise BadInput(f"{name} is fitted already; settings and features cannot be changed, fit it anew")
            return cls.from_pretrained(name), True
        method = catalogue.method(str(name)).configured(settings)
        return cls.of(method, image_features or "given", text_features or "given", seed), False
