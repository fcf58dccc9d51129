"""Which encoder made the vectors of a collection: vectors of two encoders do not compare, whatever their width."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diptych.encoders import shelf
from diptych.encoders.dual import DualEncoder
from diptych.features.feature import Feature
from diptych.kinds import Array, BadInput, Space, shown
from diptych.parts.fitted import Fitted
from diptych.sources import cache


class EncoderProtocol(Protocol):
    """What turns pictures and texts into rows of one space: `encoder.Encoder`, and every `DualEncoder`.

    Pictures come as a list of paths, texts as a list of strings. One that was not fitted here states a `name` and a
    `version`, by which its vectors are known again. One that has a `preprocessing` and `encode_pixels` is handed the
    pixels that were decoded when a file was looked at.
    """

    @property
    def space(self) -> Space: ...

    def encode_images(self, items: Any) -> Array: ...

    def encode_texts(self, items: Any) -> Array: ...


_PARTS = ("space", "encode_images", "encode_texts")

_GIVEN = "given rows"
"""In the place of a digest where nothing was computed here."""


@dataclass(frozen=True)
class Identity:
    """What tells one encoder from another. Names say which one is meant; the rest decides whether it is the same.

    revision        its version or commit, where it has one
    images, texts   features, or how pictures and texts are prepared
    digest          sha256 over everything it computes with: classes, settings, weights, preprocessing
    kind            numpy's name for what a row is made of
    width           how many of those
    """

    name: str = field(compare=False)
    space: str
    images: str = field(compare=False)
    texts: str = field(compare=False)
    digest: str
    kind: str
    width: int
    revision: str = field(default="", compare=False)

    @classmethod
    def rows(cls, space: Space, width: int) -> Identity:
        """Of rows that are given, in a collection without an encoder."""
        kind = "|u1" if space.name == "hamming" else "<f4"
        return cls("rows", space.name, "", "", _GIVEN, kind, width)

    @property
    def is_given(self) -> bool:
        """Whether no encoder made the rows."""
        return self.digest == _GIVEN

    @classmethod
    def of(cls, encoder: EncoderProtocol) -> Identity:
        """By its bytes, of what was fitted here or opened by `encoders.shelf`; else by the name and version it states.

        Raises BadInput for what states neither or is no encoder, and for an encoder whose items are no single rows.
        """
        if isinstance(encoder, DualEncoder):
            facts = str(encoder.preprocessing), encoder.reads, encoder.digest, "<f4", encoder.width, encoder.revision
            return cls(encoder.name, encoder.space.name, *facts)
        if isinstance(encoder, type) or not all(hasattr(encoder, part) for part in _PARTS):
            raise BadInput(
                f"{shown(encoder)} is no encoder; one has {', '.join(_PARTS)}, or is made with `diptych fit`"
            )
        stated = [getattr(encoder, part, "") for part in ("name", "version")]
        if not isinstance(encoder, Fitted) and not all(isinstance(part, str) and part for part in stated):
            raise BadInput(
                f"{type(encoder).__name__} does not say which encoder it is; give it a `name` and a `version` (texts), "
                "by which its vectors are known again"
            )
        if not isinstance(encoder.space, Space):
            raise BadInput(f"{type(encoder).__name__}: space: {shown(encoder.space)}; give one of diptych.kinds")
        rows = np.asarray(encoder.encode_texts(["a picture"]))
        if not isinstance(encoder, Fitted):
            return cls._stated(stated, encoder.space, rows)
        if rows.ndim != 2:
            raise BadInput(f"a collection holds one row a picture, and the space {encoder.space!r} has several")
        learned = encoder.learned()
        method = learned.get("method_", encoder)
        images, texts = (getattr(learned.get(side), "text", "") for side in ("images_", "texts_"))
        name, space, kind = method.paper_name(), encoder.space.name, rows.dtype.str
        return cls(name, space, images, texts, digest_of(encoder), kind, rows.shape[1])

    @classmethod
    def _stated(cls, stated: Sequence[str], space: Space, rows: Array) -> Identity:
        """By a name and a version. rows: what the encoder made of one text."""
        wanted = "u" if space.name == "hamming" else "fi"
        if rows.ndim != 2 or len(rows) != 1 or not rows.shape[1] or rows.dtype.kind not in wanted:
            packed = " of packed bits, uint8" if space.name == "hamming" else ""
            raise BadInput(f"{stated[0]}: of one text it made {rows.dtype} {rows.shape}; give one row a text{packed}")
        digest = hashlib.sha256(json.dumps(stated).encode()).hexdigest()
        kind = "|u1" if space.name == "hamming" else "<f4"
        return cls(stated[0], space.name, "", "", digest, kind, rows.shape[1], stated[1])

    @classmethod
    def read(cls, text: str) -> Identity:
        return cls(**json.loads(text))

    def __str__(self) -> str:
        features = " and ".join(part for part in (self.images, self.texts) if part)
        facts = [features] * bool(features) + [f"{self.width} wide", self.space]
        digest = "" if self.is_given else self.digest[:12]
        return " ".join(filter(None, (self.name, self.revision[:12], digest, f"({', '.join(facts)})")))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.kind)


class Uncached:
    """An encoder that leaves nothing of a picture in the cache of features."""

    def __init__(self, encoder: EncoderProtocol) -> None:
        self._encoder = encoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    @property
    def space(self) -> Space:
        return self._encoder.space

    def encode_images(self, items: Any) -> Array:
        with cache.without():
            return self._encoder.encode_images(items)

    def encode_texts(self, items: Any) -> Array:
        return self._encoder.encode_texts(items)


def load(name: str | Path) -> EncoderProtocol:
    """The encoder of a name or in a folder, as `encoders.shelf` finds it."""
    thing = shelf.open(name)
    if not (hasattr(thing, "encode_images") and hasattr(thing, "space")):
        raise BadInput(
            f"{name} holds {type(thing).__name__}, which encodes no pictures; `diptych fit` makes an encoder"
        )
    return thing  # type: ignore[return-value]


def digest_of(thing: Fitted) -> str:
    """sha256 over everything that a fitted thing computes with."""
    sums = hashlib.sha256()
    for piece in _pieces(thing):
        sums.update(piece)
    return sums.hexdigest()


def _pieces(thing: Fitted) -> Iterator[bytes]:
    """Everything that an encoder computes with, in one order."""
    yield json.dumps([*thing.kept_class().split(":"), thing.settings()], default=str).encode()
    if isinstance(thing, Feature) and (outside := thing.outside()) is not None:
        yield json.dumps(outside).encode()
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
