"""NUS-WIDE, the pictures of its ten most frequent concepts: 186,577 with tags.

T.-S. Chua, J. Tang, R. Hong, H. Li, Z. Luo, Y. Zheng. NUS-WIDE: a real-world web image database from National
University of Singapore. CIVR 2009.

The version of the unsupervised hashing papers (DJSRH: Su et al., ICCV 2019); pictures without a tag stay, and have no
text. Papers draw queries at random; here the draw goes by sha256 of the file name.
"""

from __future__ import annotations

from pathlib import Path

from diptych.datasets import _nuswide
from diptych.kinds import Card, Pairs, Protocol

CARD = Card(
    name="nuswide_tc10",
    title="NUS-WIDE, ten concepts",
    source=_nuswide.SOURCE,
    licence="research only; pictures Flickr terms; cite the paper",
    citation=_nuswide.CITATION,
    splits={"train": 5_000, "query": 2_000, "database": 184_577, "unseen": 179_577, "all": 186_577},
    protocols=(
        Protocol("hashing", "train", "query", "database", "label"),
        Protocol("hashing_unseen", "train", "query", "unseen", "label", note="a database that was not learned from"),
    ),
    get=_nuswide.get("nuswide"),
    folder="nuswide",
    text_features="bag_of_words",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `query`, `database`, `unseen` or `all`: paths of pictures, their tags as one text each, 10 labels."""
    return _nuswide.read(CARD, split, home, n_concepts=10)
