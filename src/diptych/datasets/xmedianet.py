"""PKU XMediaNet: 40,000 pictures with 40,000 texts of 200 classes (its video, sound and 3D are not read).

Y. Peng, X. Huang, Y. Zhao. An overview of cross-media retrieval: concepts, methodologies, benchmarks and challenges.
IEEE TCSVT 28, 2018.

Both sides are the features in wide use: VGG-19 fc7 for pictures, Doc2Vec for texts, as in the file of five views.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diptych.datasets._checked import counted, known, present
from diptych.kinds import Array, BadInput, Card, Pairs, Protocol
from diptych.sources import mat

CARD = Card(
    name="xmedianet",
    title="PKU XMediaNet, pictures and texts",
    source="https://www.icst.pku.edu.cn/mipl/lwsjjxz/dataset",
    licence="research only, on request; cite the paper",
    citation="Peng et al., An overview of cross-media retrieval, IEEE TCSVT 28, 2018",
    splits={"train": 32_000, "val": 4_000, "test": 4_000, "all": 40_000},
    protocols=(Protocol("test", "train", "test", "test", "label"), Protocol("val", "train", "val", "val", "label")),
    get="Ask for the set at https://www.icst.pku.edu.cn/mipl/lwsjjxz/dataset and put XMediaNet5View_Doc2Vec.mat into "
    "$DIPTYCH_DATA/xmedianet",
    folder="xmedianet",
    image_features="given",
    text_features="given",
)

_IN_FILE = {"train": "train", "val": "valid", "test": "test"}
_IMAGES, _TEXTS = 0, 1


def read(split: str, home: Path) -> Pairs:
    """`train`, `val`, `test` or `all`: (n, 4096) and (n, 300) features and one label of 200."""
    known(CARD, split)
    path = present(CARD, home / "XMediaNet5View_Doc2Vec.mat")
    parts = list(_IN_FILE) if split == "all" else [split]
    # The classes are counted on all rows, so that every split numbers them alike.
    names = [_IN_FILE[part] for part in parts] + [f"{name}_labels" for name in _IN_FILE.values()]
    cells = mat.arrays(path, names)
    category = {}
    for part, name in _IN_FILE.items():
        category[part], of_texts = (_view(path, cells, f"{name}_labels", view).ravel() for view in (_IMAGES, _TEXTS))
        if not np.array_equal(category[part], of_texts):
            raise BadInput(f"{path}: pictures and texts of {name} have different labels, so their rows are no pairs")
    classes = np.unique(np.concatenate(list(category.values())))
    labels = np.concatenate([category[part] for part in parts])[:, None] == classes
    ids = tuple(f"{part}{row}" for part in parts for row in range(len(category[part])))
    sides = []
    for view in (_IMAGES, _TEXTS):
        found = [_view(path, cells, _IN_FILE[part], view) for part in parts]
        for part, rows in zip(parts, found, strict=True):
            if len(rows) != len(category[part]):
                raise BadInput(
                    f"{path}: {_IN_FILE[part]}, view {view + 1}: {len(rows)} rows for {len(category[part])} labels; "
                    "fetch it again"
                )
        sides.append(np.concatenate(found).astype(np.float32, copy=False))
    return counted(CARD, split, Pairs(sides[0], sides[1], None, labels, ids, ids))


def _view(path: Path, cells: dict[str, Any], name: str, view: int) -> Array:
    """One view of a cell, as rows of numbers."""
    views = cells[name].ravel()
    if len(views) <= max(_IMAGES, _TEXTS):
        raise BadInput(f"{path}: {name} holds {len(views)} views and not pictures and texts; fetch it again")
    return mat.rows(path, f"{name}, view {view + 1}", views[view])
