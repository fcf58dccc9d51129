import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from diptych import postcards
from diptych.kinds import BadInput
from diptych.postcards import Group, Oracle, Scene, change, generate, imagine, paint, write
from diptych.postcards.oracle import described
from diptych.postcards.scene import ATTRIBUTES, COLOURS, KEPT_TIME, KINDS, PLACES, SETTING, attribute_table
from diptych.postcards.words import KIND_WORDS, read

BOAT = Group("boat", "red", 1, "small", "left")
DOG = Group("dog", "brown", 2, "large", "right")


@pytest.fixture(scope="module")
def scenes():
    return generate(400, seed=0)


@pytest.fixture(scope="module")
def oracle(scenes):
    return Oracle(scenes)


def naive(scenes, text):
    """Every scene, every clause, one at a time, by the definition of an atom."""
    clauses = read(text).clauses
    return [row for row, s in enumerate(scenes) if all(any(atom.holds(s) for atom in clause) for clause in clauses)]


def by_hand(scenes, test):
    return [row for row, scene in enumerate(scenes) if test(scene)]


def group(scene, kind):
    return next((group for group in scene.things if group.kind == kind), None)


# ---- the world


def test_a_scene_does_not_depend_on_what_is_made_around_it():
    assert generate(30, seed=5)[17:23] == generate(6, seed=5, first=17)
    assert generate(6, seed=5) != generate(6, seed=6)


def test_scenes_keep_to_the_vocabulary_and_things_of_one_depth_do_not_share_a_position():
    for scene in [*generate(600), *generate(300, unseen=True)]:
        assert 1 <= len(scene.things) <= 6 and len({g.kind for g in scene.things}) == len(scene.things)
        for g in scene.things:
            kind = KINDS[g.kind]
            assert g.colour in kind.colours and 1 <= g.number <= kind.most and scene.place in kind.places
        spots = [(KINDS[g.kind].band, g.position) for g in scene.things]
        assert len(set(spots)) == len(spots)
        assert scene.weather != "snow" or scene.season == "winter"


def test_unseen_scenes_are_made_only_of_pairs_that_no_other_scene_shows_and_of_nothing_else_new():
    def pairs(scenes):
        times = {(s.place, s.time) for s in scenes}
        return times, {(g.kind, g.colour) for s in scenes for g in s.things}

    seen_times, seen_colours = pairs([imagine(index) for index in range(5500)])
    new_times, new_colours = pairs([imagine(index, unseen=True) for index in range(5500, 6000)])
    assert not seen_times & new_times and not seen_colours & new_colours
    assert new_times == set(KEPT_TIME.items())
    assert {kind for kind, _ in new_colours} == {kind for kind, _ in seen_colours} == set(KINDS)
    assert {colour for _, colour in new_colours} <= {colour for _, colour in seen_colours}


def test_neighbours_differ_in_exactly_one_thing(scenes):
    for a, b in zip(scenes[::2], scenes[1::2], strict=True):
        changed = sum(getattr(a, name) != getattr(b, name) for name in SETTING)
        kinds = {g.kind for g in (*a.things, *b.things)}
        assert changed + sum(group(a, kind) != group(b, kind) for kind in kinds) == 1


def test_attribute_table_says_what_the_scenes_say(scenes):
    table = attribute_table(scenes)
    assert table.shape == (len(scenes), len(ATTRIBUTES))
    for row, scene in zip(table, scenes, strict=True):
        told = {f"{name}: {getattr(scene, name)}" for name in SETTING}
        told |= {f"kind: {g.kind}" for g in scene.things} | {f"colour: {g.colour}" for g in scene.things}
        assert {ATTRIBUTES[j] for j in np.flatnonzero(row)} == told


# ---- captions and the oracle


def test_captions_are_five_different_ones_with_right_articles(scenes):
    for scene in scenes:
        assert len(set(scene.captions)) == 5
        for caption in scene.captions:
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|  |^ | $", caption), caption


def test_every_caption_is_true_of_its_scene_and_its_answers_are_those_of_a_double_loop(scenes, oracle):
    for row, scene in enumerate(scenes):
        for caption in scene.captions:
            assert row in oracle.answers(caption), caption
    for caption in [c for scene in scenes[::8] for c in scene.captions]:
        assert oracle.answers(caption).tolist() == naive(scenes, caption), caption


def test_captions_leave_things_out_but_say_something(scenes, oracle):
    many = [len(oracle.answers(caption)) for scene in scenes for caption in scene.captions]
    assert np.mean(np.array(many) > 1) > 0.2  # some captions fit other scenes too
    assert max(many) < len(scenes) / 2


