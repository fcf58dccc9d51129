"""Families of scenes whose texts say the same words: what is told apart, what cannot be, and where things are."""

import re
from collections import Counter
from dataclasses import astuple, replace
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from diptych import postcards
from diptych.kinds import BadInput, Listed, cosine
from diptych.metrics import measures, ranking
from diptych.postcards import FAMILY, Oracle, families, outlines, paint
from diptych.postcards.scene import KINDS, check
from diptych.postcards.words import read


@pytest.fixture(scope="module")
def scenes():
    return families(400, seed=0)


def in_families(scenes):
    return [scenes[start : start + FAMILY] for start in range(0, len(scenes), FAMILY)]


def words(text):
    return Counter(re.findall(r"\w+", text))


def test_the_texts_of_a_family_say_the_same_words_each_as_often(scenes):
    for family in in_families(scenes):
        for texts in zip(*(scene.captions for scene in family), strict=True):
            assert len({frozenset(words(text).items()) for text in texts}) == 1
            assert len(set(texts)) == FAMILY


def test_a_text_is_true_of_its_own_scene_alone(scenes):
    for family in in_families(scenes):
        oracle = Oracle(family)
        for row, scene in enumerate(family):
            for text in scene.captions:
                assert oracle.answers(text).tolist() == [row]
                holds = [all(any(a.holds(s) for a in clause) for clause in read(text).clauses) for s in family]
                assert np.flatnonzero(holds).tolist() == [row], text


def test_scenes_of_a_family_differ_only_in_who_has_what(scenes):
    exchanged = Counter()
    for family in in_families(scenes):
        assert len({(s.place, s.time, s.weather, s.season) for s in family}) == 1
        things = [
            sorted(astuple(group) for group in s.things) for s in family
        ]  # (kind, colour, number, size, position)
        assert len(set(map(tuple, things))) == FAMILY
        for k in range(5):  # the same values, whoever has them
            assert len({tuple(sorted(str(thing[k]) for thing in scene)) for scene in things}) == 1
        exchanged.update(k for k in range(1, 5) if len({tuple(thing[k] for thing in scene) for scene in things}) > 1)
    assert set(exchanged) == {1, 2, 3, 4} and min(exchanged.values()) > 20


def test_scenes_can_be_painted_and_are_those_of_the_world_that_training_shows(scenes):
    for scene in scenes:
        check(scene)
        for group in scene.things:
            kind = KINDS[group.kind]
            assert group.colour not in kind.kept and group.number <= kind.most and scene.place in kind.places
        assert [s.index for s in scenes] == list(range(400))


def test_a_family_depends_on_seed_and_index_alone_and_is_not_parted():
    assert families(8, seed=3, first=16) == families(24, seed=3)[16:]
    assert families(4, seed=3) != families(4, seed=4)
    for wrong in ({"n": 6}, {"n": 4, "first": 2}):
        with pytest.raises(BadInput, match="multiples of 4"):
            families(**wrong)


def found_at_once(scenes, score):
    """r@1 of both ways inside families, where `score` (pictures, texts) is a matrix."""
    found = {"i2t": [], "t2i": []}
    for family in in_families(scenes):
        texts = [text for scene in family for text in scene.captions]
        owner = np.repeat(np.arange(FAMILY), [len(scene.captions) for scene in family])
        qrels = Listed(owner, np.arange(len(texts)), "abcd", tuple(map(str, range(len(texts)))))
        scores = score(family, texts)
        for way, matrix, told in (("i2t", scores, qrels), ("t2i", scores.T, qrels.transposed())):
            made = ranking.rankings(matrix, np.eye(matrix.shape[1]), Given(), told, ranking.policy("expected"))
            found[way].append(measures.evaluate(["r@1"], made)["r@1"])
    return {way: float(np.mean(np.concatenate(values))) for way, values in found.items()}


class Given(type(cosine)):
    """Rows of queries are their scores."""

    def score(self, queries, items):
        return queries


@pytest.mark.parametrize("seed", range(5))
def test_no_scorer_of_bags_beats_chance_whatever_it_makes_of_regions(scenes, seed):
    # A random function of the bag of words and of all there is to know about each thing, order aside.
    def bags(family, texts):
        regions = [crc32(repr(sorted(astuple(group) for group in scene.things)).encode()) for scene in family]
        said = [crc32(repr(sorted(words(text).items())).encode()) for text in texts]
        return np.array([[np.random.default_rng([seed, r, s]).random() for s in said] for r in regions])

    assert found_at_once(scenes, bags) == pytest.approx({"i2t": 1 / FAMILY, "t2i": 1 / FAMILY}, abs=1e-12)


def test_who_reads_the_order_of_words_finds_every_one(scenes):
    def reading(family, texts):
        oracle = Oracle(family)
        return np.array([[row in oracle.answers(text) for text in texts] for row in range(FAMILY)], dtype=float)

    assert found_at_once(scenes, reading) == {"i2t": 1.0, "t2i": 1.0}


def test_outlines_hold_what_painting_puts_there(scenes):
    # The same card without its things differs inside the outlines, but for grain and litter, where nothing falls.
    plain = [s for s in scenes if s.weather == "clear" and s.time == "day" and s.place in ("desert", "beach")][:6]
    assert len(plain) == 6
    for scene in plain:
        boxes = outlines(scene)
        assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in boxes)
        for group, (left, _, right, _) in zip(scene.things, boxes, strict=True):
            third = ("left", "middle", "right").index(group.position)
            assert abs((left + right) / 2 - (0.195 + 0.305 * third)) < 0.09, (group, left, right)
        bare = np.asarray(paint(replace(scene, things=())), dtype=int)
        changed = np.abs(np.asarray(paint(scene), dtype=int) - bare).max(axis=2) > 60
        inside = np.zeros_like(changed)
        for left, top, right, bottom in (np.array(boxes) * len(changed)).astype(int):
            inside[top : bottom + 2, left : right + 2] = True
        assert changed[inside].mean() > 0.05 and changed[~inside].mean() < 0.005


def test_painting_is_the_same_whether_outlines_are_asked_for_or_not(scenes):
    before = np.asarray(paint(scenes[0]))
    outlines(scenes[0])
    np.testing.assert_array_equal(np.asarray(paint(scenes[0])), before)


def test_a_folder_is_outlined_once(tmp_path):
    postcards.write(tmp_path / "world", 8, workers=1, related=True)
    file = postcards.outline(tmp_path / "world")
    lines = file.read_text().splitlines()
    assert len(lines) == 8 and '"image": "images/00000.png"' in lines[0]
    file.write_text("kept")
    assert postcards.outline(tmp_path / "world").read_text() == "kept"
    assert Image.open(tmp_path / "world" / "images" / "00007.png").size == (144, 144)
    with pytest.raises(BadInput, match="holds something other"):
        postcards.write(tmp_path / "world", 8, workers=1)
