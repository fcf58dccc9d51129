"""Your own pictures and texts: a folder, or a JSONL, CSV, TSV or parquet file. The formats: docs/reference/formats.md.

Where the data names splits they are kept. Where it names none, pictures are drawn by sha256 of their id: 80 % train,
20 % test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
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
        if not (pictures / row.image).is_file():
            raise BadInput(f"{row.where}: no picture {pictures / row.image}; paths count from {pictures}")
    return rows.pairs(kept, pictures, rows.classes(found) or None)


def _card(home: Path, found: Sequence[rows.Row], drawn: bool) -> Card:
    splits = dict(Counter(row.split for row in found)) | {"all": len(found)}
    asked = next((name for name in ("query", "test", "dev", "val") if name in splits), "")
    if "train" not in splits or not asked:
        names = ", ".join(sorted(splits.keys() - {"all"}))
        raise BadInput(f"{home}: its splits are {names}; name one `train` and one `test`, `dev`, `val` or `query`")
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


def _rows(home: Path) -> tuple[list[rows.Row], bool]:
    """Every picture once, with its texts, labels and split; and whether we had to draw the splits."""
    if not home.exists():
        raise BadInput(f"{home}: no such file or folder")
    if home.is_dir():
        files = [home / f"{split}.jsonl" for split in SPLITS if (home / f"{split}.jsonl").exists()]
        found = [replace(row, split=file.stem) for file in files for row in jsonl.rows(file)] or folder.rows(home)
    elif home.suffix.lower() not in ENDINGS:
        raise BadInput(f"{home}: give a folder or a file that ends in {', '.join(ENDINGS)}")
    else:
        found = jsonl.rows(home) if home.suffix.lower() == ".jsonl" else table.rows(home)
    found = rows.merged(found)
    if not any(row.texts for row in found):
        raise BadInput(
            f"{home}: {len(found)} pictures and no text; put captions into NAME.txt beside NAME.jpg, "
            "or into a JSONL, CSV, TSV or parquet file with `image` and `caption`"
        )
    return _with_splits(found)


def _with_splits(found: Sequence[rows.Row]) -> tuple[list[rows.Row], bool]:
    named = {row.split for row in found}
    if len(named) > 1:
        for row in found:
            if row.split == "all":
                raise BadInput(f"{row.where}: `all` means every picture; give the split another name")
            if not row.split:
                raise BadInput(f"{row.where}: no split, but other rows name one; name it in every row or in none")
        return list(found), False
    # No split, or the same one everywhere, which says as little.
    order = shuffled([row.image for row in found])
    test = set(order[: round(len(found) / 5) or 1].tolist())
    return [replace(row, split="test" if i in test else "train") for i, row in enumerate(found)], True


def _pictures(home: Path, found: Sequence[rows.Row]) -> Path:
    """Where paths count from: `images` in the folder if the first picture is in there, else the folder."""
    base = home if home.is_dir() else home.parent
    return base / "images" if (base / "images" / found[0].image).is_file() else base
