"""The leaderboard as a browser shows it: from a file, sorted, narrowed and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diptych.flow.report import board, measured

pytestmark = pytest.mark.xdist_group("page")


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("board") / "board.html"
    file.write_text(board(measured(), "rows.md"), encoding="utf-8")
    page = browser.new_page()
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("console", lambda said: page.failures.append(said.text))
    page.goto(file.as_uri())
    yield page
    assert page.failures == []
    page.close()


def column(page: Any, name: str) -> list[str]:
    names = page.locator("thead button").all_inner_texts()
    return page.locator(f"tbody td:nth-child({names.index(name) + 1})").all_inner_texts()


def board_of(page: Any, dataset: str, protocol: str) -> None:
    page.select_option("select[name=board]", f"{dataset} · {protocol} · map@all")


def test_lines_of_one_board_stand_best_first_and_are_sorted_by_a_click(page):
    board_of(page, "wikipedia", "hashing")
    lines = [one for one in measured() if one.board == ("wikipedia", "hashing", "map@all") and not one.flatters]
    means = [float(text) for text in column(page, "mean")]
    assert len(means) == len(lines) and means == sorted(means, reverse=True)
    page.get_by_role("button", name="seconds").click()
    seconds = [float(text) for text in column(page, "seconds")]
    assert seconds == sorted(seconds, reverse=True)
    page.get_by_role("button", name="seconds").click()
    assert [float(text) for text in column(page, "seconds")] == sorted(seconds)
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("seconds")
    page.get_by_role("button", name="mean").click()


def test_they_are_narrowed_by_words_bits_and_how_they_were_coded(page):
    board_of(page, "wikipedia", "hashing")
    everything = page.locator("tbody tr").count()
    page.check("input[name=own]")
    assert page.locator("tbody tr").count() < everything
    assert set(column(page, "codes")) == {"own", "–"}  # some are compared without codes
    page.select_option("select[name=bits]", "16")
    assert set(column(page, "bits")) == {"16"}
    page.fill("input[name=words]", "no such method")
    assert page.locator("tbody tr").count() == 0 and page.inner_text("#count").startswith("0 of")
    page.fill("input[name=words]", "")
    page.select_option("select[name=bits]", "")
    page.uncheck("input[name=own]")


def test_figures_lead_to_their_row_and_a_line_tells_its_command(page):
    board_of(page, "wikipedia", "hashing")
    first = measured_best("wikipedia", "hashing")
    link = page.locator("tbody tr").first.locator("a").first
    assert link.get_attribute("href") == f"rows.md#{first.anchor}"
    page.locator("tbody tr").first.locator("summary").click()
    assert page.locator("tbody tr").first.locator("code").inner_text() == first.command


def measured_best(dataset: str, protocol: str) -> Any:
    lines = [one for one in measured() if one.board == (dataset, protocol, "map@all") and not one.flatters]
    return max(lines, key=lambda one: one.mean)


def test_quality_is_drawn_against_what_it_costs_on_one_board_alone(page):
    board_of(page, "wikipedia", "hashing")
    assert page.locator("#plot circle").count() == page.locator("tbody tr").count()
    page.select_option("#plot select", "bytes_per_item")
    assert page.locator("#plot circle").count() == page.locator("tbody tr").count()
    assert measured_best("wikipedia", "hashing").method in page.get_attribute("#plot svg", "aria-label")
    page.select_option("select[name=board]", "")
    assert page.locator("#plot").is_hidden() and page.locator("tbody tr").count() > 100


def test_nothing_is_wrong_with_it_for_those_who_do_not_see(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    board_of(page, "wikipedia", "hashing")
    page.fill("input[name=words]", "dcmh")  # every line is built alike, and each takes it long
    page.locator("tbody tr").first.locator("summary").click()
    found = [v for v in axe.run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert found == []


def test_it_is_what_lies_in_the_docs() -> None:
    docs = Path(__file__).parents[3] / "docs"
    assert (docs / "leaderboard.html").read_text(encoding="utf-8") == board(measured(), "reproductions.md")
    rows = (docs / "reproductions.md").read_text(encoding="utf-8")
    assert all(f'id="{one.anchor}"' in rows for one in measured())
