"""NUS-WIDE as it is unpacked: 269,648 pictures, 81 concepts, 1000 tags.

    Flickr/actor/0001_2124494179.jpg     pictures
    ImageList/Imagelist.txt              actor\\0001_2124494179.jpg, one a line
    Groundtruth/AllLabels/Labels_*.txt   0 or 1, one a line
    NUS_WID_Tags/AllTags1k.txt           1000 times 0 or 1 a line
    NUS_WID_Tags/TagList1k.txt           the tags, one a line (also found in ConceptsList/)

Every file has the pictures of Imagelist.txt in the same order.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from diptych.datasets._checked import counted, known, present
from diptych.datasets._draw import hashing
from diptych.kinds import Array, BadInput, Card, Pairs
from diptych.sources import rows

SOURCE = "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/NUS-WIDE.html"
CITATION = "Chua et al., NUS-WIDE: a real-world web image database from National University of Singapore, CIVR 2009"


def get(folder: str) -> str:
    """What to fetch and where to put it."""
    return (
        f"Fetch the pictures, ImageList.zip, Groundtruth.zip, NUS_WID_Tags.zip and ConceptsList.zip from {SOURCE} and "
        f"unpack them into $DIPTYCH_DATA/{folder} as Flickr/, ImageList/, Groundtruth/AllLabels/ and NUS_WID_Tags/"
    )


def read(card: Card, split: str, home: Path, n_concepts: int) -> Pairs:
    """Pictures with one of the `n_concepts` most frequent concepts; the tags of each are one text."""
    known(card, split)
    listed = present(card, home / "ImageList" / "Imagelist.txt").read_text(encoding="utf-8").split()
    names = [name.replace("\\", "/") for name in listed]
    labels = _concepts(card, home, len(names))
    frequent = np.argsort(-labels.sum(axis=0), kind="stable")[:n_concepts]
    labels = labels[:, np.sort(frequent)]
    kept = np.flatnonzero(labels.any(axis=1))
    texts = _tags(card, home, len(names))
    found = [rows.Row(names[i], (texts[i],) if texts[i] else ()) for i in kept]
    pairs = replace(rows.pairs(found, home / "Flickr"), labels=labels[kept])
    return counted(card, split, hashing(card, counted(card, "all", pairs), split))


def _concepts(card: Card, home: Path, n_pictures: int) -> Array:
    """(n_pictures, 81) which concept is seen in which picture; concepts in alphabetical order."""
    columns = []
    for path in sorted(present(card, home / "Groundtruth" / "AllLabels").glob("Labels_*.txt")):
        said = np.frombuffer(path.read_bytes().translate(None, b" \t\r\n"), dtype=np.uint8) == ord("1")
        if len(said) != n_pictures:
            raise BadInput(f"{path}: {len(said)} lines for {n_pictures} pictures of Imagelist.txt; fetch it again")
        columns.append(said)
    return np.stack(columns, axis=1)


def _tags(card: Card, home: Path, n_pictures: int) -> list[str]:
    """The tags of each picture with blanks between them."""
    names = home / "ConceptsList" / "TagList1k.txt"
    if not names.exists():
        names = present(card, home / "NUS_WID_Tags" / "TagList1k.txt")
    tags = np.array(names.read_text(encoding="utf-8").split())
    path = present(card, home / "NUS_WID_Tags" / "AllTags1k.txt")
    texts = []
    # The file has half a gigabyte, so it is read line by line; a line is digits with blanks or tabs between them.
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            said = np.frombuffer(line.translate(None, b" \t\r\n"), dtype=np.uint8) == ord("1")
            if len(said) != len(tags):
                raise BadInput(f"{path}, line {number}: {len(said)} values for {len(tags)} tags of {names.name}")
            texts.append(" ".join(tags[said].tolist()))
    if len(texts) != n_pictures:
        raise BadInput(f"{path}: {len(texts)} lines for {n_pictures} pictures of Imagelist.txt; fetch it again")
    return texts
