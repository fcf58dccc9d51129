"""Train `mini` from a pack (see pack.py), on an accelerator where there is one. Stop it and start it as you like.

python recipes/mini/train.py [--pack build/mini/pack] [--work build/mini] [--keep build/mini/kept] [--out FOLDER]
                             [--seconds S | --passes N] [--batch B] [--again N] [--begin FILE]

It goes on where it was stopped. What is worth keeping is in --keep, 13 MB; --work may be lost. With --seconds the
student is done so many seconds after the start, however far it has come by then, and its learning rate is 0.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import export
import numpy as np
import torch
from pack import Pack
from sharpen import Sharpen
from student import PREPROCESSING, Course, Lesson, Student, Training, enlarged, finished, power, views
from teachers import LABELS, TEACHERS, Teachers, look
from torch.nn import functional as F
from words import Lexicon, Speak

from diptych.kinds import BadInput, Pairs

FOLDER = Path(__file__).parents[2] / "src" / "diptych" / "encoders" / "mini"
VIEWS = 4
"""Of each picture, that the student's words are learned from: the whole of it first, then parts in other light."""
SURE = 0.4
"""The chance from which on the name of a class that a teacher sees is taken for a text."""
KEPT, CLASSES = "student.safetensors", "classes.npy"
"""What is kept: the student's weights; and (n,) the line of LABELS that a picture shows, -1 where that is unsure."""
BEGUN = time.monotonic()


def log(line: str) -> None:
    print(f"{time.monotonic() - BEGUN:6.0f} s  {line}", flush=True)


class Say:
    """Progress, as a line every ten seconds."""

    last = 0.0

    def __call__(self, what: str, done: int, of: int) -> None:
        if time.monotonic() - self.last >= 10 or done == of:
            self.last = time.monotonic()
            log(f"{what}: {done:,} of {of:,}")


say = Say()


