"""Networks on top of features: what turns the items of each side into rows of one space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych.kinds import Array, BadInput
from diptych.parts import sequences


class Network(nn.Module):
    """What a method trains: an encoder of each side, and any other modules by name.

    A module named `memory` is for buffers that training alone needs (remembered outputs, queues): a checkpoint has
    them, the fitted method does not.
    """

    images: nn.Module
    texts: nn.Module

    def __init__(self, images: nn.Module, texts: nn.Module, **others: nn.Module) -> None:
        super().__init__()
        for name, module in {"images": images, "texts": texts, **others}.items():
            self.add_module(name, module)


def mlp(
    width: int | None, *widths: int, activation: Callable[[], nn.Module] = nn.ReLU, dropout: float = 0.0
) -> nn.Sequential:
    """Linear layers from rows of `width` through hidden `widths` to the last of them, which stays linear.

    A hidden width of 0 is no layer. Dropout is on each hidden layer. Rows come in scaled to length 1, so that a
    learning rate means the same for every kind of feature. Raises BadInput where the items have no width, such as
    strings.
    """
    width = _featured(width)
    widths = (*(hidden for hidden in widths[:-1] if hidden), widths[-1])
    layers: list[nn.Module] = [OneRow(), nn.Linear(width, widths[0])]
    for before, after in pairwise(widths):
        layers += [activation(), nn.Dropout(dropout), nn.Linear(before, after)]
    return nn.Sequential(*layers)


def coder(width: int | None, hidden: int, bits: int) -> nn.Sequential:
    """Two layers from rows of `width` to `bits` outputs whose signs are a code, hidden units normalised over a batch.

    Features are seldom centred, and what all rows share would outweigh what tells them apart, and give them all the
    same bits. A batch needs two rows, so `batch` three. Rows come in scaled to length 1, and errors are as in `mlp`.
    """
    first = nn.Linear(_featured(width), hidden, bias=False)
    return nn.Sequential(OneRow(), first, nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, bits))


def coders(
    facts: dict[str, Any], hidden: int, bits: int, *after: Callable[[], nn.Module], **others: nn.Module
) -> Network:
    """A `coder` of each side, of facts as `Descent.network` gets them, `after` behind each, and other modules by name.

    Errors are as in `mlp`.
    """
    images, texts = (
        nn.Sequential(*coder(facts[width], hidden, bits), *(made() for made in after))
        for width in ("image_width", "text_width")
    )
    return Network(images, texts, **others)


class Headed(nn.Module):
    """What the body makes of rows in training, for a loss to look at; its head on top where nothing is learned."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, rows: Tensor) -> Tensor:
        made: Tensor = self.body(rows)
        return made if self.training else self.head(made)


class Taps(nn.Module):
    """Hidden layers on each other, and what every one of them gives side by side: (b, layers * hidden).

    Each is normalised over a batch and cut at zero.
    """

    def __init__(self, width: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(before, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU())
            for before in (width, *[hidden] * (layers - 1))
        )

    def forward(self, rows: Tensor) -> Tensor:
        tapped = []
        for layer in self.layers:
            rows = layer(rows)
            tapped.append(rows)
        return torch.cat(tapped, dim=1)


