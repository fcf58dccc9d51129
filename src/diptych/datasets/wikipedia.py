"""Wikipedia featured articles: 2866 pairs of a picture and a section of text, 10 classes, one a pair.

N. Rasiwasia, J. Costa Pereira, E. Coviello, G. Doyle, G. R. G. Lanckriet, R. Levy, N. Vasconcelos. A new approach to
cross-modal multimedia retrieval. ACM Multimedia 2010.

Both sides are the published features: (n, 128) SIFT histograms of pictures, (n, 10) topic proportions of texts; rows
sum to 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diptych.datasets._checked import counted, known, present
from diptych.kinds import Array, BadInput, Card, Pairs, Protocol
from diptych.sources import mat

CARD = Card(
    name="wikipedia",
    title="Wikipedia cross-modal set",
    source="http://www.svcl.ucsd.edu/projects/crossmodal/",
    licence="research use; cite the paper",
    citation="Rasiwasia et al., A new approach to cross-modal multimedia retrieval, ACM Multimedia 2010",
    splits={"train": 2173, "test": 693, "all": 2866, "seen_train": 1104, "unseen_test": 325},
    protocols=(
        Protocol(
            "test",
            "train",
            "test",
            "test",
            "label",
            note="real-valued work: 693 queries against 693 items, none learned from",
        ),
        Protocol(
            "hashing", "train", "test", "train", "label", note="hashing work: 693 queries against 2173 trained on"
        ),
        Protocol(
            "zero_shot",
            "seen_train",
            "unseen_test",
            "unseen_test",
            "label",
            note="zero-shot work: five classes train, the other five ask",
        ),
    ),
    get="Fetch wikipedia_dataset.tar.gz from http://www.svcl.ucsd.edu/projects/crossmodal/ and put raw_features.mat, "
    "trainset_txt_img_cat.list, testset_txt_img_cat.list and categories.list into $DIPTYCH_DATA/wikipedia",
    folder="wikipedia",
    image_features="given",
    text_features="given",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `test` or `all`: float64 features on both sides and one label of ten.

    `seen_train` is `train` of the first five classes, `unseen_test` is `test` of the last five.
    """
    known(CARD, split)
    parts = {"seen_train": ["train"], "unseen_test": ["test"], "all": ["train", "test"]}.get(split, [split])
    file = present(CARD, home / "raw_features.mat")
    arrays = mat.arrays(file, [f"{side}_{part[:2]}" for part in parts for side in "IT"])
    n_classes = len(present(CARD, home / "categories.list").read_text(encoding="utf-8").split())
    images: list[Array] = []
    texts: list[Array] = []
    labels, image_ids, text_ids = [], [], []
    for part in parts:
        for side, name in ((images, f"I_{part[:2]}"), (texts, f"T_{part[:2]}")):
            side.append(mat.rows(file, name, arrays[name]))
        path = present(CARD, home / f"{part}set_txt_img_cat.list")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if not len(lines) == len(images[-1]) == len(texts[-1]):
            raise BadInput(
                f"{path}: {len(lines)} lines for {len(images[-1])} pictures and {len(texts[-1])} texts in {file.name}; "
                "fetch both again"
            )
        for number, line in enumerate(lines, 1):
            fields = line.split()
            if len(fields) != 3:
                raise BadInput(f"{path}, line {number}: expected `text image class`, found {line[:60]!r}")
            if not (fields[2].isdecimal() and 1 <= int(fields[2]) <= n_classes):
                raise BadInput(
                    f"{path}, line {number}: class {fields[2]!r} is none of 1 to {n_classes}, as categories.list has"
                )
            text_ids.append(fields[0])
            image_ids.append(fields[1])
            labels.append(int(fields[2]) - 1)
    one_hot = np.eye(n_classes, dtype=bool)[labels]
    pairs = Pairs(np.concatenate(images), np.concatenate(texts), None, one_hot, tuple(image_ids), tuple(text_ids))
    if split in ("seen_train", "unseen_test"):
        first_half = np.array(labels) < n_classes // 2
        pairs = pairs.select(np.flatnonzero(first_half == (split == "seen_train")))
    return counted(CARD, split, pairs)