QUERIES = {
    "two red boats": lambda s: (g := group(s, "boat")) and (g.colour, g.number) == ("red", 2),
    "boats but no people": lambda s: (g := group(s, "boat")) and g.number > 1 and not group(s, "person"),
    "not snow": lambda s: s.weather != "snow",
    "dog": lambda s: group(s, "dog"),
    "a dog": lambda s: (g := group(s, "dog")) and g.number == 1,
    "hounds": lambda s: (g := group(s, "dog")) and g.number > 1,
    "no dogs or cats": lambda s: not group(s, "dog") and not group(s, "cat"),
    "without dogs and cats": lambda s: not group(s, "dog") and not group(s, "cat"),
    "no red boats at night": lambda s: s.time == "night" and not ((g := group(s, "boat")) and g.colour == "red"),
    "a dog or a kitten": lambda s: any((g := group(s, k)) and g.number == 1 for k in ("dog", "cat")),
    "at dusk or dawn": lambda s: s.time in ("dusk", "dawn"),
    "something red": lambda s: any(g.colour == "red" for g in s.things),
    "no large thing": lambda s: all(g.size != "large" for g in s.things),
    "someone in red on the left": lambda s: (g := group(s, "person")) and (g.colour, g.position) == ("red", "left"),
    "on the left, a small house": lambda s: (
        (g := group(s, "house")) and (g.position, g.size, g.number) == ("left", "small", 1)
    ),
    "the dog is brown": lambda s: (g := group(s, "dog")) and g.colour == "brown",
    "a foggy beach without a dog": lambda s: s.weather == "fog" and s.place == "beach" and not group(s, "dog"),
    "several birds in the fall": lambda s: s.season == "autumn" and (g := group(s, "bird")) and g.number >= 3,
    "not two boats": lambda s: not ((g := group(s, "boat")) and g.number == 2),
    "without dogs and with a cat": lambda s: not group(s, "dog") and (g := group(s, "cat")) and g.number == 1,
}


@pytest.mark.parametrize("text", QUERIES)
def test_a_question_means_what_it_says(text, scenes, oracle):
    wanted = by_hand(scenes, QUERIES[text])
    assert oracle.answers(text).tolist() == wanted == naive(scenes, text)


def test_every_synonym_of_a_kind_finds_that_kind(scenes, oracle):
    for kind, nouns in KIND_WORDS.items():
        one = by_hand(scenes, lambda s, kind=kind: (g := group(s, kind)) and g.number == 1)
        two = by_hand(scenes, lambda s, kind=kind: (g := group(s, kind)) and g.number == 2)
        for singular, plural in nouns:
            assert oracle.answers(f"one {singular}").tolist() == one
            assert oracle.answers(f"two {plural}").tolist() == two


def test_a_composed_question_finds_the_neighbour_and_nothing_that_differs_elsewhere(scenes, oracle):
    for row in range(0, len(scenes), 2):
        text = change(scenes[row], scenes[row + 1])
        found = oracle.answers(text, like=row)
        assert row + 1 in found and row not in found, text


def test_the_same_but():
    base = Scene(0, "beach", "day", "clear", "summer", (BOAT, DOG))
    blue = replace(BOAT, colour="blue")
    world = [
        base,
        replace(base, time="night"),
        replace(base, things=(BOAT,)),
        replace(base, things=(blue, DOG)),
        replace(base, things=(BOAT, DOG, Group("cat", "black", 1, "small", "middle"))),
        replace(base, time="night", things=(BOAT,)),
    ]
    ask = Oracle(world).answers
    assert ask(like=0).tolist() == [0]
    assert ask("the same but at night", like=0).tolist() == [1]
    assert ask("the same without the dog", like=0).tolist() == [2]
    assert ask("the same but with a blue boat", like=0).tolist() == [3]
    assert ask("the same but with a cat", like=0).tolist() == [4]
    assert ask("the same but at night and without dogs", like=0).tolist() == [5]
    assert ask(["the same but at night", "and without the dog"], like=0).tolist() == [5]
    assert ask("the same but with two dogs and a red boat", like=2).tolist() == [0]
    with pytest.raises(BadInput, match="the same"):
        ask("the same but at night")
    with pytest.raises(BadInput, match="no scene 9"):
        ask("at night", like=9)


DIALOGUES = [
    (["a dog on the beach", "no, at night"], "a dog on the beach at night"),
    (["a dog on the beach at noon", "no, at night"], "a dog on the beach at night"),
    (["a red boat", "two boats"], "two red boats"),
    (["boats", "the boat is blue", "at dusk"], "some blue boats at dusk"),
    (["a red boat and a cat", "without the boat"], "a cat without boats"),
    (["no boats", "actually, with a boat"], "a boat"),
    (["a bench and a dog", "no, a cat"], "a bench and a cat"),
    (["a bench and a dog", "and a cat"], "a bench and a dog and a cat"),
    (["in winter", "not snow", "in summer"], "in summer and not snow"),
    (["at dusk or at dawn", "at night"], "at night"),
]


