"""Old items against new files, by content alone."""

import itertools

from diptych.collection.matching import Lost, moves


def test_every_permutation_is_followed():
    names = ["a", "b", "c", "d"]
    items = {id: Lost(name, f"content of {name}", 10) for id, name in enumerate(names)}
    for order in itertools.permutations(names):
        files = {name: f"content of {old}" for name, old in zip(names, order, strict=True)}
        assert moves(items, files) == {id: names[order.index(name)] for id, name in enumerate(names)}


def test_of_several_with_one_content_the_own_path_comes_first_then_the_name_then_the_folder():
    items = {1: Lost("x/a", "D", 10), 2: Lost("y/b", "D", 10), 3: Lost("z/c", "D", 10)}
    assert moves(items, {"x/a": "D", "y/b": "D", "z/c": "D"}) == {1: "x/a", 2: "y/b", 3: "z/c"}
    assert moves(items, {"new/b": "D", "x/new": "D"}) == {1: "x/new", 2: "new/b"}
    assert moves(items, {"somewhere": "D"}) == {1: "somewhere"}
    assert moves(items, {}) == {}


def test_an_item_whose_file_is_gone_is_found_before_one_whose_file_may_have_been_edited():
    items = {1: Lost("a", "D", 10), 2: Lost("b", "D", 10)}
    assert moves(items, {"a": "edited", "elsewhere": "D"}) == {2: "elsewhere"}


def test_a_file_goes_to_one_item_and_other_contents_to_none():
    items = {1: Lost("a", "D", 10), 2: Lost("b", "D", 10)}
    assert moves(items, {"c": "D", "d": "other"}) == {1: "c"}
