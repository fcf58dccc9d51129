"""The page as people use it: with a mouse, with a finger, with the keyboard alone, and without a network."""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from album import paint
from PIL import Image
from running_server import Running

from diptych.app.server import running as server
from diptych.app.server.access.database import Database
from diptych.app.server.access.keys import Keys
from diptych.collection import Collection

pytestmark = pytest.mark.xdist_group("page")


def settled(page: Any) -> Any:
    """After the answer to what was asked is there, and moved to its place."""
    page.wait_for_selector("body:not(.asking) #verdict:not(:empty)", state="attached")
    return page


def until(page: Any, expression: str, argument: object = None, seconds: float = 60) -> None:
    """Wait until something is so. (What Playwright has for it the page's own policy forbids, as it should.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(30)


CALL = """([method, path, body]) => fetch("/v1/collections/album/" + path, {
  method, headers: {"Content-Type": "application/json"}, body: body && JSON.stringify(body)
}).then(answer => answer.json())"""


def called(page: Any, method: str, path: str, body: object = None) -> Any:
    """What the server says to the same browser."""
    return page.evaluate(CALL, [method, path, body])


def ids(page: Any) -> list[str]:
    """The first page of pictures in their order; more may have come by scrolling."""
    return every_id(page)[:60]


def every_id(page: Any) -> list[str]:
    return page.eval_on_selector_all("#grid .tile", "tiles => tiles.map(tile => tile.dataset.id)")


def typed(page: Any, words: str) -> None:
    page.fill("#words", "")
    page.locator("#words").press_sequentially(words)
    settled(page)


def test_pictures_appear_while_they_are_indexed(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a folder that a server was just started with."""
    paint(tmp_path / "new", 100, seed=6, side=200)
    is_seen = Event()

    def indexed(*arguments: Any, real: Any = server._indexed) -> Any:
        is_seen.wait(60)  # a quick machine would be done before the page has come
        return real(*arguments)

    monkeypatch.setattr(server, "_indexed", indexed)
    running = Running([tmp_path / "new"], tmp_path / "home")
    running.start()
    page = opened(at=running.address)
    page.wait_for_selector("#job:not([hidden])")
    is_seen.set()
    assert re.search("Looking at the pictures|being looked at", page.inner_text("main"))
    page.wait_for_selector("#grid .tile img.here", timeout=60_000)
    page.wait_for_selector("#job", state="hidden", timeout=60_000)
    until(page, "document.querySelector('#count').textContent.startsWith('101 ')")
    assert page.inner_text("#verdict") == "All pictures, latest first"
    page.context.close()
    running.stop()


def asked(route: Any) -> str:
    found: str = json.loads(route.request.post_data)["query"]
    return found


