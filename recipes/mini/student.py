"""The picture tower of `mini`: a small network that learns to see what a larger one sees, part by part.

The student looks at a random crop. What the teacher says of that crop is read off its map of the whole picture, so one
pass of the teacher serves every crop there is. (Local distillation: Romero et al., "FitNets", ICLR 2015.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pictures import GRID, MEAN, SIGHT, STD, WIDTH
from torch import Tensor, nn
from torch.nn import functional as F

from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.heads import Network


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


class Student(nn.Module):
    """(b, side, side, 3) bytes -> (b, WIDTH): the mean of a map of stride 32, as the teacher's is of its own.

    In training it looks at a crop of each picture, mirrored half of the time, and keeps in `views` where that was.
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...], widen: int) -> None:
        super().__init__()
        a, b, *later = widths
        self.stem = nn.Sequential(conv(3, a, 3, 2), conv(a, b, 3, 2))
        stages = [nn.Sequential(*(Block(b, widen) for _ in range(depths[0])))]
        for before, width, depth in zip(widths[1:], later, depths[1:], strict=False):
            stages.append(nn.Sequential(conv(before, width, 3, 2), *(Block(width, widen) for _ in range(depth))))
        self.stages = nn.Sequential(*stages)
        self.top = nn.Sequential(nn.Conv2d(widths[-1], WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.SiLU())
        self.register_buffer("mean", torch.from_numpy(255 * MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.from_numpy(255 * STD).view(3, 1, 1), persistent=False)
        self.side = SIGHT.side
        self.views: Any = None
        self.to(memory_format=torch.channels_last)

    def map(self, pixels: Tensor) -> Tensor:
        """(b, WIDTH, h, w) of (b, 3, H, W) normal pixels."""
        return self.top(self.stages(self.stem(pixels)))

    def forward(self, pictures: Tensor) -> Tensor:
        pixels = self.normal(pictures)
        if self.training:
            pixels = self.cropped(pixels)
        elif pixels.shape[-1] > SIGHT.side:  # pictures are kept larger than it will look at them
            pixels = F.interpolate(pixels, (SIGHT.side, SIGHT.side), mode="bilinear", antialias=True)
        maps = self.map(pixels)
        if self.training:
            self.maps = maps.flatten(2).transpose(1, 2)
        return maps.mean(dim=(2, 3))

    def normal(self, pictures: Tensor) -> Tensor:
        """(b, 3, H, W) normal pixels of (b, H, W, 3) bytes."""
        return (pictures.permute(0, 3, 1, 2) - self.mean) / self.std

    def cropped(self, pixels: Tensor) -> Tensor:
        """(b, 3, side, side): a random part of each picture, in other light."""
        n, new = len(pixels), pixels.new_empty
        area, stretch = new(n).uniform_(0.3, 1), new(n).uniform_(-0.25, 0.25).exp()
        half = torch.stack([(area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)], dim=1)
        centre = new(n, 2).uniform_(-1, 1) * (1 - half)
        mirror = new(n).uniform_(-1, 1).sign()
        self.views = (half, centre, mirror)
        grid = F.affine_grid(self._affine(), [n, 3, self.side, self.side], align_corners=False)
        contrast = new(n, 1, 1, 1).uniform_(0.75, 1.25)
        shift = 0.25 * new(n, 1, 1, 1).normal_() + 0.08 * new(n, 3, 1, 1).normal_()
        cropped = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
        return (contrast * cropped + shift).contiguous(memory_format=torch.channels_last)

    def _affine(self) -> Tensor:
        half, centre, mirror = self.views
        theta = half.new_zeros(len(half), 2, 3)
        theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = half[:, 0] * mirror, half[:, 1], centre
        return theta

    def reading(self, side: int) -> Tensor:
        """(b, side * side, GRID * GRID): how the teacher's map is read at the places of the student's."""
        half, centre, mirror = self.views
        at = (2 * torch.arange(side, device=half.device) + 1) / side - 1
        across = self._weights(at * (half[:, :1] * mirror[:, None]) + centre[:, :1])
        down = self._weights(at * half[:, 1:] + centre[:, 1:])
        return torch.einsum("bip,bjq->bijpq", down, across).reshape(len(half), side * side, GRID * GRID)

    @staticmethod
    def _weights(at: Tensor) -> Tensor:
        """(b, side, GRID) bilinear weights of places in [-1, 1]."""
        place = ((at + 1) * GRID / 2 - 0.5).clamp(0, GRID - 1)
        return (1 - (place[..., None] - torch.arange(GRID, device=at.device)).abs()).clamp(min=0)


class Seen(nn.Module):
    """What the teacher says of whole pictures: the mean over its map."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=1)


def power(x: Tensor) -> Tensor:
    """sign(x) sqrt(|x|), smooth at zero."""
    return x / (x.abs() + 0.01).sqrt()


@dataclass
class Distil(Descent):
    """Cosine distances to the teacher, of the whole view and of each part of it, after power and centring.

    widths, depths, widen   of the student
    sides                   of the views in pixels: the first at the beginning of training, the last at its end
    """

    widths: tuple[int, ...] = (24, 40, 80, 160, 320)
    depths: tuple[int, ...] = (1, 2, 5, 3)
    widen: Annotated[int, AtLeast(1)] = 4
    sides: tuple[int, ...] = (*[96] * 6, *[112] * 3, *[128] * 2)
    local: Annotated[float, AtLeast(0)] = 0.5
    temperature: Annotated[float, Above(0)] = 0.05
    epochs: int = 11
    batch: int = 96
    rate: float = 3e-3
    decay: float = 0.05
    held_out: float = 0.02
    patience: int = 50

    def network(self, facts: dict[str, Any]) -> Any:
        memory = nn.Module()
        memory.register_buffer("whole", torch.zeros(WIDTH))
        memory.register_buffer("part", torch.zeros(WIDTH))
        return Network(images=Student(self.widths, self.depths, self.widen), texts=Seen(), memory=memory)

    def epoch_start(self, net: Any, train: Any, epoch: int) -> None:
        net.images.side = self.sides[min(epoch * len(self.sides) // self.epochs, len(self.sides) - 1)]
        if epoch == 0:
            some = torch.from_numpy(train.texts[:: max(1, len(train.texts) // 500)].astype("f4"))
            net.memory.whole.copy_(power(some.mean(dim=1)).mean(dim=0))
            net.memory.part.copy_(power(some).mean(dim=(0, 1)))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        student = net.images
        side = round(student.maps.shape[1] ** 0.5)
        with torch.no_grad():
            parts = torch.bmm(student.reading(side), batch.texts)
            whole = F.normalize(power(parts.mean(dim=1)) - net.memory.whole, dim=-1)
            parts = F.normalize(power(parts) - net.memory.part, dim=-1)
        seen = F.normalize(power(images) - net.memory.whole, dim=-1)
        near = F.normalize(power(student.maps) - net.memory.part, dim=-1)
        logits = seen @ whole.T / self.temperature
        return {
            "whole": 1 - (seen * whole).sum(dim=-1).mean(),
            "parts": self.local * (1 - (near * parts).sum(dim=-1).mean()),
            "told apart": 0.1 * F.cross_entropy(logits, torch.arange(len(logits), device=logits.device)),
        }


@dataclass
class Sharpen(Distil):
    """The student once more, now above all for what captions speak of.

    A head that was trained between the teacher's view and captions says what in a view matters to them; the student
    learns to give that head what the teacher gives it.
    """

    meaning: Annotated[float, AtLeast(0)] = 1.0
    apart: Annotated[float, AtLeast(0)] = 0.3
    sides: tuple[int, ...] = (*[96] * 6, *[112] * 6, *[128] * 3)
    epochs: int = 15
    rate: float = 1.5e-3

    def after(self, student: nn.Module, look: nn.Module) -> Sharpen:
        """Begin with this student and this head."""
        self._student, self._look = student, look
        return self

    def network(self, facts: dict[str, Any]) -> Any:
        net = super().network(facts)
        net.images.load_state_dict(self._student.state_dict())
        net.memory.look = self._look.requires_grad_(False)
        return net

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        terms = super().loss(net, images, texts, batch)
        look = net.memory.look.eval()
        with torch.no_grad():
            view = torch.bmm(net.images.reading(round(net.images.maps.shape[1] ** 0.5)), batch.texts).mean(dim=1)
            said = F.normalize(look.said(view), dim=-1)
        ours = F.normalize(look.said(images), dim=-1)
        same = torch.arange(len(said), device=said.device)
        terms = {name: 0.5 * term for name, term in terms.items()}
        terms["meaning"] = self.meaning * (1 - (ours * said).sum(dim=-1).mean())
        terms["meanings apart"] = self.apart * F.cross_entropy(ours @ said.T / self.temperature, same)
        return terms
