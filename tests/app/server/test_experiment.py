"""Two orders shown as one, through the routes: simulated people choose, and what they choose is found out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from served_world import CARDS, Served

from diptych.app.server.experiment import Against, read
from diptych.app.server.library import Served as OneServed
from diptych.collection import Answer, Collection, Comparison
from diptych.collection.feedback import experiment

pytestmark = pytest.mark.xdist_group("server")

C = "/v1/collections/cards"


class Shuffled:
    """A collection of the same pictures whose order has nothing to do with the query."""

    def __init__(self, of: OneServed) -> None:
        self._of = of

    @contextmanager
    def reader(self) -> Iterator[Any]:
        with self._of.reader() as reader:
            yield _Drawn(reader)


class _Drawn:
    def __init__(self, reader: Collection) -> None:
        self._reader = reader

    def search(self, query: Any, k: int, offset: int, **named: Any) -> Answer:
        answer: Answer = self._reader.search(query, CARDS, **named)
        hits = sorted(answer.results, key=lambda hit: hit.id)
        random.Random(str(answer.query)).shuffle(hits)
        return replace(answer, results=tuple(hits[offset : offset + k]))


@pytest.fixture
def cards_served(server: Served) -> OneServed:
    found = server.library.get("", "cards")
    assert found is not None
    return found


@pytest.fixture
def compared(cards_served: OneServed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`compared(Against(...))` has the answers interleaved until the end of the test, when all of it is forgotten."""
    monkeypatch.setattr(experiment.time, "time", lambda: 1_700_000_000.0)  # of which the coins are drawn

    def begin(against: Against) -> None:
        cards_served.write(lambda writer: writer.experiment.begin(against.what))
        cards_served.against = against

    yield begin
    cards_served.against = None
    cards_served.write(lambda writer: writer.experiment.end())
    for user in ("reader", "writer", "owner"):
        cards_served.write(lambda writer, user=user: writer.feedback.forget(user))


