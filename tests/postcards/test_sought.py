"""What is looked for in several steps has exactly the answers that its words have."""

import numpy as np
import pytest

from diptych.postcards import generate
from diptych.postcards.oracle import Oracle, described, overruled
from diptych.postcards.sought import PROTOCOLS
from diptych.postcards.words import change, read, tell


@pytest.fixture(scope="module")
def scenes():
    return generate(400, seed=2)


def answers(sought, query):
    return sought.qrels.items[sought.qrels.queries == query].tolist()


def true_of(clauses, scene):
    return all(any(atom.holds(scene) for atom in clause) for clause in clauses)


@pytest.mark.parametrize(("name", "changes"), [("composed", {3, 4}), ("composed_once", {1})])
def test_a_change_leads_from_the_picture_to_its_answers(scenes, name, changes):
    sought = PROTOCOLS[name](scenes)
    assert len(sought.texts) > 50
    for query in range(0, len(sought.texts), 7):
        text, row = sought.texts[query], int(sought.reference[query])
        assert text.count(" and ") + 1 in changes
        said = overruled(described(scenes[row]), read(text))
        assert (
            answers(sought, query) == [k for k, scene in enumerate(scenes) if k != row and true_of(said, scene)] != []
        )


def test_a_scene_differs_in_as_many_things_as_a_change_names(scenes):
    found = Oracle(scenes).differences(7)
    for other, scene in enumerate(scenes):
        text = change(scenes[7], scene)
        assert found[other] == (0 if text == "the same" else text.count(" and ") + 1)


def test_a_dialogue_begins_with_a_thing_of_the_one_that_is_meant(scenes):
    sought = PROTOCOLS["dialogue"](scenes)
    assert len(sought.texts) == len(scenes)
    for query in range(0, len(scenes), 9):
        assert answers(sought, query) == [query]
        assert len(read(sought.texts[query]).clauses) == 1


def test_what_is_meant_is_more_than_what_is_said(scenes):
    sought = PROTOCOLS["feedback"](scenes)
    for query, text in enumerate(sought.texts):
        right = answers(sought, query)
        said = read(text).clauses
        assert 5 <= len(right) <= 50 and all(true_of(said, scenes[row]) for row in right)
    more = [
        len(answers(sought, query)) < sum(true_of(read(text).clauses, s) for s in scenes)
        for query, text in enumerate(sought.texts)
    ]
    assert np.mean(more) > 0.9


def test_a_caption_is_asked_for_all_it_is_true_of(scenes):
    sought = PROTOCOLS["shortlist"](scenes)
    for query in range(0, len(scenes), 23):
        said = read(sought.texts[query]).clauses
        assert answers(sought, query) == [row for row, scene in enumerate(scenes) if true_of(said, scene)]
        assert query in answers(sought, query)


def test_the_first_of_them_are_asked_over_all_pictures(scenes):
    whole = PROTOCOLS["composed"](scenes)
    first = whole.first(10)
    assert first.texts == whole.texts[:10] and first.qrels.item_ids == whole.qrels.item_ids
    assert [answers(first, query) for query in range(10)] == [answers(whole, query) for query in range(10)]
    assert first.reference.tolist() == whole.reference[:10].tolist() and whole.first(10_000) is whole


def test_what_is_told_reads_back_as_what_was_meant(scenes):
    for scene in scenes:
        clauses = [clause for clause in described(scene) if not clause[0].denied]
        assert set(read(tell(clauses)).clauses) == set(clauses)
        for caption in scene.captions:  # whose numbers may be vague
            said = read(caption).clauses
            assert set(read(tell(said)).clauses) == set(said)
