"""Train `mini` anew: `make mini`, or `python recipes/mini/train.py`. Stop it and start it as you like; it goes on.

It needs the pictures, the teacher and the word vectors in $DIPTYCH_DATA and `pip install 'diptych[mini]'`, takes some
three hours on two cores, and writes src/diptych/encoders/mini. What it makes on the way (6 GB) is in --work.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import export
import numpy as np
import pictures
import taught
import torch
from student import Distil, Sharpen, power
from words import Lexicon, Speak

from diptych.app.shell import progress
from diptych.kinds import Pairs

FOLDER = Path(__file__).parents[2] / "src" / "diptych" / "encoders" / "mini"
VIEWS = 4


def seeing(net: Any, pixels: Any, say: pictures.Say) -> Any:
    """(n, VIEWS, WIDTH) float16: what the student sees of whole pictures, and of random parts of them."""
    rows = np.empty((len(pixels), VIEWS, pictures.WIDTH), dtype=np.float16)
    torch.manual_seed(0)
    with torch.no_grad():
        for at in range(0, len(pixels), 128):
            block = net.normal(torch.from_numpy(pixels[at : at + 128]).float())
            for view in range(VIEWS):
                rows[at : at + 128, view] = net.map(net.cropped(block) if view else block).mean(dim=(2, 3)).numpy()
            say("what the student sees", min(at + 128, len(pixels)), len(pixels))
    return rows


def spoken(views: Any, texts: Any, owner: Any, lexicon: Lexicon, keep: Path, say: pictures.Say) -> Speak:
    """Both heads between views of pictures and texts; pictures without a text are left out."""
    mean = power(torch.from_numpy(views[:, 0].astype(np.float32))).mean(dim=0)
    told, owner = np.unique(owner, return_inverse=True)
    pairs = Pairs(views[told], lexicon.read(texts), owner)
    return Speak().knowing(lexicon, mean).fit(pairs, keep=keep, progress=say)


def train(work: Path, data: Path, out: Path, say: pictures.Say) -> dict[str, float]:
    """Every step, each of which goes on where it was stopped."""
    known = pictures.captioned()
    paths = [*known, *pictures.unlabelled(data)]
    maps = pictures.maps(paths, data, work / "maps.npy", say)
    pixels = pictures.pixels(paths, pictures.STORED, work / "pixels.npy", say)
    photographs = Pairs(pixels, maps)
    student = Distil().fit(photographs, keep=work / "student", progress=say)

    told = taught.told()
    sure, names = taught.recognised(data, maps)
    lexicon = Lexicon.of(data, [*told.texts, *names])
    captioned = told.owner < len(known)  # both begin with the same photographs; the teacher looked at no others
    of_photographs = [text for text, has in zip(told.texts, captioned, strict=True) if has]
    seen = np.concatenate([maps[at : at + 512].mean(axis=1, dtype=np.float32) for at in range(0, len(maps), 512)])
    owner = np.concatenate([told.owner[captioned], sure])
    teacher = spoken(seen[:, None], [*of_photographs, *names], owner, lexicon, work / "teacher_words", say)

    sharpened = Sharpen().after(student.trained().images, teacher.trained().images)
    net = sharpened.fit(photographs, keep=work / "sharpened", progress=say).trained().images

    everything = [*told.images, *(paths[row] for row in sure)]
    looked_at = pictures.pixels(everything, pictures.SIGHT, work / "told.npy", say)
    if not (work / "views.npy").exists():
        np.save(work / "views.npy", seeing(net, looked_at, say))
    owner = np.concatenate([told.owner, told.n_images + np.arange(len(sure))])
    words = spoken(np.load(work / "views.npy"), [*told.texts, *names], owner, lexicon, work / "words", say).trained()
    return export.write(out, net, words.images, words.texts, lexicon.tokenizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("build/mini"), help="where to keep what is made on the way")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write")
    arguments = parser.parse_args()
    data, work = Path(os.environ["DIPTYCH_DATA"]), arguments.work
    work.mkdir(parents=True, exist_ok=True)
    with progress() as shown:
        least = train(work, data, arguments.out, shown or (lambda what, done, of: None))
    print(f"wrote {arguments.out}; least cosine between ONNX and the trained networks: {least}")


if __name__ == "__main__":
    main()
