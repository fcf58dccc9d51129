"""Which encoder made the vectors of a collection: vectors of two encoders do not compare, whatever their width."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diptych.kinds import Array, BadInput, Space
from diptych.parts.fitted import Fitted


class Encodes(Protocol):
    """What turns pictures and texts into rows of one space; `flow.encoder.Encoder` is one."""

    @property
    def space(self) -> Space: ...

    def encode_images(self, items: Any) -> Array: ...

    def encode_texts(self, items: Any) -> Array: ...


@dataclass(frozen=True)
class Identity:
    """What tells one encoder from another.

    digest   sha256 over its classes, settings and weights
    kind     numpy's name for what a row is made of
    width    how many of those
    """

    name: str
    space: str
    images: str
    texts: str
    digest: str
    kind: str
    width: int

    @classmethod
    def of(cls, encoder: Encodes) -> Identity:
        """Raises BadInput for an encoder whose items are no single rows."""
        if not isinstance(encoder, Fitted):
            raise BadInput(f"{type(encoder).__name__} is no fitted encoder; fit one with `diptych fit`")
        rows = encoder.encode_texts(["a picture"])
        if rows.ndim != 2:
            raise BadInput(f"a collection holds one row a picture, and the space {encoder.space!r} has sets of rows")
        learned = encoder.learned()
        method = learned.get("method_", encoder)
        images, texts = (getattr(learned.get(side), "text", "") for side in ("images_", "texts_"))
        digest = hashlib.sha256()
        for piece in _pieces(encoder):
            digest.update(piece)
        name, space, kind = method.paper_name(), encoder.space.name, rows.dtype.str
        return cls(name, space, images, texts, digest.hexdigest(), kind, rows.shape[1])

    @classmethod
    def read(cls, text: str) -> Identity:
        return cls(**json.loads(text))

    def __str__(self) -> str:
        features = " and ".join(part for part in (self.images, self.texts) if part)
        return f"{self.name} {self.digest[:12]} ({f'{features}, ' * bool(features)}{self.width} wide, {self.space})"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.kind)


def load(folder: str | Path) -> Encodes:
    """The encoder in a fitted folder."""
    thing = Fitted.from_pretrained(folder)
    if not (hasattr(thing, "encode_images") and hasattr(thing, "space")):
        raise BadInput(
            f"{folder} holds {type(thing).__name__}, which encodes no pictures; `diptych fit` makes an encoder"
        )
    return thing  # type: ignore[return-value]


def _pieces(thing: Fitted) -> Iterator[bytes]:
    """Everything that an encoder computes with, in one order."""
    yield json.dumps([type(thing).__module__, type(thing).__qualname__, thing.settings()], default=str).encode()
    for name, value in sorted(thing.learned().items()):
        if name == "trained_on_":  # where it comes from; it computes the same without
            continue
        yield name.encode()
        if isinstance(value, Fitted):
            yield from _pieces(value)
        elif isinstance(value, np.ndarray | np.generic):
            array = np.asarray(value, order="C")
            yield f"{array.dtype.str} {array.shape}".encode()
            yield array.tobytes()
        else:
            yield json.dumps(value, default=str).encode()
