"""A query moved by marks, against formulas solved again, in every space; and what a search makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette
from scipy.optimize import minimize

from diptych.collection import Collection, Entry, Marks
from diptych.collection.feedback.marks import RIDGE, SELDOM, WAYS, Fits, moved
from diptych.kinds import BadInput, Space, cosine, dot, hamming, l2

SPACES = {space.name: space for space in (cosine, dot, l2, hamming)}
MOVED = (cosine, dot, l2)


def world(space: Space, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Query, marked yes, marked no, background: two clouds, near both of which the query lies."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(2, 12))
    yes, no = (centre + 0.5 * rng.normal(size=(n, 12)) for centre, n in zip(centres, (5, 8), strict=True))
    query = centres.sum(axis=0, keepdims=True)
    return tuple(space.normalise(rows) for rows in (query, yes, no, rng.normal(size=(200, 12))))  # type: ignore[return-value]


@pytest.mark.parametrize("space", MOVED, ids=str)
@pytest.mark.parametrize("way", WAYS[:3])
def test_what_is_marked_yes_rises_and_what_is_marked_no_falls(space, way):
    query, yes, no, background = world(space)
    found = moved(space, query, yes, no, background, way)
    assert found.by == f"marks ({way})" and found.vector.shape == query.shape

    def places(vector: np.ndarray, rows: np.ndarray) -> float:
        return float(np.mean(space.score(vector, background) > space.score(vector, rows).T))

    assert places(found.vector, yes) <= places(query, yes) and places(found.vector, no) > places(query, no)


@pytest.mark.parametrize("space", MOVED, ids=str)
def test_the_moved_query_scores_as_the_formula_says_but_for_a_constant(space):
    query, yes, no, background = world(space)
    u = Fits.of(space, query, yes, no, background).step("ridge")
    vector = moved(space, query, yes, no, background, "ridge").vector
    gap = space.score(query, background)[0] + background @ u - space.score(vector, background)[0]
    if space is cosine:  # which is divided by its length
        gap = (space.score(query, background)[0] + background @ u) / space.score(vector, background)[0]
    assert np.ptp(gap) < 1e-3


def test_rocchio_is_that_of_the_paper():
    query, yes, no, background = world(dot)
    mean = background.mean(axis=0)
    wanted = query + 0.75 * (yes.mean(axis=0) - mean) - 0.15 * (no.mean(axis=0) - mean)
    assert np.allclose(moved(dot, query, yes, no, background, "Rocchio").vector, wanted, atol=1e-5)


def test_the_logistic_way_is_the_least_of_its_loss():
    fits = Fits.of(cosine, *world(cosine))
    sign = np.where(np.arange(len(fits.rows)) < fits.yes, 1, -1)

    def loss(u: np.ndarray) -> float:
        return float(np.logaddexp(0, -sign * (fits.old + SELDOM + fits.rows @ u)).sum() + RIDGE / 2 * u @ u)

    weights, _ = fits._weights("logistic")
    assert np.allclose(weights @ fits.rows, minimize(loss, np.zeros(12), tol=1e-10).x, atol=1e-4)


@pytest.mark.parametrize(("way", "tolerance"), [("ridge", 1e-9), ("Rocchio", 1e-9), ("logistic", 0.15)])
def test_a_mark_held_out_is_scored_as_by_a_fit_without_it(way, tolerance):
    query, yes, no, background = world(cosine)
    fits = Fits.of(cosine, query, yes, no, background)
    _, left_out = fits._weights(way)
    for place in range(len(fits.rows)):
        kept = np.arange(len(fits.rows)) != place
        marked = np.vstack([yes, no])[kept]
        n = fits.yes - (place < fits.yes)
        less = Fits.of(cosine, query, marked[:n], marked[n:], background)
        weights, _ = less._weights(way)
        held_out = float(weights @ less.rows @ fits.rows[place])
        assert left_out[place, place] == 0 or way != "Rocchio"
        assert left_out[place] @ fits.kernel[:, place] == pytest.approx(held_out, abs=tolerance)


def test_marks_that_contradict_each_other_leave_the_query_where_it_was():
    query, yes, no, background = world(cosine)
    away = background - (background @ query.T) * query
    away = cosine.normalise(away[:20])
    # Each marked yes has a twin marked no, and only the query, as it was, tells them apart.
    alike = [cosine.normalise(part * query + away) for part in (0.30, 0.27)]
    found = moved(cosine, query, *alike, background)
    assert found.vector is query and found.by == "query (its marks contradict each other)"
    assert moved(cosine, query, yes, no, background).by.startswith("marks")


@pytest.mark.parametrize("sides", ["yes", "no"])
def test_marks_of_one_side_move_a_query_too(sides):
    query, yes, no, background = world(cosine)
    rows = {"yes": (yes, no[:0]), "no": (yes[:0], no)}[sides]
    found = moved(cosine, query, *rows, background)
    assert found.by == "marks (ridge)"
    before, after = (cosine.score(vector, np.vstack(rows)).mean() for vector in (query, found.vector))
    assert (after > before) == (sides == "yes")


@pytest.mark.parametrize("background", [np.zeros((0, 12), np.float32), np.ones((1, 12), np.float32)])
def test_a_collection_of_nothing_but_marks_moves_a_query_as_well(background):
    query, yes, no, _ = world(cosine)
    assert np.isfinite(moved(cosine, query, yes, no, background).vector).all()
    alone = moved(cosine, 0 * query, yes[:1], no[:0], background).vector  # words that the encoder does not know
    assert np.isfinite(alone).all()


# -------------------------------------------------------------------------------------------------------------- search


@dataclass
class Spaced(Palette):
    name: str = "cosine"

    @property
    def space(self) -> Space:
        return SPACES[self.name]

    def _rows(self, means: np.ndarray) -> np.ndarray:
        return self.space.normalise((means / 127.5 - 1) @ self.directions_)


def filled(folder: Path, name: str = "cosine") -> Collection:
    encoder = Spaced(name=name)
    means = np.random.default_rng(3).uniform(0, 255, (80, 3)).astype(np.float32)
    collection = Collection.open(folder, encoder, write=True)
    collection.put(
        Entry(f"item {n}", row, ["a red card"] if n % 9 == 0 else [], metadata={"n": n})
        for n, row in enumerate(encoder._rows(means))
    )
    return collection


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with filled(tmp_path / "c") as found:
        yield found


def keys(answer) -> list[str]:
    return [hit.key for hit in answer.results]


@pytest.mark.parametrize("name", ["cosine", "dot", "l2"])
def test_a_search_is_moved_by_its_marks(tmp_path, name):
    with filled(tmp_path / "c", name) as collection:
        plain = collection.search("red", k=80, keywords=0)
        shown = [hit.id for hit in plain.results]
        yes, no = shown[6:9], shown[:4]
        answer = collection.search("red", k=80, keywords=0, marks=Marks(yes, no))
        ids = [hit.id for hit in answer.results]
        assert not {*yes, *no} & set(ids) and answer.total == plain.total - 7 and len(ids) == 73
        assert answer.ranked_by == "marks (ridge)" and plain.ranked_by == "query"
        liked = {id: np.mean([hit.score for hit in collection.similar(id, 80).results if hit.id in yes]) for id in ids}
        firsts = [np.mean([liked[id] for id in some[:10]]) for some in (ids, [id for id in shown if id in liked])]
        assert firsts[0] > firsts[1], "more like those marked yes than the first that are left without marks"
        again = collection.search("red", k=80, keywords=0, marks=Marks(yes[::-1], no))
        assert again.results == answer.results
        pages = [collection.search("red", k=7, offset=7 * n, keywords=0, marks=Marks(yes, no)) for n in range(11)]
        assert [hit.id for page in pages for hit in page.results] == ids


def test_without_marks_nothing_changes(collection):
    plain = collection.search("red card", k=20)
    for none in (None, Marks(), Marks([], [])):
        answer = collection.search("red card", k=20, marks=none)
        assert answer.results == plain.results and answer.ranked_by == "query"


def test_marks_go_with_all_that_a_query_may_have(collection):
    keys_of_red = [f"item {n}" for n in range(0, 80, 9)]
    marks = Marks(yes=["item 9"], no=["item 0", "item 1"])
    said = collection.search("red card", k=80, marks=marks)
    assert set(keys(said)[:7]) == set(keys_of_red) - {"item 0", "item 9"}
    some = collection.search("red n < 40 NOT blue", k=80, diverse=0.3, marks=marks)
    assert 0 < len(some.results) < 37 and not {"item 0", "item 1", "item 9"} & set(keys(some))
    assert some.ranked_by == "marks (ridge)"
    listed = collection.search("n < 5", marks=marks)
    assert keys(listed) == ["item 4", "item 3", "item 2"] and listed.ranked_by == "date taken" and listed.total == 3
    assert keys(collection.search(["red", collection.get("item 3").id], k=3, marks=marks)) != []


def test_a_verdict_is_of_the_query_and_not_of_its_marks(collection):
    plain = {hit.id: hit.verdict for hit in collection.search("zebra", k=80, keywords=0).results}
    yes = list(plain)[3]
    after = {hit.id: hit.verdict for hit in collection.search("zebra", k=80, keywords=0, marks=Marks([yes])).results}
    assert after == {id: verdict for id, verdict in plain.items() if id != yes}


def test_marks_that_cannot_be_are_refused(collection):
    for wrong, why in (
        (Marks(["item 99"]), "marks: .* has no item 'item 99'"),
        (Marks([1], ["item 0"]), "marks: item 1 is marked yes and no"),
        ({"yes": [1]}, "marks: .*; give Marks"),
    ):
        with pytest.raises(BadInput, match=why):
            collection.search("red", marks=wrong)
    with pytest.raises(BadInput, match="answers to one query"):
        collection.search(np.ones((2, 16), np.float32), marks=Marks([1]))
    with pytest.raises(BadInput, match="put it in a list"):
        Marks(1)
    with pytest.raises(BadInput, match="marks: 1,001 of one query"):
        Marks(range(1, 1002))
    with pytest.raises(BadInput, match=r"^user: "):
        collection.search("red", user="")
    assert len(Marks([1, 1, 2]).yes) == 2


def test_codes_are_not_moved(tmp_path):
    with filled(tmp_path / "c", "hamming") as collection:
        assert collection.search("red", marks=Marks()).ranked_by == "query"
        with pytest.raises(BadInput, match="hamming have no sum, so marks cannot move"):
            collection.search("red", marks=Marks([1]))


# ------------------------------------------------------------------------------------------------------ simulated users


def test_people_who_mark_find_what_they_look_for(monkeypatch):
    """Small: twenty kinds of thing, of which a query sees less than a person; bench/feedback.py has real pictures."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "bench"))
    import feedback as bench

    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(20, 32))
    of = np.repeat(np.arange(20), 20)
    items = cosine.normalise(kinds[of] + 0.7 * rng.normal(size=(400, 32)))
    wishes = []
    for target in range(0, 400, 10):
        query = cosine.normalise(0.3 * items[target : target + 1] + 0.25 * rng.normal(size=(1, 32)))[0]
        wishes.append(bench.Wish("a thing", query, target, of == of[target]))
    before, after = bench.best_marks(cosine, items, wishes).mean(axis=0)
    assert after > before + 0.15
    for protocol in (bench.SEARCHING, bench.HARSH):
        found = {way: bench.looked_for(cosine, items, wishes, way, 1, protocol)[0] for way in (None, "none")}
        rows = {way: some.mean(axis=0) for way, some in found.items()}
        assert rows[None][3] >= rows[None][0] + 0.15 and rows[None][3] > rows["none"][3] + 0.05
        assert rows[None][4] >= rows[None][0], "ten wrong marks more leave it above where it began"
        falls = (np.diff(found["none"].astype(int), axis=1) < 0).any()
        assert falls == (protocol is bench.HARSH), "what is known when it is seen is not marked wrong"


def test_what_people_type_is_measured_first_and_whole_captions_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "bench"))
    import feedback as bench

    rng = np.random.default_rng(0)
    items = cosine.normalise(rng.normal(size=(60, 8)))
    wishes = [bench.Wish("a thing", items[target + 1], target, rng.random(60) < 0.3) for target in (3, 9)]
    monkeypatch.setattr(bench.shelf, "open", lambda name: None)
    monkeypatch.setattr(bench, "worlds", lambda targets, asking: {f"asked with {asking.words}": (items, wishes)})
    told = list(bench.marks(targets=2, seeds=1))
    each = 2 * len(bench.VARIANTS) + 1
    assert [row["asked with"] for row in told] == ["5 words"] * each + ["whole captions"] * each
    assert [row["world"] for row in told] == ["asked with 5"] * each + ["asked with None"] * each
    assert all(("gain" in row) != ("best marks" in row) for row in told)
