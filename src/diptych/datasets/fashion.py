"""9583 fashion products: name, article type and colour. Pictures are known by their features alone.

P. Aggarwal. Fashion Product Images. Kaggle, 2019.

Labels are the article type (75) and the base colour (44) together, so two products are relevant when they share at
least one. Names repeat (colours of one shoe, sizes of one shirt), so the draw goes by name and no name stands on two
sides: names in the order of sha256(name) as hex; whole names until at least 1000 products are queries, then until at
least 5000 are for training; the database is everything that is no query. `unseen` is the database without what trains.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from diptych.datasets._checked import counted, known, present
from diptych.kinds import BadInput, Card, Pairs, Protocol
from diptych.sources import rows

CARD = Card(
    name="fashion",
    title="Fashion products",
    source="https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-small",
    licence="terms unclear: local use only",
    citation="Aggarwal, Fashion Product Images, Kaggle 2019",
    splits={"train": 5001, "query": 1000, "database": 8583, "unseen": 3582, "all": 9583},
    protocols=(
        Protocol("labels", "train", "query", "database", "label", note="share the article type or the base colour"),
        Protocol("labels_unseen", "train", "query", "unseen", "label", note="as labels, among names not learned from"),
    ),
    get="Put products.csv (id, articleType, baseColour, productDisplayName, …) and the picture features into "
    "$DIPTYCH_DATA/fashion",
    folder="fashion",
    image_features="mobilenetv2",
)
_LABELS = ("articleType", "baseColour")


def read(split: str, home: Path) -> Pairs:
    """`train`, `query`, `database`, `unseen` or `all`: names of pictures (perhaps absent), a text, 119 labels."""
    known(CARD, split)
    path = present(CARD, home / "products.csv")
    with open(path, encoding="utf-8", newline="") as file:
        products = list(csv.DictReader(file))
    missing = {"id", "productDisplayName", *_LABELS} - set(products[0] if products else ())
    if missing:
        raise BadInput(f"{path}: no column {', '.join(sorted(missing))}")
    # A field's name before its value: a colour never passes for an article type.
    found = [
        rows.Row(f"{p['id']}.jpg", (p["productDisplayName"],), tuple(f"{field}: {p[field]}" for field in _LABELS))
        for p in products
    ]
    side = _sides(Counter(row.texts[0] for row in found))
    wanted = {
        "train": {"train"},
        "query": {"query"},
        "database": {"train", "unseen"},
        "unseen": {"unseen"},
        "all": {"train", "query", "unseen"},
    }[split]
    keep = np.flatnonzero([side[row.texts[0]] in wanted for row in found])
    return counted(CARD, split, rows.pairs(found, home / "images", rows.classes(found)).select(keep))


def _sides(names: Counter[str], n_query: int = 1000, n_train: int = 5000) -> dict[str, str]:
    """Name of a product -> the side on which all products of that name stand."""
    side = {}
    drawn: Counter[str] = Counter()
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        if drawn["query"] < n_query:
            side[name] = "query"
        elif drawn["train"] < n_train:
            side[name] = "train"
        else:
            side[name] = "unseen"
        drawn[side[name]] += names[name]
    return side
