"""The page on formats tells what the cards tell."""

import importlib
import re
from pathlib import Path

import pytest

from diptych.datasets import local

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")


def counts():
    """(dataset, protocol, train, asked, database) for every line of the last table."""
    name = ""
    for line in PAGE.partition("### Splits and counts")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or not cells[2].replace(",", "").isdigit():
            continue
        name = cells[0].strip("`") or name
        for protocol in re.findall("`(.+?)`", cells[1]):
            yield name, protocol, *(int(cell.replace(",", "")) for cell in cells[2:])


@pytest.mark.parametrize(("name", "protocol", "train", "asked", "database"), list(counts()))
def test_counts_are_those_of_the_card(name, protocol, train, asked, database):
    card = importlib.import_module(f"diptych.datasets.{name}").CARD
    told = card.protocol(protocol)
    assert [card.splits[split] for split in (told.train, told.query, told.database)] == [train, asked, database]


def test_every_dataset_and_protocol_is_on_the_page():
    folder = Path(local.__file__).parent
    names = {path.stem for path in folder.glob("[!_]*.py")} - {"local", "postcards", "postcard_relations"}
    cards = [importlib.import_module(f"diptych.datasets.{name}").CARD for name in names]
    assert {(name, protocol) for name, protocol, *_ in counts()} == {
        (c.name, p.name) for c in cards for p in c.protocols
    }
    for card in cards:
        assert re.search(rf"\| `{card.folder}/` \|", PAGE), card.folder


def test_the_example_on_the_page_reads(tmp_path):
    text = re.search(r"```\n(image,caption,.*?)```", PAGE, re.DOTALL)[1]
    (tmp_path / "mine.csv").write_text(text)
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / "photos" / f"{name}.jpg").touch()
    train, test = (local.read(split, tmp_path / "mine.csv") for split in ("train", "test"))
    assert train.texts == ["A dog runs.", "A brown dog in snow."]
    assert train.n_images == 1
    assert test.texts == ["Two cats, asleep."]
    assert local.card(tmp_path / "mine.csv").splits == {"train": 1, "test": 1, "all": 2}
