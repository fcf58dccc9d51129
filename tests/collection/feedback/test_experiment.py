"""Whose answers were chosen: counted once a person and query, and gone with the person, the item and the experiment."""

from __future__ import annotations

import sqlite3

import pytest
from collection_world import ids_of_four as ids
from scipy import stats

from diptych.collection import Collection
from diptych.kinds import BadInput


@pytest.fixture
def collection(collection: Collection) -> Collection:
    """The one of all tests here, while an experiment runs."""
    collection.experiment.begin("keywords=0.2")
    return collection


def numbers(collection: Collection) -> tuple[int, int, int]:
    found = collection.experiment.result()
    return found.wins, found.losses, found.ties


def test_a_query_of_a_person_counts_once_for_whom_they_chose_more_of(collection):
    red, green, blue, yellow = ids(collection)
    choose = collection.experiment.record
    choose("second", "anna", "a", red, "click")
    choose("second", "anna", "a", red, "click")
    choose("second", "anna", "a", red, "yes")
    choose("first", "anna", "a", green, "click")
    assert numbers(collection) == (0, 0, 1)  # one answer each
    choose("first", "anna", "a", blue, "yes")
    assert numbers(collection) == (0, 1, 0)
    choose("second", "bob", "a", red, "click")
    choose("second", "anna", "b", red, "yes")
    assert numbers(collection) == (2, 1, 0)
    choose("second", "anna", "c", yellow, "no")
    choose("second", "anna", "c", yellow, "dwell")
    collection.feedback.record("anna", "d", yellow, "click")  # nobody's pick
    assert numbers(collection) == (2, 1, 0)
    collection.feedback.record("anna", "b", red, "unmarked")
    assert numbers(collection) == (1, 1, 0)


def test_what_narrows_a_query_makes_no_other_query_of_it(collection):
    red, green, *_ = ids(collection)
    choose = collection.experiment.record
    choose("second", "anna", 'red card year = 2024 NOT "blue"', red, "click")
    choose("second", "anna", "red card", red, "yes")  # marks are kept under the words
    assert numbers(collection) == (1, 0, 0)
    choose("first", "anna", '"red card" tag = "x"', green, "click")
    assert numbers(collection) == (0, 0, 1)
    choose("first", "anna", "year = 2024", green, "click")  # which asks for nothing but what it lets pass
    choose("first", "anna", "year = 2023", green, "click")
    choose("first", "anna", "red (", green, "click")  # which cannot be read
    assert numbers(collection) == (0, 3, 1)


def test_the_numbers_are_those_of_the_sign_test(collection):
    red, *_ = ids(collection)
    for number in range(20):
        collection.experiment.record("second" if number < 15 else "first", "anna", f"q{number}", red, "click")
    found, exact = collection.experiment.result(), stats.binomtest(15, 20)
    interval = exact.proportion_ci(method="exact")
    assert (found.wins, found.losses) == (15, 5)
    assert (found.p, found.preference) == (pytest.approx(exact.pvalue), 0.75)
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def credits(collection: Collection) -> int:
    with sqlite3.connect(collection.folder / "diptych.db") as connection:
        return int(connection.execute("SELECT count(*) FROM credits").fetchone()[0])


def test_what_speaks_for_an_order_goes_with_the_person_and_with_the_item(collection):
    red, green, *_ = ids(collection)
    for user in ("anna", "bob"):
        for item in (red, green):
            collection.experiment.record("second", user, "a", item, "click")
    assert credits(collection) == 4
    collection.feedback.forget("anna")
    assert credits(collection) == 2 and numbers(collection) == (1, 0, 0)
    collection.erase([green])
    assert credits(collection) == 1
    collection.erase([red])
    assert credits(collection) == 0 and numbers(collection) == (0, 0, 0) and collection.verify() == []


def test_one_at_a_time_which_may_go_on_and_ends_with_its_result(collection):
    began = collection.experiment.running
    assert collection.experiment.begin("keywords=0.2") == began
    with pytest.raises(BadInput, match=r"an experiment with keywords=0\.2 runs; end it first"):
        collection.experiment.begin("diverse=0.3")
    red, *_ = ids(collection)
    collection.experiment.record("second", "anna", "a", red, "click")
    assert collection.experiment.end().wins == 1
    assert collection.experiment.running is None and credits(collection) == 0
    assert [event.kind for event in collection.feedback.events()] == ["click"]  # what was done is kept
    collection.experiment.record("second", "anna", "b", red, "click")  # an answer of before
    assert credits(collection) == 0
    assert collection.experiment.begin("diverse=0.3").what == "diverse=0.3"


def test_damage_is_seen(collection):
    red, *_ = ids(collection)
    collection.experiment.record("second", "anna", "a", red, "click")
    collection.close()
    with sqlite3.connect(collection.folder / "diptych.db") as connection:
        connection.execute("UPDATE credits SET team = 'first'")
    with Collection.open(collection.folder) as found:
        assert any("credits" in problem for problem in found.verify())