def train(
    pack: Pack,
    work: Path,
    keep: Path,
    out: Path,
    course: Course,
    speak: Speak,
    sharpen: Sharpen,
    seconds: float | None = None,
    begin: Path | None = None,
) -> dict[str, float]:
    """Every step of the recipe; returns how near the files in `out` are to the networks, as `export.write` does."""
    for folder in (work, keep):
        folder.mkdir(parents=True, exist_ok=True)
    pixels = torch.from_numpy(pack.pixels(work / "pixels.npy"))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True  # every step has the same shapes
    pixels = pixels.to(device)
    log(f"{len(pixels):,} pictures on {device}")

    if not finished(keep / KEPT):
        teachers = Teachers(pack).to(device)
        seen = taught(teachers, pixels, pack, work, keep)
        texts, owner, lexicon = known(pack, keep)
        heads = spoken(speak, seen[:, None], texts, owner, lexicon, work / "taught")
        lesson = Lesson(heads.images.mean, heads.images, read(heads.texts, lexicon, texts))
        left = None if seconds is None else max(1.0, seconds - (time.monotonic() - BEGUN))
        Training(course, teachers, lesson, pixels, work / "student", keep / KEPT, begin).run(left, log)
    net, passes = Student.kept(keep / KEPT, course.shape)
    net = net.to(device).eval()
    log(f"the student is ready, after {passes:.1f} passes")

    texts, owner, lexicon = known(pack, keep)
    told, owner = np.unique(owner, return_inverse=True)
    work /= hashlib.sha256((keep / KEPT).read_bytes()).hexdigest()[:16]  # all that follows is of this student
    work.mkdir(exist_ok=True)
    heads = spoken(speak, seeing(net, pixels, told, work), texts, owner, lexicon, work / "spoken")
    pairs = Pairs(pixels[told].cpu().numpy(), lexicon.read(texts), owner)
    sharpened = replace(sharpen).beginning(net, heads)
    before = copy.deepcopy(sharpened.network({}))
    together = halfway(before, sharpened.fit(pairs, keep=work / "sharpened", progress=say).trained()).cpu()
    eyes, words = together.images, together.texts
    some = pixels[told[:: 1 + len(told) // 64]]
    whole = enlarged(some, PREPROCESSING.side).round().byte().permute(0, 2, 3, 1).contiguous().cpu()
    tokens = torch.from_numpy(lexicon.read(texts[:: 1 + len(texts) // 64])).long()
    return export.write(out, eyes.student, eyes.look, words, lexicon.tokenizer, whole, tokens, passes)


def blocks(n: int, device: Any) -> Iterator[slice]:
    """Rows that a network looks at together where nothing is learned."""
    size = 256 if device.type == "cuda" else 16
    return (slice(at, min(at + size, n)) for at in range(0, n, size))


def taught(teachers: Teachers, pixels: Any, pack: Pack, work: Path, keep: Path) -> Any:
    """(n, sees) float16: what the teachers see of whole pictures. What one of them calls them goes to `keep`."""
    file, part, mark = (work / f"seen.{end}" for end in ("npy", "part", "done"))
    if not (file.exists() and (keep / CLASSES).exists()):
        maps, _, logits = look(teachers, enlarged(pixels[:1], 2 * PREPROCESSING.side))
        first = len(pack[LABELS].splitlines()) - logits.shape[1]  # the list may begin with "background"
        done = int(mark.read_text()) if mark.exists() and part.exists() else 0
        row = np.dtype([("view", "f2", (maps.shape[1],)), ("kind", "i2"), ("chance", "f4")])
        rows = np.lib.format.open_memmap(part, *(("r+",) if done else ("w+", row, (len(pixels),))))
        for block in blocks(len(pixels), pixels.device):
            if block.stop <= done:
                continue
            maps, _, logits = look(teachers, enlarged(pixels[block], 2 * PREPROCESSING.side))
            chance, kind = logits.softmax(dim=1).max(dim=1)
            rows["view"][block] = maps.mean(dim=(2, 3)).cpu()
            rows["kind"][block], rows["chance"][block] = first + kind.cpu(), chance.cpu()
            say("what the teachers see", block.stop, len(pixels))
            if block.stop % 1024 == 0:
                rows.flush()
                mark.write_text(str(block.stop))
        np.save(keep / CLASSES, np.where(rows["chance"] > SURE, rows["kind"], -1))
        np.save(file, rows["view"])
        part.unlink()
    return np.load(file, mmap_mode="r")


def known(pack: Pack, keep: Path) -> tuple[list[str], Any, Lexicon]:
    """Everything that is said of pictures, the row of each text's picture, and the words that are in it."""
    texts, owner = pack.told
    kinds, names = np.load(keep / CLASSES), pack[LABELS].decode().splitlines()
    sure = np.flatnonzero(kinds >= 0)
    texts = [*texts, *(f"a photo of a {names[kind].split(',')[0]}" for kind in kinds[sure])]
    return texts, np.concatenate([owner, sure]), Lexicon.of(pack, texts)


def spoken(speak: Speak, rows: Any, texts: list[str], owner: Any, lexicon: Lexicon, keep: Path | None = None) -> Any:
    """Both heads between (n, views, teachers * width) and texts; pictures without a text are left out."""
    told, owner = np.unique(owner, return_inverse=True)
    mean = power(torch.from_numpy(rows[:, 0].astype(np.float32))).mean(dim=0)
    pairs = Pairs(rows[told], lexicon.read(texts), owner)
    net = replace(speak).knowing(lexicon, mean.view(TEACHERS, -1)).fit(pairs, keep=keep, progress=say).trained()
    return net.eval().requires_grad_(False)


def read(tower: Any, lexicon: Lexicon, texts: list[str]) -> Any:
    """(texts, dims) rows of length 1."""
    tokens = torch.from_numpy(lexicon.read(texts)).to(tower.weight.device)
    return torch.cat([F.normalize(tower(some), dim=-1) for some in tokens.split(4096)])


def halfway(before: Any, after: Any) -> Any:
    """The network between what it was and what it became: what both know, and less of what one has learned by heart.

    Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, with the weight of one half they recommend.
    """
    was = before.state_dict()
    for name, tensor in after.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(was[name].to(tensor.device), 0.5)
    return after


def seeing(net: Student, pixels: Any, told: Any, work: Path) -> Any:
    """(told, VIEWS, sees) float16: what the student sees of those pictures whole, and of parts of them."""
    file, part, mark = (work / f"student.{end}" for end in ("npy", "part", "done"))
    if not file.exists():
        done = int(mark.read_text()) if mark.exists() and part.exists() else 0
        sees = net.top[0].out_channels
        rows = np.lib.format.open_memmap(part, *(("r+",) if done else ("w+", np.float16, (len(told), VIEWS, sees))))
        for block in blocks(len(told), pixels.device):
            if block.stop <= done:
                continue
            some = pixels[told[block]]
            torch.manual_seed(block.start)
            looked = [
                enlarged(some, PREPROCESSING.side),
                *(views(some, PREPROCESSING.side, whole=0) for _ in range(VIEWS - 1)),
            ]
            with torch.no_grad():
                found = [net.maps(view)[0].mean(dim=(2, 3)).half() for view in looked]
            rows[block] = torch.stack(found, dim=1).cpu()
            say("what the student sees", block.stop, len(told))
            if block.stop % 1024 == 0:
                rows.flush()
                mark.write_text(str(block.stop))
        part.rename(file)
    return np.load(file, mmap_mode="r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pack", type=Path, default=Path("build/mini/pack"), help="the folder that pack.py wrote")
    parser.add_argument("--work", type=Path, default=Path("build/mini"), help="for what is made on the way, 2 GB")
    parser.add_argument("--keep", type=Path, default=Path("build/mini/kept"), help="for what the next training wants")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder of the encoder")
    parser.add_argument("--seconds", type=float, help="when the student is to be done, counted from the start")
    parser.add_argument("--passes", type=float, default=Course.passes, help="over all pictures, without --seconds")
    parser.add_argument("--batch", type=int, help="views a step; 1024 on a GPU, else 96")
    parser.add_argument("--again", type=int, help="how often to learn from a look of the teachers; 8 on a GPU, else 4")
    parser.add_argument("--begin", type=Path, help=f"the {KEPT} of an earlier training, to begin with its weights")
    asked = parser.parse_args()
    batch, looks, again = (1024, 24_576, 8) if torch.cuda.is_available() else (96, 960, 4)
    course = Course(passes=asked.passes, batch=asked.batch or batch, looks=looks, again=asked.again or again)
    try:
        folders, how = (asked.work, asked.keep, asked.out), (course, Speak(), Sharpen())
        least = train(Pack(asked.pack), *folders, *how, asked.seconds, asked.begin)
    except BadInput as error:
        raise SystemExit(str(error)) from None
    log(f"wrote {asked.out}; least cosine between its files and the networks: {least}")


if __name__ == "__main__":
    main()
