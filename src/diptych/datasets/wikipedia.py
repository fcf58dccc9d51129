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
from diptych.kinds import BadInput, Card, Pairs, Protocol

CARD = Card(
    name="wikipedia",
    title="Wikipedia cross-modal set",
    source="http://www.svcl.ucsd.edu/projects/crossmodal/",
    licence="research use; cite the paper",
    citation="Rasiwasia et al., A new approach to cross-modal multimedia retrieval, ACM Multimedia 2010",
    splits={"train": 2173, "test": 693, "all": 2866},
    protocols=(
        Protocol("test", "train", "test", "test", "label", note="real-valued work: 693 queries against 693 items"),
        Protocol(
            "hashing", "train", "test", "train", "label", note="hashing work: 693 queries against 2173 trained on"
        ),
    ),
    get="Fetch wikipedia_dataset.tar.gz from http://www.svcl.ucsd.edu/projects/crossmodal/ and put raw_features.mat, "
    "trainset_txt_img_cat.list, testset_txt_img_cat.list and categories.list into $DIPTYCH_DATA/wikipedia",
    folder="wikipedia",
    image_features="given",
    text_features="given",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `test` or `all`: float64 features on both sides and one label of ten."""
    from scipy.io import loadmat

    known(CARD, split)
    arrays = loadmat(present(CARD, home / "raw_features.mat"))
    n_classes = len(present(CARD, home / "categories.list").read_text(encoding="utf-8").split())
    parts = {"train": ["train"], "test": ["test"], "all": ["train", "test"]}[split]
    images, texts, labels, image_ids, text_ids = [], [], [], [], []
    for part in parts:
        images.append(arrays[f"I_{part[:2]}"])
        texts.append(arrays[f"T_{part[:2]}"])
        path = present(CARD, home / f"{part}set_txt_img_cat.list")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            fields = line.split()
            if len(fields) != 3:
                raise BadInput(f"{path}, line {number}: expected `text image class`, found {line[:60]!r}")
            text_ids.append(fields[0])
            image_ids.append(fields[1])
            labels.append(int(fields[2]) - 1)
    one_hot = np.eye(n_classes, dtype=bool)[labels]
    pairs = Pairs(np.concatenate(images), np.concatenate(texts), None, one_hot, tuple(image_ids), tuple(text_ids))
    return counted(CARD, split, pairs)
