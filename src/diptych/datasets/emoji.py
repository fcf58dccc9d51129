"""1650 emoji of Noto with their Unicode names and keywords: small clean pictures that need no photograph's licence.

Google, Noto Emoji, https://github.com/googlefonts/noto-emoji; Unicode Consortium, CLDR annotations,
https://cldr.unicode.org.

An emoji has two texts: its name, and its keywords with commas between them. Train and test are drawn by
sha256 of the file name: the first 1320 in that order train, the other 330 test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diptych.datasets._checked import counted, known, present
from diptych.datasets._draw import shuffled
from diptych.kinds import BadInput, Card, Pairs, Protocol
from diptych.sources import jsonl, rows

CARD = Card(
    name="emoji",
    title="Noto emoji with CLDR names",
    source="https://github.com/googlefonts/noto-emoji",
    licence="pictures Apache-2.0 and OFL, names Unicode License v3",
    citation="Google, Noto Emoji; Unicode Consortium, CLDR annotations",
    splits={"train": 1320, "test": 330, "all": 1650},
    protocols=(Protocol("pairs", "train", "test", "test", "pair", note="330 emoji against their 660 texts"),),
    get="Fetch https://github.com/googlefonts/noto-emoji (png/72) and the CLDR annotations, put the pictures into "
    '$DIPTYCH_DATA/noto_emoji/images and write emoji.jsonl beside it, one {"image", "name", "keywords"} a line',
    folder="noto_emoji",
    image_features="mobilenetv2",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `test` or `all`: paths of pictures, a name and a line of keywords each."""
    known(CARD, split)
    path = present(CARD, home / "emoji.jsonl")
    found = []
    for number, fields in jsonl.objects(path):
        try:
            found.append(rows.Row(fields["image"], (fields["name"], ", ".join(fields["keywords"]))))
        except KeyError as error:
            raise BadInput(f"{path}, line {number}: no field {error}; each line has image, name and keywords") from None
    order = shuffled([row.image for row in found])
    n_train = CARD.splits["train"]
    keep = {"train": order[:n_train], "test": order[n_train:], "all": order}[split]
    return counted(CARD, split, rows.pairs(found, home / "images").select(np.sort(keep)))
