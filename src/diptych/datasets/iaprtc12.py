"""IAPR TC-12: 20,000 travel photographs with a description each, and 255 labels of segmented regions.

M. Grubinger, P. Clough, H. Müller, T. Deselaers. The IAPR TC-12 benchmark. OntoImage 2006. Labels: H. J. Escalante et
al. The segmented and annotated IAPR TC-12 benchmark. Computer Vision and Image Understanding 114, 2010.

A labelled picture without an English description has no text. Papers draw queries at random; here the draw goes
by sha256 of the picture's name.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from diptych.datasets._checked import counted, known, present
from diptych.datasets._draw import hashing
from diptych.kinds import BadInput, Card, Pairs, Protocol
from diptych.sources import rows

CARD = Card(
    name="iaprtc12",
    title="IAPR TC-12 with segmented labels",
    source="https://www.imageclef.org/photodata",
    licence="free of charge and without copyright restrictions; cite the papers",
    citation="Grubinger et al., The IAPR TC-12 benchmark, OntoImage 2006; Escalante et al., CVIU 114, 2010",
    splits={"train": 10_000, "query": 2_000, "database": 18_000, "unseen": 8_000, "all": 20_000},
    protocols=(
        Protocol("hashing", "train", "query", "database", "label"),
        Protocol("hashing_unseen", "train", "query", "unseen", "label", note="a database that was not learned from"),
    ),
    get="Fetch iaprtc12.tgz and saiaprtc12ok.tgz from https://www.imageclef.org/photodata and "
    "https://www.imageclef.org/SIAPRdata and unpack them into $DIPTYCH_DATA/iaprtc12 as iaprtc12/ (images/, "
    "annotations_complete_eng/) and saiaprtc12ok/benchmark/saiapr_tc-12/",
    folder="iaprtc12",
    text_features="bag_of_words",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `query`, `database`, `unseen` or `all`: paths of pictures, a description each, 255 labels."""
    known(CARD, split)
    regions = present(CARD, home / "saiaprtc12ok" / "benchmark" / "saiapr_tc-12")
    texts = present(CARD, home / "iaprtc12" / "annotations_complete_eng")
    found = []
    for path in sorted(regions.glob("*/labels.txt")):
        part = path.parent.name
        for number, labels in sorted(_labels(path).items()):
            description = _description(texts / part / f"{number}.eng")
            found.append(rows.Row(f"images/{part}/{number}.jpg", (description,) if description else (), labels))
    pairs = rows.pairs(found, home / "iaprtc12", rows.classes(found) or ())
    return counted(CARD, split, hashing(CARD, counted(CARD, "all", pairs), split))


def _labels(path: Path) -> dict[int, tuple[str, ...]]:
    """Number of a picture -> the labels of its regions."""
    labels: dict[int, dict[str, None]] = {}
    for line_number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 3 or not all(field.isdigit() for field in fields):
            raise BadInput(f"{path}, line {line_number}: expected `picture region label`, found {line[:60]!r}")
        labels.setdefault(int(fields[0]), {})[fields[2]] = None
    return {picture: tuple(found) for picture, found in labels.items()}


def _description(path: Path) -> str:
    """What stands between <DESCRIPTION> and </DESCRIPTION>; the files look like XML but do not parse as it."""
    if not path.exists():
        return ""
    match = re.search(
        r"<DESCRIPTION>(.*?)</DESCRIPTION>", path.read_text(encoding="cp1252", errors="replace"), re.DOTALL
    )
    return " ".join(html.unescape(match[1]).split()) if match else ""
