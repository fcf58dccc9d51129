"""Encoders of sequences of tokens, such as the words of a text in their order: (b, t, width) to (b, dims).

Rows of zeros are padding, wherever they stand; (b, width) rows are sequences of one token. Tokens come in scaled to
length 1, as the rows of `heads.mlp` do. A sequence of padding alone is one token of zeros. Neither the amount of
padding nor the rest of the batch changes a row, but that a transformer in training is centred by its batch.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych.kinds import BadInput

Take = Literal["last", "mean", "max"]


def tokens(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(b, t, width) tokens of length 1 in their order, padding behind them, and (b, t) which of them are tokens."""
    rows = rows[:, None] if rows.ndim == 2 else functional.pad(rows, (0, 0, 0, int(rows.shape[1] == 0)))
    padding = (rows == 0).all(dim=2)
    if (padding[:, :-1] & ~padding[:, 1:]).any():  # else it stands behind already, and wide rows are slow to move
        order = padding.long().argsort(dim=1, stable=True)
        rows, padding = rows.gather(1, order[:, :, None].expand_as(rows)), padding.gather(1, order)
    padding[:, 0] = False
    return functional.normalize(rows, dim=2), ~padding


def pooled(states: Tensor, real: Tensor, take: Take) -> Tensor:
    """(b, d) of states (b, t, d): the last one that is real (b, t), or their mean or maximum."""
    if take == "max":
        return states.masked_fill(~real[:, :, None], -torch.inf).amax(dim=1)
    number = real.sum(dim=1)[:, None]
    weight = torch.arange(1, real.shape[1] + 1, device=real.device) == number if take == "last" else real / number
    return torch.einsum("bt,btd->bd", weight.to(states.dtype), states)


def turned(real: Tensor) -> Tensor:
    """(b, t) where each token stands, of those that are real (b, t), when they are read from behind."""
    place = torch.arange(real.shape[1], device=real.device)
    return torch.where(real, real.sum(dim=1)[:, None] - 1 - place, place)


