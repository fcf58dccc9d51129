"""Your own pictures and texts: a folder, or a JSONL, CSV, TSV or parquet file. The formats: docs/reference/formats.md.

Where the data names splits they are kept. Where it names none, pictures are drawn by sha256 of their id: 80 % train,
20 % test.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from diptych.datasets._checked import known
from diptych.datasets._draw import shuffled
from diptych.kinds import BadInput, Card, Pairs, Protocol
from diptych.sources import folder, jsonl, rows, table

SPLITS = ("train", "test", "dev", "val", "query", "database")
"""Files `SPLIT.jsonl` that make a folder a dataset."""

ENDINGS = (".jsonl", ".csv", ".tsv", ".parquet")


def card(path: str | Path) -> Card:
    """The card of the data at `path`: its splits with counts, `pairs`, and `labels` where there are labels.

    Raises BadInput, naming file and line, for data that does not read.
    """
    home = Path(path)
    return _card(home, *_rows(home))


def read(split: str, path: str | Path) -> Pairs:
    """The pictures of one split, or of `all`, with their texts and labels. Every picture must be on disk."""
    home = Path(path)
    found, drawn = _rows(home)
    known(_card(home, found, drawn), split)
    pictures = _pictures(home, found)
    kept = [row for row in found if split in (row.split, "all")]
    for row in kept:
        if not os.path.isfile(pictures / row.image):  # noqa: PTH113 - that of pathlib raises where a name is too long
            raise BadInput(f"{row.where}: no picture {row.image[:200]}; paths count from {pictures}")
    return rows.pairs(kept, pictures, rows.classes(found) or None)


def _card(home: Path, found: Sequence[rows.Row], drawn: bool) -> Card:
    splits = dict(Counter(row.split for row in found)) | {"all": len(found)}
    asked = next((name for name in ("query", "test", "dev", "val") if name in splits), "")
    if drawn and len(found) == 1:
        raise BadInput(f"{home}: one picture; give at least two, one to learn from and one to ask")
    if "train" not in splits or not asked:
        names = ", ".join(sorted(splits.keys() - {"all"}))
        raise BadInput(f"{home}: its splits are {names}; name one `train` and one `test`, `dev`, `val` or `query`")
    for split in splits:
        if not any(row.texts for row in found if split in (row.split, "all")):
            how = "drawn by the path; name a split in every row" if drawn else "give at least one a caption"
            raise BadInput(f"{home}: no picture of split {split} has a text ({how})")
    protocols = [Protocol("pairs", "train", asked, asked, "pair")]
    if rows.classes(found):
        database = "database" if "database" in splits else "train"
        protocols.append(Protocol("labels", "train", asked, database, "label", joined=True))
    return Card(
        name=home.stem,
        title=f"{home.name}, local data",
        source=str(home),
        licence="as the owner of the data says",
        citation="",
        splits=splits,
        protocols=tuple(protocols),
        folder=str(home),
        splitless=drawn,
    )


def _rows(home: Path) -> tuple[Sequence[rows.Row], bool]:
    """Every picture once, with its texts, labels and split; and whether we had to draw the splits."""
    if not os.path.exists(home):  # noqa: PTH110 - that of pathlib raises where a name is too long
        raise BadInput(f"{home}: no such file or folder")
    if home.is_dir():
        files = tuple(home / f"{split}.jsonl" for split in SPLITS if (home / f"{split}.jsonl").exists())
        return _rows_of(home, files) if files else _finished(home, folder.rows(home))
    if home.suffix.lower() not in ENDINGS:
        raise BadInput(f"{home}: give a folder or a file that ends in {', '.join(ENDINGS)}")
    return _rows_of(home, (home,))


def _rows_of(home: Path, files: tuple[Path, ...]) -> tuple[Sequence[rows.Row], bool]:
    states = [file.stat() for file in files]
    return _rows_once(home, files, tuple((state.st_mtime_ns, state.st_size, state.st_ino) for state in states))


@lru_cache(maxsize=2)
def _rows_once(
    home: Path, files: tuple[Path, ...], states: tuple[tuple[int, ...], ...]
) -> tuple[Sequence[rows.Row], bool]:
    """The rows of files in these states: a card and each of its splits ask for the same ones."""
    found = []
    for file in files:
        read = jsonl.rows(file) if file.suffix.lower() == ".jsonl" else table.rows(file)
        found += read if file == home else [replace(row, split=file.stem) for row in read]
    return _finished(home, found)


def _finished(home: Path, found: Sequence[rows.Row]) -> tuple[Sequence[rows.Row], bool]:
    found = rows.merged(found)
    if not any(row.texts for row in found):
        raise BadInput(
            f"{home}: {len(found)} pictures and no text; put captions into NAME.txt beside NAME.jpg, "
            "or into a JSONL, CSV, TSV or parquet file with `image` and `caption`"
        )
    return _with_splits(found)


def _with_splits(found: Sequence[rows.Row]) -> tuple[tuple[rows.Row, ...], bool]:
    named = {row.split for row in found}
    if len(named) > 1:
        for row in found:
            if row.split == "all":
                raise BadInput(f"{row.where}: `all` means every picture; give the split another name")
            if not row.split:
                raise BadInput(f"{row.where}: no split, but other rows name one; name it in every row or in none")
        return tuple(found), False
    # No split, or the same one everywhere, which says as little.
    order = shuffled([row.image for row in found])
    test = set(order[: round(len(found) / 5) or 1].tolist())
    return tuple(replace(row, split="test" if i in test else "train") for i, row in enumerate(found)), True


def _pictures(home: Path, found: Sequence[rows.Row]) -> Path:
    """Where paths count from: `images` in the folder if the first picture is in there, else the folder."""
    base = home if home.is_dir() else home.parent
    inside = os.path.isfile(base / "images" / found[0].image)  # noqa: PTH113 - as above
    return base / "images" if inside else base
