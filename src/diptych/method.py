"""The contract that every published method is written to.

A method file says what is new in its paper and nothing else. What all methods share is here: what a method is, the
linear closed forms and how they stream, and the one training loop. Items stay opaque: only the method looks inside
them. A method never sees a dataset, an index or a metric.
"""

from __future__ import annotations

import importlib.util
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np

from diptych import parts
from diptych.kinds import (
    Array,
    BadInput,
    Ints,
    Listed,
    Pairs,
    Progress,
    Qrels,
    SharedLabels,
    Space,
    batches,
    cosine,
    count,
    hamming,
    take,
)
from diptych.metrics import measures, ranking
from diptych.parts.algebra import Moments, differ, first_row, must_vary
from diptych.parts.bits import instead, names, signs, voted
from diptych.parts.fitted import Above, AtLeast, Below, Fitted
from diptych.parts.kernels import KernelMap
from diptych.parts.rows import Rows, squares

if TYPE_CHECKING:
    from torch import Tensor, nn

Needs = Literal["nothing", "pairs", "labels", "some labels"]


class Method(Fitted, ABC):
    """A dataclass whose fields are hyper-parameters; what `fit` learns ends in `_`.

    space   how its outputs are stored and compared
    needs   what it must be shown to learn
    """

    space: ClassVar[Space] = cosine
    needs: ClassVar[Needs] = "pairs"

    @abstractmethod
    def fit(self, train: Pairs) -> Self:
        """Learn from pairs of items. Fitting again forgets what was learned; same pairs, same result."""

    @abstractmethod
    def encode_images(self, items: Any) -> Array:
        """One row a picture, normalised in `space`."""

    @abstractmethod
    def encode_texts(self, items: Any) -> Array:
        """One row a text, normalised in `space`."""

    def stored(self, rows: Array) -> Array:
        """What is kept of items that are to be found, of their normalised rows: these, but in the space `tables`."""
        return rows

    def slope(self, side: Literal["images", "texts"], rows: Array, wanted: Array) -> Array:
        """(n, d) in which direction feature rows (n, d) of a side have to move for outputs nearer to `wanted` (n, k).

        The gradient of the cosine of outputs, before signs are taken, with `wanted`. Raises BadInput where a method is
        not differentiable, or its outputs are sets.
        """
        raise BadInput(f"{self.paper_name()}: its outputs have no gradient")


class ClosedForm(Method):
    """A linear map for each side with a closed form: z = (x - mean) A. A leaf writes `solve`."""

    mean_x_: Array
    mean_y_: Array
    A_: Array
    B_: Array

    @abstractmethod
    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        """A (d_x, k) and B (d_y, k) from centred rows X (n, d_x) and Y (n, d_y), one row a pair.

        L is (n, C) labels, or None where the data has none.
        """

    def fit(self, train: Pairs) -> Self:
        X, Y, L = aligned(train, type(self).needs)
        self.mean_x_, self.mean_y_ = X.mean(axis=0), Y.mean(axis=0)
        self.A_, self.B_ = self.solve(X - self.mean_x_, Y - self.mean_y_, L)
        return self

    def encode_images(self, items: Any) -> Array:
        return self.space.normalise(project(items, self.mean_x_, self.A_, "images"))

    def encode_texts(self, items: Any) -> Array:
        return self.space.normalise(project(items, self.mean_y_, self.B_, "texts"))

    def slope(self, side: Literal["images", "texts"], rows: Array, wanted: Array) -> Array:
        mean, directions = (self.mean_x_, self.A_) if side == "images" else (self.mean_y_, self.B_)
        return _slope(project(rows, mean, directions, side), directions, wanted)


