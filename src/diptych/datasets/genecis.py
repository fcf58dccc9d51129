"""GeneCIS: what is meant by "like this one", told by a word; 1,960 queries a task, each with 15 pictures of its own.

S. Vaze, N. Carion, I. Misra. GeneCIS: a benchmark for general conditional image similarity. CVPR 2023. Here are the two
tasks on objects, whose pictures are COCO's val2017; those on attributes want crops of Visual Genome. R@1 to 3, ties in
expectation: the published files have the target first, so that a stable order would give it every tie.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from diptych.datasets._checked import known, present
from diptych.datasets._sought import field, judged, told, unpaired
from diptych.kinds import Card, Pairs, Sought

CARD = Card(
    name="genecis",
    title="GeneCIS, like this one in what a word says (objects)",
    source="https://github.com/facebookresearch/genecis",
    licence="CC-BY-NC 4.0 (annotations); pictures of COCO 2017, with Flickr's terms",
    citation="Vaze et al., GeneCIS: a benchmark for general conditional image similarity, CVPR 2023",
    splits={"focus_object": 1_960, "change_object": 1_960},
    protocols=(),
    get="Fetch genecis/focus_object.json and genecis/change_object.json from "
    "https://github.com/facebookresearch/genecis and val2017/ from https://cocodataset.org, and put them into "
    "$DIPTYCH_DATA/genecis as genecis/ and val2017/",
    folder="genecis",
)


def read(split: str, home: Path) -> Pairs:
    """There are no pairs: raises BadInput."""
    return unpaired(CARD, known(CARD, split), home / "genecis")


def composed(home: Path, task: str) -> Sought:
    """A picture and a word, among fifteen pictures: the one with the same object, or with this one changed."""
    asked = home / "genecis" / f"{task}.json"
    rows = told(CARD, asked)
    present(CARD, home / "val2017")
    at: dict[int, int] = {}

    def row(picture: object) -> int:
        return at.setdefault(int(field(picture, "val_image_id", asked)), len(at))

    target = [[row(field(query, "target", asked))] for query in rows]
    among = [[*right, *map(row, field(query, "gallery", asked))] for right, query in zip(target, rows, strict=True)]
    reference = [row(field(query, "reference", asked)) for query in rows]
    names = [f"{id:012d}" for id in at]
    return Sought(
        [str(home / "val2017" / f"{name}.jpg") for name in names],
        tuple(field(query, "condition", asked) for query in rows),
        judged(target, list(map(str, range(len(rows)))), names),
        np.array(reference, dtype=np.int64),
        stays=True,
        among=tuple(np.array(each, dtype=np.int64) for each in among),
        metrics=("r@1", "r@2", "r@3"),
        note=f"{task}: each query has pictures of its own",
    )


def _of(task: str) -> partial[Sought]:
    asked = partial(composed, task=task)
    asked.__doc__ = composed.__doc__
    return asked


SOUGHT = {f"composed_{task}": _of(task) for task in CARD.splits}
