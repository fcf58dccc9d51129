"""Boltzmann machines: layers of random units, each coupled with the next in the row. Probabilities go by exp(-E),

    E(s) = sum_l own_l(s_l) - sum_l s_l' W_l s_{l+1}

Two layers are a restricted machine (RBM: Smolensky 1986; Hinton 2002), more are a deep one (DBM: Salakhutdinov &
Hinton 2009). States are centred: a binary unit is -1/2 or 1/2, a visible one is less its mean. That gives the same
models as 0 and 1 with other biases, but they learn in far fewer steps (Montavon & Müller 2012), and a layer that is not
there feeds its neighbours what it feeds them on the average: nothing.

Layers of states are tensors (b, width), in dicts by the layer's place in the row; a layer may be absent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diptych.kinds import BadInput, batches
from diptych.parts.heads import one_row_each

States = dict[int, Tensor]


class Binary(nn.Module):
    """Units that are -1/2 or 1/2, own(s) = -b's. `field` (b, width) is what the neighbours feed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.bias = nn.Parameter(torch.zeros(width))

    def own(self, states: Tensor) -> Tensor:
        """(b,) the energy of the states by themselves."""
        return -(states @ self.bias)

    def mean(self, field: Tensor) -> Tensor:
        return torch.tanh((field + self.bias) / 2) / 2

    def draw(self, field: Tensor) -> Tensor:
        return torch.bernoulli(torch.sigmoid(field + self.bias)) - 0.5

    def log_sum(self, field: Tensor) -> Tensor:
        """(b,) the logarithm of the sum of exp(s'field - own(s)) over all 2^width states."""
        fed = field + self.bias
        return (F.softplus(fed) - fed / 2).sum(dim=1)


