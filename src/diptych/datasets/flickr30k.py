"""Flickr30K with Karpathy's splits: 31,014 photographs, five captions each.

P. Young, A. Lai, M. Hodosh, J. Hockenmaier. From image descriptions to visual denotations. TACL 2, 2014. Splits:
A. Karpathy, L. Fei-Fei. CVPR 2015.
"""

from __future__ import annotations

from pathlib import Path

from diptych.datasets._checked import counted, known, present
from diptych.kinds import Card, Pairs, Protocol
from diptych.sources import karpathy, rows

CARD = Card(
    name="flickr30k",
    title="Flickr30K, Karpathy's splits",
    source="https://shannon.cs.illinois.edu/DenotationGraph/",
    licence="Flickr terms: research only, pictures not redistributable; cite the papers",
    citation="Young et al., From image descriptions to visual denotations, TACL 2014; splits of Karpathy & Fei-Fei",
    splits={"train": 29_000, "val": 1_014, "test": 1_000, "all": 31_014},
    protocols=(
        Protocol("test", "train", "test", "test", "pair", note="1000 pictures against their 5000 captions"),
        Protocol("val", "train", "val", "val", "pair"),
    ),
    get="Ask for the pictures at https://shannon.cs.illinois.edu/DenotationGraph/, fetch dataset_flickr30k.json from "
    "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip and put them into "
    "$DIPTYCH_DATA/flickr30k as flickr30k-images/ and dataset_flickr30k.json",
    folder="flickr30k",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `val`, `test` or `all`: paths of pictures, five captions each."""
    known(CARD, split)
    found = karpathy.rows(present(CARD, home / "dataset_flickr30k.json"))
    kept = [row for row in found if split in (row.split, "all")]
    return counted(CARD, split, rows.pairs(kept, home / "flickr30k-images"))