TYPING = """text => {
  const words = document.querySelector("#words");
  for (let n = 1; n <= text.length; n++) {
    words.value = text.slice(0, n);
    words.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""
"""Faster than anybody types, so that what a pause would do does not depend on how busy the machine is."""


def test_an_answer_comes_while_one_types_and_the_old_one_stays_until_then(opened: Any) -> None:
    page = opened()
    settled(page)
    first = ids(page)
    held: list[Any] = []
    page.route("**/search", lambda route: held.append(route))
    page.evaluate(TYPING, "snow at night")
    until(page, "document.title.startsWith('snow at night')")
    while not held:
        page.wait_for_timeout(30)
    assert [asked(route) for route in held] == ["snow at night"]  # and not one for each letter
    assert ids(page) == first
    held[0].continue_()
    settled(page)
    page.unroute("**/search")
    assert ids(page) != first
    assert page.inner_text("#verdict") == "Good matches"
    assert "q=snow+at+night" in page.url
    page.go_back()
    until(page, "document.querySelector('#words').value === ''")
    settled(page)
    assert ids(page) == first


def test_an_older_answer_that_comes_late_is_dropped(opened: Any) -> None:
    page = opened()
    settled(page)
    held: list[Any] = []
    page.route("**/search", lambda route: held.append(route) if asked(route) == "a dog" else route.continue_())
    page.fill("#words", "a dog")
    while not held:
        page.wait_for_timeout(30)
    page.fill("#words", "snow")
    settled(page)
    shown = ids(page)
    held[0].fulfill(
        status=200, json={"results": [], "total": 0, "verdict": "none", "hints": [], "seconds": 0, "query": ""}
    )
    page.wait_for_timeout(300)
    assert ids(page) == shown
    page.unroute("**/search")


def test_the_grid_knows_its_layout_before_pictures_come(opened: Any) -> None:
    page = opened("#")
    page.route("**/thumbnails/**", lambda route: None)  # they never come
    page.goto(page.url.split("#")[0] + "?q=a+farm")
    settled(page)
    boxes = [
        [box["x"], box["y"], box["width"], box["height"]]
        for box in (tile.bounding_box() for tile in page.locator("#grid .tile").all()[:12])
    ]
    assert len(boxes) == 12 and all(width > 40 and height > 40 for *_, width, height in boxes)
    for left, top, width, _ in boxes:
        beside = [one for one in boxes if one[1] == top and one[0] > left]
        assert all(other[0] >= left + width for other in beside)
    page.unroute("**/thumbnails/**")


def test_chips_build_the_query_language(opened: Any) -> None:
    page = opened("?q=a+beach")
    settled(page)
    page.click("[data-menu=Camera]")
    page.click(".popover .option:has-text('X100V')")
    settled(page)
    assert page.input_value("#written") == 'a beach camera = "X100V"'
    page.click("[data-menu=Tag]")
    page.click(".popover .option:has-text('summer')")
    settled(page)
    page.click("[data-menu=Without]")
    page.fill(".popover input", "boats")
    page.keyboard.press("Enter")
    settled(page)
    page.click("[data-menu=Time]")
    page.click(".popover .option:has-text('2023')")
    settled(page)
    assert page.input_value("#written") == 'a beach camera = "X100V" tag = "summer" NOT "boats" year = 2023'
    assert page.locator(".chip.on").all_inner_texts() == ["X100V", "summer", "without boats", "2023"]
    answer = called(page, "POST", "search", {"query": page.input_value("#written")})
    assert ids(page) == [hit["id"] for hit in answer["results"]] and answer["results"]
    assert all(hit["camera"] == "X100V" and hit["taken"].startswith("2023") for hit in answer["results"])
    page.click(".chip.on:has-text('X100V')")
    settled(page)
    assert page.input_value("#written") == 'a beach tag = "summer" NOT "boats" year = 2023'


def test_the_written_question_is_the_truth_and_comes_back_from_its_address(opened: Any) -> None:
    page = opened()
    settled(page)
    page.fill("#written", 'dog + snow - "people walking" AND year >= 2022')
    page.keyboard.press("Enter")
    settled(page)
    assert page.input_value("#words") == 'dog + snow - "people walking" AND year >= 2022'  # joined by hand: left alone
    page.fill("#written", 'a dog  taken = 2023-05 tag:winter camera = "EOS 5D"')
    page.keyboard.press("Enter")
    settled(page)
    assert page.input_value("#words") == "a dog" and page.locator(".chip.on").count() == 3
    found = ids(page)
    page.reload()
    settled(page)
    assert ids(page) == found and page.locator(".chip.on").all_inner_texts() == ["May 2023", "winter", "EOS 5D"]


def test_a_question_that_cannot_be_read_says_why_and_the_way_out(opened: Any) -> None:
    page = opened("?q=snow", allowed="400")
    settled(page)
    shown = ids(page)
    page.fill("#words", "snow (deep")
    page.wait_for_selector("#problem:not([hidden])")
    assert "column" in page.inner_text("#problem") and ids(page) == shown
    assert page.inner_text("#verdict") == "Still from the question before", "they are no matches of this one"
    page.click("#grid .look")
    page.wait_for_selector("#viewer[open]")
    assert page.is_hidden("#why")
    page.keyboard.press("Escape")
    page.click("#problem button")
    settled(page)
    assert page.inner_text("#verdict") in ("Good matches", "Perhaps one of these", "No good match")
    assert page.is_hidden("#problem") and page.input_value("#written") == '1:"snow (deep"'


def test_months_are_a_filter(opened: Any) -> None:
    page = opened("?q=snow")
    settled(page)
    page.wait_for_selector("#timeline .month")
    bar = page.locator("#timeline button.month").nth(5)
    told = bar.get_attribute("aria-label")
    bar.click()
    settled(page)
    assert re.search(r"taken = \d{4}-\d\d$", page.input_value("#written"))
    assert f": {page.inner_text('#count').split(' ')[0]} picture" in told
    assert page.locator("#timeline .month[aria-pressed=true]").count() == 1


def test_nothing_good_is_said_honestly(opened: Any) -> None:
    page = opened("?q=quarterly+tax+invoice+tag%3Asnow")
    settled(page)
    assert page.inner_text("#verdict") == "No good match"
    assert "other or fewer words" in page.inner_text("#advice")
    page.click("#advice button:has-text('Drop “snow”')")
    settled(page)
    assert page.input_value("#written") == "quarterly tax invoice"
    page.goto(page.url.split("?")[0] + "?q=dog+year+%3D+1999")
    settled(page)
    assert page.inner_text("#verdict") == "Nothing passes these filters" and page.is_visible("#nothing")


def test_a_mark_changes_the_order_at_once_and_undo_takes_it_back(opened: Any) -> None:
    page = opened("?q=a+tree")
    settled(page)
    before = ids(page)
    far = page.locator("#grid .tile").nth(30)
    liked = far.get_attribute("data-id")
    far.scroll_into_view_if_needed()
    far.hover()
    far.locator(".mark.yes").click()
    settled(page)
    after = ids(page)
    assert liked not in after and after != [one for one in before if one != liked]
    assert shelf(page) == [(liked, "yes")] and "1 mark" in page.inner_text("#count")
    refused = after[0]
    page.locator(f".tile[data-id='{refused}']").hover()
    page.locator(f".tile[data-id='{refused}'] .mark.no").click()
    settled(page)
    assert shelf(page) == [(liked, "yes"), (refused, "no")] and refused not in ids(page)
    page.click(".toast button")  # undo
    settled(page)
    assert ids(page) == after and shelf(page) == [(liked, "yes")]
    page.click("#undo")
    settled(page)
    assert ids(page) == before and "mark" not in page.inner_text("#count") and page.is_hidden("#marked")


def shelf(page: Any) -> list[tuple[str, str]]:
    """What is marked, as it stands apart from the answers: (id, "yes" or "no")."""
    told = page.eval_on_selector_all("#marked li", "all => all.map(one => [one.dataset.id, one.className])")
    return [(id, which) for id, which in told]


def test_what_is_marked_is_looked_at_and_taken_back_where_it_stands_apart(opened: Any) -> None:
    page = opened("?q=a+tree")
    settled(page)
    before = ids(page)
    for place, which in ((3, "no"), (1, "yes"), (2, "yes")):
        page.locator(f".tile[data-id='{before[place]}']").hover()
        page.locator(f".tile[data-id='{before[place]}'] .mark.{which}").click()
        settled(page)
    assert shelf(page) == [(before[1], "yes"), (before[2], "yes"), (before[3], "no")]
    assert not {*before[1:4]} & {*every_id(page)}
    page.locator("#marked .no .look").click()
    page.wait_for_selector("#viewer[open] .mark.no[aria-pressed=true]")
    page.locator("#viewer .mark.yes").click()  # it was meant after all
    page.wait_for_selector("#viewer .mark.yes[aria-pressed=true]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    settled(page)
    assert shelf(page) == [(one, "yes") for one in before[1:4]]
    page.locator("#marked .mark").first.focus()
    for left in (2, 1, 0):  # by the keyboard alone: the focus goes to the next one
        page.keyboard.press("Enter")
        settled(page)
        assert len(shelf(page)) == left
    assert page.is_hidden("#marked") and page.evaluate("document.activeElement.id") == "words"
    assert ids(page) == before


def happened(album: Path, seconds: float = 20, **wanted: Any) -> Any:
    """The latest event of this kind in the collection's file, once it is there."""
    end = time.monotonic() + seconds
    while True:
        with Collection.open(album / ".diptych") as collection:
            events = list(collection.feedback.events())
        for event in reversed(events):
            if all(getattr(event, name) == value for name, value in wanted.items()):
                return event
        assert time.monotonic() < end, (wanted, events)
        time.sleep(0.05)


def standing(page: Any, query: str) -> Any:
    return called(page, "GET", f"feedback?query={query}")


