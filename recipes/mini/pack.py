"""Everything that `mini` is trained from, in a few files that are easily carried to another machine.

python recipes/mini/pack.py [--out build/mini/pack]

It wants the data in $DIPTYCH_DATA and `pip install 'diptych[mini]'`. What it writes is about 120 MB in zip files of at
most 20 MB, whose entries are all of the training and nothing else: pictures as squares of 144 pixels, texts, teachers,
word vectors. Started again after an interruption, it goes on with the first file that is missing.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import teachers
from PIL import Image

from diptych.kinds import BadInput
from diptych.sources.pictures import Preprocessing

STORED = Preprocessing(side=144, enough=288)
"""How pictures are kept: as large as the smallest of them are. Both teachers and the student look at parts of these."""
LARGEST = 20_000_000
"""Bytes of one file."""
QUALITY = 65
"""Of WebP: 3.4 kB a picture, 33 dB; the sources are JPEGs of quality 68 and more."""
SETS = ("flickr8k", "coco_val2017", "emoji", "postcards")
"""What has texts. Only the training splits are read: nothing that is measured on is in a pack."""


def write(
    folder: Path,
    pictures: Sequence[str | Path],
    texts: Sequence[str],
    owner: Sequence[int],
    files: dict[str, bytes],
    largest: int = LARGEST,
) -> None:
    """Pictures with their texts (`owner`: the picture of each) and further files by name; whole when `pack.json` is."""
    folder.mkdir(parents=True, exist_ok=True)
    told = json.dumps({"texts": list(texts), "owner": [int(row) for row in owner]}).encode()
    entries: list[tuple[str, Callable[[], bytes]]] = [
        (name, lambda data=data: data) for name, data in {**files, "texts.json": told}.items()
    ]
    entries += [(_entry(row), lambda path=path: _webp(path)) for row, path in enumerate(pictures)]
    shards: list[str] = []
    while entries:
        shard = folder / f"pack-{len(shards)}.zip"
        if not shard.exists():
            _fill(shard, entries, largest)
        with zipfile.ZipFile(shard) as whole:
            entries = entries[len(whole.namelist()) :]
        shards.append(shard.name)
        print(f"{shard}: {shard.stat().st_size / 1e6:.1f} MB; {len(entries):,} entries to go", flush=True)
    (folder / "pack.json").write_text(json.dumps({"pictures": len(pictures), "shards": shards}))


def _fill(shard: Path, entries: Sequence[tuple[str, Callable[[], bytes]]], largest: int) -> None:
    """As many of the entries, in order, as the file has room for."""
    part = shard.with_suffix(".part")
    size = 0
    with zipfile.ZipFile(part, "w") as out:
        for name, data in entries:
            found = data()
            size += len(found) + 2 * len(name) + 100  # headers
            if size > largest and out.namelist():
                break
            out.writestr(zipfile.ZipInfo(name), found)
    part.rename(shard)


def _entry(row: int) -> str:
    return f"{row:06d}.webp"


def _webp(path: str | Path) -> bytes:
    found = io.BytesIO()
    Image.fromarray(STORED.of(path)).save(found, "WEBP", quality=QUALITY, method=4)
    return found.getvalue()


@dataclass(frozen=True)
class Pack:
    """A folder that `write` made. Raises BadInput where a file of it is missing."""

    folder: Path

    @cached_property
    def _names(self) -> dict[str, Path]:
        """Each entry, and the file it is in."""
        try:
            facts = json.loads((self.folder / "pack.json").read_text())
        except OSError:
            raise BadInput(f"{self.folder}: no pack.json; run recipes/mini/pack.py first") from None
        missing = [name for name in facts["shards"] if not (self.folder / name).is_file()]
        if missing:
            raise BadInput(f"{self.folder}: {', '.join(missing)} missing; bring all files of the pack")
        return {name: self.folder / shard for shard in facts["shards"] for name in _listed(self.folder / shard)}

    def __getitem__(self, name: str) -> bytes:
        with zipfile.ZipFile(self._names[name]) as shard:
            return shard.read(name)

    @cached_property
    def told(self) -> tuple[list[str], Any]:
        """Texts, and (texts,) the row of each one's picture."""
        found = json.loads(self["texts.json"])
        return found["texts"], np.array(found["owner"])

    def pixels(self, file: Path) -> Any:
        """(n, side, side, 3) uint8, all pictures in order; decoded once into `file`, by all processors."""
        if not file.exists():
            part = file.with_suffix(".part")
            rows = [name for name in self._names if name.endswith(".webp")]
            shape = (len(rows), STORED.side, STORED.side, 3)
            np.lib.format.open_memmap(part, "w+", np.uint8, shape).flush()
            with ProcessPoolExecutor() as pool:
                list(pool.map(_decode, *zip(*self._pieces(rows, part), strict=True)))
            part.rename(file)
        return np.load(file, mmap_mode="r+")

    def _pieces(self, rows: list[str], part: Path) -> Iterator[tuple[Path, list[str], Path]]:
        for at in range(0, len(rows), 512):
            piece = rows[at : at + 512]
            for shard in dict.fromkeys(self._names[name] for name in piece):
                yield shard, [name for name in piece if self._names[name] == shard], part


def _listed(shard: Path) -> list[str]:
    with zipfile.ZipFile(shard) as file:
        return file.namelist()


def _decode(shard: Path, names: list[str], into: Path) -> None:
    rows = np.lib.format.open_memmap(into, "r+")
    with zipfile.ZipFile(shard) as file:
        for name in names:
            rows[int(Path(name).stem)] = np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB"))
    rows.flush()


def gather(data: Path, every: int) -> tuple[list[str], list[str], list[int], dict[str, bytes]]:
    """What `write` takes, from $DIPTYCH_DATA: captioned pictures first, then the unlabelled ones."""
    from diptych import catalogue

    pictures: list[str] = []
    texts: list[str] = []
    owner: list[int] = []
    for name in SETS:
        part = catalogue.dataset(name).read("train")
        part = part.select(np.arange(0, part.n_images, every))
        owner += (np.asarray(part.owner) + len(pictures)).tolist()
        pictures += [str(path) for path in part.images]
        texts += part.texts
    pictures += [str(path) for path in sorted((data / "photos_unlabelled" / "images").iterdir())[::every]]
    given = data / "pretrained"
    files = {name: (given / name).read_bytes() for name in (*teachers.WORDS, teachers.LABELS, teachers.EFFICIENTNET)}
    files[teachers.HOW] = teachers.described()
    files[teachers.MOBILENET] = teachers.of_tflite(given / "mobilenet_v2_1.0_224_quant.tflite")
    return pictures, texts, owner, files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/mini/pack"), help="the folder to write")
    parser.add_argument("--every", type=int, default=1, help="take every so-manieth picture only, to try the recipe")
    arguments = parser.parse_args()
    write(arguments.out, *gather(Path(os.environ["DIPTYCH_DATA"]), arguments.every))


if __name__ == "__main__":
    main()
