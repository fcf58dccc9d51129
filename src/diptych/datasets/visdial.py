"""Dialogues of VisDial in ChatIR's layout: 2,064 pictures of COCO, each with a caption and ten turns, over 50,000.

A. Das, S. Kottur, K. Gupta et al. Visual dialog. CVPR 2017. As a retrieval task: M. Levy, R. Ben-Ari, N. Darshan,
D. Lischinski. Chatting makes perfect: chat-based image retrieval. NeurIPS 2023. hits@10 after r turns counts a
picture that was among the first ten at any turn up to r.
"""

from __future__ import annotations

from pathlib import Path

from diptych.datasets._checked import known
from diptych.datasets._sought import counted, field, judged, row_of, told, unpaired
from diptych.kinds import BadInput, Card, Pairs, Sought

CARD = Card(
    name="visdial",
    title="VisDial val as ChatIR asks it: a caption and ten turns",
    source="https://github.com/levymsn/ChatIR",
    licence="CC-BY 4.0 (dialogues); pictures of COCO 2017 unlabeled, with Flickr's terms",
    citation="Das et al., Visual dialog, CVPR 2017; Levy et al., Chatting makes perfect, NeurIPS 2023",
    splits={"val": 50_000},
    protocols=(),
    get="Fetch dialogues/VisDial_v1.0_queries_val.json and ChatIR_Protocol/Search_Space_val_50k.json from "
    "https://github.com/levymsn/ChatIR and unlabeled2017/ from https://cocodataset.org, and put them into "
    "$DIPTYCH_DATA/visdial as they are named",
    folder="visdial",
)


def read(split: str, home: Path) -> Pairs:
    """There are no pairs: raises BadInput."""
    return unpaired(CARD, known(CARD, split), home / "dialogues")


def dialogue(home: Path) -> Sought:
    """A caption and what people asked and answered about its picture, written down; no language model is asked."""
    asked, space = home / "dialogues" / "VisDial_v1.0_queries_val.json", "Search_Space_val_50k.json"
    rows, names = told(CARD, asked), told(CARD, home / "ChatIR_Protocol" / space)
    at = counted(CARD, "val", names)
    talks = [field(row, "dialog", asked) for row in rows]
    if not all(isinstance(talk, list) and len(talk) > 1 for talk in talks):
        raise BadInput(f"{asked}: a dialogue is a caption and the turns behind it; it is not the published file")
    target = [[row_of(at, field(row, "img", asked), asked)] for row in rows]
    return Sought(
        [str(home / name) for name in names],
        tuple(talk[0] for talk in talks),
        judged(target, list(map(str, range(len(rows)))), names),
        turns=tuple(tuple(talk[1:]) for talk in talks),
        note="val in 50,000 pictures of COCO; questions and answers are people's",
    )


SOUGHT = {"dialogue": dialogue}
