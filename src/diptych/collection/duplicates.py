"""Pictures that show the same: near-duplicates by their vectors, in blocks of rows and never all against all."""

from __future__ import annotations

import numpy as np

from diptych.collection.vectors import Vectors
from diptych.kinds import Array, BadInput, Progress

_BLOCK = 2048


def groups(vectors: Vectors, threshold: float, progress: Progress | None = None) -> list[list[int]]:
    """Groups of ids joined by pairs at least `threshold` alike, and by equal content; the largest group first.

    A group is a connected part: two of its pictures may be less alike than the threshold when others lie between them.
    """
    if not 0 < threshold <= 1:
        raise BadInput(f"threshold: {threshold}; it is a likeness above 0 and up to 1, such as 0.97")
    ids, rows = vectors.all("image", "item IN (SELECT id FROM items WHERE status = 'ok')")
    leader = np.arange(len(ids))

    def top(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    def join(first: int, second: int) -> None:
        first, second = sorted((top(first), top(second)))
        leader[second] = first

    place = {id: at for at, id in enumerate(ids.tolist())}
    twins: dict[str, int] = {}
    for id, digest in vectors.store.rows("SELECT id, digest FROM items WHERE status = 'ok' AND digest IS NOT NULL"):
        join(place[twins.setdefault(digest, id)], place[id])
    rows = _comparable(rows, vectors.space.name)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        for other in range(start, len(rows), _BLOCK):
            near = block @ rows[other : other + _BLOCK].T >= threshold - 1e-6
            if other == start:
                near = np.triu(near, 1)
            for first, second in zip(*np.nonzero(near), strict=True):
                join(start + int(first), other + int(second))
        if progress:
            progress("duplicates", min(start + _BLOCK, len(rows)), len(rows))
    found: dict[int, list[int]] = {}
    for at, id in enumerate(ids.tolist()):
        found.setdefault(top(at), []).append(id)
    return sorted((group for group in found.values() if len(group) > 1), key=lambda group: (-len(group), group))


def _comparable(rows: Array, space: str) -> Array:
    """Rows whose inner product is their likeness, 1 for equals. A row of zeros is like nothing."""
    if space == "hamming":
        signs = np.unpackbits(rows, axis=1).astype(np.float32)
        # Equal bits are those both have and those both lack.
        return np.asarray(np.hstack([signs, 1 - signs]) / np.sqrt(signs.shape[1], dtype=np.float32))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)