@pytest.mark.parametrize(("turns", "text"), DIALOGUES)
def test_a_dialogue_comes_to_the_same_as_one_text(turns, text, scenes, oracle):
    assert oracle.answers(turns).tolist() == naive(scenes, text)


def test_the_answers_to_a_picture_alone_are_the_scenes_that_agree_in_everything(scenes, oracle):
    told = [(*(getattr(scene, name) for name in SETTING), frozenset(scene.things)) for scene in scenes]
    for row, scene in enumerate(scenes):
        assert all(any(atom.holds(scene) for atom in clause) for clause in described(scene))
        assert oracle.answers(like=row).tolist() == [i for i, other in enumerate(told) if other == told[row]]


def test_qrels_tell_the_answers(scenes, oracle):
    texts = ["at night", "a red boat", "a dog or a cat"]
    qrels = oracle.qrels(texts)
    assert qrels.shape == (3, len(scenes))
    for row, text in enumerate(texts):
        assert np.flatnonzero(qrels.relevant(row, row + 1)[0]).tolist() == oracle.answers(text).tolist()


def test_a_word_that_is_not_known_is_named_with_the_nearest():
    oracle = Oracle(generate(2))
    with pytest.raises(BadInput, match="no word 'zeppelin'"):
        oracle.answers("a zeppelin at night")
    with pytest.raises(BadInput, match="'umbrela'; did you mean 'umbrella'"):
        oracle.answers("a red umbrela")
    with pytest.raises(BadInput, match="belongs to no thing"):
        oracle.answers("a red or blue boat")


# ---- pictures


def test_a_card_is_painted_alike_every_time_whatever_was_painted_before():
    few = generate(40, seed=3)
    first = [paint(scene, 3).tobytes() for scene in few]
    again = [paint(scene, 3).tobytes() for scene in reversed(few)][::-1]
    assert first == again and len(set(first)) == len(few)
    assert paint(few[0], 3).size == (144, 144) and paint(few[0], 3).mode == "RGB"
    assert paint(few[0], 4).tobytes() != first[0]


def test_every_kind_in_every_colour_and_place_leaves_paint_on_the_card():
    for number, (name, kind) in enumerate(KINDS.items()):
        bare = Scene(number, kind.places[number % len(kind.places)], "day", "clear", "summer", ())
        empty = np.asarray(paint(bare), dtype=int)
        for colour in kind.colours:
            shown = paint(replace(bare, things=(Group(name, colour, 1, "large", "middle"),)))
            apart = np.abs(np.asarray(shown, dtype=int) - empty).max(axis=2) > 30
            assert apart.sum() > 40, (name, colour)


def test_a_thing_stands_in_its_third_of_the_card():
    # Grain differs once a thing is drawn, so columns are compared by how much stands out from it.
    for x, position in enumerate(("left", "middle", "right")):
        bare = Scene(0, "farm", "day", "clear", "summer", ())
        scene = replace(bare, things=(Group("tent", "red", 1, "large", position),))
        apart = np.abs(np.asarray(paint(scene), dtype=int) - np.asarray(paint(bare), dtype=int)).max(axis=2) > 60
        assert np.argmax([apart[:, 10 + 42 * k : 50 + 42 * k].sum() for k in range(3)]) == x


def test_night_is_darker_than_day_and_fog_paler_in_contrast():
    def cards(**told):
        base = Scene(0, "village", "day", "clear", "summer", ())
        return np.stack([np.asarray(paint(replace(base, index=i, **told)), dtype=float)[8:-8, 8:-8] for i in range(6)])

    assert cards(time="night").mean() < 0.5 * cards().mean()
    assert cards(weather="fog").std() < 0.8 * cards().std()


def test_the_colour_histogram_does_not_give_colour_words_away():
    # The nearest neighbour by histogram shares the colours of its things little more often than any other card does.
    scenes = generate(200, seed=1)
    histograms = []
    for scene in scenes:
        pixels = np.asarray(paint(scene, 1))[8:-8, 8:-8] // 64
        cells = (pixels[..., 0] * 16 + pixels[..., 1] * 4 + pixels[..., 2]).ravel()
        histograms.append(np.bincount(cells, minlength=64) / len(cells))
    distance = np.abs(np.array(histograms)[:, None] - np.array(histograms)[None]).sum(axis=2)
    table = attribute_table(scenes)[:, -len(COLOURS) :]
    family = np.arange(len(scenes)) // 2
    distance[family[:, None] == family[None]] = np.inf
    share = (table[:, None] & table[None]).any(axis=2)
    nearest_share = share[np.arange(len(scenes)), distance.argmin(axis=1)].mean()
    assert nearest_share < share.mean() + 0.25


