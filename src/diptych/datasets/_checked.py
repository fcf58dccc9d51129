"""What every dataset checks on reading: that the split is known, the files are there and the counts are the card's."""

from __future__ import annotations

from pathlib import Path

from diptych.kinds import BadInput, Card, Pairs, nearest


def known(card: Card, split: str) -> str:
    """The split, if the card has it."""
    if split not in card.splits:
        raise BadInput(f"{card.name} has no split {split!r}{nearest(split, card.splits)}")
    return split


def present(card: Card, path: Path) -> Path:
    """The path, if it is there; else BadInput says what to get and where to put it."""
    if not path.exists():
        raise BadInput(f"{card.name}: {path} is missing. {card.get}")
    return path


def counted(card: Card, split: str, pairs: Pairs) -> Pairs:
    """The pairs, if they are as many as the card says."""
    if pairs.n_images != card.splits[split]:
        raise BadInput(
            f"{card.name}, split {split}: found {pairs.n_images} images, expected {card.splits[split]}; "
            f"the copy is not the published one. {card.get}"
        )
    return pairs
