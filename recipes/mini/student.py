"""The picture tower of `mini`: a small network that learns to see what two larger ones see.

The student is shown the same parts of the same pictures, in the same light, as its teachers were (Beyer et al., CVPR
2022), and learns their maps at three scales: the whole view, its places, and the places of a layer further down
(Romero et al., "FitNets", ICLR 2015). Looking costs the teachers several times what learning costs the student, so
what they saw of some thousand views is kept, and learned from more than once. A head that was trained between the
teachers' view and captions says what in a view captions speak of; the student learns to give that head what the
teachers give it.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from teachers import look
from torch import Tensor, nn
from torch.nn import functional as F

from diptych.kinds import BadInput
from diptych.parts.checkpoints import Checkpoint
from diptych.sources.pictures import Preprocessing

PREPROCESSING = Preprocessing(side=128, enough=192)
"""How the student looks at a picture once it is trained: the whole of it, squashed. `card.json` says the same."""
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


# ------------------------------------------------------------------------------------------------------- the network


def conv(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(after)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if act else nn.Sequential(*layers)


class Block(nn.Module):
    """x + narrow(wide(spread(x))): 5 x 5 within each channel, then two of 1 x 1 (ConvNeXt: Liu et al. 2022)."""

    def __init__(self, width: int, widen: int) -> None:
        super().__init__()
        self.spread = conv(width, width, 5, groups=width, act=False)
        self.wide = conv(width, widen * width, 1)
        self.narrow = conv(widen * width, width, 1, act=False)
        nn.init.zeros_(self.narrow[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.wide(self.spread(x)))


@dataclass(frozen=True)
class Shape:
    """Of the student: channels after each halving of the picture, blocks in each stage, and how much wider they are."""

    widths: tuple[int, ...] = (16, 32, 72, 160, 384)
    depths: tuple[int, ...] = (1, 2, 5, 3)
    widen: int = 4


class Student(nn.Module):
    """(b, side, side, 3) bytes -> (b, sees): the mean of a map of stride 32, as the teachers' is of theirs.

    `hint` is used in training alone: it turns the student's map of stride 16 into the teachers', of `middle` channels.
    """

    def __init__(self, shape: Shape, sees: int, middle: int) -> None:
        super().__init__()
        a, b, *later = shape.widths
        self.stem = nn.Sequential(conv(3, a, 3, 2), conv(a, b, 3, 2))
        stages = [nn.Sequential(*(Block(b, shape.widen) for _ in range(shape.depths[0])))]
        for before, width, depth in zip(shape.widths[1:], later, shape.depths[1:], strict=False):
            blocks = (Block(width, shape.widen) for _ in range(depth))
            stages.append(nn.Sequential(conv(before, width, 3, 2), *blocks))
        self.stages = nn.Sequential(*stages)
        self.top = nn.Sequential(nn.Conv2d(shape.widths[-1], sees, 1, bias=False), nn.BatchNorm2d(sees), nn.SiLU())
        self.hint = nn.Conv2d(shape.widths[-2], middle, 1)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)

    def entered(self, pixels: Tensor) -> Tensor:
        """(b, channels, side / 4, side / 4): what the first stage is given."""
        return self.stem(((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last))

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(b, sees, side / 32, side / 32) and (b, channels, side / 16, side / 16) of (b, 3, side, side) in 0..255."""
        x = self.entered(pixels)
        for stage in self.stages[:-1]:
            x = stage(x)
        return self.top(self.stages[-1](x)), x

    @classmethod
    def kept(cls, file: Path, shape: Shape) -> tuple[Student, float]:
        """The student whose weights a training kept, and the passes it has seen."""
        weights, told = _read(file)
        net = cls(shape, len(weights["top.0.weight"]), len(weights["hint.weight"]))
        net.load_state_dict(weights)
        return net.requires_grad_(False).eval(), told["passes"]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.maps(pictures.permute(0, 3, 1, 2).float())[0].mean(dim=(2, 3))


def power(x: Tensor) -> Tensor:
    """sign(x) sqrt(|x|), smooth at zero."""
    return x / (x.abs() + 0.01).sqrt()


