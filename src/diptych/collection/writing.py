"""Items with their vectors into the store; and the vectors of pictures and captions from the encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from diptych.collection.identity import EncoderProtocol
from diptych.collection.items import Item, Records
from diptych.collection.vectors import Vectors
from diptych.kinds import Array, BadInput

T = TypeVar("T")


class Written(NamedTuple):
    """An item to write with its vectors.

    texts   the rows of its captions; None leaves them where it keeps its picture, and else it has none
    keeps   whether the vector of its picture stays as it is
    """

    item: Item
    row: Array | None = None
    texts: Array | None = None
    keeps: bool = False


def write(vectors: Vectors, work: Sequence[Written]) -> list[int]:
    """Write items with their vectors, inside a transaction; their ids."""
    ids = vectors.store.put([some.item for some in work], [not some.keeps for some in work])
    told = list(zip(ids, work, strict=True))
    vectors.drop("image", [id for id, some in told if some.item.id and not some.keeps])
    rows = [(id, some.row) for id, some in told if some.row is not None and not some.keeps]
    vectors.put("image", [id for id, _ in rows], [0] * len(rows), [row for _, row in rows])
    other = [id for id, some in told if some.item.id and (some.texts is not None or some.item.status != "ok")]
    vectors.drop("text", other)
    _put_texts(vectors, [(id, some.texts) for id, some in told if some.texts is not None])
    return ids


def begin(vectors: Vectors, records: Records, rows: Array, texts: Mapping[int, Array]) -> list[int]:
    """Write new items with their vectors, inside a transaction; their ids.

    rows    (n, d) of their pictures
    texts   place of an item among them -> rows of its captions
    """
    ids = vectors.store.begin(records)
    vectors.put("image", ids, [0] * len(ids), rows)
    _put_texts(vectors, [(ids[place], some) for place, some in texts.items()])
    return ids


def _put_texts(vectors: Vectors, texts: Sequence[tuple[int, Array]]) -> None:
    """Of each item with this id the rows of its captions."""
    each = [(id, number, row) for id, rows in texts for number, row in enumerate(rows)]
    vectors.put("text", [id for id, _, _ in each], [number for _, number, _ in each], [row for _, _, row in each])


def encoded(
    vectors: Vectors, encoder: Callable[[], EncoderProtocol], paths: Sequence[str]
) -> tuple[list[Array | str], int]:
    """The row of each picture, or why it has none; and how many were normalised.

    Raises BadInput where the fault is not the picture's.
    """
    if not paths:
        return [], 0
    try:
        return vectors.judged(encoder().encode_images(list(paths)), len(paths))
    except MemoryError:
        why = "takes more memory to encode than there is; scale it down first"
    except BadInput as error:
        if len(paths) == 1 and paths[0] not in str(error):
            raise
        why = str(error).removeprefix(f"{paths[0]}: ")
    if len(paths) == 1:
        return [why], 0
    # One picture spoils the whole batch: alone, each of the others is well. Not above, where the error still holds what
    # was in memory when it came.
    each = [encoded(vectors, encoder, [path]) for path in paths]
    return [row for rows, _ in each for row in rows], sum(normalised for _, normalised in each)


def encoded_texts(
    vectors: Vectors, encoder: Callable[[], EncoderProtocol], captions: Mapping[T, Sequence[str]]
) -> dict[T, Array]:
    """The rows of the captions under each key; none where nothing encodes them."""
    if vectors.identity.is_given:
        return {}
    texts = [text for some in captions.values() for text in some]
    width = vectors.identity.width
    rows = vectors.checked(encoder().encode_texts(texts), len(texts)) if texts else np.empty((0, width))
    ends = np.cumsum([len(some) for some in captions.values()])[:-1]
    return dict(zip(captions, np.split(rows, ends), strict=True)) if captions else {}
