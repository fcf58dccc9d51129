"""Pascal Sentences: 1000 photographs, 50 of each of 20 classes, five sentences each.

C. Rashtchian, P. Young, M. Hodosh, J. Hockenmaier. Collecting image annotations using Amazon's Mechanical Turk. NAACL
workshop 2010.

Each class gives 40 pictures to train, 5 to val, 5 to test, drawn by sha256 of the file name; papers do not publish
their draw.
"""

from __future__ import annotations

from pathlib import Path

from diptych.datasets._checked import counted, known, present
from diptych.datasets._draw import shuffled
from diptych.kinds import Card, Pairs, Protocol
from diptych.sources import folder, rows

CARD = Card(
    name="pascal_sentence",
    title="Pascal Sentences",
    source="http://vision.cs.uiuc.edu/pascal-sentences/",
    licence="Flickr terms: research only; cite the paper",
    citation="Rashtchian et al., Collecting image annotations using Amazon's Mechanical Turk, NAACL workshop 2010",
    splits={"train": 800, "val": 100, "test": 100, "all": 1_000},
    protocols=(
        Protocol("labels", "train", "test", "test", "label", joined=True, note="five sentences as one document"),
        Protocol("pairs", "train", "test", "test", "pair"),
    ),
    get="Save the pictures and sentences of http://vision.cs.uiuc.edu/pascal-sentences/ (github.com/rupy/"
    "PascalSentenceDataset does) into $DIPTYCH_DATA/pascal_sentence as dataset/CLASS/NAME.jpg and "
    "sentence/CLASS/NAME.txt",
    folder="pascal_sentence",
)


def read(split: str, home: Path) -> Pairs:
    """`train`, `val`, `test` or `all`: paths of pictures, five sentences each, 20 labels."""
    known(CARD, split)
    pictures, sentences = present(CARD, home / "dataset"), present(CARD, home / "sentence")
    found = []
    for home_of_class in sorted(path for path in pictures.iterdir() if path.is_dir()):
        label = home_of_class.name
        members = sorted(home_of_class.glob("*.jpg"))
        side = dict(zip(shuffled([path.name for path in members]).tolist(), _sides(len(members)), strict=True))
        for i, path in enumerate(members):
            texts = folder.captions(present(CARD, sentences / label / f"{path.stem}.txt"))
            found.append(rows.Row(f"{label}/{path.name}", texts, (label,), side[i]))
    kept = [row for row in found if split in (row.split, "all")]
    return counted(CARD, split, rows.pairs(kept, pictures, rows.classes(found) or ()))


def _sides(n: int) -> list[str]:
    """The splits of the first, second, … picture drawn from a class of n: 80 % train, 10 % val, 10 % test."""
    held_out = n // 10
    return ["train"] * (n - 2 * held_out) + ["val"] * held_out + ["test"] * held_out