class Streaming(ClosedForm):
    """A closed form that needs second moments only: it learns from any number of pairs in the memory of its widths.

    A leaf writes `directions`. `partial_fit` over batches gives the very solution of one `fit`; it is solved for when
    what it learned is first asked for, since a solution costs far more than a batch.
    """

    @abstractmethod
    def directions(self, moments: Moments) -> tuple[Array, Array]:
        """A (d_x, k) and B (d_y, k) from the moments of all pairs so far."""

    def solve(self, X: Array, Y: Array, L: Any) -> tuple[Array, Array]:
        return self.directions(Moments().add(X, Y))

    def fit(self, train: Pairs) -> Self:
        self._moments = Moments()
        self.partial_fit(train)._solve()
        return self

    def partial_fit(self, batch: Pairs) -> Self:
        """Learn from one more batch of pairs. Raises BadInput after `from_pretrained`: a folder keeps no moments."""
        if not hasattr(self, "_moments"):
            if self.learned():
                raise BadInput(f"{self.paper_name()}: what it learned from is not kept in a folder; fit it anew")
            self._moments = Moments()
        self._moments.add(featured(batch.images, "images"), featured(batch.texts, "texts"), batch.owner)
        for name in super().learned():
            delattr(self, name)
        return self

    def learned(self) -> dict[str, Any]:
        if self._unsolved():
            self._solve()
        return super().learned()

    def __getattr__(self, name: str) -> Any:
        # Python asks here for what is not there, which after `partial_fit` is everything learned.
        if name.endswith("_") and not name.startswith("_") and self._unsolved():
            self._solve()
            if name in vars(self):
                return vars(self)[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _unsolved(self) -> bool:
        moments = vars(self).get("_moments")
        return moments is not None and moments.n > 0 and "A_" not in vars(self)

    def _solve(self) -> None:
        self._moments.check()
        self.mean_x_, self.mean_y_ = self._moments.mean_x, self._moments.mean_y
        self.A_, self.B_ = self.directions(self._moments)


# ------------------------------------------------------------------------------------------------------- Some labels


@dataclass
class SomeLabels(Method):
    """Before `Alternating` or `Descent` among the bases of a leaf: it learns from pairs of which some have labels.

    A pair without labels is one whose row of labels is all 0.

    shown       the share of the labelled pictures whose labels are looked at, drawn by `seed`: to measure what few are
                worth
    unlabelled  whether pairs without labels are learned from at all
    """

    needs = "some labels"
    shown: Annotated[float, Above(0)] = 1.0
    unlabelled: bool = True
    seed: Annotated[int, AtLeast(0)] = 0

    def fit(self, train: Pairs, **how: Any) -> Self:
        """As the base fits. Raises BadInput where no pair has labels, too."""
        return super().fit(self.told(train), **how)  # type: ignore[safe-super]

    def told(self, train: Pairs) -> Pairs:
        """The pairs that are learned from, with the labels that are looked at."""
        self._of(self.settings())  # bounds hold for those who construct it in Python, too
        if train.labels is None or (train.n_images and not train.labels.any()):
            raise BadInput("this method learns from some labels and the data has none; use one that needs pairs only")
        labelled = np.flatnonzero(train.labels.any(axis=1))
        kept = np.random.default_rng(self.seed).permutation(labelled)[: max(1, round(self.shown * len(labelled)))]
        labels = np.zeros_like(train.labels)
        labels[kept] = train.labels[kept]
        return replace(train, labels=labels) if self.unlabelled else train.select(np.sort(kept))


# ------------------------------------------------------------------------------------------------------- Alternating


@dataclass
class Alternating(Method):
    """Codes from an objective whose unknowns are solved for in turn, each with the others held, so that it never rises.

    A leaf writes `start`, `steps`, `objective`, `maps` and `codes`. A step solves exactly, or goes downhill, in what it
    writes on; signs, rotations and single bits are steps like all others. The code of an item is that of its features
    on its own side, queries and database alike.

    bits        length of a code
    rounds      passes over the steps; 0 leaves the unknowns as they start
    landmarks   how many training rows of a side, drawn by `seed`, tell by a radial basis kernel what an item is like
                (`KernelMap`); 0 leaves features as they are
    unified     an item whose features were learned from has the code learned for it, which knows whatever was told of
                it, in place of that of its features; of several rows the signs of their sum
    descent_    the objective at the start and after every step
    """

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    rounds: Annotated[int, AtLeast(0)] = 20
    landmarks: Annotated[int, AtLeast(0)] = 0
    unified: bool = False
    seed: Annotated[int, AtLeast(0)] = 0

    @abstractmethod
    def start(self, X: Array, Y: Array, L: Any) -> Any:
        """A namespace of the unknowns before the first step, and of whatever the steps look at.

        X (n, d_x), Y (n, d_y) centred rows of mean square length 1, one a pair; L (n, C) 0/1 floats, or None.
        """

    @abstractmethod
    def steps(self) -> Sequence[Callable[[Any], None]]:
        """What a round does, in order: each is given the namespace, and solves for some of it."""

    @abstractmethod
    def objective(self, now: Any) -> float:
        """What is minimised, of the unknowns as they are."""

    @abstractmethod
    def maps(self, now: Any) -> tuple[Array, Array]:
        """A (d_x, k) and B (d_y, k): the signs of x A and y B are the codes of any item."""

    @abstractmethod
    def codes(self, now: Any) -> tuple[Array, Array]:
        """(n, k) a side, whose signs were learned as the codes of the rows themselves."""

    def cut(self, projected: Array) -> Array:
        """(k,) where bits change, of x A of all rows; 0 is their mean."""
        return np.zeros(projected.shape[1])

    def met(self, signed: Array, side: str) -> Array:
        """What is compared of codes (m, k) in {-1, 1} of a side's own items: the codes themselves by default."""
        return signed

    def rows(self, train: Pairs) -> tuple[Array, Array, Any, Array]:
        """X and Y, their labels, and the picture that each row of X shows."""
        X, Y, L = aligned(train, type(self).needs)
        return X, Y, None if L is None else L.astype(np.float64), train.owner

    def fit(self, train: Pairs) -> Self:
        self._of(self.settings())  # bounds hold for those who construct it in Python, too
        check(train, type(self).needs)
        if self.landmarks:
            self.images_ = KernelMap(landmarks=self.landmarks, seed=self.seed).fit(featured(train.images, "images"))
            self.texts_ = KernelMap(landmarks=self.landmarks, seed=self.seed).fit(featured(train.texts, "texts"))
        X, Y, L, shown = self.rows(
            train.features(self._mapped(train.images, "images"), self._mapped(train.texts, "texts"))
        )
        (X, at_x, s_x), (Y, at_y, s_y) = _levelled(X), _levelled(Y)
        now = self.start(X, Y, L)
        self.descent_ = [float(self.objective(now))]
        for _ in range(self.rounds):
            for step in self.steps():
                step(now)
                self.descent_.append(float(self.objective(now)))
        A, B = self.maps(now)
        self.A_, self.a_ = s_x * A, s_x * (at_x @ A) + self.cut(X @ A)
        self.B_, self.b_ = s_y * B, s_y * (at_y @ B) + self.cut(Y @ B)
        if self.unified:
            of_x, of_y = self.codes(now)
            self.names_x_, self.codes_x_ = voted(names(train.images)[shown], self.met(signs(of_x), "images"))
            self.names_y_, self.codes_y_ = voted(names(train.texts), self.met(signs(of_y), "texts"))
        return self

    def encode_images(self, items: Any) -> Array:
        packed = self._coded(items, self.A_, self.a_, "images")
        return instead(packed, names(items), self.names_x_, self.codes_x_) if self.unified else packed

    def encode_texts(self, items: Any) -> Array:
        packed = self._coded(items, self.B_, self.b_, "texts")
        return instead(packed, names(items), self.names_y_, self.codes_y_) if self.unified else packed

    def slope(self, side: Literal["images", "texts"], rows: Array, wanted: Array) -> Array:
        if self.landmarks:  # what a kernel says of a row has another slope, which nothing here computes
            return super().slope(side, rows, wanted)
        directions, cut = (self.A_, self.a_) if side == "images" else (self.B_, self.b_)
        return _slope(project(rows, np.zeros(len(directions)), directions, side) - cut, directions, wanted)

    def _mapped(self, items: Any, side: str) -> Any:
        rows = featured(items, side)
        return getattr(self, f"{side}_").transform(rows) if self.landmarks else rows

    def _coded(self, items: Any, directions: Array, cut: Array, side: str) -> Array:
        rows = self._mapped(items, side)
        signed = signs(project(rows, np.zeros(len(directions)), directions, side) - cut)
        return self.space.normalise(self.met(signed, side))


@dataclass
class Factorising(Alternating):
    """One latent row of V (n, k) a pair gives back the features of both sides t, and is told by those of either alone:

        min_{V,U,P}  Σ_t [ λ_t ||X_t - V U_t'||² + μ ||V - X_t P_t||² ]  +  γ (||V||² + Σ_t ||U_t||² + ||P_t||²)

    A code is sgn(x P_t - mean V). U and P have closed forms. A leaf writes `latent`, which solves for V, and `more` for
    what it adds to the objective.

    images       λ of the pictures; that of the texts is 1 - images
    fit_weight   μ
    decay        γ
    rounds       more of them lower the objective, and make bits alike: nothing but the decay sets how large V is
    """

    images: Annotated[float, Above(0), Below(1)] = 0.5
    fit_weight: Annotated[float, Above(0)] = 10.0
    decay: Annotated[float, Above(0)] = 1.0
    rounds: Annotated[int, AtLeast(0)] = 5

    @abstractmethod
    def latent(self, now: Any, target: Array, M: Array) -> None:
        """V from min tr(V M V') - 2 tr(V'target) and what the leaf adds. target (n, k), M (k, k)."""

    def more(self, now: Any) -> float:
        """What the leaf adds to the objective."""
        return 0.0

    def blended(self, V: Array) -> Array:
        """Of rows of V or U, what stands in V U'."""
        return V

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        draw = np.random.default_rng(self.seed).standard_normal
        now = SimpleNamespace(shares=[self.images, 1 - self.images], V=draw((len(X), self.bits)))
        now.sides = [Rows(rows, self.decay / self.fit_weight) for rows in (X, Y)]
        now.P = [draw((rows.shape[1], self.bits)) for rows in (X, Y)]
        self.factors(now)
        return now

    def steps(self) -> Sequence[Callable[[Any], None]]:
        return self.factors, self._latent, self.functions

    def factors(self, now: Any) -> None:
        V = self.blended(now.V)
        now.U = [side.factor(V, self.decay / share) for side, share in zip(now.sides, now.shares, strict=True)]

    def functions(self, now: Any) -> None:
        now.P = [side.function(now.V) for side in now.sides]

    def _latent(self, now: Any) -> None:
        target, M = np.zeros_like(now.V), self.decay * np.eye(self.bits)
        for side, share, U, P in zip(now.sides, now.shares, now.U, now.P, strict=True):
            U = self.blended(U)
            target += side.X @ (share * U + self.fit_weight * P)
            M += share * U.T @ U + self.fit_weight * np.eye(self.bits)
        self.latent(now, target, M)

    def objective(self, now: Any) -> float:
        total, V = self.more(now), self.blended(now.V)
        for side, share, U, P in zip(now.sides, now.shares, now.U, now.P, strict=True):
            total += share * side.lost(V, U) + self.fit_weight * side.untold(now.V, P)
        return total + self.decay * sum(squares(one) for one in (now.V, *now.U, *now.P))

    def maps(self, now: Any) -> tuple[Array, Array]:
        return now.P[0], now.P[1]

    def codes(self, now: Any) -> tuple[Array, Array]:
        centred = now.V - now.V.mean(axis=0)
        return centred, centred


def _slope(outputs: Array, directions: Array, wanted: Array) -> Array:
    """(n, d) the gradient of cos(x A, wanted) by x, of outputs x A (n, k), directions A (d, k) and wanted (n, k)."""
    length = np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), np.finfo(float).tiny)
    unit, wanted = outputs / length, parts.algebra.unit(wanted)
    along = (unit * wanted).sum(axis=1, keepdims=True)
    return np.asarray((wanted - along * unit) / length @ directions.T)


