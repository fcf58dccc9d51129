"""Flickr8k: photographs of people and animals doing things, five human captions each.

M. Hodosh, P. Young, J. Hockenmaier. Framing image description as a ranking task: data, models and evaluation metrics.
Journal of Artificial Intelligence Research 47, 2013.

Official train and dev; the official test split is not read.
"""

from __future__ import annotations

from pathlib import Path

from diptych.datasets._checked import counted, known, present
from diptych.kinds import Card, Pairs, Protocol
from diptych.sources import jsonl, rows

CARD = Card(
    name="flickr8k",
    title="Flickr8k",
    source="https://hockenmaier.cs.illinois.edu/8k-pictures.html",
    licence="Flickr terms: research only, pictures not redistributable; cite the paper",
    citation="Hodosh et al., Framing image description as a ranking task, JAIR 47, 2013",
    splits={"train": 6000, "dev": 1000, "all": 7000},
    protocols=(Protocol("pairs", "train", "dev", "dev", "pair", note="1000 pictures against their 5000 captions"),),
    get="Ask for Flickr8k at https://hockenmaier.cs.illinois.edu/8k-pictures.html, put the pictures into "
    '$DIPTYCH_DATA/flickr8k/images and write train.jsonl and dev.jsonl beside it, one {"image", "captions"} a line',
    folder="flickr8k",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `dev` or `all`: paths of pictures, five captions each."""
    parts = ["train", "dev"] if known(CARD, split) == "all" else [split]
    found = [row for part in parts for row in jsonl.rows(present(CARD, home / f"{part}.jsonl"))]
    return counted(CARD, split, rows.pairs(found, home / "images"))
