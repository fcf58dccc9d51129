"""3500 photographs of MS COCO val2017 with five captions and the 80 object labels. Not Karpathy's split.

T.-Y. Lin, M. Maire, S. Belongie, J. Hays, P. Perona, D. Ramanan, P. Dollár, C. L. Zitnick. Microsoft COCO: common
objects in context. ECCV 2014.
"""

from __future__ import annotations

from pathlib import Path

from diptych.datasets._checked import counted, known, present
from diptych.kinds import Card, Pairs, Protocol
from diptych.sources import jsonl, rows

CARD = Card(
    name="coco_val2017",
    title="MS COCO val2017, 3500 pictures",
    source="https://cocodataset.org",
    licence="annotations CC BY 4.0; pictures Flickr terms; cite the paper",
    citation="Lin et al., Microsoft COCO: common objects in context, ECCV 2014",
    splits={"train": 3000, "dev": 500, "all": 3500},
    protocols=(
        Protocol("pairs", "train", "dev", "dev", "pair", note="500 pictures against their 2500 captions"),
        Protocol("labels", "train", "dev", "train", "label", joined=True, note="share at least one of the 80 objects"),
        Protocol(
            "labels_unseen",
            "train",
            "dev",
            "dev",
            "label",
            joined=True,
            note="as labels, in a database that was not learned from; it holds the picture or text that asks",
        ),
    ),
    get="Fetch val2017 and its captions and instances from https://cocodataset.org, put the pictures into "
    "$DIPTYCH_DATA/coco_val2017/images and write train.jsonl and dev.jsonl beside it, one "
    '{"image", "captions", "labels"} a line',
    folder="coco_val2017",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `dev` or `all`: paths of pictures, five captions each, 80 labels in alphabetical order."""
    known(CARD, split)
    # Dev lacks one of the 80 classes, so both files are read to number the classes.
    parts = {part: jsonl.rows(present(CARD, home / f"{part}.jsonl")) for part in ("train", "dev")}
    every = parts["train"] + parts["dev"]
    found = every if split == "all" else parts[split]
    return counted(CARD, split, rows.pairs(found, home / "images", rows.classes(every)))