def key(who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {who}"}


def ask(server: Served, query: str, who: str = "read", **more: Any) -> dict[str, Any]:
    answer = httpx2.post(
        f"{server.url}{C}/search", headers=key(who), json={"query": query, "k": 10, **more}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def choose(server: Served, query: str, item: str, word: str, who: str = "read", **more: Any) -> None:
    body = {"query": query, "item": item, "answer": word, **(more or {"kind": "click"})}
    httpx2.post(f"{server.url}{C}/feedback", headers=key(who), json=body, timeout=60).raise_for_status()


def result(found: OneServed) -> Comparison:
    with found.reader() as reader:
        return reader.experiment.result()


def looked_for(server: Served, http: httpx2.Client, found: OneServed, seed: int, queries: int) -> Comparison:
    """Somebody looks for one card after the other by a caption of it, and opens it if it is among the first ten.

    They read from the top and may stop at each answer; now and then they open one that is not what they look for.
    """
    person = random.Random(seed)
    items = http.get(f"{C}/items", params={"where": "has(number)", "limit": CARDS}).json()["items"]
    wishes = sorted((item["captions"][number], item["id"]) for item in items for number in range(3))
    for query, wanted in person.sample(wishes, queries):
        answer = ask(server, f'"{query}"')
        for hit in answer["results"]:
            if hit["id"] == wanted or person.random() < 0.03:
                choose(server, f'"{query}"', hit["id"], answer["answer"])
            if person.random() < 0.1:
                break
    return result(found)


def test_people_choose_an_order_before_one_that_is_drawn(server, http, cards_served, compared):
    compared(Against("shuffled", other=Shuffled(cards_served)))  # type: ignore[arg-type]
    found = looked_for(server, http, cards_served, seed=1, queries=60)
    assert found.losses > 2 * found.wins and found.p < 0.05 and found.high < 0.5


def test_an_order_against_itself_decides_nothing(server, http, cards_served, compared):
    compared(Against("keywords=0.5", second={"keywords": 0.5}))
    found = looked_for(server, http, cards_served, seed=1, queries=60)
    assert found.wins + found.losses > 20 and found.p > 0.05 and found.low < 0.5 < found.high


def test_pages_and_reloads_agree_and_leave_nothing_out(server, cards_served, compared):
    plain = [hit["id"] for hit in ask(server, "a boat", k=CARDS)["results"]]
    compared(Against("shuffled", other=Shuffled(cards_served)))  # type: ignore[arg-type]
    whole = [hit["id"] for hit in ask(server, "a boat", k=CARDS)["results"]]
    parts = [hit["id"] for offset in range(0, CARDS, 7) for hit in ask(server, "a boat", k=7, offset=offset)["results"]]
    assert parts == whole != plain and set(whole) == set(plain)
    assert [hit["id"] for hit in ask(server, "a boat", k=CARDS)["results"]] == whole
    people = {who: [hit["id"] for hit in ask(server, "a boat", who, k=CARDS)["results"]] for who in ("write", "admin")}
    assert people["write"] != people["admin"]  # everybody has coins of their own
    seen = ask(server, "a boat", k=1, offset=3, regions=True)["results"][0]
    assert seen["id"] == whole[3] and seen["region"] is not None


def test_only_who_was_given_an_answer_speaks_for_one_of_its_orders(server, cards_served, compared, cards):
    compared(Against("shuffled", other=Shuffled(cards_served)))  # type: ignore[arg-type]
    answer = ask(server, "a boat")
    item, word = answer["results"][0]["id"], answer["answer"]
    for who, query, of in (
        ("write", "a boat", word),
        ("read", "a dog", word),
        ("read", "a boat", "made up"),
        ("read", "a boat", ""),
    ):
        choose(server, query, item, of, who)
    choose(server, "a boat", item, word, mark="no")
    found = result(cards_served)
    assert (found.wins, found.losses, found.ties) == (0, 0, 0)
    choose(server, "a boat", item, word, mark="yes")
    assert result(cards_served).wins + result(cards_served).losses == 1
    marked = ask(server, "a boat", marks={"yes": [item]})
    assert marked["answer"] == "" and marked["ranked_by"].startswith("marks")  # the first alone answers
    httpx2.delete(f"{server.url}{C}/feedback", headers=key("read")).raise_for_status()
    assert result(cards_served).wins + result(cards_served).losses == 0


def test_a_mark_counts_whatever_narrows_what_was_asked(server, cards_served, compared):
    """Marks are kept under the words, and what was opened under the whole question: one choice, counted once."""
    compared(Against("keywords=0", second={"keywords": 0.0}))
    whole = 'a boat number < 30 NOT "a dog"'
    answer = ask(server, whole)
    item, word = answer["results"][0]["id"], answer["answer"]
    choose(server, "a dog", item, word, mark="yes")  # of another question
    assert result(cards_served).wins + result(cards_served).losses == 0
    choose(server, "a boat", item, word, mark="yes")
    choose(server, whole, item, word)
    assert result(cards_served).wins + result(cards_served).losses == 1


def test_each_order_is_asked_for_once_however_far_down_the_page_is(server, cards_served, compared, monkeypatch):
    compared(Against("keywords=0", second={"keywords": 0.0}))
    whole, pages, search = ask(server, "a boat", k=CARDS)["results"], [], Collection.search

    def seen(self: Collection, asked: Any, k: int, offset: int, **named: Any) -> Answer:
        pages.append((k, offset, named["keywords"]))
        return search(self, asked, k, offset, **named)

    monkeypatch.setattr(Collection, "search", seen)
    assert ask(server, "a boat", k=4, offset=30)["results"] == whole[30:34]
    assert pages == [(34, 0, None), (34, 0, 0.0)]


def test_pages_agree_where_the_other_collection_has_what_this_one_has_not(
    server, cards_served, compared, cards, tmp_path
):
    """However much of what the other finds is unknown here, as many of its answers have a say in each page."""
    with Collection.open(tmp_path / "other", "mini", write=True) as other:
        other.add(server.pictures[0].parent, server.album, workers=1)
    compared(read(str(tmp_path / "other"), server.library))
    with cards_served.reader() as reader:
        words = f'"{reader.get(cards_served.opaque.find(cards[0])).captions[0]}"'  # of a card that both have, one twice
    whole = [hit["id"] for hit in ask(server, words, k=CARDS)["results"]]
    parts = [hit["id"] for offset in range(CARDS) for hit in ask(server, words, k=1, offset=offset)["results"]]
    assert parts == whole


def test_it_is_told_that_answers_are_of_two_orders_and_nothing_of_which(server, http, cards_served, compared):
    assert http.get(C).json()["experiment"] is False and ask(server, "a boat")["answer"] == ""
    compared(Against("shuffled", other=Shuffled(cards_served)))  # type: ignore[arg-type]
    assert http.get(C).json()["experiment"] is True and len(ask(server, "a boat")["answer"]) == 16
    assert "shuffled" not in http.get(C).text + str(ask(server, "a boat"))
    mixed = [hit["id"] for hit in ask(server, "a boat", k=CARDS)["results"]]
    cards_served.write(lambda writer: writer.experiment.end())  # as the command line does, while the server runs
    plain = ask(server, "a boat", k=CARDS)
    assert plain["answer"] == "" and [hit["id"] for hit in plain["results"]] != mixed
    assert http.get(C).json()["experiment"] is False


def test_another_collection_of_the_same_pictures_answers_for_the_second(server, cards_served, compared, tmp_path):
    """Of queries that it can know as much about; what it alone has is not shown."""
    with Collection.open(tmp_path / "other", "mini", write=True) as other:
        other.add(server.pictures[0].parent, server.album, workers=1)
    against = read(str(tmp_path / "other"), server.library)
    compared(against)
    answer = ask(server, "a boat", k=CARDS)
    with cards_served.reader() as reader:
        known = set(cards_served.opaque.hide(reader.ids()))
    shown = [hit["id"] for hit in answer["results"]]
    assert answer["answer"] and len(shown) == CARDS == len(set(shown)) and set(shown) == known
    assert all(len(hit["captions"]) == 5 for hit in answer["results"])  # as this collection knows them
    for filtered in ({"where": "number < 5"}, {"query": "a boat number < 5"}, {"query": f"#{shown[0]} a boat"}):
        assert ask(server, **{"query": "a boat", **filtered})["answer"] == ""


def test_settings_are_read_from_the_command_line(server):
    assert read("keywords=0.2", server.library).second == {"keywords": 0.2}
    assert read("diverse=0.3", server.library).second == {"diverse": 0.3}
    assert (
        read("reranker=off", server.library).second == read("reranker=on", server.library).first == {"learned": False}
    )
