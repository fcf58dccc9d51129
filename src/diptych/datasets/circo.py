"""CIRCO: composed retrieval with every right answer annotated; 220 queries of `val` over 123,403 pictures of COCO.

A. Baldrati, L. Agnolucci, M. Bertini, A. Del Bimbo. Zero-shot composed image retrieval with textual inversion. ICCV
2023. mAP@k divides by the smaller of k and the number of right answers; the picture that is started from stays in the
gallery. Answers of `test` are kept on the authors' server.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diptych.datasets._checked import known
from diptych.datasets._sought import counted, field, judged, row_of, told, unpaired
from diptych.kinds import Card, Pairs, Sought

CARD = Card(
    name="circo",
    title="CIRCO, composed retrieval with every right answer",
    source="https://github.com/miccunifi/CIRCO",
    licence="CC-BY-NC 4.0 (annotations); pictures of COCO 2017 unlabeled, with Flickr's terms",
    citation="Baldrati et al., Zero-shot composed image retrieval with textual inversion, ICCV 2023",
    splits={"val": 123_403},
    protocols=(),
    get="Fetch annotations/val.json from https://github.com/miccunifi/CIRCO, unlabeled2017/ and "
    "image_info_unlabeled2017.json from https://cocodataset.org, and put them into $DIPTYCH_DATA/circo as "
    "annotations/val.json, COCO2017_unlabeled/unlabeled2017/ and "
    "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json",
    folder="circo",
)


def read(split: str, home: Path) -> Pairs:
    """There are no pairs: raises BadInput."""
    return unpaired(CARD, known(CARD, split), home / "annotations")


def composed(home: Path) -> Sought:
    """A picture of COCO and how others differ from it, among all unlabelled pictures of COCO 2017."""
    coco, asked = home / "COCO2017_unlabeled", home / "annotations" / "val.json"
    listed = coco / "annotations" / "image_info_unlabeled2017.json"
    pictures, rows = field(told(CARD, listed, dict), "images", listed), told(CARD, asked)
    names = [str(field(picture, "id", listed)) for picture in pictures]
    at = counted(CARD, "val", names)

    def row(id: object) -> int:
        return row_of(at, str(id), asked)

    return Sought(
        [str(coco / "unlabeled2017" / field(picture, "file_name", listed)) for picture in pictures],
        tuple(field(query, "relative_caption", asked) for query in rows),
        judged(
            [list(map(row, field(query, "gt_img_ids", asked))) for query in rows],
            [str(field(query, "id", asked)) for query in rows],
            names,
        ),
        np.array([row(field(query, "reference_img_id", asked)) for query in rows], dtype=np.int64),
        stays=True,
        metrics=("map@5", "map@10", "map@25", "map@50"),
        note="val; every right answer counts, and the picture that is started from is in the gallery",
    )


SOUGHT = {"composed": composed}