def centred(view: Tensor, mean: Tensor) -> Tensor:
    """(..., teachers * width) -> the same of unit length, after power, with the same weight for each teacher.

    mean   (teachers, width) of `power` over many pictures
    """
    rows = F.normalize(power(view).unflatten(-1, mean.shape) - mean, dim=-1)
    return rows.flatten(-2) / mean.shape[0] ** 0.5


# --------------------------------------------------------------------------------------------------------- the views


def views(pictures: Tensor, side: int, whole: float, mixed: float = 0) -> Tensor:
    """(b, 3, side, side) in 0..255 of (b, H, W, 3) bytes: a part of each picture, mirrored or not, in other light.

    whole   how many of them are shown whole, from 0 to 1
    mixed   how many have the view before them laid over them (mixup: Zhang et al., ICLR 2018)
    """
    pixels = pictures.permute(0, 3, 1, 2).float()
    n, new = len(pixels), pixels.new_empty
    grid = F.affine_grid(_boxes(pixels, whole), [n, 3, side, side], align_corners=False)
    seen = F.grid_sample(pixels, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    grey = seen.mean(dim=1, keepdim=True)
    seen = grey + new(n, 1, 1, 1).uniform_(0.7, 1.3) * (seen - grey)
    middle = seen.mean(dim=(2, 3), keepdim=True)
    light = middle + 14 * new(n, 1, 1, 1).normal_() + 5 * new(n, 3, 1, 1).normal_()
    seen = (light + new(n, 1, 1, 1).uniform_(0.75, 1.25) * (seen - middle)).clamp(0, 255)
    over = new(n, 1, 1, 1).uniform_() * (new(n, 1, 1, 1).uniform_() < mixed)
    return seen.lerp(seen.roll(1, 0), over)


def _boxes(pictures: Tensor, whole: float) -> Tensor:
    """(b, 2, 3) where to look in each picture: a quarter of it to all of it, of about its shape, mirrored or not."""
    n, new = len(pictures), pictures.new_empty
    area, stretch = new(n).uniform_(0.25, 1), new(n).uniform_(-0.25, 0.25).exp()
    half = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch], dim=1).clamp(max=1)
    half = torch.where(new(n, 1).uniform_() < whole, 1.0, half)
    theta = new(n, 2, 3).zero_()
    theta[:, 0, 0], theta[:, 1, 1] = half[:, 0] * new(n).uniform_(-1, 1).sign(), half[:, 1]
    theta[:, :, 2] = new(n, 2).uniform_(-1, 1) * (1 - half)
    return theta


def enlarged(pictures: Tensor, side: int) -> Tensor:
    """(b, 3, side, side) in 0..255 of (b, H, W, 3) bytes: whole pictures, as a teacher is shown them."""
    pixels = pictures.permute(0, 3, 1, 2).float()
    return F.interpolate(pixels, (side, side), mode="bicubic", antialias=True).clamp(0, 255)


# ------------------------------------------------------------------------------------------------------ what is learned


MAPS = {"whole": 1.0, "parts": 0.5, "middle": 0.25, "told apart": 0.1}
HEAD = {"meaning": 1.0, "meanings apart": 0.3, "captions": 0.5}
"""Weights of what is learned. The gradients of the head's terms are steep: from the start they would hide the maps'."""
TERMS = (*MAPS, *HEAD)


@dataclass(frozen=True)
class Lesson:
    """What the student is measured by in a step.

    mean    (teachers, width) of the teachers' views, after power
    look    the head between views and captions, trained on what the teachers see
    texts   (texts, dims) what that head's text tower makes of all captions
    """

    mean: Tensor
    look: nn.Module
    texts: Tensor

    def terms(self, student: Sequence[Tensor], teachers: Sequence[Tensor]) -> dict[str, Tensor]:
        """Cosine distances, and how far the student ranks views, meanings and captions otherwise than the teachers."""
        (ours, our_middle), (theirs, their_middle) = student, teachers
        our_view, view = ours.mean(dim=(2, 3)), theirs.mean(dim=(2, 3))
        whole, our_whole = centred(view, self.mean), centred(our_view, self.mean)
        meaning = F.normalize(self.look.said(view), dim=-1)
        our_meaning = F.normalize(self.look.said(our_view), dim=-1)
        # The captions that the teachers find nearest to some picture of the batch: the hardest that there are.
        near = self.texts[(meaning @ self.texts.T).topk(min(4, len(self.texts)), dim=1).indices.flatten()]
        return {
            "whole": _distance(our_whole, whole),
            "parts": _distance(*(centred(_places(maps, ours.shape[2:]), self.mean) for maps in (ours, theirs))),
            "middle": _distance(*(_places(maps, our_middle.shape[2:]) for maps in (our_middle, their_middle))),
            "told apart": _apart(our_whole, whole),
            "meaning": _distance(our_meaning, meaning),
            "meanings apart": _apart(our_meaning, meaning),
            "captions": _ranked(our_meaning @ near.T, meaning @ near.T),
        }


