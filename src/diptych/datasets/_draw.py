"""Draws that need no seed and no list of numbers: ids in the order of their sha256 are as good as shuffled.

The same ids give the same draw on every machine and in every version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from diptych.kinds import Card, Ints, Pairs


def shuffled(ids: Sequence[str]) -> Ints:
    """(n,) rows of the ids, in the order of sha256(id) as hex."""
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in ids]
    return np.array(sorted(range(len(ids)), key=digests.__getitem__), dtype=np.int64)


def hashing(card: Card, pairs: Pairs, split: str, prefix: str = "") -> Pairs:
    """The draw of the hashing papers: some queries; the rest is the database; part of the database is for training.

    The card tells how many: its splits `query` and `train`, behind `prefix`. Papers draw at random without publishing
    the rows; here the first pictures of `shuffled` ask, the next train. `unseen` is the database without what trains.
    """
    order = shuffled(pairs.image_ids)
    n_query, n_train = card.splits[f"{prefix}query"], card.splits[f"{prefix}train"]
    rows = {
        "query": order[:n_query],
        "train": order[n_query : n_query + n_train],
        "database": order[n_query:],
        "unseen": order[n_query + n_train :],
        "all": order,
    }[split.removeprefix(prefix)]
    return pairs.select(np.sort(rows))
