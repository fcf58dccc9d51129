"""NUS-WIDE, the pictures of its 21 most frequent concepts: 195,834 with tags.

T.-S. Chua, J. Tang, R. Hong, H. Li, Z. Luo, Y. Zheng. NUS-WIDE: a real-world web image database from National
University of Singapore. CIVR 2009.

The version of DCMH (Jiang & Li, CVPR 2017); pictures without a tag stay, and have no text. Papers draw queries at
random; here the draw goes by sha256 of the file name.
"""

from __future__ import annotations

from pathlib import Path

from diptych.datasets import _nuswide
from diptych.kinds import Card, Pairs, Protocol

CARD = Card(
    name="nuswide_tc21",
    title="NUS-WIDE, 21 concepts",
    source=_nuswide.SOURCE,
    licence="research only; pictures Flickr terms; cite the paper",
    citation=_nuswide.CITATION,
    splits={"train": 10_500, "query": 2_100, "database": 193_734, "unseen": 183_234, "all": 195_834},
    protocols=(
        Protocol("hashing", "train", "query", "database", "label"),
        Protocol("hashing_unseen", "train", "query", "unseen", "label", note="a database that was not learned from"),
    ),
    get=_nuswide.get("nuswide"),
    folder="nuswide",
    text_features="bag_of_words",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `query`, `database`, `unseen` or `all`: paths of pictures, their tags as one text each, 21 labels."""
    return _nuswide.read(CARD, split, home, n_concepts=21)
