"""Flickr8k: photographs of people and animals doing things, five human captions each.

M. Hodosh, P. Young, J. Hockenmaier. Framing image description as a ranking task: data, models and evaluation metrics.
Journal of Artificial Intelligence Research 47, 2013.

Official train and dev; the official test split is not read. `few` is the first third of the training pictures in the
order of `_draw.shuffled`: enough for methods that compare tokens, whose fits take long.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diptych.datasets._checked import counted, known, present
from diptych.datasets._draw import shuffled
from diptych.kinds import Card, Pairs, Protocol
from diptych.sources import jsonl, rows

CARD = Card(
    name="flickr8k",
    title="Flickr8k",
    source="https://hockenmaier.cs.illinois.edu/8k-pictures.html",
    licence="Flickr terms: research only, pictures not redistributable; cite the paper",
    citation="Hodosh et al., Framing image description as a ranking task, JAIR 47, 2013",
    splits={"train": 6000, "dev": 1000, "few": 2000, "all": 7000},
    protocols=(
        Protocol("pairs", "train", "dev", "dev", "pair", note="1000 pictures against their 5000 captions"),
        Protocol("tokens", "few", "dev", "dev", "pair", note="as pairs; 2000 pictures, drawn by their names, train"),
    ),
    get="Ask for Flickr8k at https://hockenmaier.cs.illinois.edu/8k-pictures.html, put the pictures into "
    '$DIPTYCH_DATA/flickr8k/images and write train.jsonl and dev.jsonl beside it, one {"image", "captions"} a line',
    folder="flickr8k",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `dev`, `few` of train, or `all`: paths of pictures, five captions each."""
    if known(CARD, split) == "few":
        train = read("train", home)
        return counted(CARD, split, train.select(np.sort(shuffled(train.image_ids)[: CARD.splits[split]])))
    parts = ["train", "dev"] if split == "all" else [split]
    found = [row for part in parts for row in jsonl.rows(present(CARD, home / f"{part}.jsonl"))]
    return counted(CARD, split, rows.pairs(found, home / "images"))
