"""Fashion IQ: clothes found by a picture and how they differ; 6,016 queries of `val` in three categories.

H. Wu, Y. Gao, X. Guo, Z. Al-Halah, S. Rennie, K. Grauman, R. Feris. Fashion IQ: a new dataset towards retrieving images
by natural language feedback. CVPR 2021. Papers print the mean of R@10 and of R@50 over the three categories. The
gallery is the whole list of the category's `val`, with the picture that is started from in it; others rank among the
pictures of the queries alone and get higher figures. The two captions of a query are joined by "and".
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from diptych.datasets._checked import known
from diptych.datasets._sought import counted, field, judged, row_of, told, unpaired
from diptych.kinds import Card, Pairs, Sought

CARD = Card(
    name="fashioniq",
    title="Fashion IQ, clothes by a picture and how they differ",
    source="https://github.com/XiaoxiaoGuo/fashion-iq",
    licence="CDLA-Permissive 1.0 (annotations); pictures of Amazon, to be fetched by their links",
    citation="Wu et al., Fashion IQ: a new dataset towards retrieving images by natural language feedback, CVPR 2021",
    splits={"dress": 3_817, "shirt": 6_346, "toptee": 5_373},
    protocols=(),
    get="Fetch captions/ and image_splits/ from https://github.com/XiaoxiaoGuo/fashion-iq and the pictures by their "
    "links, and put them into $DIPTYCH_DATA/fashioniq as captions/, image_splits/ and images/ASIN.jpg",
    folder="fashioniq",
)


def read(split: str, home: Path) -> Pairs:
    """There are no pairs: raises BadInput."""
    return unpaired(CARD, known(CARD, split), home / "captions")


def composed(home: Path, category: str) -> Sought:
    """A picture of the category's `val` and two captions of how another differs, among all of the category's `val`."""
    files, asked = home / "image_splits" / f"split.{category}.val.json", home / "captions" / f"cap.{category}.val.json"
    names, rows = told(CARD, files), told(CARD, asked)
    at = counted(CARD, category, names)
    reference = [row_of(at, field(row, "candidate", asked), asked) for row in rows]
    texts = [" and ".join(text.strip(".?, ") for text in field(row, "captions", asked)) for row in rows]
    return Sought(
        [str(home / "images" / f"{name}.jpg") for name in names],
        tuple(texts),
        judged(
            [[row_of(at, field(row, "target", asked), asked)] for row in rows], list(map(str, range(len(rows)))), names
        ),
        np.array(reference, dtype=np.int64),
        stays=True,
        metrics=("r@10", "r@50"),
        note=f"{category}, val; the gallery is the category's list, with the picture that is started from",
    )


def _of(category: str) -> partial[Sought]:
    asked = partial(composed, category=category)
    asked.__doc__ = composed.__doc__
    return asked


SOUGHT = {f"composed_{category}": _of(category) for category in CARD.splits}
