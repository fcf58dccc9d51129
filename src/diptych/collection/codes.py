"""What makes the binary codes that a collection answers from: learned from its own rows, or fitted before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from diptych.collection.identity import Identity, digest_of
from diptych.features.feature import Feature
from diptych.index.codes import Coder, Codes, Turned
from diptych.kinds import Array, BadInput
from diptych.parts.bits import rotation, signs
from diptych.parts.fitted import Fitted

if TYPE_CHECKING:
    from diptych.features.composition import Composition
    from diptych.method import Method

OWN, BITS = "own", 64

LEAST = 256
"""Rows from which codes are worth learning; fewer are searched exactly."""

SAMPLE = 50_000
"""Rows that codes are learned from."""

_TURNS, _TURNED = 50, 10_000
"""Steps of the turn, as in the paper, and rows that it is found on."""


@dataclass(frozen=True)
class Wish:
    """That a collection answers from codes: learned from its own rows (`OWN`), or by what was fitted in a folder.

    learned   the digest of what was fitted; "" of own rows
    """

    of: str
    bits: int
    learned: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        kept = json.loads(text)
        return kept and cls(**kept)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def coder(self, identity: Identity) -> Coder:
        """What was fitted. Raises BadInput where its folder holds it no more, with the way out."""
        found, wish = fitted(self.of, identity)
        if wish.learned != self.learned:
            raise BadInput(f"{self.of}: it was fitted anew since codes were made by it; {_AGAIN} --codes {self.of}")
        return found


_AGAIN = "make them again: diptych reindex"


def wished(of: str | Path, bits: int | None, identity: Identity) -> Wish:
    """A wish that can be kept.

    of     `OWN`, or a folder that `diptych fit` wrote
    bits   of codes learned from own rows, 64 by default

    Raises BadInput for a collection whose rows are codes already, a folder that does not fit its rows, and bits besides
    a folder, which has its own.
    """
    if identity.space not in Codes.spaces:
        raise BadInput(f"codes: the rows of this collection are compared by {identity.space}; there is nothing to code")
    if str(of) == OWN:
        return Wish(OWN, BITS if bits is None else bits, "")
    if bits is not None:
        raise BadInput(f"bits: what was fitted in {of} has its own number of bits; leave it out")
    return fitted(of, identity)[1]


def own(rows: Array, bits: int) -> Turned:
    """Iterative quantisation (Gong & Lazebnik, CVPR 2011).

        min_{B,R}  ||B - V W R||²      B in {-1, 1}, W the leading principal directions of the rows V, R'R = I

    rows (n, d), centred. Of more bits than d, all are signs of a tight frame: a turn in more directions than there are.
    """
    rng = np.random.default_rng(0)
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean
    values, directions = np.linalg.eigh(centred.T @ centred / len(rows))
    leading = directions[:, : -bits - 1 : -1] * (values[: -bits - 1 : -1] > 1e-9 * values[-1])
    if bits > len(values):
        leading = np.hstack([leading, np.zeros((len(values), bits - len(values)))])
    sample = (centred[rng.permutation(len(rows))[:_TURNED]] @ leading).astype(np.float32)
    R = rotation(rng.standard_normal((bits, bits)), np.eye(bits)).astype(np.float32)
    for _ in range(_TURNS):
        R = rotation(signs(sample @ R).astype(np.float32), sample)
    turn = (leading @ R).astype(np.float32)
    return Turned(mean.astype(np.float32), turn)


@dataclass(frozen=True)
class _Read:
    """A fitted hashing method over rows as a collection holds them.

    images, texts   the steps that stand between those rows and the method, such as `standard`
    """

    method: Method
    images: Sequence[Feature] = ()
    texts: Sequence[Feature] = ()

    def encode_images(self, items: Any) -> Array:
        return self.method.encode_images(_through(self.images, items))

    def encode_texts(self, items: Any) -> Array:
        return self.method.encode_texts(_through(self.texts, items))


def fitted(folder: str | Path, identity: Identity) -> tuple[Coder, Wish]:
    """The hashing method in a folder, and the wish for its codes.

    Raises BadInput naming the folder where it holds none, or one that was not fitted on rows of this encoder's width.
    """
    from diptych.encoder import Encoder
    from diptych.method import Method

    place, learn = Path(folder).resolve(), f"or learn from its own rows: --codes {OWN}"
    if identity.is_given:
        raise BadInput(f"codes: {folder}: nobody knows which side of a method given rows are on; leave it out, {learn}")
    try:
        thing = Fitted.from_pretrained(place)
    except BadInput as error:
        raise BadInput(f"codes: {error}; name a folder that diptych fit wrote, {learn}") from None
    method = thing.method_ if isinstance(thing, Encoder) else thing
    if not isinstance(method, Method) or method.space.name != "hamming":
        holds = f"{method.paper_name()}, which makes no binary codes"
        raise BadInput(f"codes: {folder} holds {holds}; diptych methods lists those of the space hamming")
    sides = (thing.images_, thing.texts_) if isinstance(thing, Encoder) else ()
    coder = _Read(method, *(_steps(side, folder, identity) for side in sides))
    widths = set()
    for encode in (coder.encode_images, coder.encode_texts):
        try:
            widths.add(encode(np.full((2, identity.width), 0.5, dtype=np.float32)).shape)
        except (BadInput, ValueError, AttributeError) as error:
            why = str(error).partition("\n")[0]
            takes = f"{method.paper_name()} does not take the rows of {identity.name}, {identity.width} wide"
            raise BadInput(f"codes: {folder}: {takes} ({why}); fit it on those, {learn}") from None
    (shape,) = widths
    return coder, Wish(str(place), 8 * shape[1], digest_of(thing))


def _steps(features: Composition, folder: str | Path, identity: Identity) -> Sequence[Feature]:
    """What is done to rows that were given."""
    from diptych.features.given import Given

    chains = features.chains()
    if len(chains) > 1 or not isinstance(chains[0][0], Given):
        holds = f"was fitted on {features.text}, and this collection holds rows of {identity.name}"
        raise BadInput(f"codes: {folder} {holds}; fit a method on those, as given features")
    return chains[0][1:]


def _through(steps: Sequence[Feature], rows: Any) -> Any:
    for step in steps:
        rows = step.transform(rows)
    return rows
