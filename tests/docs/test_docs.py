"""The pages tell what the code is, all of it, and no link leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from diptych import catalogue
from diptych.app.cli import app
from diptych.features import composition
from diptych.flow.report import figure
from diptych.metrics import measures, ranking

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path, generate):
    assert generate.rendered(path) == path.read_text(encoding="utf-8"), "run `make docs`"


def test_what_is_made_as_a_whole_is_up_to_date(generate):
    for path, text in generate.made().items():
        assert text == path.read_text(encoding="utf-8"), f"{path}: run `make docs`"


def test_every_method_is_on_its_page():
    assert set(re.findall(r"^### (\w+)$", page("methods"), re.MULTILINE)) == {
        *catalogue.methods(),
        *catalogue.schemes(),
    }


def test_every_dataset_and_protocol_is_on_its_page():
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^###|\Z)", page("datasets"), re.MULTILINE | re.DOTALL))
    assert list(sections) == catalogue.datasets()
    for name, text in sections.items():
        dataset = catalogue.dataset(name)
        known = [*(protocol.name for protocol in dataset.card.protocols), *dataset.sought]
        assert re.findall(r"Protocol `(\w+)`", text) == known


def test_every_feature_is_on_its_page():
    assert set(re.findall(r"^### (\w+)$", page("features"), re.MULTILINE)) == set(composition.names())


def test_every_measure_and_tie_policy_is_on_its_page():
    told = set(re.findall(r"`([^`]+)`", page("metrics")))
    cut = {key.replace(":", "@k:") if ":" in key else f"{key}@k" for key in measures.CUT}
    assert cut | set(measures.WHOLE) | set(ranking.TIES) <= told


def test_every_measure_on_its_page_is_one():
    table = page("metrics").partition("## Ties")[0]
    named = re.findall(r"`([a-z]+(?:@k)?(?::[a-z]+)?)`", "\n".join(re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)))
    assert len(named) > 10
    for name in named:
        measures.known(name.replace("@k", "@10"))


def test_every_command_and_option_is_on_its_page():
    text = page("cli")
    group = typer.main.get_command(app)
    every = {name: command for name, command in group.commands.items() if not command.no_args_is_help}
    for name, command in group.commands.items():
        every |= {f"{name} {inner}": found for inner, found in getattr(command, "commands", {}).items()}
    assert {"search", "models", "models get", "keys create"} <= set(every)
    for name, command in every.items():
        section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        options = [flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")]
        assert options and [flag for flag in options if f"`{flag}`" not in section] == [], name


def test_pages_print_figures_as_the_commands_do(generate):
    assert (
        generate._two("map@all", [0.25, 0.0514]) == f"{figure('r@1', 0.25)} / {figure('r@1', 0.0514)}" == "25.0 / 5.1"
    )
    assert generate._two("medr", [3.0, 12.5]) == "3.0 / 12.5"
    for path in (ROOT / "README.md", ROOT / "docs" / "reproductions.md", ROOT / "docs" / "reference" / "methods.md"):
        cells = re.findall(r"\| ([\d.]+ / [\d.]+)(?: ±[^|]*)? (?=\|)", path.read_text(encoding="utf-8"))
        assert len(cells) > 10 and all(re.fullmatch(r"\d+\.\d / \d+\.\d", cell) for cell in cells), path


def anchors(path: Path) -> set[str]:
    """The names of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(found), f"{path.name}: {target}"


def test_every_page_is_reached_from_the_first_one():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        here = ahead.pop()
        if here in reached:
            continue
        reached.add(here)
        for target in re.findall(r"\]\(([^)\s#]+\.md)", here.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                ahead.append((here.parent / target).resolve())
    assert set(PAGES) <= reached


def test_pictures_are_small_enough_for_a_first_page():
    assert (ROOT / "docs" / "images" / "postcards.png").stat().st_size < 300_000