def until_standing(page: Any, query: str, yes: int, no: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while [len(standing(page, query)[side]) for side in ("yes", "no")] != [yes, no]:
        assert time.monotonic() < end, standing(page, query)
        page.wait_for_timeout(30)


def test_marks_are_there_when_the_same_is_asked_again_and_what_is_undone_is_not(opened: Any) -> None:
    page = opened("?q=a+bridge")
    settled(page)
    before = ids(page)
    for place, which in ((5, "yes"), (0, "no")):
        page.locator(f".tile[data-id='{before[place]}']").hover()
        page.locator(f".tile[data-id='{before[place]}'] .mark.{which}").click()
        settled(page)
    until_standing(page, "a+bridge", 1, 1)
    marked = ids(page)
    assert before[0] not in marked
    again = opened("?q=a+bridge")  # another browser of the same person
    settled(again)
    assert ids(again) == marked and "ranked with 2 marks (" in again.inner_text("#count")
    assert shelf(again) == [(before[5], "yes"), (before[0], "no")]
    again.reload()
    settled(again)
    assert ids(again) == marked
    again.fill("#words", "a bridges")
    until(again, "document.title.startsWith('a bridges') && !document.body.classList.contains('asking')")
    assert "mark" not in again.inner_text("#count")
    again.fill("#words", "a bridge")
    until(again, "document.querySelector('#count').textContent.includes('2 marks')")
    page.click("#undo")
    settled(page)
    until_standing(page, "a+bridge", 1, 0)
    page.keyboard.press("Control+z")
    settled(page)
    until_standing(page, "a+bridge", 0, 0)
    assert ids(page) == before
    page.go_back()  # to the question as it was marked
    until_standing(page, "a+bridge", 1, 0)


def marks_made(page: Any, which: str, *some: str) -> None:
    """Mark pictures in the grid, with the mouse."""
    for id in some:
        page.locator(f".tile[data-id='{id}']").hover()
        page.locator(f".tile[data-id='{id}'] .mark.{which}").click()
        settled(page)


def test_marks_belong_to_the_words_whatever_chips_narrow_them(opened: Any) -> None:
    page = opened("?q=a+bird")
    settled(page)
    one, two = ids(page)[:2]
    marks_made(page, "no", one, two)
    until_standing(page, "a+bird", 0, 2)
    page.fill("#written", 'a bird NOT "snow"')
    page.press("#written", "Enter")
    until(page, "document.title.startsWith('a bird NOT')")
    settled(page)
    assert shelf(page) == [(one, "no"), (two, "no")]
    for left in (1, 0):
        page.locator("#marked .mark").first.click()
        until_standing(page, "a+bird", 0, left)
    three = settled(page) and ids(page)[2]
    marks_made(page, "yes", three)
    until_standing(page, "a+bird", 1, 0)
    page.locator("#filters .chip.on").click()
    until(page, "document.title.startsWith('a bird ·')")
    settled(page)
    assert shelf(page) == [(three, "yes")]  # what was taken back stays so, and what was marked while narrowed holds
    again = opened("?q=a+bird+year+%3E%3D+1990")  # another browser of the same person
    settled(again)
    assert shelf(again) == [(three, "yes")]


def test_a_space_behind_the_words_takes_no_mark_back(opened: Any) -> None:
    page = opened("?q=a+bird")
    settled(page)
    one = ids(page)[0]
    marks_made(page, "yes", one)
    until_standing(page, "a+bird", 1, 0)
    page.focus("#words")
    page.keyboard.press("End")
    page.keyboard.type(" ")
    until(page, "history.state.asked.words === 'a bird '")
    settled(page)
    assert shelf(page) == [(one, "yes")]
    page.keyboard.type("in snow")
    until(page, "document.title.startsWith('a bird in snow')")
    settled(page)
    until_standing(page, "a+bird", 1, 0)


def test_more_marks_than_the_server_takes_do_not_lock_the_question(opened: Any) -> None:
    page = opened("?q=a+tree", allowed="404")
    settled(page)
    told: list[Any] = []

    def made_up_are_unknown(route: Any) -> None:
        body = json.loads(route.request.post_data)
        told.append(body["marks"])
        real = {side: [id for id in some if not id.startswith("made-up")] for side, some in body["marks"].items()}
        route.continue_(post_data=json.dumps(body | {"marks": real}))

    page.route("**/search", made_up_are_unknown)
    page.evaluate("""history.replaceState({...history.state, asked: {...history.state.asked,
      no: Array.from({ length: 1000 }, (_, n) => `made-up-${n}`)}}, "")""")
    page.reload()
    settled(page)
    one = ids(page)[0]
    page.locator(f".tile[data-id='{one}']").focus()
    marks_made(page, "yes", one)
    assert (told[-1]["yes"], len(told[-1]["no"]), told[-1]["no"][0]) == ([one], 999, "made-up-1")  # the oldest gave way


def test_marks_of_pictures_that_are_gone_are_let_go_of(opened: Any, tmp_path: Path) -> None:
    paint(tmp_path / "album", 8, seed=9, side=200)
    running = Running([tmp_path / "album"], tmp_path / "home")
    running.start()
    running.wait_for_pictures()
    page = opened("?q=a+tree", at=running.address, allowed="404")
    settled(page)
    one, two, three, four = ids(page)[:4]
    marks_made(page, "no", one, two)
    until_standing(page, "a+tree", 0, 2)
    assert page.evaluate(
        "id => fetch(`/v1/collections/album/items/${id}`, {method: 'DELETE'}).then(one => one.ok)", two
    )
    page.locator("#marked .look").nth(1).click()  # there is nothing to look at
    page.wait_for_selector(".toast:has-text('no such item')")
    until(page, "!location.search.includes('at=')")
    page.locator(f".tile[data-id='{four}'] .look").focus()
    page.keyboard.press("n")
    until(page, "id => document.querySelector(`#marked li[data-id='${id}']`)", four)
    page.wait_for_selector(".toast:has-text('1 picture that was marked is gone')")
    settled(page)
    assert shelf(page) == [(one, "no"), (four, "no")] and three in ids(page) and page.is_hidden("#problem")
    page.reload()
    settled(page)
    assert shelf(page) == [(one, "no"), (four, "no")] and ids(page)[0] == three
    page.context.close()
    running.stop()


def test_where_all_is_marked_it_says_so_and_takes_the_marks_back(opened: Any) -> None:
    page = opened("?in=few&q=a+tree")
    settled(page)
    all_of_them = ids(page)
    page.locator("#grid .tile .look").first.focus()
    page.keyboard.press("Control+a")
    page.click("#selection button:has-text('Wrong')")
    until(page, "document.querySelector('#verdict').textContent === 'All of them are marked'")
    assert "There is no other picture" in page.inner_text("#nothing") and "Add" not in page.inner_text("#nothing")
    page.fill("#written", "a tree has(taken)")
    page.press("#written", "Enter")
    until(page, "document.querySelector('#verdict').textContent === 'Nothing else passes these filters'")
    page.click("#nothing button:has-text('Take the marks back')")
    until(page, "document.querySelector('#nothing').hidden")
    page.locator("#filters .chip.on").click()
    until(page, "n => document.querySelectorAll('#grid .tile').length === n", len(all_of_them))
    assert ids(page) == all_of_them


def test_one_key_after_another_marks_one_picture_after_another(opened: Any) -> None:
    page = opened("?q=a+tree")
    settled(page)
    before = ids(page)
    held: list[Any] = []
    page.route("**/search", lambda route: held.append(route))  # faster than any answer comes
    page.locator("#grid .tile .look").nth(1).focus()
    for _ in range(4):
        page.keyboard.press("n")
    assert shelf(page) == [(one, "no") for one in before[1:5]]
    assert page.evaluate("document.activeElement.closest('.tile')?.dataset.id") == before[5]
    page.unroute("**/search")
    page.keyboard.press("y")
    settled(page)
    until_standing(page, "a+tree", 1, 4)


def test_the_focus_stays_where_marks_are_made(opened: Any) -> None:
    page = opened("?q=a+tree")
    settled(page)
    before = ids(page)
    here = "document.activeElement.closest('.tile, #marked li')?.dataset.id"
    page.locator("#grid .tile .look").nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    assert page.evaluate(here) == before[3]  # beside what is gone
    settled(page)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(here) == ids(page)[ids(page).index(before[3]) + 1]
    name = called(page, "GET", f"items/{before[2]}")["name"]
    looked_at = page.locator("#marked .look")
    assert looked_at.get_attribute("aria-label") == f"{name}, marked wrong"
    looked_at.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("y")
    settled(page)
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    is_there = "document.activeElement.matches('#marked .yes .look')"
    assert page.evaluate(is_there)
    page.keyboard.press("/")
    page.reload()
    settled(page)
    until(page, "name => document.querySelector('#marked .mark').title === name", f"{name}, marked right; take it back")
    looked_at.focus()
    page.evaluate("document.querySelector('#ask').requestSubmit()")
    settled(page)
    assert page.evaluate(is_there)


def test_a_mark_far_down_does_not_lose_the_place(opened: Any) -> None:
    page = opened("?q=a+picture+of+a+place")
    settled(page)
    page.mouse.wheel(0, 20_000)
    until(page, "document.querySelectorAll('#grid .tile').length > 60 && !document.querySelector('#more').hidden")
    before = every_id(page)
    page.evaluate("id => (globalThis.beside = document.querySelector(`.tile[data-id='${id}']`))", before[70])
    marks_made(page, "no", before[90])
    assert before[90] not in every_id(page) and len(every_id(page)) >= len(before) - 1
    assert page.evaluate("globalThis.beside.isConnected")  # it was never away


def test_a_mark_that_the_server_did_not_answer_to_is_sent_again(opened: Any) -> None:
    page = opened("?q=a+tree", allowed="ERR_")
    settled(page)
    one, two = ids(page)[:2]
    page.context.set_offline(True)
    page.locator("#grid .tile .look").first.focus()
    for key in "nn":
        page.keyboard.press(key)
    page.wait_for_selector("#problem.offline:not([hidden])")
    page.locator("#marked .mark").first.click()
    page.context.set_offline(False)
    page.wait_for_selector("#problem", state="hidden")
    until_standing(page, "a+tree", 0, 1)
    assert standing(page, "a+tree")["no"] == [two] and shelf(page) == [(two, "no")] and one in ids(page)


def test_marks_that_were_not_sent_outlive_a_reload_and_are_sent_when_the_server_is_back(
    opened: Any, server: Any
) -> None:
    page = opened("?q=a+tree", allowed="ERR_")
    settled(page)
    one, two = ids(page)[:2]
    page.context.set_offline(True)
    page.locator("#grid .tile .look").first.focus()
    for key in "ny":
        page.keyboard.press(key)
    page.wait_for_selector("#problem:has-text('2 marks wait to be sent.')")
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        page.reload()
    page.context.set_offline(False)
    page.goto(f"{server.address}?q=a+tree")  # of which the history knows no marks
    until_standing(page, "a+tree", 1, 1)
    page.wait_for_selector(".toast:has-text('2 marks were sent.')")
    settled(page)
    assert sorted(shelf(page)) == sorted([(one, "no"), (two, "yes")]) and page.locator("#problem").is_hidden()
    assert page.evaluate("sessionStorage.length") == 0
    assert standing(page, "a+tree") == {"yes": [two], "no": [one]}


def test_a_busy_server_loses_no_mark(opened: Any) -> None:
    page = opened("?q=a+tree", allowed="Failed to load resource")
    settled(page)
    one = ids(page)[0]
    busy = {"status": 503, "headers": {"Retry-After": "1"}, "json": {"detail": "another program is writing"}}
    page.route("**/feedback", lambda route: route.fulfill(**busy))
    page.locator("#grid .tile .look").first.focus()
    page.keyboard.press("y")
    page.wait_for_selector("#problem:has-text('1 mark waits to be sent. The server is busy')")
    page.reload()
    page.wait_for_selector("#problem:has-text('1 mark waits to be sent. The server is busy')")
    assert shelf(page) == [(one, "yes")]
    page.unroute("**/feedback")
    page.wait_for_selector("#problem", state="hidden")
    until_standing(page, "a+tree", 1, 0)
    page.route("**/feedback", lambda route: route.fulfill(status=404, json={"detail": "there is no such item"}))
    page.locator("#grid .tile .look").first.focus()
    with page.expect_response("**/feedback"):
        page.keyboard.press("n")
    until(page, "sessionStorage.length === 0")  # what it will never take holds up nothing


def test_what_is_opened_and_for_how_long_is_kept_with_what_stood_above(opened: Any, album: Path) -> None:
    page = opened("?q=a+mountain")
    settled(page)
    order = ids(page)
    page.locator("#grid .tile .look").nth(3).click()
    page.wait_for_selector("#viewer[open]")
    click = happened(album, kind="click", query="a mountain")
    with Collection.open(album / ".diptych") as collection:
        ranked = [hit.id for hit in collection.search("a mountain", 5).results]
    assert (click.user, click.rank, click.item) == ("owner", 4, ranked[3]) and click.above == tuple(ranked[:3])
    page.keyboard.press("ArrowRight")  # it is left, and the next is looked at, which nobody chose in the grid
    until(page, "id => location.search.includes(id)", order[4])
    assert happened(album, kind="dwell", item=ranked[3], query="a mountain", user="owner").value > 0
    page.wait_for_timeout(1200)
    page.keyboard.press("Escape")
    assert happened(album, kind="dwell", item=ranked[4], query="a mountain", user="owner").value >= 1.2
    with Collection.open(album / ".diptych") as collection:
        assert [event.kind for event in collection.feedback.events()].count("click") == 1


def test_how_long_a_picture_was_looked_at_is_told_when_the_page_is_left(opened: Any, album: Path) -> None:
    page = opened("?q=a+mountain")
    settled(page)
    page.locator("#grid .tile .look").first.click()
    page.wait_for_selector("#viewer[open]")
    happened(album, kind="click")
    page.goto("about:blank")
    assert happened(album, kind="dwell", query="a mountain").value > 0


def test_what_is_not_meant_gives_way_to_the_next(opened: Any) -> None:
    page = opened("?q=a+village")
    settled(page)
    order = ids(page)
    page.locator("#grid .tile .look").nth(1).click()
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("n")
    until(page, "id => !document.querySelector(`#grid .tile[data-id='${id}']`)", order[1])
    after = ids(page)
    page.keyboard.press("ArrowRight")
    until(page, "id => location.search.includes(id)", after[1])


def test_all_that_is_kept_of_a_person_is_forgotten_after_one_question(opened: Any, album: Path) -> None:
    page = opened("?q=a+boat")
    settled(page)
    before = ids(page)
    page.locator(f".tile[data-id='{before[4]}']").hover()
    page.locator(f".tile[data-id='{before[4]}'] .mark.yes").click()
    settled(page)
    until_standing(page, "a+boat", 1, 0)
    page.click("#menu")
    page.click(".popover .option:has-text('Forget my marks')")
    page.wait_for_selector("#sheet[open]")
    assert standing(page, "a+boat")["yes"] == [before[4]]  # it asks first
    page.click("#sheet button:has-text('Forget them')")
    until_standing(page, "a+boat", 0, 0)
    settled(page)
    until(page, "!document.querySelector('#count').textContent.includes('mark')")
    assert ids(page) == before and page.locator(".mark[aria-pressed=true]").count() == 0
    with Collection.open(album / ".diptych") as collection:
        assert not list(collection.feedback.events("owner"))


def test_what_was_forgotten_does_not_come_back_with_the_history(opened: Any, album: Path) -> None:
    page = opened("?q=a+boat")
    settled(page)
    some = ids(page)[3:5]
    for n, one in enumerate(some, 1):
        page.locator(f".tile[data-id='{one}']").hover()
        page.locator(f".tile[data-id='{one}'] .mark.yes").click()
        settled(page)
        until_standing(page, "a+boat", n, 0)
    page.click("#menu")
    page.click(".popover .option:has-text('Forget my marks')")
    page.click("#sheet button:has-text('Forget them')")
    until_standing(page, "a+boat", 0, 0)
    settled(page)
    for step in ("back", "reload"):
        page.go_back() if step == "back" else page.reload()
        until(page, "history.state.asked.yes.length < 2")
        settled(page)
        assert page.locator(".mark[aria-pressed=true]").count() == 0, step
    page.click("#menu")  # what was done since is on the disk before the answer to this
    with page.expect_response("**/jobs"):
        page.click(".popover .option:has-text('Look for new pictures')")
    with Collection.open(album / ".diptych") as collection:
        assert not list(collection.feedback.events("owner"))


def test_a_menu_holds_what_can_be_chosen_and_no_stray_letters(opened: Any) -> None:
    page = opened("?in=few")  # in which all files could be read
    settled(page)
    page.click("#menu")
    page.locator(".popover .option").first.wait_for()
    assert not page.evaluate(
        "[...document.querySelector('#popover').childNodes[1].childNodes].some((one) => one.nodeType === 3)"
    )


def test_a_browser_signs_in_finds_what_it_asked_for_and_signs_out(opened: Any, album: Path, tmp_path: Path) -> None:
    """No client but a browser says of a form where it comes from."""
    running = Running([album], tmp_path / "home", keys=True)
    running.start()
    with Database(tmp_path / "home") as database:
        key = Keys(database).create("anna").token
    page = opened("?q=a+boat", at=running.address, allowed="401")
    page.fill("input[name=key]", "dpt_wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=not known")
    page.fill("input[name=key]", key)
    page.keyboard.press("Enter")
    settled(page)
    assert page.input_value("#words") == "a boat" and ids(page)
    until(page, "localStorage.asked === '[\"a boat\"]'")
    page.route("**/feedback", lambda route: None)  # which never answers
    page.locator("#grid .tile .look").first.focus()
    page.keyboard.press("y")
    until(page, "sessionStorage.length === 1")
    page.click("#menu")
    page.click(".popover .option:has-text('Sign out')")
    page.wait_for_selector("input[name=key]")
    assert page.context.cookies() == []
    assert page.evaluate("sessionStorage.length") == 0
    assert page.evaluate("localStorage.asked") is None, "whoever is next at this browser learns nothing"
    page.context.close()
    running.stop()


def test_who_may_only_read_is_offered_nothing_else(opened: Any, album: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    running = Running([album, empty], tmp_path / "home", keys=True)
    running.start()
    offered = {}
    for scope in ("read", "write"):
        with Database(tmp_path / "home") as database:
            key = Keys(database).create(scope, scope).token
        page = opened(at=running.address, allowed="401")
        page.fill("input[name=key]", key)
        page.keyboard.press("Enter")
        settled(page)
        page.click("#menu")
        page.locator(".popover .option").first.wait_for()
        menu = page.locator(".popover .option").all_inner_texts()
        page.keyboard.press("Escape")
        page.locator("#grid .tile .look").first.click()
        page.locator("#words-of-it").wait_for()
        words = [
            page.locator("#words-of-it [aria-label='Add a tag']").count(),
            page.locator("#words-of-it textarea:not([readonly])").count(),
            page.locator("#words-of-it [aria-label^='Take the tag']").count(),
        ]
        page.goto(f"{running.address}?in=empty")
        page.locator("#nothing h2").wait_for()
        offered[scope] = menu, any(words), page.locator("#nothing button").all_inner_texts()
        page.goto(f"{running.address}?in=empty&view=duplicates")
        page.locator("#duplicates .count").wait_for()
        page.context.close()
    running.stop()
    (reads, changes, buttons), (writes, *others) = offered["read"], offered["write"]
    more = {"Add pictures …", "Look for new pictures", "Look for duplicates"}
    assert more <= set(writes) and set(writes) - set(reads) == more
    assert (changes, buttons) == (False, []) and others == [True, ["Add pictures …", "Look for new ones"]]


def test_what_was_asked_before_a_reload_is_undone_behind_it(opened: Any) -> None:
    page = opened()
    settled(page)
    assert page.is_disabled("#undo")
    for words in ("a tree", "a boat"):
        page.fill("#written", words)
        page.keyboard.press("Enter")
        until(page, "words => document.title.startsWith(words)", words)
    page.reload()
    settled(page)
    for words in ("a tree", ""):
        page.click("#undo")
        until(page, "words => document.querySelector('#words').value === words", words)
    assert page.is_disabled("#undo")


def test_what_was_learned_is_said_when_it_is(opened: Any) -> None:
    page = opened("?q=a+boat")
    settled(page)
    learn = json.dumps({"kind": "learn"})
    page.route("**/jobs", lambda route: route.continue_(post_data=learn if route.request.method == "POST" else None))
    page.click("#menu")
    page.click(".popover .option:has-text('Look for new pictures')")  # which another program has start the other job
    page.wait_for_selector(".toast:has-text('No better order was learned.')")


def test_nothing_is_told_to_a_server_that_keeps_nothing(opened: Any) -> None:
    page = opened()
    settled(page)

    def keeps_none(route: Any) -> None:
        told = route.fetch().json()
        for one in told["collections"]:
            one["feedback"] = False
        route.fulfill(json=told)

    asked: list[str] = []
    page.route("**/v1/collections", keeps_none)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page.url.partition("?")[0] + "?q=a+boat")
    settled(page)
    before = ids(page)
    page.locator(f".tile[data-id='{before[4]}']").hover()
    page.locator(f".tile[data-id='{before[4]}'] .mark.yes").click()
    settled(page)
    assert "1 mark" in page.inner_text("#count")  # for as long as the page is open
    page.locator("#grid .tile .look").first.click()
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    page.click("#menu")
    page.wait_for_selector(".popover .option")
    assert page.locator(".popover .option:has-text('Forget my marks')").count() == 0
    assert len(asked) > 10 and not [url for url in asked if "/feedback" in url]


def test_of_an_experiment_it_says_one_line_and_names_the_answer_that_was_chosen_of(opened: Any) -> None:
    page = opened()
    settled(page)

    def compares(route: Any) -> None:
        told = route.fetch().json()
        for one in told.get("collections", [told]):
            one |= {"experiment": True} if "collections" in told else {"answer": f"word {one['offset']}"}
        route.fulfill(json=told)

    page.route("**/v1/collections", compares)
    page.route("**/search", compares)
    page.goto(page.url.partition("?")[0] + "?q=a+boat")
    settled(page)
    with page.expect_request("**/feedback") as clicked:
        page.locator("#grid .tile .look").first.click()
    assert clicked.value.post_data_json | {"shown": []} == {
        "query": "a boat",
        "item": ids(page)[0],
        "kind": "click",
        "rank": 1,
        "shown": [],
        "answer": "word 0",
    }
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    page.mouse.wheel(0, 20_000)
    until(page, "document.querySelectorAll('#grid .tile').length > 60")
    with page.expect_request(lambda request: "/feedback" in request.url and "mark" in request.post_data) as marked:
        page.locator("#grid .tile").nth(70).hover()
        page.locator("#grid .tile").nth(70).locator(".mark.yes").click()
    assert marked.value.post_data_json["answer"] == "word 60"  # of the latest page, which knows of those before it
    page.click("#menu")
    page.wait_for_selector(".popover .option")
    assert "An experiment compares two orders here." in page.inner_text(".popover")
    page.goto(page.url.partition("?")[0] + '?q=a+boat+folder+%3D+"by the sea"')
    settled(page)
    with page.expect_request(lambda request: "/feedback" in request.url and "mark" in request.post_data) as marked:
        page.locator("#grid .tile .look").first.focus()
        page.keyboard.press("y")
    found = marked.value.post_data_json
    assert (found["query"], found["mark"], found["answer"]) == ("a boat", "yes", "word 0")


def picture(album: Path) -> bytes:
    return next(iter(sorted((album / "by the sea").glob("*.jpg")))).read_bytes()


def dropped(page: Any, data: bytes, event: str = "drop") -> None:
    page.evaluate(
        """([bytes, event]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "mine.jpg", { type: "image/jpeg" }));
          const about = { bubbles: true, cancelable: true };
          const made = event === "paste"
            ? new ClipboardEvent(event, { ...about, clipboardData: transfer })
            : new DragEvent(event, { ...about, dataTransfer: transfer });
          document.body.dispatchEvent(made);
        }""",
        [list(data), event],
    )


@pytest.mark.parametrize("way", ["drop", "paste", "choose"])
def test_a_picture_is_searched_with(way: str, opened: Any, album: Path) -> None:
    page = opened()
    settled(page)
    if way == "choose":
        page.set_input_files("#picture-file", {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": picture(album)})
    else:
        if way == "drop":
            dropped(page, picture(album), "dragenter")
            assert page.is_visible("#drop")
        dropped(page, picture(album), way)
    page.wait_for_selector(".like-pill img")
    settled(page)
    name = sorted((album / "by the sea").glob("*.jpg"))[0].name
    assert page.locator("#grid .tile .name").first.text_content() == name
    assert page.is_hidden("#drop")
    typed(page, "snow")  # and with words besides
    assert page.locator(".like-pill").count() == 1
    page.click(".like-pill")
    settled(page)
    assert "picture=" not in page.url


def test_more_like_this(opened: Any) -> None:
    page = opened("?q=a+lighthouse")
    settled(page)
    third = ids(page)[2]
    page.locator("#grid .tile .look").nth(2).click()
    page.wait_for_selector("#viewer[open]")
    page.click("#viewer button:has-text('More like this')")
    settled(page)
    assert ids(page)[0] == third and page.locator(".like-pill img").count() == 1
    assert page.input_value("#written") == f"#{third}"
    page.click(".toast button:has-text('a lighthouse')")
    settled(page)
    assert page.input_value("#written") == f"#{third} a lighthouse"


def test_a_pictures_own_page(opened: Any) -> None:
    page = opened("?q=a+lighthouse")
    settled(page)
    page.locator("#grid .tile .look").nth(1).click()
    page.wait_for_selector("#region:not([hidden])")
    second, third = ids(page)[1:3]
    assert f"at={second}" in page.url
    assert re.search("It (fits well|may fit)", page.inner_text("#why")) and page.is_visible("#where")
    facts = page.inner_text("#viewer dl")
    assert "Camera" in facts and "Taken" in facts and "album" in facts
    page.wait_for_selector("#neighbours img")
    page.keyboard.press("ArrowRight")
    until(page, "id => location.search.includes(id)", third)
    page.go_back()
    page.wait_for_selector("#viewer:not([open])", state="attached")
    page.go_forward()
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    assert page.evaluate("document.activeElement.closest('.tile').dataset.id") == third
    assert "at=" not in page.url
    page.goto(page.url + f"&at={second}")
    page.wait_for_selector("#viewer[open]")


def test_words_of_a_picture_are_changed_and_taken_back(opened: Any) -> None:
    page = opened("?q=a+windmill")
    settled(page)
    page.locator("#grid .tile .look").first.click()
    page.wait_for_selector("#viewer[open]")
    page.fill("#words-of-it textarea", "the mill we slept in")
    page.locator("#words-of-it textarea").first.blur()
    page.wait_for_selector(".toast:has-text('Saved')")
    page.fill("[aria-label='Add a tag']", "the mill")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tag:has-text('the mill')")
    item = ids(page)[0]
    kept = called(page, "GET", f"items/{item}")
    assert "the mill we slept in" in kept["captions"] and "the mill" in kept["tags"]
    page.click(".toast button:has-text('Undo')")
    page.wait_for_selector(".tag:has-text('the mill')", state="detached")
    page.keyboard.press("Escape")
    typed(page, "slept")
    assert ids(page)[0] == item  # found by its new words
    page.locator("#grid .tile .look").first.click()
    assert "slept" in page.inner_text("#why")


HOSTILE = "<img src=x onerror=\"document.title='broken in'\"><script>document.title='broken in'</script>"


def test_what_people_wrote_never_runs(opened: Any, album: Path) -> None:
    page = opened()
    settled(page)
    item = ids(page)[0]
    name = "<img src=x onerror=alert(1)>.jpg"
    words = {"captions": [HOSTILE], "tags": [HOSTILE], "metadata": {"<b>shop</b>": HOSTILE}, "merge": True}
    called(page, "PATCH", f"items/{item}", words)
    (album / name).write_bytes(picture(album)[:-2] + b"\0\xff\xd9")
    job = called(page, "POST", "jobs", {})["id"]
    while called(page, "GET", f"jobs/{job}")["state"] != "done":
        page.wait_for_timeout(30)
    page.reload()
    settled(page)
    for about in ("?q=onerror", f"?q=%23{item}", "?q=%22%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%22", f"?at={item}"):
        page.goto(page.url.split("?")[0] + about)
        settled(page)
        if "at=" in about:
            page.wait_for_selector("#viewer .tag")
        else:
            page.click("[data-menu=Tag]")
            page.wait_for_selector(".popover .option")
        assert page.evaluate("document.querySelectorAll('img[src=x], main script, dialog script').length") == 0
        assert "broken in" not in page.title()
    assert HOSTILE in page.inner_text("#viewer")
    (album / name).unlink()
    called(page, "PATCH", f"items/{item}", {"captions": [], "tags": [], "metadata": {}})


def test_files_that_cannot_be_read_are_told(opened: Any, album: Path) -> None:
    page = opened()
    settled(page)
    (album / "<b>broken.jpg").write_bytes(b"no picture")
    page.click("#menu")
    page.click(".popover .option:has-text('Look for new pictures')")
    page.wait_for_selector(".toast:has-text('1 file could not be read')", timeout=30_000)
    (album / "<b>broken.jpg").unlink()
    page.click("#menu")
    page.click(".popover .option:has-text('1 file could not be read')")
    page.wait_for_selector("#sheet[open] li")
    assert "<b>broken.jpg" in page.inner_text("#sheet li") and page.locator("#sheet b").count() == 0


def test_many_pictures_are_added_in_parcels(opened: Any) -> None:
    """All at once they are more than one request may hold; a file that is refused keeps the others from nothing."""
    page = opened(allowed="415")
    settled(page)
    parcels = []

    def taken(route: Any) -> None:
        if route.request.method != "POST":
            return route.fallback()
        parcels.append(route)
        if len(parcels) == 2:
            return route.fulfill(status=415, json={"title": "no", "status": 415, "detail": "not a picture"})
        return route.fulfill(status=201, json={"items": [{}], "refused": []})

    page.route("**/items", taken)
    some = [{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": bytes(6_000_000)} for n in range(4)]
    page.set_input_files("#add-files", some)
    page.wait_for_selector("text=3 pictures added. 1.jpg: not a picture")
    assert len(parcels) == 4


def test_pictures_are_chosen_and_taken_along(opened: Any) -> None:
    page = opened("?q=a+harbour", accept_downloads=True)
    settled(page)
    page.locator("#grid .tile .look").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.inner_text("#selection strong") == "3 chosen"
    with page.expect_download() as saved:
        page.click("#selection button:has-text('Save as ZIP')")
    with zipfile.ZipFile(io.BytesIO(Path(saved.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 3
        assert Image.open(archive.open(archive.namelist()[0])).format == "JPEG"
    with page.expect_download() as listed:
        page.click("#selection button:has-text('List')")
    assert len(Path(listed.value.path()).read_text().splitlines()) == 3
    page.keyboard.press("Escape")
    assert page.is_hidden("#selection")


def test_duplicates_side_by_side(opened: Any) -> None:
    page = opened()
    settled(page)
    page.click("#menu")
    page.click(".popover .option:has-text('Look for duplicates')")
    page.wait_for_selector(".group .twin", timeout=60_000)
    assert "Keep this one" in page.inner_text(".twin.keep")
    page.click("button:has-text('Choose all but the best')")
    assert page.inner_text("#selection strong") == f"{page.locator('.twin:not(.keep)').count()} chosen"
    page.keyboard.press("Escape")
    page.click("button:has-text('Back to searching')")
    page.wait_for_selector("#grid .tile")


def test_another_collection_is_another_world(opened: Any) -> None:
    page = opened("?q=snow")
    settled(page)
    page.select_option("#collection", "few")
    until(page, "document.querySelector('#count').textContent.startsWith('7 ')")
    assert page.input_value("#words") == "" and len(ids(page)) == 7 and "in=few" in page.url
    page.go_back()
    until(page, "document.querySelectorAll('#grid .tile').length > 7")
    settled(page)
    assert page.input_value("#words") == "snow" and page.input_value("#collection") == "album"


def test_pages_go_on_by_scrolling_and_by_a_button(opened: Any) -> None:
    page = opened("?q=a+picture+of+a+place")
    settled(page)
    assert len(ids(page)) == 60
    page.mouse.wheel(0, 20_000)
    until(page, "document.querySelectorAll('#grid .tile').length > 60")
    until(page, "document.querySelector('#more').hidden || document.querySelectorAll('#grid .tile').length >= 120")
    page.mouse.wheel(0, 40_000)
    until(page, "document.querySelector('#more').hidden")
    assert len(set(every_id(page))) == len(every_id(page)) >= 141


def test_from_end_to_end_with_the_keyboard_alone(opened: Any) -> None:
    page = opened()
    settled(page)
    keys = page.keyboard
    until(page, "document.activeElement.id === 'words'")  # ready to type
    keys.type("a farm in autumn")
    until(page, "document.title.startsWith('a farm in autumn')")
    settled(page)
    keys.press("ArrowDown")
    first = ids(page)[0]
    here = "document.activeElement.closest('.tile')?.dataset.id"
    assert page.evaluate(here) == first
    keys.press("ArrowRight")
    assert page.evaluate(here) == ids(page)[1]
    keys.press("ArrowDown")
    top = "id => document.querySelector(`.tile[data-id='${id}']`).getBoundingClientRect().top"
    assert page.evaluate(top, page.evaluate(here)) > page.evaluate(top, first)
    keys.press("ArrowUp")
    keys.press("Home")
    before = ids(page)
    keys.press("n")
    settled(page)
    assert ids(page) != before and page.evaluate(here) is not None  # the focus went along
    keys.press("u")
    settled(page)
    assert ids(page) == before
    keys.press("Enter")
    page.wait_for_selector("#viewer[open]")
    keys.press("y")
    page.wait_for_selector("#viewer .mark.yes[aria-pressed=true]")
    keys.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    keys.press("?")
    page.wait_for_selector("#sheet[open]")
    keys.press("Escape")
    keys.press("/")
    assert page.evaluate("document.activeElement.id") == "words"
    keys.press("Escape")
    settled(page)
    assert page.input_value("#words") == ""
    keys.press("Tab")  # the camera, then the tools, then the chips
    for _ in range(12):
        if page.evaluate("document.activeElement.dataset.menu") == "Tag":
            break
        keys.press("Tab")
    keys.press("Enter")
    page.wait_for_selector(".popover .option")
    keys.press("ArrowDown")
    keys.press("Enter")
    settled(page)
    assert page.locator(".chip.on").count() == 1
    assert page.evaluate("document.activeElement !== document.body")


def test_on_a_phone(opened: Any) -> None:
    page = opened("?q=snow", width=390, height=844, has_touch=True, is_mobile=True, device_scale_factor=2)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    widths = page.eval_on_selector_all("#grid .tile", "tiles => tiles.map(tile => tile.getBoundingClientRect().right)")
    assert max(widths) <= 390
    page.locator("#grid .tile .look").first.tap()
    page.wait_for_selector("#viewer[open]")
    assert page.evaluate("document.querySelector('#viewer').scrollWidth <= innerWidth")
    page.locator("#viewer .mark.yes").tap()
    page.wait_for_selector("#viewer .mark.yes[aria-pressed=true]")
    page.locator("#viewer header .bare").tap()
    small = page.eval_on_selector_all(
        ".top button:not([hidden]), .chip",
        "all => all.filter(one => one.offsetParent && one.getBoundingClientRect().height < 32).length",
    )
    assert small == 0
    sizes = page.eval_on_selector_all("#marked .mark", "all => all.map(one => one.getBoundingClientRect().height)")
    assert len(sizes) == 1 and min(sizes) >= 40


def test_without_the_server_everything_stays_and_it_comes_back(opened: Any) -> None:
    page = opened("?q=snow", allowed="ERR_")
    settled(page)
    shown = ids(page)
    page.context.set_offline(True)
    page.fill("#words", "rain")
    page.wait_for_selector("#problem.offline:not([hidden])")
    assert ids(page) == shown
    page.wait_for_function("document.querySelector('#verdict').textContent === 'Still from the question before'")
    page.context.set_offline(False)
    page.wait_for_selector("#problem", state="hidden")
    settled(page)
    assert page.input_value("#words") == "rain" and ids(page) != shown


def test_a_server_that_was_stopped_is_waited_for(opened: Any, server: Any) -> None:
    page = opened("?q=snow", allowed="ERR_")
    settled(page)
    server.stop()
    page.fill("#words", "fog")
    page.wait_for_selector("#problem.offline:not([hidden])")
    server.start()
    page.wait_for_selector("#problem", state="hidden", timeout=20_000)
    settled(page)
    assert page.inner_text("#verdict")


def test_nothing_moves_for_who_wants_it_calm(opened: Any) -> None:
    page = opened("?q=snow", reduced_motion="reduce")
    settled(page)
    longest = page.eval_on_selector_all(
        "*", "all => Math.max(...all.map(one => parseFloat(getComputedStyle(one).transitionDuration)))"
    )
    assert longest < 0.001


@pytest.mark.parametrize(("light", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious_on_any_page(light: str, width: int, opened: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened("?q=snow", width=width, color_scheme=light, reduced_motion="reduce")
    address = page.url.split("?")[0]

    def serious(what: str) -> list[str]:
        found = axe.run(page).response["violations"]
        return [
            f"{what}: {one['id']}: {one['nodes'][0]['html'][:150]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    settled(page)
    page.wait_for_selector("#timeline .month")
    faults = serious("answer")
    page.click("[data-menu=Time]")
    page.wait_for_selector(".popover .option")
    faults += serious("menu")
    page.keyboard.press("Escape")
    page.locator("#grid .tile .look").first.click()
    page.wait_for_selector("#region:not([hidden])")
    page.wait_for_selector("#neighbours img")
    faults += serious("picture")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.keyboard.press("?")
    faults += serious("keys")
    for about in (
        "?q=quarterly+tax+invoice+tag%3Asnow",
        "?q=dog+year+%3D+1999",
        "?view=duplicates",
        "reports",
        "reports/compare?of=cca&of=pls",
    ):
        page.goto(address + about)
        page.wait_for_load_state("networkidle")
        faults += serious(about)
    assert not faults


STATES = {
    "answer": ("?q=a+lighthouse+by+the+sea", {}),
    "narrowed": ('?q=balloons+NOT+"snow"+taken+>%3D+2022-06-01+camera+%3D+"X100V"', {"color_scheme": "dark"}),
    "marked": ("?q=something+on+the+water", {}),
    "picture": ("?q=a+windmill", {}),
    "none": ("?q=quarterly+tax+invoice+tag%3Afog", {}),
    "duplicates": ("?view=duplicates", {}),
    "phone": (
        "?q=sunset",
        {"width": 390, "height": 844, "device_scale_factor": 2, "is_mobile": True, "has_touch": True},
    ),
}


SOMEWHERE = """() => {
  const path = [...document.querySelectorAll("#viewer dd")].at(-1);
  path.textContent = "/home/ann/Pictures/" + path.textContent.split("/").at(-1);
}"""
"""The path of a temporary folder says nothing to who reads the documentation."""

ALL_HERE = """[...document.querySelectorAll("main img, dialog[open] img")].every((img) => {
  const { top, bottom } = img.getBoundingClientRect();
  return bottom < 0 || top > innerHeight || (img.complete && img.naturalWidth > 0);
})"""


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_drawn(name: str, opened: Any, tmp_path: Path) -> None:
    """With DIPTYCH_SCREENSHOTS=docs/images it makes the pictures of the documentation."""
    folder = Path(os.environ.get("DIPTYCH_SCREENSHOTS") or tmp_path)
    about, how = STATES[name]
    page = opened(about, reduced_motion="reduce", **how)
    page.wait_for_selector("#grid .tile img.here, .twin img", state="attached")
    if name == "picture":
        page.locator("#grid .tile .look").first.click()
        page.wait_for_selector("#region:not([hidden])")
        page.wait_for_selector("#neighbours img")
        page.evaluate(SOMEWHERE)
    if name == "marked":
        first = ids(page)
        marks_made(page, "yes", first[0], first[3])
        marks_made(page, "no", first[1])
    if name == "duplicates":
        page.wait_for_selector("#duplicates button:has-text('Look again')")
    page.wait_for_load_state("networkidle")
    page.wait_for_selector(".toast", state="detached")
    until(page, ALL_HERE)
    page.wait_for_timeout(300)  # pictures that came last are still fading in
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    assert len(shot.getcolors(1 << 24) or ()) > 1_000  # pictures are on it
    file = folder / f"page-{name}.webp"
    shot.save(file, quality=80, method=6)
    assert file.stat().st_size < 150_000
