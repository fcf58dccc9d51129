"""What is remembered of all that is learned from, in tables of one row a text or a picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diptych.kinds import Array, Pairs
from diptych.parts.bits import instead, names, voted


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
        known, stored = voted(self.get_buffer(side).cpu().numpy(), self.codes.cpu().numpy())
        return instead(packed, names(items), known, stored)
