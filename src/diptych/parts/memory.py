"""What is remembered of all that is learned from, in tables of one row a text or a picture."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diptych.kinds import Array, Ints, Pairs, count, hamming, take


class Tables(nn.Module):
    """Named tables of these shapes, zero at first, for losses to look into; `Tables(codes=(n, bits)).codes` is one.

    They are buffers: a checkpoint has them, and no gradient passes into them.
    """

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def __getitem__(self, name: str) -> Tensor:
        return self.get_buffer(name)


class Stored(nn.Module):
    """Codes of n pairs that were learned from, found again by the features of either side; of 0 pairs, none ever is."""

    images: Tensor
    texts: Tensor
    codes: Tensor

    def __init__(self, n: int, bits: int) -> None:
        super().__init__()
        for side in ("images", "texts"):
            self.register_buffer(side, torch.zeros(n, dtype=torch.int64))
        self.register_buffer("codes", torch.zeros(n, bits))

    def remember(self, train: Pairs, codes: Tensor) -> None:
        """Keep the codes (n, bits) of these pairs, -1 and 1."""
        if not len(self.codes):
            return
        self.codes.copy_(codes)
        if not self.texts.any():  # features are the same in every epoch
            self.images.copy_(torch.from_numpy(names(train.images)[train.owner]))
            self.texts.copy_(torch.from_numpy(names(train.texts)))

    def instead(self, packed: Array, items: Any, side: str) -> Array:
        """The packed codes of items of a side, those that are stored in their place.

        Of several pairs with the same features on this side the signs of their sum.
        """
        if not len(self.codes):
            return packed
        known, pair = np.unique(self.get_buffer(side).cpu().numpy(), return_inverse=True)
        summed = np.zeros((len(known), self.codes.shape[1]), dtype=np.float32)
        np.add.at(summed, pair, self.codes.cpu().numpy())
        asked = names(items)
        place = np.searchsorted(known, asked).clip(max=len(known) - 1)
        stored = (known[place] == asked)[:, None]
        return np.where(stored, hamming.normalise(summed)[place], packed)


def names(rows: Any) -> Ints:
    """(n,) a number for each feature row, the same for the same row: 64 bits of its hash."""
    rows = rows.tocsr() if hasattr(rows, "tocsr") else rows
    found = np.empty(count(rows), dtype=np.int64)
    for place in range(len(found)):
        values = take(rows, np.array([place]))
        values = np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=np.float32)
        found[place] = np.frombuffer(hashlib.blake2b(values.tobytes(), digest_size=8).digest(), dtype=np.int64)[0]
    return found