def test_bad_scenes_are_refused():
    with pytest.raises(BadInput, match="place is 'moon'"):
        paint(Scene(0, "moon", "day", "clear", "summer", ()))
    with pytest.raises(BadInput, match="no kind 'zebra'"):
        paint(Scene(0, PLACES[0], "day", "clear", "summer", (replace(DOG, kind="zebra"),)))


# ---- folders


def contents(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_the_files_do_not_depend_on_the_number_of_processes(tmp_path):
    scenes = write(tmp_path / "one", 60, seed=2, workers=1)
    write(tmp_path / "three", 60, seed=2, workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert len(list((tmp_path / "one" / "images").iterdir())) == 60
    assert postcards.load(tmp_path / "one") == scenes
    line = json.loads((tmp_path / "one" / "scenes.jsonl").read_text().splitlines()[7])
    assert line["image"] == "images/00007.png" and line["attributes"] == scenes[7].attributes()


def test_an_interrupted_painting_leaves_no_folder_and_is_taken_up(tmp_path, monkeypatch):
    home = tmp_path / "cards"
    painted = []

    def stop_at_five(scene, seed):
        if len(painted) == 5:
            raise KeyboardInterrupt
        painted.append(scene.index)
        return paint(scene, seed)

    monkeypatch.setattr(postcards, "paint", stop_at_five)
    with pytest.raises(KeyboardInterrupt):
        write(home, 12, seed=1, workers=1)
    assert not home.exists()
    (tmp_path / ".cards.part" / "images" / "00005.77.wet").write_bytes(b"half a picture")
    resumed = []
    monkeypatch.setattr(postcards, "paint", lambda scene, seed: resumed.append(scene.index) or paint(scene, seed))
    write(home, 12, seed=1, workers=1)
    assert painted == [0, 1, 2, 3, 4] and resumed == list(range(5, 12))
    write(tmp_path / "straight", 12, seed=1, workers=1)
    assert contents(home) == contents(tmp_path / "straight")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cards", "straight"]


def test_processes_that_want_one_folder_at_the_same_time_all_get_it(tmp_path):
    home = tmp_path / "cards"
    (tmp_path / ".cards.part").mkdir()  # what a process left that died before it had begun
    code = f"from diptych import postcards; postcards.write({str(home)!r}, 120, seed=2, workers=1)"
    several = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in several] == [""] * 3
    assert [process.returncode for process in several] == [0] * 3
    write(tmp_path / "straight", 120, seed=2, workers=1)
    assert contents(home) == contents(tmp_path / "straight")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cards", "straight"]


def test_a_painting_program_that_fails_says_why_in_one_line(tmp_path):
    (tmp_path / ".cards.part").mkdir()  # without a folder for the pictures
    with pytest.raises(BadInput, match=r"cards\.part: painting stopped \(.+\); what is there is kept") as error:
        list(postcards._painted(tmp_path / ".cards.part", 1, generate(4, seed=1), workers=2))
    assert "\n" not in str(error.value)


def test_a_killed_process_leaves_no_lock_behind(tmp_path):
    home = tmp_path / "cards"
    code = f"""
import time
from diptych import postcards
def progress(*_):
    while True:  # it is killed before the second fifty
        time.sleep(0.05)
postcards.write({str(home)!r}, 400, seed=2, workers=1, progress=progress)
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    part = tmp_path / ".cards.part"
    while process.poll() is None and not any(part.glob("images/*.png")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    left = {path.name for path in part.glob("images/*.png")}
    assert 0 < len(left) < 400
    write(home, 60, seed=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cards"]
    assert len(list((home / "images").iterdir())) == 60


def test_a_painted_folder_is_left_alone_and_another_is_not_overwritten(tmp_path):
    told = []
    write(tmp_path, 3, seed=1, progress=lambda *what: told.append(what))
    assert told[-1] == ("painting postcards", 3, 3)
    before = (tmp_path / "images" / "00000.png").stat().st_mtime_ns
    write(tmp_path, 3, seed=1)
    assert (tmp_path / "images" / "00000.png").stat().st_mtime_ns == before
    with pytest.raises(BadInput, match="choose an empty or a new folder"):
        write(tmp_path, 4, seed=1)
    with pytest.raises(BadInput, match="paint the postcards first"):
        postcards.load(tmp_path / "nowhere")