class Gaussian(Binary):
    """Visible units that are normal numbers of variance 1 around what they are fed, own(s) = ||s - b||^2 / 2.

    Feature rows become states by their length, mean and mean variance, which `begin` learns.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(()))

    def begin(self, items: Any) -> None:
        """Learn from all feature rows, dense or sparse, what it takes to turn rows into states."""
        n, total, squares = 0, torch.zeros(self.width, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for block in _blocks(items):
            rows = F.normalize(block, dim=1)
            n, total, squares = n + len(rows), total + rows.sum(dim=0), squares + rows.square().sum()
        centre = total / n
        self.centre.copy_(centre)
        # One scale for all: to stretch a rare word to the variance of a frequent one would drown what words share.
        self.scale.copy_(((squares / n - centre.square().sum()) / self.width).clamp(min=1e-12).sqrt())

    def states(self, rows: Tensor) -> Tensor:
        return (F.normalize(rows, dim=1) - self.centre) / self.scale

    def own(self, states: Tensor) -> Tensor:
        return (states - self.bias).square().sum(dim=1) / 2

    def mean(self, field: Tensor) -> Tensor:
        return field + self.bias

    def draw(self, field: Tensor) -> Tensor:
        return self.mean(field) + torch.randn_like(field)


class Counts(Binary):
    """A replicated softmax: visible counts of words, `total` in all, drawn from one softmax, own(s) = -b's.

    Salakhutdinov & Hinton, "Replicated softmax", NeurIPS 2009. Feature rows become counts by their shares; what `begin`
    learns is how many of each word there are on the average.
    """

    offset: Tensor

    def __init__(self, width: int, total: int) -> None:
        super().__init__(width)
        self.total = total
        self.register_buffer("offset", torch.zeros(width))

    def begin(self, items: Any) -> None:
        """Learn from all feature rows, dense or sparse. Raises BadInput for a number below 0, which is no count."""
        n, total = 0, torch.zeros(self.width, dtype=torch.float64)
        for block in _blocks(items):
            if bool((block < 0).any()):
                raise BadInput("text features below 0 are no counts of words; set units=gaussian")
            n, total = n + len(block), total + self._counts(block).sum(dim=0)
        self.offset.copy_(total / n)
        with torch.no_grad():  # a start where nothing is fed gives the words as they are on the average
            self.bias.copy_((self.offset + 1 / n).log())

    def _counts(self, rows: Tensor) -> Tensor:
        return self.total * rows / rows.sum(dim=1, keepdim=True).clamp(min=1e-12)

    def states(self, rows: Tensor) -> Tensor:
        return self._counts(rows) - self.offset

    def mean(self, field: Tensor) -> Tensor:
        return self.total * (field + self.bias).softmax(dim=1) - self.offset

    def draw(self, field: Tensor) -> Tensor:
        words = (field + self.bias).softmax(dim=1).multinomial(self.total, replacement=True)
        return torch.zeros_like(field).scatter_add_(1, words, torch.ones_like(words, dtype=field.dtype)) - self.offset


def _blocks(items: Any) -> Iterator[Tensor]:
    """Feature rows, dense or sparse, as float64 tensors of some rows at a time."""
    for block in batches(items, 1024):
        rows = block.toarray() if hasattr(block, "toarray") else block
        yield torch.from_numpy(np.asarray(rows, dtype=np.float64))


class Chain(nn.Module):
    """Layers in a row, from the visible one of one side to that of the other, or from a visible one to a hidden one."""

    def __init__(self, *layers: Binary, spread: float = 0.01) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.couplings = nn.ParameterList(spread * torch.randn(a.width, b.width) for a, b in pairwise(layers))

    def _layer(self, place: int) -> Binary:
        return cast(Binary, self.layers[place])

    def _coupling(self, place: int) -> Tensor:
        return cast(Tensor, self.couplings[place])

    def field(self, place: int, states: States) -> Tensor:
        """What the neighbours that are there feed a layer. Raises KeyError where there is none."""
        below, above = states.get(place - 1), states.get(place + 1)
        if below is None:
            return states[place + 1] @ self._coupling(place).T
        fed = below @ self._coupling(place - 1)
        return fed if above is None else fed + above @ self._coupling(place).T

    def mean(self, place: int, states: States) -> Tensor:
        """The mean of a layer given its neighbours."""
        return self._layer(place).mean(self.field(place, states))

    def draw(self, place: int, states: States) -> Tensor:
        """States of a layer drawn given its neighbours."""
        return self._layer(place).draw(self.field(place, states))

    def energy(self, states: States) -> Tensor:
        """(b,) the energy of the layers that are there."""
        energy = sum((self._layer(place).own(state) for place, state in states.items()), start=torch.zeros(()))
        for place, coupling in enumerate(self.couplings):
            if place in states and place + 1 in states:
                energy = energy - ((states[place] @ coupling) * states[place + 1]).sum(dim=1)
        return energy

    def free_energy(self, seen: States, hidden: Collection[int]) -> Tensor:
        """(b,) -log of the sum of exp(-E) over all states of `hidden`: binary layers, no two of them neighbours."""
        told = sum(self._layer(place).log_sum(self.field(place, seen)) for place in hidden)
        return self.energy(seen) - told

    def divergence(self, seen: States, hidden: Collection[int]) -> Tensor:
        """Contrastive divergence of one step, of the machine that `seen` and `hidden` make (Hinton 2002).

        Its gradient is the mean of dF at what is seen, less that at what the hidden layers, drawn once, make of it.
        No two layers of `seen` are neighbours. What is made anew is means, without noise (Hinton 2010, section 3).
        """
        with torch.no_grad():
            drawn = {place: self.draw(place, seen) for place in hidden}
            made = {place: self.mean(place, drawn) for place in seen}
        return (self.free_energy(seen, hidden) - self.free_energy(made, hidden)).mean()

    def settle(self, shown: States, rounds: int) -> States:
        """Means of all layers given those that are shown, by mean field: each given its neighbours, `rounds` times.

        The nearest to what is shown come first, and what is farther feeds nothing yet, so that one round is a pass up.
        """
        states = dict(shown)
        rest = [place for place in range(len(self.layers)) if place not in shown]
        rest.sort(key=lambda place: min(abs(place - other) for other in shown))
        for _ in range(rounds):
            for place in rest:
                states[place] = self.mean(place, states)
        return states

    def sweep(self, states: States) -> States:
        """One step of Gibbs sampling: odd layers drawn anew given the even ones, then even ones given the odd."""
        states = dict(states)
        for place in (*range(1, len(self.layers), 2), *range(0, len(self.layers), 2)):
            states[place] = self.draw(place, states)
        return states


def greedy(chain: Chain, images: Tensor, texts: Tensor, done: float) -> Tensor:
    """Contrastive divergence layer by layer: the loss of the machine whose turn it is at the share `done` of [0, 1).

    Visible states of both sides are the ends of the chain; the layers next to them learn first, at the same time, each
    its own machine, and the one in the middle last, from the means of both of its neighbours.
    """
    last = len(chain.layers) - 1
    stage = int(done * (last // 2))
    states = {0: images, last: texts}
    with torch.no_grad():
        for place in range(1, stage + 1):
            states = {each: chain.mean(each, states) for each in (place, last - place)}
    return chain.divergence(states, {stage + 1, last - stage - 1})


class Side(nn.Module):
    """An encoder: in training the visible states of a side at one end of a chain, else what `infer` makes of them."""

    def __init__(self, chain: Chain, place: int, infer: Callable[[Chain, States], Tensor]) -> None:
        super().__init__()
        self.chain, self.place, self.infer = chain, place, infer

    @property
    def layer(self) -> Any:
        return self.chain.layers[self.place]

    def forward(self, rows: Tensor) -> Tensor:
        states: Tensor = self.layer.states(one_row_each(rows))
        return states if self.training else self.infer(self.chain, {self.place: states})
