"""CIRR: composed image retrieval on real-life photographs, 4,181 queries over 2,297 pictures of `val`.

Z. Liu, C. Rodriguez-Opazo, D. Teney, S. Gould. Image retrieval on real-life images with pre-trained vision-and-language
models. ICCV 2021. R@k is over the pictures of the split without the one that is started from; `r_subset@k` over the
five others of its six, at which chance is 20 %. Only the hard target counts, as in the paper. Answers of `test1` are
kept on the authors' server.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diptych.datasets._checked import known
from diptych.datasets._sought import counted, field, judged, row_of, told, unpaired
from diptych.kinds import Card, Pairs, Sought

CARD = Card(
    name="cirr",
    title="CIRR, composed retrieval of photographs (release rc2)",
    source="https://github.com/Cuberick-Orion/CIRR",
    licence="CC-BY 4.0 (annotations); pictures of NLVR2, with terms of their own",
    citation="Liu et al., Image retrieval on real-life images with pre-trained vision-and-language models, ICCV 2021",
    splits={"val": 2_297},
    protocols=(),
    get="Fetch captions/ and image_splits/ from https://github.com/Cuberick-Orion/CIRR (branch cirr_dataset) and the "
    "pictures of NLVR2, and put them into $DIPTYCH_DATA/cirr as captions/, image_splits/ and img_raw/",
    folder="cirr",
)


def read(split: str, home: Path) -> Pairs:
    """There are no pairs: raises BadInput."""
    return unpaired(CARD, known(CARD, split), home / "captions")


def composed(home: Path) -> Sought:
    """A picture of `val` and what is different in the other, among all of `val`, and among the five most like it."""
    files, asked = home / "image_splits" / "split.rc2.val.json", home / "captions" / "cap.rc2.val.json"
    places, rows = told(CARD, files, dict), told(CARD, asked)
    names = list(places)
    at = counted(CARD, "val", names)
    reference = [row_of(at, field(row, "reference", asked), asked) for row in rows]
    target = [[row_of(at, field(row, "target_hard", asked), asked)] for row in rows]
    members = [field(field(row, "img_set", asked), "members", asked) for row in rows]
    return Sought(
        [str(home / "img_raw" / places[name]) for name in names],
        tuple(field(row, "caption", asked) for row in rows),
        judged(target, [str(field(row, "pairid", asked)) for row in rows], names),
        np.array(reference, dtype=np.int64),
        subsets=tuple(np.array([row_of(at, name, asked) for name in six], dtype=np.int64) for six in members),
        metrics=("r@1", "r@5", "r@10", "r@50"),
        note="val, the picture that is started from is no answer; the hard target counts",
    )


SOUGHT = {"composed": composed}