class Missing(nn.Module):
    """Views, and what the teachers see of them -> (terms,) what the student still lacks, in the order of TERMS.

    Its shapes never change and nothing in it waits for the device, so that a GPU can be given all of it at once.
    """

    def __init__(self, net: Student, lesson: Lesson) -> None:
        super().__init__()
        self.net, self.lesson = net, lesson

    def forward(self, views: Tensor, maps: Tensor, middle: Tensor) -> Tensor:
        view = views.float()
        with torch.autocast(view.device.type, torch.bfloat16, enabled=view.is_cuda, cache_enabled=False):
            ours, our_middle = self.net.maps(view)
            our_middle = self.net.hint(our_middle)
        terms = self.lesson.terms((ours.float(), our_middle.float()), (maps.float(), middle.float()))
        return torch.stack([terms[name] for name in TERMS])


def _distance(ours: Tensor, theirs: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(ours, theirs, dim=-1).mean()


def _places(maps: Tensor, shape: Any) -> Tensor:
    """(b, places, width) of a map, averaged to that many places."""
    return F.adaptive_avg_pool2d(maps, shape).flatten(2).transpose(1, 2)


def _apart(ours: Tensor, theirs: Tensor, temperature: float = 0.05) -> Tensor:
    return F.cross_entropy(ours @ theirs.T / temperature, torch.arange(len(ours), device=ours.device))


def _ranked(ours: Tensor, theirs: Tensor, temperature: float = 0.07) -> Tensor:
    """Kullback-Leibler divergence between two ways to spread one picture's attention over captions."""
    ours, theirs = (ours / temperature).log_softmax(dim=1), (theirs / temperature).log_softmax(dim=1)
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


# --------------------------------------------------------------------------------------------------------- the training


@dataclass(frozen=True)
class Looked:
    """Views, and what the teachers see of them, of the places that the student sees.

    views    (n, 3, side, side) bytes
    maps     (n, teachers * width, side / 32, side / 32) float16
    middle   (n, channels, side / 16, side / 16) float16
    """

    views: Tensor
    maps: Tensor
    middle: Tensor

    @classmethod
    def at(cls, view: Tensor, teachers: nn.Module) -> Looked:
        """Of (n, 3, 2 * side, 2 * side) in 0..255, as the teachers are shown it."""
        maps, middle, _ = look(teachers, view)
        small = F.avg_pool2d(view, 2).round().byte()
        return cls(small, F.avg_pool2d(maps, 2).half(), F.avg_pool2d(middle, 2).half())

    @classmethod
    def all(cls, some: Sequence[Looked]) -> Looked:
        return cls(*(torch.cat(rows) for rows in zip(*(one.rows for one in some), strict=True)))

    @property
    def rows(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.views, self.maps, self.middle

    def __getitem__(self, rows: Tensor) -> Looked:
        return Looked(*(each[rows] for each in self.rows))

    def mirrored(self) -> Looked:
        """Each of them mirrored or not, by chance: what is seen is then mirrored, too."""
        turn = torch.rand(len(self.views), 1, 1, 1, device=self.views.device) < 0.5
        return Looked(*(torch.where(turn, each.flip(3), each) for each in self.rows))


@dataclass(frozen=True)
class Course:
    """How the student is trained.

    passes   how often the student sees each picture, where no time is given instead
    batch    views a step
    looks    views that the teachers look at in a round
    again    how often the student learns from each of them before the next round
    rate     the learning rate at its height
    warm     share of the way in which the rate rises to that
    whole    how many of the views are whole pictures
    mixed    how many have another laid over them
    sharpen  share of the way over which the terms of the head come in, and those of the maps fall to a half
    average  weight of the past in the average of weights that is kept
    """

    shape: Shape = Shape()
    passes: float = 30
    batch: int = 64
    looks: int = 1024
    again: int = 4
    rate: float = 3e-3
    decay: float = 0.05
    warm: float = 0.03
    whole: float = 0.3
    mixed: float = 0.3
    sharpen: float = 0.5
    average: float = 0.999
    side: int = PREPROCESSING.side
    seed: int = 0

    def rate_at(self, done: float) -> float:
        """Rises, then falls along half a cosine to 0 where `done`, the share of the way that is behind, is 1."""
        if done < self.warm:
            return self.rate * done / self.warm
        return self.rate * (1 + math.cos(math.pi * min(1, (done - self.warm) / (1 - self.warm)))) / 2


Log = Callable[[str], None]


class Training:
    """A student on its way: the network, its average, the optimiser, and how far they have come.

    work    a folder for the whole state, written every `every` seconds: from it a training goes on as if it had not
            been interrupted
    kept    a file of the averaged weights alone, in float16, with their progress, written as often: a training goes on
            from these, too, where nothing else is left
    begin   a file of such weights to begin with
    """

    every = 60.0

    def __init__(
        self,
        course: Course,
        teachers: nn.Module,
        lesson: Lesson,
        pictures: Tensor,
        work: Path,
        kept: Path,
        begin: Path | None = None,
    ) -> None:
        self.course, self.teachers, self.lesson, self.pictures = course, teachers, lesson, pictures
        self.device = pictures.device
        torch.manual_seed(course.seed)
        self.net = self._new().to(self.device)
        self.average = copy.deepcopy(self.net).requires_grad_(False).eval()
        self.missing: Any = None
        self.stepper = self._stepper()
        self.seen, self.steps, self.done = 0, 0, 0.0
        self.kept = kept
        facts = {"pictures": list(pictures.shape), **{key: str(value) for key, value in asdict(course).items()}}
        self.checkpoint = Checkpoint(work, facts)
        self._resume(begin)

    def run(self, seconds: float | None, log: Log = print) -> nn.Module:
        """Train to the end, which is `course.passes` away, or `seconds` from now; returns the averaged network."""
        begun, first, start = time.monotonic(), self.seen, self.done
        saved = told = begun
        batches = self._batches()
        while self.done < _END:
            terms = self._step(next(batches))
            now = time.monotonic()
            due = now - saved >= self.every
            if due or now - told >= self.every / 6 or self.steps in (1, 10, 100):
                log(self._line(terms, (self.seen - first) / (now - begun)))
                told = now
            if seconds is None:
                self.done = min(1.0, self.seen / (self.course.passes * len(self.pictures)))
            else:
                self.done = start + (1 - start) * min(1, (now - begun) / seconds)
            if due or self.done >= _END:
                self._save()
                saved = now
        return self.average

    def _step(self, seen: Looked) -> Tensor:
        for group in self.stepper.param_groups:
            group["lr"] = self.course.rate_at(self.done)
        if self.missing is None:
            self.missing = Missing(self.net, self.lesson)
            if self.device.type == "cuda":  # a step is a thousand small things: recorded once, they are one
                self.missing = torch.cuda.make_graphed_callables(self.missing, seen.rows)
        terms = self.missing(*seen.rows)
        self.stepper.zero_grad()
        (terms * self._weights()).sum().backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.stepper.step()
        self.steps, self.seen = self.steps + 1, self.seen + len(seen.views)
        past = min(self.course.average, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(_floats(self.average), _floats(self.net), 1 - past)
        return terms

    def _weights(self) -> Tensor:
        """Of the terms, at this place of the way."""
        head = min(1.0, self.done / self.course.sharpen)
        each = [(1 - head / 2) * by for by in MAPS.values()] + [head * by for by in HEAD.values()]
        return torch.tensor(each).to(self.device, non_blocking=True)

    def _batches(self) -> Iterator[Looked]:
        """Without end, from where the training stands: a round of looks, then batches of them in changing order."""
        course = self.course
        size = min(course.batch, course.looks)
        a_turn = course.looks // size
        while True:
            number, at = divmod(self.steps, course.again * a_turn)
            looked = self._round(number)
            for step in range(at, course.again * a_turn):
                turn, place = divmod(step, a_turn)
                order = np.random.default_rng([course.seed, number, turn]).permutation(course.looks)
                self._draw(number, step + 1)
                yield looked[torch.from_numpy(order[place * size : (place + 1) * size]).to(self.device)].mirrored()

    def _round(self, number: int) -> Looked:
        """What the teachers see of the views of a round; the pictures come each once in an order that is drawn anew."""
        course, n = self.course, len(self.pictures)
        wanted = np.arange(number * course.looks, (number + 1) * course.looks)
        orders = {turn: np.random.default_rng([course.seed, turn]).permutation(n) for turn in np.unique(wanted // n)}
        rows = np.array([orders[turn][at] for turn, at in zip(wanted // n, wanted % n, strict=True)])
        self._draw(number, 0)
        found = []
        for block in torch.from_numpy(rows).to(self.device).split(1024 if self.pictures.is_cuda else 16):
            view = views(self.pictures[block], 2 * course.side, course.whole, course.mixed)
            found.append(Looked.at(view, self.teachers))
        return Looked.all(found)

    def _draw(self, *place: int) -> None:
        """Chance is that of a place on the way: who goes on from there draws what would have been drawn."""
        torch.manual_seed(int(np.random.SeedSequence([self.course.seed, *place]).generate_state(1)[0]))

    def _line(self, terms: Tensor, speed: float) -> str:
        values = dict(zip(TERMS, terms.tolist(), strict=True))
        said = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
        if not all(math.isfinite(value) for value in values.values()):
            raise BadInput(f"the student's loss is no longer finite ({said}); lower the rate")
        passes = self.seen / len(self.pictures)
        rate = self.course.rate_at(self.done)
        return f"{self.done:6.1%}, pass {passes:.2f}, {speed:.0f} views/s, rate {rate:.1e}: {said}"

    def _new(self) -> Student:
        teachers, width = self.lesson.mean.shape
        with torch.no_grad():
            _, middle, _ = self.teachers(torch.zeros(1, 3, 64, 64, device=self.device))
        return Student(self.course.shape, teachers * width, middle.shape[1])

    def _stepper(self) -> Any:
        parameters = list(self.net.parameters())
        groups = [
            {"params": [one for one in parameters if one.ndim > 1], "weight_decay": self.course.decay},
            {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.course.rate, fused=True)

    def _resume(self, begin: Path | None) -> None:
        state = self.checkpoint.load()
        if state is not None:
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.stepper.load_state_dict(state["stepper"])
        elif self.kept.is_file():
            state = self._take(self.kept)
        elif begin is not None:
            self._take(begin)
        if state is not None:
            self.seen, self.steps, self.done = int(state["seen"]), int(state["steps"]), state["done"]

    def _take(self, file: Path) -> dict[str, float]:
        weights, told = _read(file)
        for net in (self.net, self.average):
            net.load_state_dict(weights)
        return told

    def _save(self) -> None:
        passes = self.seen / len(self.pictures)
        state = {"seen": self.seen, "steps": self.steps, "done": self.done, "passes": passes}
        _write(self.kept, self.average, state)
        nets = {"net": self.net.state_dict(), "average": self.average.state_dict()}
        self.checkpoint.save({**state, **nets, "stepper": self.stepper.state_dict()})


def finished(file: Path) -> bool:
    """Whether these are the weights of a training that came to its end."""
    return file.is_file() and _read(file)[1]["done"] >= _END


_END = 1 - 1e-9
"""Of `done`, which is added up."""


def _write(file: Path, net: nn.Module, told: dict[str, float]) -> None:
    """Weights as float16, in one step: whoever is killed meanwhile leaves the last ones whole."""
    weights = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in net.state_dict().items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    save_file(weights, new, {name: repr(value) for name, value in told.items()})
    new.replace(file)


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, float]]:
    with safe_open(file, "pt") as tensors:
        weights = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (it is no mapping)
        return weights, {name: float(value) for name, value in tensors.metadata().items()}


def _floats(net: nn.Module) -> list[Tensor]:
    """Weights, and the means and variances of what they see."""
    return [tensor for tensor in net.state_dict().values() if tensor.is_floating_point()]