def _levelled(rows: Array) -> tuple[Array, Array, float]:
    """Rows centred and of mean square length 1: weights mean the same for all features. Their mean and scale, too."""
    mean = rows.mean(axis=0)
    rows = rows - mean
    scale = 1 / np.sqrt(np.square(rows).sum() / len(rows))
    return scale * rows, mean, scale


# ----------------------------------------------------------------------------------------------------------- Descent


@dataclass(frozen=True)
class Batch:
    """What a loss is shown besides the outputs: b texts, each with its picture. Two of them may share one picture.

    images, texts   the b items of each side, as the encoders saw them
    index           (b,) rows of the texts among those learned from
    owner           (b,) rows of their pictures among those learned from
    labels          (b, C) 0/1 floats; None where the method does not learn from labels
    done            share of the training that is over, in [0, 1), for what changes on the way
    """

    images: Any
    texts: Any
    index: Tensor
    owner: Tensor
    labels: Any
    done: float


@dataclass(frozen=True)
class Player:
    """One side of an adversarial or alternating scheme: it moves its own parameters down its own loss.

    loss   as `Descent.loss`; where it gives no terms, the player sits the step out
    """

    name: str
    parameters: Sequence[Tensor]
    loss: Callable[[Any, Any, Any, Batch], dict[str, Tensor]]


