"""MS COCO 2014 with Karpathy's splits: 123,287 photographs, five captions each, 80 object labels.

T.-Y. Lin, M. Maire, S. Belongie, J. Hays, P. Perona, D. Ramanan, P. Dollár, C. L. Zitnick. Microsoft COCO: common
objects in context. ECCV 2014. Splits: A. Karpathy, L. Fei-Fei. CVPR 2015.

Train is 113,287 pictures: 82,783 and the 30,504 of `restval`. `5k` asks all 5000 test pictures at once; `1k` is the
mean of five folds of 1000, each ranked inside itself. `labels` is for hashing: the 122,218 pictures with an object,
drawn by sha256 of the file name where papers draw at random.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from diptych.datasets._checked import counted, known, present
from diptych.datasets._draw import hashing
from diptych.kinds import BadInput, Card, Pairs, Protocol
from diptych.sources import karpathy, rows

CARD = Card(
    name="mscoco",
    title="MS COCO, Karpathy's splits",
    source="https://cocodataset.org",
    licence="annotations CC BY 4.0; pictures Flickr terms; cite the papers",
    citation="Lin et al., Microsoft COCO: common objects in context, ECCV 2014; splits of Karpathy & Fei-Fei",
    splits={
        "train": 113_287,
        "val": 5_000,
        "test": 5_000,
        "all": 123_287,
        "labelled_train": 10_000,
        "labelled_query": 5_000,
        "labelled_database": 117_218,
        "labelled_unseen": 107_218,
        "labelled_all": 122_218,
    },
    protocols=(
        Protocol("5k", "train", "test", "test", "pair"),
        Protocol("1k", "train", "test", "test", "pair", folds=5),
        Protocol("labels", "labelled_train", "labelled_query", "labelled_database", "label", joined=True),
        Protocol(
            "labels_unseen",
            "labelled_train",
            "labelled_query",
            "labelled_unseen",
            "label",
            joined=True,
            note="as labels, database not learned from",
        ),
    ),
    get="Fetch train2014.zip, val2014.zip and annotations_trainval2014.zip from https://cocodataset.org and "
    "dataset_coco.json from https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip; unpack into "
    "$DIPTYCH_DATA/mscoco as train2014/, val2014/, annotations/ and dataset_coco.json",
    folder="mscoco",
)


def read(split: str, home: Path) -> Pairs:
    """A split: paths of pictures, five captions each; the `labelled_` splits have 80 labels in alphabetical order."""
    known(CARD, split)
    found = karpathy.rows(present(CARD, home / "dataset_coco.json"))
    if not split.startswith("labelled_"):
        return counted(CARD, split, rows.pairs([row for row in found if split in (row.split, "all")], home))
    labels = _labels(home)
    found = [replace(row, labels=labels[name]) for row in found if (name := Path(row.image).name) in labels]
    pairs = counted(CARD, "labelled_all", rows.pairs(found, home, rows.classes(found) or ()))
    return counted(CARD, split, hashing(CARD, pairs, split, "labelled_"))


def _labels(home: Path) -> dict[str, tuple[str, ...]]:
    """File name -> the objects in the picture, for pictures with at least one."""
    objects: dict[str, set[str]] = {}
    for part in ("train", "val"):
        path = present(CARD, home / "annotations" / f"instances_{part}2014.json")
        try:
            file = json.loads(path.read_text(encoding="utf-8"))
            category = {entry["id"]: entry["name"] for entry in file["categories"]}
            name = {entry["id"]: entry["file_name"] for entry in file["images"]}
            for entry in file["annotations"]:
                objects.setdefault(name[entry["image_id"]], set()).add(category[entry["category_id"]])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise BadInput(f"{path}: not a file of COCO instances ({error!r}); fetch it again") from None
    return {name: tuple(sorted(names)) for name, names in objects.items()}
