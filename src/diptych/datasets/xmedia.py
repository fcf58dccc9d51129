"""PKU XMedia: 5000 pictures with 5000 texts of 20 classes (its video, sound and 3D are not read).

Y. Peng, X. Zhai, Y. Zhao, X. Huang. Semi-supervised cross-media feature learning with unified patch graph
regularization. IEEE TCSVT 26, 2016.

Both sides are the published features: a CNN's for pictures, bags of words for texts. Not XMediaNet, which has 200
classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diptych.datasets._checked import counted, known, present
from diptych.kinds import BadInput, Card, Pairs, Protocol
from diptych.sources import mat

CARD = Card(
    name="xmedia",
    title="PKU XMedia, pictures and texts",
    source="https://www.icst.pku.edu.cn/mipl/lwsjjxz/dataset",
    licence="research only, on request; cite the paper",
    citation="Peng et al., Semi-supervised cross-media feature learning with unified patch graph regularization, "
    "IEEE TCSVT 26, 2016",
    splits={"train": 4_000, "test": 1_000, "all": 5_000},
    protocols=(Protocol("test", "train", "test", "test", "label"),),
    get="Ask for XMediaFeatures.mat at https://www.icst.pku.edu.cn/mipl/lwsjjxz/dataset and put it into "
    "$DIPTYCH_DATA/xmedia",
    folder="xmedia",
    image_features="given",
    text_features="given",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `test` or `all`: features on both sides and one label of 20."""
    known(CARD, split)
    path = present(CARD, home / "XMediaFeatures.mat")
    parts = {"train": ["tr"], "test": ["te"], "all": ["tr", "te"]}[split]
    names = [f"{name}_{part}_{kind}" for part in parts for name, kind in (("I", "CNN"), ("T", "BOW"))]
    # The classes are counted on all rows, so that train and test number them alike.
    categories = [f"{part}{side}Cat" for part in ("tr", "te") for side in ("Img", "Txt")]
    arrays = mat.arrays(path, names + categories)
    for part in ("tr", "te"):
        if not np.array_equal(arrays[f"{part}ImgCat"].ravel(), arrays[f"{part}TxtCat"].ravel()):
            raise BadInput(f"{path}: {part}ImgCat and {part}TxtCat differ, so rows of pictures and texts are no pairs")
    classes = np.unique(np.concatenate([arrays["trImgCat"].ravel(), arrays["teImgCat"].ravel()]))
    labels = np.concatenate([arrays[f"{part}ImgCat"].ravel() for part in parts])[:, None] == classes
    ids = tuple(f"{part}{row}" for part in parts for row in range(arrays[f"{part}ImgCat"].size))
    images, texts = (
        np.concatenate([mat.rows(path, name, arrays[name]).astype(np.float32, copy=False) for name in side])
        for side in (names[::2], names[1::2])
    )
    for name in names:
        n = arrays[f"{name[2:4]}ImgCat"].size
        if arrays[name].shape[0] != n:
            raise BadInput(f"{path}: {name} has {arrays[name].shape[0]} rows, {name[2:4]}ImgCat {n}; fetch it again")
    return counted(CARD, split, Pairs(images, texts, None, labels, ids, ids))