@dataclass
class Descent(Method):
    """A network trained in steps. A leaf writes `network` and `loss`; this is the only training loop.

    A batch is texts, each with its picture, in an order drawn anew every epoch. Arrays and sparse rows reach the
    encoders as float32 tensors, lists (paths, strings) as they are. Steps are those of AdamW (Loshchilov & Hutter
    2019); biases and single numbers do not decay. It runs on CUDA where there is one, with bfloat16 inside the
    encoders, else on the CPU. Same seed, same pairs, same machine: the same result, bit for bit.

    epochs     passes over the texts; 0 leaves the network as it was drawn: no step, no `epoch_start` or `epoch_end`
    batch      texts a step; the last step of an epoch is no smaller than the others
    meet       so many pictures that stand one after another meet in a batch, with all their texts: for data that
               keep side by side what is hard to tell apart. 1 draws every text by itself
    rate       the learning rate at its height
    momentum   beta_1 of AdamW
    decay      weight decay
    warmup     share of the steps in which the rate rises to its height
    final      share of the rate that is left at the end of the half cosine it then falls along; 1 keeps it
    held_out   share of the training pictures kept aside to choose the best epoch on; 0 takes the last epoch
    patience   epochs without a better one after which it stops

    facts_     what `network` was built from
    weights_   its tensors by name, but for those of a module `memory`
    training_  the mean of each loss term in every epoch, the score on the pictures kept aside, which epoch was
               chosen, and why training ended
    """

    epochs: Annotated[int, AtLeast(0)] = 20
    batch: Annotated[int, AtLeast(1)] = 256
    meet: Annotated[int, AtLeast(1)] = 1
    rate: Annotated[float, Above(0)] = 1e-3
    momentum: Annotated[float, AtLeast(0), Below(1)] = 0.9
    decay: Annotated[float, AtLeast(0)] = 0.01
    warmup: Annotated[float, AtLeast(0)] = 0.05
    final: Annotated[float, AtLeast(0)] = 0.0
    held_out: Annotated[float, AtLeast(0), Below(1)] = 0.1
    patience: Annotated[int, AtLeast(1)] = 5
    seed: Annotated[int, AtLeast(0)] = 0

    @abstractmethod
    def network(self, facts: dict[str, Any]) -> nn.Module:
        """A module whose `images` and `texts` turn b items of a side into b rows, and whatever else is trained.

        facts   of the pairs learned from: `images` and `texts`, how many; `image_width` and `text_width`, None where
                the items are no arrays; `classes`, None where the method does not learn from labels
        """

    @abstractmethod
    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Tensor]:
        """Terms by name, to be added up, from the outputs (b, d) of each side, one row a text of the batch."""

    def players(self, net: Any) -> list[Player]:
        """Who moves what. Every trainable parameter has to be moved by someone; by default one player moves all."""
        return [Player("", list(net.parameters()), self.loss)]

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        """A discrete step before an epoch; `outputs` gives what an encoder makes of `train`, the pairs learned from.

        What it keeps goes into buffers of `net.memory`.
        """
        return

    def epoch_end(self, net: Any, train: Pairs, epoch: int) -> None:
        """A discrete step after an epoch."""
        return

    def fit(self, train: Pairs, *, keep: Path | None = None, progress: Progress | None = None) -> Self:
        """Train, and take the best epoch. Ctrl-C ends it with the best so far, once an epoch is through.

        keep       a folder for a checkpoint after every epoch; a training that was cut short goes on from there, and
                   ends as if it had not been
        progress   told after every step, with the loss terms and the score of the last epoch
        Raises BadInput where torch is missing, for pairs it cannot learn from, a setting out of bounds, a checkpoint
        of another training, and a loss that is no longer finite.
        """
        name = self.paper_name()
        if importlib.util.find_spec("torch") is None:
            raise BadInput(f"{name} needs torch: pip install 'diptych[torch]'")
        import torch

        self._of(self.settings())  # bounds hold for those who construct it in Python, too
        train = replace(train, images=_sliceable(train.images), texts=_sliceable(train.texts))
        check(train, type(self).needs)
        learned, held = self._parted(train)
        facts = self._facts(learned)
        device = _device()
        checkpoint = None
        if keep is not None:
            identity = {
                "method": name,
                "device": device.type,
                "torch": str(torch.__version__),
                **self.settings(),
                **facts,
            }
            checkpoint = parts.checkpoints.Checkpoint(keep, {**identity, "data": parts.checkpoints.digest(train)})

        with torch.random.fork_rng(range(torch.cuda.device_count())):
            _seed(self.seed)
            self._net: Any = self.network(facts).to(device)
            net = self._net
            steps = partial(parts.steps.AdamW, momentum=self.momentum, decay=self.decay)
            game = [(player, steps(player.parameters)) for player in self._players(net)]
            state: dict[str, Any] = {"epochs": [], "chosen": -1, "weights": {}}
            if not self.epochs:
                state["weights"] = {key: tensor.cpu().clone() for key, tensor in _tensors(net).items()}
            if checkpoint is not None and (saved := checkpoint.load()) is not None:
                net.load_state_dict(saved.pop("net"))
                for (_, stepper), moments in zip(game, saved.pop("steppers"), strict=True):
                    stepper.load_state_dict(moments)
                state = saved
            ended = "all epochs"
            try:
                while (epoch := len(state["epochs"])) < self.epochs:
                    if epoch - state["chosen"] > self.patience:
                        ended = "no better epoch"
                        break
                    _seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))
                    self.epoch_start(net, learned, epoch)
                    record = self._epoch(net, game, learned, state["epochs"], progress)
                    self.epoch_end(net, learned, epoch)
                    if held is not None:
                        record["held_out"] = self._score(net, held)
                    best = state["epochs"][state["chosen"]] if state["epochs"] else None
                    if best is None or held is None or record["held_out"] > best["held_out"]:
                        weights = {key: tensor.cpu().clone() for key, tensor in _tensors(net).items()}
                        state |= {"chosen": epoch, "weights": weights}
                    state["epochs"].append(record)
                    if checkpoint is not None:
                        steppers = [stepper.state_dict() for _, stepper in game]
                        checkpoint.save({**state, "net": net.state_dict(), "steppers": steppers})
            except KeyboardInterrupt:
                if not state["epochs"]:
                    raise
                ended = "by hand"
            finally:
                self._net = None  # whatever became of it, what encodes is built of `weights_`
        self.facts_: dict[str, Any] = facts
        self.weights_: dict[str, Array] = {key: tensor.numpy() for key, tensor in state["weights"].items()}
        self.training_: dict[str, Any] = {"epochs": state["epochs"], "chosen": state["chosen"], "ended": ended}
        return self

    def encode_images(self, items: Any) -> Array:
        _same_width(items, "images", self.facts_["image_width"])
        return self.space.normalise(self.outputs(self.trained().images, items))

    def encode_texts(self, items: Any) -> Array:
        _same_width(items, "texts", self.facts_["text_width"])
        return self.space.normalise(self.outputs(self.trained().texts, items))

    def slope(self, side: Literal["images", "texts"], rows: Array, wanted: Array) -> Array:
        import torch

        net = self.trained()
        device = next(net.parameters()).device
        moved = _tensor(rows, device).requires_grad_(True)
        outputs = getattr(net, side)(moved)
        if outputs.ndim != 2:
            raise BadInput(f"{self.paper_name()}: its outputs are sets, which are near no one row")
        near = torch.nn.functional.cosine_similarity(outputs, _tensor(wanted, device))
        return np.asarray(torch.autograd.grad(near.sum(), moved)[0].cpu().numpy())

    def trained(self) -> Any:
        """The network with what was learned, ready to encode, built when first asked for; while it learns, as it is."""
        if getattr(self, "_net", None) is None:
            import torch

            with torch.random.fork_rng([]):
                net = self.network(self.facts_)
            with torch.no_grad():
                for name, tensor in _tensors(net).items():
                    tensor.copy_(torch.from_numpy(self.weights_[name]))
            self._net = net.to(_device()).eval()
        return self._net

    def outputs(self, encoder: Any, items: Any) -> Array:
        """What a module of the network makes of items, a block at a time: without dropout, before `space.normalise`."""
        import torch

        device = next((tensor.device for tensor in encoder.parameters()), torch.device("cpu"))
        items = _sliceable(items)
        training = encoder.training
        encoder.eval()
        with torch.no_grad():
            blocks = batches(items, _BLOCK) if count(items) else [items]
            found = [_run(encoder, _tensor(block, device)).cpu().numpy() for block in blocks]
        encoder.train(training)
        return np.concatenate(found)

    def _epoch(
        self,
        net: Any,
        game: list[tuple[Player, Any]],
        train: Pairs,
        before: list[dict[str, float]],
        progress: Progress | None,
    ) -> dict[str, float]:
        """One pass over the texts: the mean of each loss term."""
        import torch

        epoch, n = len(before), train.n_texts
        steps = math.ceil(n / self.batch)
        device = next(net.parameters()).device
        labels = train.text_labels
        said = ", ".join(f"{name} {value:.4g}" for name, value in before[-1].items()) if before else "…"
        sums: dict[str, Any] = {}
        net.train()
        for step, index in enumerate(np.array_split(self._order(train, epoch), steps)):
            owner, done = train.owner[index], epoch * steps + step
            batch = Batch(
                _tensor(take(train.images, owner), device),
                _tensor(take(train.texts, index), device),
                torch.as_tensor(index, device=device),
                torch.as_tensor(owner, device=device),
                None if labels is None else torch.as_tensor(labels[index], dtype=torch.float32, device=device),
                done / (steps * self.epochs),
            )
            for player, stepper in game:
                if len(game) > 1:  # what others move stands still, and is not differentiated
                    net.requires_grad_(False)
                    for parameter in stepper.parameters:
                        parameter.requires_grad_(True)
                terms = player.loss(net, _run(net.images, batch.images), _run(net.texts, batch.texts), batch)
                if not terms:
                    continue
                stepper.zero_grad()
                objective: Any = sum(terms.values())  # Any, since a sum starts from an int
                objective.backward()
                stepper.step(self._rate(done, steps * self.epochs))
                for term, value in terms.items():
                    name = f"{player.name} {term}".strip()
                    sums[name] = sums.get(name, 0.0) + value.detach() * len(index)
            if progress is not None:
                told = f"{self.paper_name()}: epoch {epoch + 1} of {self.epochs}, {said}"
                progress(told, done + 1, steps * self.epochs)
        means = {name: float(value) / n for name, value in sums.items()}
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise BadInput(f"{self.paper_name()}: {name} is {mean} in epoch {epoch + 1}; lower `rate`")
        return means

    def _order(self, train: Pairs, epoch: int) -> Ints:
        """The texts as an epoch goes through them: anew every time, those of pictures that are to meet in one run."""
        rng = np.random.default_rng([self.seed, epoch])
        texts = rng.permutation(train.n_texts)
        if self.meet == 1:
            return texts
        runs = train.owner[texts] // self.meet
        return np.asarray(texts[rng.permutation(runs.max() + 1)[runs].argsort(kind="stable")])

    def _rate(self, step: int, steps: int) -> float:
        rising = self.warmup * steps
        if step < rising:
            return self.rate * (step + 1) / (rising + 1)
        fall = (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2
        return self.rate * (self.final + (1 - self.final) * fall)

    def _score(self, net: Any, held: Pairs) -> float:
        """How well pictures and texts kept aside find each other: map@all by label, else mrr; mean of both ways."""
        images = self.space.normalise(self.outputs(net.images, held.images))
        texts = self.space.normalise(self.outputs(net.texts, held.texts))
        i2t: Qrels
        if held.labels is None:
            measure, i2t = "mrr", Listed(held.owner, np.arange(held.n_texts), held.image_ids, held.text_ids)
        else:
            measure, i2t = "map@all", SharedLabels(held.labels, held.text_labels, held.image_ids, held.text_ids)
        ways = ((images, texts, i2t), (texts, images, i2t.transposed()))
        found = [
            measures.evaluate([measure], ranking.rankings(asked, self.stored(items), self.space, qrels))
            for asked, items, qrels in ways
        ]
        return float(np.mean([np.nan_to_num(measures.summary(measure, values[measure])) for values in found]))

    def _players(self, net: Any) -> list[Player]:
        players = self.players(net)
        moved = {id(parameter) for player in players for parameter in player.parameters}
        left = [name for name, one in net.named_parameters() if one.requires_grad and id(one) not in moved]
        if left:
            raise TypeError(f"{type(self).__name__}.players: nobody moves {', '.join(left)}")
        return players

    def _parted(self, train: Pairs) -> tuple[Pairs, Pairs | None]:
        """The pairs to learn from, and those to choose the epoch on; labels only where the method learns from them."""
        if type(self).needs not in ("labels", "some labels"):
            train = replace(train, labels=None)
        # What is to meet is kept aside together, so that what is left stands as it stood.
        run = np.arange(train.n_images) // self.meet
        runs = math.ceil(train.n_images / self.meet)
        aside = np.random.default_rng(self.seed).permutation(runs)[: round(self.held_out * runs)]
        held = np.isin(run, aside)
        if held.sum() < 2 or held.all():
            return train, None
        return train.select(np.flatnonzero(~held)), train.select(np.flatnonzero(held))

    def _facts(self, train: Pairs) -> dict[str, Any]:
        return {
            "images": train.n_images,
            "texts": train.n_texts,
            "image_width": _width(train.images),
            "text_width": _width(train.texts),
            "classes": None if train.labels is None else train.labels.shape[1],
        }


@dataclass
class TwoStep(Descent):
    """Codes of the pairs learned from are solved for, and a network of each side learns them:

        min_H  Σ_t ||B - H_t||² + pair ||H_1 - H_2||²      in the mean over the items and bits of a batch

    B in {-1, 1} is one code of both sides of a pair, H_t the tanh outputs of a side (two-step hashing: Lin, Shen, Suter
    & van den Hengel, ICCV 2013). A leaf writes `solve`. The code of an item is the signs of the network of its side.

    pair    how far the outputs of both sides of a pair are kept together
    """

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 256
    pair: Annotated[float, AtLeast(0)] = 0.1
    epochs: Annotated[int, AtLeast(0)] = 10
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 2e-3

    @abstractmethod
    def solve(self, X: Array, Y: Array, H: tuple[Array, Array], B: Array, epoch: int) -> Array | None:
        """(n, bits) numbers before an epoch, whose signs are B from now on; None keeps them.

        X (n, d_x), Y (n, d_y) rows of length 1, one a pair, then centred and of mean square length 1; H (n, bits) the
        outputs of both sides as they are; B (n, bits) the last codes, zero before the first epoch.
        """

    def network(self, facts: dict[str, Any]) -> nn.Module:
        from torch.nn import Tanh

        memory = parts.memory.Tables(B=(facts["texts"], self.bits))
        return parts.heads.coders(facts, self.hidden, self.bits, Tanh, memory=memory)

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        import torch

        X, Y = (parts.algebra.unit(dense(featured(getattr(train, side), side))) for side in ("images", "texts"))
        X, Y = (_levelled(rows)[0] for rows in (X[train.owner], Y))
        H = self.outputs(net.images, train.images)[train.owner], self.outputs(net.texts, train.texts)
        found = self.solve(X, Y, H, net.memory.B.cpu().numpy().copy(), epoch)
        if found is not None:
            net.memory.B.copy_(torch.from_numpy(signs(found)))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Tensor]:
        B, far = net.memory.B[batch.index], parts.codes.quantisation
        return {
            "codes": far(images, B) + far(texts, B),
            "pair": self.pair * far(images, texts),
        }