class Recurrent(nn.Module):
    """Gated recurrent units (Cho et al. 2014) or long short-term memory (Hochreiter & Schmidhuber 1997).

    hidden   units of a direction; of `both` directions each takes its own last, mean or largest state
    start    the state before the first token, learned: without it one token alone would not move what states pass on
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        dims: int,
        cell: Literal["gru", "lstm"] = "gru",
        both: bool = True,
        take: Take = "last",
    ) -> None:
        super().__init__()
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.take: Take = take
        self.directions = nn.ModuleList(kind(width, hidden, batch_first=True) for _ in range(1 + both))
        self.start = nn.Parameter(torch.zeros(1 + both, hidden))
        self.project = nn.Linear((1 + both) * hidden, dims)

    def forward(self, rows: Tensor) -> Tensor:
        read, real = tokens(rows)
        states = self.states(read, real)
        made: Tensor = self.project(torch.cat([pooled(each, real, self.take) for each in states], dim=1))
        return made

    def states(self, read: Tensor, real: Tensor) -> list[Tensor]:
        """The states (b, t, hidden) after each of the `tokens`, of each direction in the order in which it reads."""
        place, backwards = torch.arange(real.shape[1], device=real.device), turned(real)
        found = []
        orders = (place.expand_as(backwards), backwards)[: len(self.directions)]
        for reader, start, order in zip(self.directions, self.start, orders, strict=True):
            first = start.expand(1, len(read), -1).contiguous()
            ordered = read.gather(1, order[:, :, None].expand_as(read))
            found.append(reader(ordered, (first, torch.zeros_like(first)) if isinstance(reader, nn.LSTM) else first)[0])
        return found


class Reader(Recurrent):
    """(b, t, dims) with rows of zeros as padding behind: each token, read with those before and those behind it."""

    def __init__(self, width: int, hidden: int, dims: int, cell: Literal["gru", "lstm"] = "gru") -> None:
        super().__init__(width, hidden, dims, cell)

    def forward(self, rows: Tensor) -> Tensor:
        read, real = tokens(rows)
        before, behind = self.states(read, real)
        behind = behind.gather(1, turned(real)[:, :, None].expand_as(behind))
        made: Tensor = self.project(torch.cat([before, behind], dim=2)) * real[:, :, None]
        return made


class Convolutional(nn.Module):
    """Convolutions over windows of tokens, and the largest answer of each map (Kim, EMNLP 2014).

    maps       of each window; a window of n tokens is laid around every token, with zeros beyond the ends
    dropout    on what the maps answered
    """

    def __init__(
        self, width: int, maps: int, dims: int, windows: tuple[int, ...] = (3, 4, 5), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Sequential(
                nn.ConstantPad1d(((window - 1) // 2, window // 2), 0.0), nn.Conv1d(width, maps, window), nn.ReLU()
            )
            for window in windows
        )
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(len(windows) * maps, dims))

    def forward(self, rows: Tensor) -> Tensor:
        read, real = tokens(rows)
        found = [pooled(maps(read.mT).mT, real, "max") for maps in self.maps]
        made: Tensor = self.project(torch.cat(found, dim=1))
        return made


class Transformer(nn.Module):
    """The mean of what layers of self-attention make of the tokens (Vaswani et al. 2017), normalised beforehand.

    Features are seldom centred, and what all tokens share would outweigh what tells them apart, so that tokens come in
    standardised, column by column, over the tokens of a batch.

    hidden   the width inside its feed-forward layers; dims is the width of the rest, and a multiple of 2 and `heads`
    Raises BadInput for dims that are not.
    """

    def __init__(
        self, width: int, hidden: int, dims: int, heads: int = 4, layers: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if dims % math.lcm(2, heads):
            raise BadInput(f"dims={dims} is no multiple of 2 and of heads={heads}; set one that is")
        self.centred = nn.BatchNorm1d(width, affine=False)
        self.enter = nn.Linear(width, dims)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dims, heads, hidden, dropout, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.leave = nn.LayerNorm(dims)

    def forward(self, rows: Tensor) -> Tensor:
        states, real = self.entered(rows)
        return pooled(self.heard(states, real), real, "mean")

    def entered(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens (b, t, dims) in their places, as the layers are given them, and (b, t) which of them are real."""
        read, real = tokens(rows)
        entered = self.enter(self.centred(read[real]))
        states = entered.new_zeros(*real.shape, self.enter.out_features)
        states[real] = entered
        return states + places(real.shape[1], self.enter.out_features).to(states), real

    def heard(self, states: Tensor, real: Tensor) -> Tensor:
        """What the layers make of tokens (b, t, dims) that hear all others of their row."""
        # Torch has no mask for no sequences; in training it loads a library for algebra to look at one.
        mask = None if self.training and real.all() else ~real
        for layer in self.layers if len(states) else ():
            states = layer(states, src_key_padding_mask=mask)
        left: Tensor = self.leave(states)
        return left


class Tokens(Transformer):
    """(b, 1 + t, dims) with rows of zeros as padding behind: an item as a whole, then its tokens one by one.

    The whole is what the layers make of a learned token that hears all others, and is heard by them.
    """

    def __init__(
        self, width: int, hidden: int, dims: int, heads: int = 4, layers: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__(width, hidden, dims, heads, layers, dropout)
        self.whole = nn.Parameter(torch.zeros(dims))  # else what is the same in all would outweigh what they hear

    def forward(self, rows: Tensor) -> Tensor:
        states, real = self.entered(rows)
        states = torch.cat([self.whole.expand(len(states), 1, -1), states], dim=1)
        real = functional.pad(real, (1, 0), value=True)
        return self.heard(states, real) * real[:, :, None]


def places(number: int, dims: int) -> Tensor:
    """(number, dims) sines and cosines of places, with wavelengths from 2 pi to 20000 pi (Vaswani et al. 2017)."""
    angle = torch.arange(number)[:, None] * torch.exp(-math.log(10000.0) * torch.arange(0, dims, 2) / dims)
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :dims]