class Gate(nn.Module):
    """sigmoid(M rows) rows: a mask that a linear layer reads off the rows themselves."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.M = nn.Linear(width, width)

    def forward(self, rows: Tensor) -> Tensor:
        passed: Tensor = self.M(rows).sigmoid() * rows
        return passed


class Selected(nn.Module):
    """Of rows (b, 2 k) the softmax of each two numbers that stand together, told as their difference: (b, k)."""

    def forward(self, rows: Tensor) -> Tensor:
        shares: Tensor = rows.reshape(len(rows), rows.shape[1] // 2, 2).softmax(dim=2)
        return shares[..., 1] - shares[..., 0]


def _featured(width: int | None) -> int:
    if width is None:
        raise BadInput("this method learns from feature rows; turn pictures and texts into features first")
    return width


class UnitLength(nn.Module):
    """Each row scaled to length 1; a row of zeros stays zero."""

    def forward(self, rows: Tensor) -> Tensor:
        return functional.normalize(rows, dim=-1)


def one_row_each(rows: Tensor) -> Tensor:
    """The rows, (b, d). Raises BadInput for sets of tokens."""
    if rows.ndim != 2:
        raise BadInput("this method learns from one row an item, and was given sets of tokens; take their mean first")
    return rows


class OneRow(UnitLength):
    """As `UnitLength`, of items that are one row each."""

    def forward(self, rows: Tensor) -> Tensor:
        return super().forward(one_row_each(rows))


class Noise(nn.Module):
    """In training, rows plus Gaussian noise of `share` of their mean variance over the batch, alike in all columns.

    To a linear layer that is what a ridge of that share of the mean variance is to a closed form (Bishop, "Training
    with noise is equivalent to Tikhonov regularization", Neural Computation 7, 1995).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share, self.always = share, False  # or outside of training, too

    def forward(self, rows: Tensor) -> Tensor:
        if not (self.training or self.always) or not self.share or len(rows) < 2:  # one row has no variance
            return rows
        return rows + (self.share * rows.var(dim=0).mean()).sqrt() * torch.randn_like(rows)


class Shortcut(nn.Module):
    """What the layers make of rows, plus what one linear layer makes of them (He et al., CVPR 2016, eq. 2)."""

    def __init__(self, linear: nn.Linear, layers: nn.Sequential) -> None:
        super().__init__()
        self.linear, self.layers = linear, layers

    def forward(self, rows: Tensor) -> Tensor:
        total: Tensor = self.linear(rows) + self.layers(rows)
        return total


def noisy(width: int | None, hidden: int, dims: int, dropout: float, noise: float) -> nn.Sequential:
    """As `mlp` of one hidden layer, beside a linear one, on rows with `Noise`; of a hidden width of 0 the linear alone.

    The linear one finds what a closed form with a ridge would, and the layers what is left.
    """
    unit, *layers = mlp(width, hidden, dims, dropout=dropout)
    beside = Shortcut(nn.Linear(_featured(width), dims), nn.Sequential(*layers)) if hidden else layers[0]
    return nn.Sequential(unit, Noise(noise), beside)


class Temperature(nn.Module):
    """Logits times a learned factor that never exceeds `most` (CLIP: Radford et al. 2021, section 2.5)."""

    def __init__(self, temperature: float = 0.07, most: float = 100.0) -> None:
        super().__init__()
        self.log_factor = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.log_most = math.log(most)

    def forward(self, logits: Tensor) -> Tensor:
        # Clipped in place, as CLIP does: clipped in the graph, a factor at its bound would get no gradient to leave it.
        with torch.no_grad():
            self.log_factor.clamp_(max=self.log_most)
        return logits * self.log_factor.exp()


def layers(*widths: int, activation: Callable[[], nn.Module] = nn.ReLU, dropout: float = 0.0) -> nn.Sequential:
    """Linear layers of these widths on rows as they are: decoders, classifiers. The last one stays linear.

    A width of 0 is no layer.
    """
    widths = tuple(width for width in widths if width)
    built: list[nn.Module] = [nn.Linear(widths[0], widths[1])]
    for before, after in pairwise(widths[1:]):
        built += [activation(), nn.Dropout(dropout), nn.Linear(before, after)]
    return nn.Sequential(*built)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return rows.view_as(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * gradients[0], None


def reversed_gradient(rows: Tensor, factor: float) -> Tensor:
    """The rows themselves, whose gradient comes back times -factor (Ganin & Lempitsky, ICML 2015).

    What comes after goes down a loss that what comes before goes up: a minimax game in one step.
    """
    reversed_rows: Tensor = _Reversed.apply(rows, factor)  # type: ignore[no-untyped-call]
    return reversed_rows


def reversal(done: float) -> float:
    """The factor's schedule: 2 / (1 + exp(-10 done)) - 1, from 0 to 1 (Ganin & Lempitsky 2015, section 4)."""
    return 2 / (1 + math.exp(-10 * done)) - 1


class Projection(nn.Module):
    """(rows - mean) A where nothing is learned, the rows themselves in training: a closed form fitted on top.

    `set` gives it mean (d,) and A (d, k), k at most d; until then it changes nothing.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("directions", torch.eye(width))

    def set(self, mean: Array, directions: Array) -> None:
        self.directions.zero_()
        self.directions[:, : directions.shape[1]] = torch.from_numpy(directions)
        self.mean.copy_(torch.from_numpy(mean))

    def forward(self, rows: Tensor) -> Tensor:
        return rows if self.training else (rows - self.mean) @ self.directions


def widths(facts: dict[str, Any]) -> tuple[int, int]:
    """The widths of both sides, of facts as `Descent.network` gets them. Raises BadInput where a side has none."""
    image_width, text_width = facts["image_width"], facts["text_width"]
    if image_width is None or text_width is None:
        raise BadInput("this method learns from feature rows; turn pictures and texts into features first")
    return image_width, text_width


@contextmanager
def kept_statistics(net: nn.Module) -> Iterator[None]:
    """Inside, what `net` is shown leaves no trace in the running statistics of its normalising layers.

    For rows that a network made itself: what is encoded later is to be normalised by what real rows were.
    """
    layers = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm1d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def autoencoders(facts: dict[str, Any], hidden: int, dims: int, dropout: float, noise: float) -> Network:
    """Encoders of both sides to tanh codes, each as `noisy`, and decoders `to_image` and `to_text` of any such code.

    Codes are normalised over a batch before the tanh, so that none is stuck at its ends. Raises BadInput where a side
    has no width.
    """

    def encoder(width: int) -> nn.Sequential:
        return nn.Sequential(noisy(width, hidden, dims, dropout, noise), nn.BatchNorm1d(dims, affine=False), nn.Tanh())

    image_width, text_width = widths(facts)
    return Network(
        images=encoder(image_width),
        texts=encoder(text_width),
        to_image=layers(dims, hidden, image_width),
        to_text=layers(dims, hidden, text_width),
    )


class SetHead(nn.Module):
    """An item as `slots` rows (b, slots, dims): slots compete for its tokens (DivE: Kim et al., CVPR 2023).

    Each of `rounds` passes through one block: a softmax over the slots says which of them reads a token, a slot adds
    the weighted mean of what it reads, then a feed-forward layer. The item as a whole is added to every slot. Tokens
    are (b, t, width) with rows of zeros as padding, or (b, width), one an item. The rows are not of unit length.

    read   whether tokens stand in an order: slots are told their places, and the whole is where a GRU that reads them
           both ways ends. Else it is their mean
    """

    def __init__(
        self, width: int, hidden: int, dims: int, slots: int, rounds: int, dropout: float = 0.0, read: bool = False
    ) -> None:
        super().__init__()
        self.rounds = rounds
        self.reader: nn.Module | None = None
        if read:  # centred: what a GRU tells of every text alike would draw all of them together
            self.reader = nn.Sequential(sequences.Recurrent(dims, dims, dims), nn.BatchNorm1d(dims, affine=False))
        self.tokens = nn.Sequential(nn.Linear(width, dims), nn.Dropout(dropout))
        self.slots = nn.Parameter(torch.randn(slots, dims))
        # What is added to all that slots ask shifts the scores of every slot alike: the softmax would not see a bias.
        self.ask = nn.Linear(dims, dims, bias=False)
        self.key, self.value = nn.Linear(dims, dims), nn.Linear(dims, dims)
        self.before, self.between = nn.LayerNorm(dims), nn.LayerNorm(dims)
        self.feed = nn.Sequential(nn.Linear(dims, hidden), nn.GELU(), nn.Linear(hidden, dims))
        self.of_slots, self.of_item = nn.LayerNorm(dims), nn.LayerNorm(dims)

    def forward(self, rows: Tensor) -> Tensor:
        rows, there = sequences.tokens(rows)
        tokens, real = self.tokens(rows), there[:, :, None].float()
        if self.reader is None:
            found, whole = tokens, (real * tokens).sum(dim=1) / real.sum(dim=1).clamp(min=1)
        else:
            found, whole = tokens + sequences.places(*tokens.shape[1:]).to(tokens), self.reader(real * tokens)
        key, value = self.key(found), self.value(tokens)
        slots = self.slots  # of every item alike, until they have read something
        for _ in range(self.rounds):
            asked = self.ask(self.before(slots)) @ key.mT / math.sqrt(key.shape[2])
            read = asked.softmax(dim=1) * real.mT
            slots = slots + read / read.sum(dim=2, keepdim=True).clamp(min=1e-6) @ value
            slots = slots + self.feed(self.between(slots))
        made: Tensor = self.of_slots(slots) + self.of_item(whole)[:, None]
        return made