_BLOCK = 1024
"""Items that an encoder is given at a time when nothing is learned."""


def _device() -> Any:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _seed(seed: int) -> None:
    """`torch.manual_seed` where something is drawn: for devices that are not there it keeps, at length, who asked."""
    import torch

    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


def _sliceable(items: Any) -> Any:
    """Items that give some of their rows: of sparse ones, CSR."""
    return items.tocsr() if hasattr(items, "tocsr") else items


def _tensor(items: Any, device: Any) -> Any:
    """Items as an encoder takes them: arrays and sparse rows as a float32 tensor of their own, else as they are."""
    import torch

    rows = items.toarray() if hasattr(items, "toarray") else items
    return torch.tensor(rows, dtype=torch.float32, device=device) if isinstance(rows, np.ndarray) else rows


def _run(encoder: Any, items: Any) -> Any:
    """An encoder's outputs, as float32; inside it, training on CUDA is in bfloat16."""
    import torch

    halved = encoder.training and next((parameter.is_cuda for parameter in encoder.parameters()), False)
    with torch.autocast("cuda", torch.bfloat16) if halved else nullcontext():
        outputs = encoder(items)
    return outputs.float() if isinstance(outputs, torch.Tensor) else outputs


def _tensors(net: Any) -> dict[str, Tensor]:
    """Parameters and buffers by name, each once even where modules share it; without those of `memory`."""
    found = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    return {name: tensor.detach() for name, tensor in found.items() if not name.startswith("memory.")}


