"""What is learned from clicks: sessions and votes as a person would count them; an order, on when it is better."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collection_world import Palette
from PIL import Image

from diptych.collection import Collection, Damaged, Entry, Event, Learned, Marks
from diptych.collection.feedback import learning, reranker
from diptych.collection.feedback.preferences import DOUBT, Preferences
from diptych.collection.feedback.sessions import PAUSE, Session, sessions
from diptych.kinds import BadInput

BENCH = Path(__file__).parents[3] / "bench"


# ------------------------------------------------------------------------------------------------------------ sessions


def event(kind: str, item: int, at: float = 0.0, user: str = "anna", query: str = "sea", **facts: Any) -> Event:
    return Event(user, query, item, kind, at=at, **facts)  # type: ignore[arg-type]


def of(*events: Event) -> list[tuple[set[int], set[int]]]:
    return [(set(session.liked), set(session.passed)) for session in sessions(events)]


def test_a_click_passes_over_what_stood_above_it():
    page = (4, 7, 9, 2, 5)
    assert of(event("click", 9, shown=page)) == [({9}, {4, 7})]
    assert of(event("click", 9, shown=page), event("click", 4, 1, shown=page)) == [({9, 4}, {7})]
    assert of(event("click", 9, shown=(4, 7))) == [({9}, {4, 7})], "what stood above, without itself"
    assert of(event("click", 4, shown=page)) == [], "nothing was passed over"


def test_a_short_look_is_none_and_a_long_one_is_as_good_as_a_click():
    page = (4, 7, 9)
    assert of(event("click", 9, shown=page), event("dwell", 9, 1, value=1.5)) == []
    assert of(event("click", 9, shown=page), event("dwell", 9, 1, value=2), event("dwell", 9, 9, value=2))
    assert of(event("dwell", 9, value=8.0, shown=page)) == [({9}, {4, 7})]


def test_marks_say_more_than_clicks():
    assert of(event("yes", 1), event("no", 2, 1)) == [({1}, {2})]
    assert of(event("yes", 3, shown=(1, 2, 3)), event("no", 9, 1)) == [({3}, {1, 2, 9})]
    assert of(event("click", 3, shown=(1, 2, 3)), event("no", 3, 1)) == []
    assert of(event("no", 3), event("unmarked", 3, 1), event("yes", 4, 2)) == []


def test_a_pause_or_another_person_or_query_begins_another_session():
    page = (1, 2)
    one = event("click", 2, shown=page)
    assert len(of(one, event("click", 2, PAUSE, shown=page))) == 1
    assert len(of(one, event("click", 2, PAUSE + 1, shown=page))) == 2
    assert len(of(one, event("click", 2, user="bob", shown=page), event("click", 2, query="Sea", shown=page))) == 3
    times = [session.at for session in sessions([event("click", 2, 9e9, shown=page), one])]
    assert times == [0.0, 9e9]


# --------------------------------------------------------------------------------------------------------------- votes


def session(user: str, query: str, liked: set[int], passed: set[int]) -> Session:
    return Session(user, query, 0.0, frozenset(liked), frozenset(passed))


def test_a_person_has_one_vote_however_often_they_click():
    known = Preferences()
    for _ in range(100):
        known.add(session("bot", "red sea", {1}, {2}))
    known.add(session("anna", "red sea", {2}, {1}))
    known.add(session("bob", "red sea", {2}, {1}))
    assert known.of("red sea", [1, 2, 3], None)[:, 0] == pytest.approx([-1 / (3 + DOUBT), 1 / (3 + DOUBT), 0])
    assert known.of("red sea", [1, 2], "bob")[:, 0] == pytest.approx([0, 0])
    known.add(session("bot", "red sea", {2}, {1}))  # the last word counts
    assert known.of("red sea", [1], None)[0, 0] == pytest.approx(-3 / (3 + DOUBT))


def test_sums_that_are_kept_are_those_of_all_votes_but_ones_own():
    rng = np.random.default_rng(6)
    known, latest = Preferences(), {}
    words = ["red boat", "blue boat", "red dog", "tree"]
    for number in range(300):
        user, query = f"p{rng.integers(5)}", words[rng.integers(len(words))]
        items = rng.permutation(8)[:4].tolist()
        known.add(Session(user, query, float(number), frozenset(items[:2]), frozenset(items[2:])))
        latest |= {(query, item, user): 1 if item in items[:2] else -1 for item in items}
    for query in words:
        for without in ("p1", "nobody", None):
            for item, told in zip(range(9), known.of(query, range(9), without), strict=True):
                own = [vote for (q, i, u), vote in latest.items() if q == query and i == item and u != without]
                likes: dict[str, int] = {}
                for (_, i, u), vote in latest.items():
                    if i == item and u != without:
                        likes[u] = likes.get(u, 0) + vote
                assert told[0] == pytest.approx(sum(own) / (len(own) + DOUBT))
                assert told[2] == pytest.approx(sum(np.sign(list(likes.values()))) / (len(likes) + DOUBT))


def test_queries_that_share_words_count_by_what_they_share():
    known = Preferences()
    known.add(session("anna", "a red boat", {1}, {2}))
    known.add(session("bob", "green hills", {3}, {1}))
    rows = known.of("red boat sea", [1, 2, 3], None)
    alike = 2 / 3
    assert rows[:, 0].tolist() == [0, 0, 0]
    assert rows[:, 1] == pytest.approx([alike / (alike + DOUBT), -alike / (alike + DOUBT), 0])
    assert rows[:, 2] == pytest.approx([0, -1 / (1 + DOUBT), 1 / (1 + DOUBT)])


# ----------------------------------------------------------------------------------------------------------- reranking


def test_without_a_lesson_the_order_stays():
    rows = np.column_stack([-np.log2(1 + np.arange(9.0)), np.random.default_rng(0).normal(size=(9, 6))])
    assert reranker.order(rows, reranker.fit([], [])).tolist() == list(range(9))
    noise = [np.random.default_rng(n).normal(size=(4, 7)) * [0, 1, 1, 1, 1, 1, 1] for n in range(2000)]
    assert np.abs(reranker.fit(noise, [1.0] * 2000)[1:]).max() < 0.1


def test_the_weights_are_the_least_of_their_loss():
    from scipy.optimize import minimize

    rng = np.random.default_rng(2)
    pairs = [rng.normal(size=(3, 7)) + np.array([-1, 0, 0, 1, 0.5, 0, 0]) for _ in range(50)]
    shares = rng.uniform(0.5, 2, 50).tolist()

    def loss(w: np.ndarray) -> float:
        own = [share * np.logaddexp(0, -some @ w).mean() for some, share in zip(pairs, shares, strict=True)]
        return sum(own) + reranker.RIDGE / 2 * np.square(w - reranker.plain()).sum()

    wanted = minimize(loss, np.zeros(7), tol=1e-12).x
    found = reranker.fit(pairs, shares)
    assert found[1:] == pytest.approx(wanted[1:], abs=1e-3) and found[0] == 1 and wanted[0] < 0


# ------------------------------------------------------------------------------------------------------------ learning


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import feedback

        yield feedback


@pytest.mark.parametrize(("name", "learns"), [("careful", True), ("pure noise", False), ("with an adversary", True)])
def test_an_order_is_learned_where_clicks_say_something_and_else_nothing_changes(bench, tmp_path, name, learns):
    crowd = replace(bench.CROWDS[name], sessions=500)
    told = bench.taught(tmp_path / "c", crowd, 1, partial(bench.made_up, items=200, queries=12))
    assert told["on"] == learns
    assert told["held out after"] >= told["held out before"] and told["right after"] >= told["right before"]
    assert (told["right after"] > told["right before"] + 0.1) == learns


def test_what_is_right_may_be_known_beforehand_and_lie_beyond_what_is_seen(bench, tmp_path):
    """As of the pictures of the bench, of which the oracle and the captions tell what fits."""

    def world(rng: np.random.Generator) -> Any:
        made = bench.made_up(rng, items=200, queries=12)
        near = np.argsort(-made.encoder.encode_texts(made.asked) @ made.rows.T, axis=1)
        return replace(made, right=[[*some[2:14:2], *some[90:95]] for some in near.tolist()])

    told = bench.taught(tmp_path / "c", replace(bench.CROWDS["careful"], sessions=500), 1, world)
    assert told["on"] and told["right after"] > told["right before"] + 0.1


@pytest.fixture
def taught(tmp_path: Path) -> Iterator[Collection]:
    """Forty people, of whom each likes the sixth answer and passes over those above."""
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        means = np.random.default_rng(3).uniform(0, 255, (80, 3)).astype(np.float32)
        collection.put(Entry(f"item {n}", row) for n, row in enumerate(Palette()._rows(means)))
        clock = count()
        with collection._store.transaction(heard=False):
            for person in range(40):
                for query in ("red", "green", "blue", "red and blue", "yellow", "black"):
                    page = [hit.id for hit in collection.search(query, k=10).results]
                    shown = {"rank": 6, "shown": page, "at": 1e4 * next(clock)}
                    collection.feedback.record(f"person {person}", query, page[5], "click", **shown)
        yield collection


def first(collection: Collection, **options: Any) -> list[int]:
    return [hit.id for hit in collection.search("red", **options).results]


def test_what_is_learned_orders_the_first_hundred_and_says_so(taught):
    before = taught.search("red", k=80)
    found = taught.feedback.learn()
    assert found.on and found.low > 0 and found.after > found.before and found.held_out > 40
    assert taught.feedback.learned() == found and set(found.weights) == set(reranker.FACTS)
    assert str(found).startswith("on: nDCG@10 of")
    after = taught.search("red", k=80)
    assert after.ranked_by == "query, re-ranked by what was learned" and after.total == before.total
    ids = [hit.id for hit in after.results]
    assert ids[0] == before.results[5].id and sorted(ids) == sorted(hit.id for hit in before.results)
    assert {hit.id: (hit.score, hit.verdict) for hit in after.results} == {
        hit.id: (hit.score, hit.verdict) for hit in before.results
    }
    pages = [hit.id for n in range(0, 80, 7) for hit in taught.search("red", k=7, offset=n).results]
    assert pages == ids
    marked = taught.search("red", marks=Marks(no=[ids[0]]))
    assert ids[0] not in [hit.id for hit in marked.results]
    assert marked.ranked_by == "marks (ridge), re-ranked by what was learned"
    assert taught.search("red", diverse=0.5).ranked_by == "query"
    assert taught.verify() == []
    with Collection.open(taught.folder, Palette()) as reader:
        assert first(reader, k=80) == ids


def test_what_is_learned_is_off_when_it_is_looked_at_again_and_is_no_better(taught):
    plain = first(taught)
    assert taught.feedback.learn().on
    last = max(event.at for event in taught.feedback.events())
    with taught._store.transaction(heard=False):
        for number in range(240):  # from now on everybody likes the first
            query = ("red", "green", "blue", "red and blue", "yellow", "black")[number % 6]
            found = taught._search.candidates(taught._as_written(query)).ids[:10].tolist()
            taught.feedback.record(f"late {number % 50}", query, found[0], "yes", at=last + 1e4 * number + 1)
            taught.feedback.record(f"late {number % 50}", query, found[5], "no", at=last + 1e4 * number + 2)
    again = taught.feedback.learn()
    assert not again.on and again.after <= again.before and str(again).startswith("off: nDCG")
    assert first(taught) == plain and taught.search("red").ranked_by == "query"


def test_too_little_is_nothing(taught):
    assert taught.feedback.learned() is None
    found = taught.feedback.learn("person 3")
    assert not found.on and found.before is None and "too few to tell" in str(found)
    assert first(taught, user="person 3") == first(taught)
    assert not taught.feedback.learn("nobody").on


def test_to_forget_a_person_forgets_what_was_learned_from_them(taught):
    plain = first(taught)
    assert taught.feedback.learn().on and first(taught) != plain
    taught.feedback.learn("person 3")
    assert taught.feedback.forget("nobody") == 0 and taught.feedback.learned() is not None
    assert taught.feedback.forget("person 3") == 6
    assert taught.feedback.learned() is None and taught.feedback.learned("person 3") is None
    assert first(taught) == plain


def test_what_is_learned_of_one_encoder_is_none_of_another(taught, tmp_path):
    taught.feedback.learn()
    facts = taught._store.rows("SELECT user, facts, crc FROM learned")
    assert len(facts) == 1
    with sqlite3.connect(taught.folder / "diptych.db") as connection:
        connection.execute("UPDATE learned SET facts = replace(facts, '\"on\": true', '\"on\": false')")
    connection.close()
    with pytest.raises(Damaged, match="what was learned from feedback: checksum differs"):
        taught.search("red")
    assert any("what was learned" in line for line in taught.verify())


def test_a_person_may_want_words_to_weigh_more(tmp_path):
    """Of whom everything they like is found by a word, and nothing by its vector."""
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        rng = np.random.default_rng(0)
        rows = Palette()._rows(rng.uniform(0, 255, (200, 3)).astype(np.float32))
        collection.put(Entry(f"item {n}", row, [f"red thing{n % 60}"] if n < 120 else []) for n, row in enumerate(rows))
        for number in range(60):
            query = f"red thing{number}"
            page = [hit.id for hit in collection.search(query, k=100, keywords=0.0).results]
            said = collection.ids(f"item {number}")[0]
            with collection._store.transaction(heard=False):
                collection.feedback.record("anna", query, said, "click", 1.0, None, page, at=1e4 * number)
        found = collection.feedback.learn("anna")
        assert found.on
        query = "red thing7"
        asked = collection.search(query, user="anna")
        said = set(collection.ids("item 7") + collection.ids("item 67"))
        assert {hit.id for hit in asked.results[:2]} == said
        assert collection.search(query, user="bob").ranked_by == "query"


def test_the_weight_of_keywords_alone_is_learned_where_that_is_all(monkeypatch, taught):
    """Where a re-ranker is no better, and the weight is."""
    learned = Learned("anna", True, 9, 9, 0.1, 0.2, 0.05, 0.15, keywords=1.0)
    with taught._store.transaction(heard=False):
        learning.keep(taught._store, learned)
    seen: list[float] = []
    answer = taught._search.answer
    monkeypatch.setattr(
        taught._search, "answer", lambda query, params: seen.append(params.keywords) or answer(query, params)
    )
    for options in ({}, {"user": "anna"}, {"user": "anna", "keywords": 0.3}, {"user": "bob"}):
        assert taught.search("red", **options).ranked_by == "query"
    assert seen == [0.5, 1.0, 0.3, 0.5]


def test_what_was_asked_opens_no_file_when_it_is_learned_from(taught, tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "red.png")
    assert taught.search(f"{tmp_path}/red.png + blue").results
    assert taught._first(f"{tmp_path}/red.png + blue") is None
    assert (
        taught._first("blue") is not None and taught._first("tag:sea") is None and taught._first("blue AND (") is None
    )


def test_a_search_with_a_user_that_is_none_is_refused(taught):
    for wrong in ("", 7, "u" * 201):
        with pytest.raises(BadInput, match=r"^user: "):
            taught.feedback.learn(wrong)
