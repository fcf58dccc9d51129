"""MIRFlickr-25K: 25,000 photographs of Flickr with their owners' tags and 24 labels.

M. J. Huiskes, M. S. Lew. The MIR Flickr retrieval evaluation. ACM MIR 2008.

Two versions are in use. `tags` (DCMH: Jiang & Li, CVPR 2017): the vocabulary is the tags of at least 20 pictures, and a
picture stays if it has one of them and a label: 20,015. `labelled` (DCHMT, DSPH): every picture with a label, all its
tags: 24,581. Papers draw queries at random; here the draw goes by sha256 of the file name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from diptych.datasets._checked import counted, known, present
from diptych.datasets._draw import hashing
from diptych.kinds import BadInput, Card, Pairs, Protocol
from diptych.sources import folder, rows

CARD = Card(
    name="mirflickr25k",
    title="MIRFlickr-25K",
    source="https://press.liacs.nl/mirflickr/",
    licence="Creative Commons licences of the photographers, in mirflickr/meta/license; cite the paper",
    citation="Huiskes & Lew, The MIR Flickr retrieval evaluation, ACM MIR 2008",
    splits={
        "train": 10_000,
        "query": 2_000,
        "database": 18_015,
        "unseen": 8_015,
        "all": 20_015,
        "labelled_train": 10_000,
        "labelled_query": 5_000,
        "labelled_database": 19_581,
        "labelled_unseen": 9_581,
        "labelled_all": 24_581,
    },
    protocols=(
        Protocol("tags", "train", "query", "database", "label", note="tags of at least 20 pictures, as DCMH"),
        Protocol("tags_unseen", "train", "query", "unseen", "label", note="as tags, database not learned from"),
        Protocol(
            "labelled",
            "labelled_train",
            "labelled_query",
            "labelled_database",
            "label",
            note="every picture with a label, as DCHMT and DSPH; a picture without tags has no text",
        ),
        Protocol(
            "labelled_unseen",
            "labelled_train",
            "labelled_query",
            "labelled_unseen",
            "label",
            note="as labelled, database not learned from",
        ),
    ),
    get="Fetch mirflickr25k.zip and mirflickr25k_annotations_v080.zip from https://press.liacs.nl/mirflickr/ and "
    "unpack them into $DIPTYCH_DATA/mirflickr25k as mirflickr/ and mirflickr25k_annotations_v080/",
    folder="mirflickr25k",
    text_features="bag_of_words",
)

MIN_PICTURES = 20
"""A tag belongs to the vocabulary when at least this many pictures have it."""


def read(split: str, home: Path) -> Pairs:
    """A split of either version: paths of pictures, the tags of each as one text, if it has any, 24 labels."""
    known(CARD, split)
    prefix = "labelled_" if split.startswith("labelled_") else ""
    pictures = _pictures(home)
    found = [row for row in pictures if row.labels]
    if not prefix:
        vocabulary = _vocabulary(pictures)
        kept = [tuple(tag for tag in row.texts if tag in vocabulary) for row in found]
        found = [rows.Row(row.image, tags, row.labels) for row, tags in zip(found, kept, strict=True) if tags]
    documents = [rows.Row(row.image, (" ".join(row.texts),) if row.texts else (), row.labels) for row in found]
    pairs = rows.pairs(documents, home / "mirflickr", rows.classes(documents) or ())
    return counted(CARD, split, hashing(CARD, counted(CARD, f"{prefix}all", pairs), split, prefix))


def _pictures(home: Path) -> list[rows.Row]:
    """Every picture with its tags (each once, a text of its own) and its labels, in the order of their numbers."""
    files = present(CARD, home / "mirflickr" / "meta" / "tags").glob("tags*.txt")
    tags = {int(file.stem.removeprefix("tags")): tuple(dict.fromkeys(folder.captions(file))) for file in files}
    labels: dict[int, list[str]] = {}
    for file in sorted(present(CARD, home / "mirflickr25k_annotations_v080").glob("*.txt")):
        # `sky.txt` lists pictures where sky is seen, `sky_r1.txt` those where it matters: a subset, not a label.
        if file.stem.endswith("_r1") or file.stem == "README":
            continue
        for number, line in enumerate(folder.captions(file), 1):
            if not line.isdigit():
                raise BadInput(f"{file}, line {number}: expected the number of a picture, found {line[:60]!r}")
            labels.setdefault(int(line), []).append(file.stem)
    return [rows.Row(f"im{i}.jpg", tags[i], tuple(labels.get(i, ()))) for i in sorted(tags)]


def _vocabulary(pictures: Iterable[rows.Row]) -> set[str]:
    n_pictures = Counter(tag for row in pictures for tag in row.texts)
    return {tag for tag, n in n_pictures.items() if n >= MIN_PICTURES}