def _width(items: Any) -> int | None:
    return int(items.shape[-1]) if hasattr(items, "shape") else None


def _same_width(items: Any, side: str, width: int | None) -> None:
    """Raise BadInput for items of another kind or width than those that were learned from."""
    if width is None and hasattr(items, "shape"):
        raise BadInput(f"{side} are feature rows; this method was fitted on paths or strings")
    if width is not None and (not hasattr(items, "shape") or items.dtype.kind not in "fiub"):
        raise BadInput(f"{side} are not feature rows; turn them into features first, as encoder.Encoder does")
    if width is not None and len(items.shape) not in (2, 3):
        raise BadInput(f"{side} have {len(items.shape)} axes; give (n, d) rows or (n, t, d) tokens")
    if width is not None and items.shape[-1] != width:
        raise BadInput(f"{side} are {items.shape[-1]} wide; this method was fitted on {width}")


def featured(items: Any, side: str, width: int | None = None) -> Any:
    """Items as (n, d) feature rows, d the width that was fitted on; else BadInput."""
    if not hasattr(items, "shape") or len(items.shape) != 2 or items.dtype.kind not in "fiub":
        raise BadInput(f"{side} are not feature rows; turn them into features first, as encoder.Encoder does")
    if width is not None and items.shape[1] != width:
        raise BadInput(f"{side} are {items.shape[1]} wide; this method was fitted on {width}")
    return items


def check(train: Pairs, needs: Needs) -> None:
    """Raise BadInput when a method cannot learn from these pairs.

    There are none, it needs labels and has none, or the feature rows of a side are all the same.
    """
    if not train.n_texts:
        raise BadInput("there are no pairs to learn from")
    if needs == "labels" and (train.labels is None or not train.labels.any()):
        raise BadInput("this method learns from labels and the data has none; use one that needs pairs only")
    for side, items in (("images", train.images), ("texts", train.texts)) if needs != "nothing" else ():
        if hasattr(items, "shape"):
            must_vary(differ(items, first_row(items)), side)


def aligned(train: Pairs, needs: Needs) -> tuple[Array, Array, Array | None]:
    """Dense float64 rows, one a text: its picture's features, its own, and its labels."""
    check(train, needs)
    X = dense(featured(train.images, "images"))[train.owner]
    return X, dense(featured(train.texts, "texts")), train.text_labels


def drawn(train: Pairs, n: int, seed: int) -> tuple[Array, Array]:
    """Dense rows of both sides of at most n pairs, drawn by the seed."""
    rows = np.random.default_rng(seed).permutation(train.n_texts)[:n]
    X = dense(take(featured(train.images, "images"), train.owner[rows]))
    return X, dense(take(featured(train.texts, "texts"), rows))


def unaligned(train: Pairs) -> tuple[Array, Array, tuple[Array, Array], Array]:
    """Rows of pictures and of texts, none twice, and the labels of both: who belongs to whom is not told."""
    X, Y = dense(featured(train.images, "images")), dense(featured(train.texts, "texts"))
    assert train.labels is not None and train.text_labels is not None
    return X, Y, (train.labels.astype(np.float64), train.text_labels.astype(np.float64)), np.arange(train.n_images)


def dense(rows: Any) -> Array:
    """Rows as a float64 array."""
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)


def project(items: Any, mean: Array, directions: Array, side: str) -> Array:
    """(items - mean) directions, leaving sparse rows sparse. Raises BadInput for rows of another width."""
    rows = featured(items, side, len(mean))
    if not count(rows):
        return np.empty((0, directions.shape[1]))
    return np.asarray(rows @ directions - mean @ directions)
