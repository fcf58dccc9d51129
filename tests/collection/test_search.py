"""Answers in every space a collection may have, against all scores sorted; and what each switch does to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collection_world import COLOURS, Palette, paint

from diptych.collection import Collection, Entry, Term
from diptych.collection.search import DEPTH, SearchParams
from diptych.index.hamming import Hamming
from diptych.kinds import BadInput, Space, cosine, dot, hamming, l2

SPACES = {space.name: space for space in (cosine, dot, l2, hamming)}


@dataclass
class Spaced(Palette):
    """The same rows in another space."""

    name: str = "cosine"

    @property
    def space(self) -> Space:
        return SPACES[self.name]

    def _rows(self, means: np.ndarray) -> np.ndarray:
        return self.space.normalise((means / 127.5 - 1) @ self.directions_)


def rows(encoder: Spaced, n: int) -> np.ndarray:
    means = np.random.default_rng(3).uniform(0, 255, (n, 3)).astype(np.float32)
    return encoder._rows(means)


@pytest.mark.parametrize("name", SPACES)
def test_a_collection_answers_as_its_space_compares(tmp_path: Path, name: str) -> None:
    encoder = Spaced(name=name)
    given = rows(encoder, 60)
    with Collection.open(tmp_path / "c", encoder, write=True) as collection:
        ids = np.array(collection.put(Entry(f"item {n}", row) for n, row in enumerate(given)))
        assert isinstance(collection._nearest.current(), Hamming) == (name == "hamming")
        for asked in range(2):
            for query in COLOURS:
                scores = encoder.space.score(encoder.encode_texts([query]), given)[0]
                order = np.lexsort((ids, -scores))
                found = collection.search(query, k=60, keywords=0).results
                assert [hit.id for hit in found] == ids[order].tolist()
                assert [hit.score for hit in found] == pytest.approx(scores[order].tolist(), abs=1e-4)
            if not asked:
                collection.reindex()
        (path,) = [paint(tmp_path / "red.png", "red")]
        own = encoder.space.score(encoder.encode_images([str(path)]), given)[0]
        assert [hit.id for hit in collection.similar(path, k=3).results] == ids[np.lexsort((ids, -own))[:3]].tolist()
        assert collection.verify() == []
        if name in ("cosine", "dot"):
            assert collection.search("red + blue", k=60).results
            turned = collection.search("red - blue", k=1, keywords=0).results[0]
            wanted = encoder.space.normalise(encoder.encode_texts(["red"]) - encoder.encode_texts(["blue"]))
            assert turned.score == pytest.approx(float(encoder.space.score(wanted, given).max()), abs=1e-4)
        else:
            with pytest.raises(BadInput, match="have no sum; ask for one thing at a time"):
                collection.search("red + blue")
            with pytest.raises(BadInput, match="have no sum"):
                collection.search('"0.5:red" - blue')


def test_a_space_that_a_collection_cannot_hold_is_refused(tmp_path: Path) -> None:
    class Sets(Spaced):
        def encode_texts(self, items: Any) -> np.ndarray:
            return super().encode_texts(items)[:, None]

    dataclass(Sets)
    with pytest.raises(BadInput, match="one row a picture"):
        Collection.open(tmp_path / "c", Sets(), write=True)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """More items than are looked at behind the first page; words of some of them are of things nobody sees."""
    folder = tmp_path_factory.mktemp("many") / "c"
    encoder = Spaced()
    given = rows(encoder, 900)
    with Collection.open(folder, encoder, write=True) as collection:
        collection.put(
            Entry(
                f"item {n}",
                row,
                captions=["an armchair"] if n % 3 == 0 else [f"nothing {n}"],
                tags=["even"] if n % 2 == 0 else [],
                taken=f"{1800 + n % 300}",
            )
            for n, row in enumerate(given)
        )
        yield collection


def found(collection: Collection, query: str, **options: Any) -> list[int]:
    return [hit.id for hit in collection.search(query, **options).results]


def test_pages_behind_one_another_are_the_whole(many: Collection) -> None:
    for query in ("red", "red tag:even", "red NOT blue", "tag:even", "taken > 1900 NOT red", "NOT blue"):
        whole = found(many, query, k=900, keywords=0)
        pages = [found(many, query, k=130, offset=start, keywords=0) for start in range(0, 900, 130)]
        assert len(set(whole)) == len(whole) and [id for page in pages for id in page] == whole, query


def test_filters_part_the_items_in_two(many: Collection) -> None:
    everything = found(many, "red", k=900)
    even, odd = found(many, "red tag:even", k=900), found(many, "red NOT tag:even", k=900)
    assert len(even) == 450 and sorted(even + odd) == sorted(everything)
    assert [id for id in everything if id in set(even)] == even
    assert found(many, "tag:even", k=900) == sorted(even, key=lambda id: (many.get(id).taken, id), reverse=True)


def test_keywords_rank_what_is_said_first_the_more_they_weigh(many: Collection) -> None:
    said = {id for id in many.ids() if many.get(id).captions == ("an armchair",)}
    assert len(said) == 300 > DEPTH
    whole = found(many, "armchair", k=900, keywords=1.0)
    assert (
        set(whole[:300]) == said and len(whole) == 900 and not set(found(many, "armchair", k=10, keywords=0.0)) <= said
    )
    hits = many.search("armchair", k=5, keywords=1.0).results
    assert all(hit.verdict == "match" and "said of it: armchair" in hit.why for hit in hits)
    assert all("said of it: armchair" not in hit.why for hit in many.search("armchair", k=5, keywords=0.0).results)
    only = found(many, "armchair tag:even", k=20, keywords=1.0)
    assert all(id in said and many.get(id).tags == ("even",) for id in only)


def test_what_is_most_like_an_item_leaves_it_out_and_no_other(many: Collection) -> None:
    everything = set(many.ids())
    assert {hit.id for hit in many.similar(5, k=900).results} == everything - {5}
    assert {hit.id for hit in many.similar("item 5", k=900).results} == everything - {6}
    assert [hit.id for hit in many.similar(5, k=5, offset=3).results] == [
        hit.id for hit in many.similar(5, k=8).results
    ][3:]


@pytest.mark.parametrize(
    ("settings", "ok"),
    [
        ({"k": 1}, True),
        ({"k": 10_000}, True),
        ({"k": 10_001}, False),
        ({"k": 0}, False),
        ({"offset": 1_000_000}, True),
        ({"offset": 1_000_001}, False),
        ({"offset": -1}, False),
        ({"diverse": 0.0}, True),
        ({"diverse": 1.0}, True),
        ({"diverse": 1.01}, False),
        ({"keywords": 1.0}, True),
        ({"keywords": -0.01}, False),
    ],
)
def test_what_may_be_asked_for_has_bounds(settings: dict[str, Any], ok: bool) -> None:
    if ok:
        params = SearchParams(**settings)
        assert params.need == params.k + params.offset
        return
    with pytest.raises(BadInput, match=f"^{next(iter(settings))}: "):
        SearchParams(**settings)


def test_captions_are_ranked_among_those_given_or_those_there(many: Collection) -> None:
    texts = ["red", "blue", "green", "red"]
    row = many._vectors.of([7])
    scores = cosine.score(row, Spaced().encode_texts(["red", "blue", "green"]))[0]
    ranked = [["red", "blue", "green"][at] for at in np.argsort(-scores, kind="stable")]
    told = many.captions(7, 2, among=texts)
    assert [text for text, _ in told] == ranked[:2]
    assert [score for _, score in told] == pytest.approx(sorted(scores, reverse=True)[:2], abs=1e-6)
    assert many.captions(7, 9, among=[]) == []
    assert len(many.captions(7, 9, among=texts)) == 3
    with pytest.raises(BadInput, match="k: 0"):
        many.captions(7, 0)
    both = many.captions(7, 5)
    assert len({text for text, _ in both}) == 5


@pytest.mark.parametrize(("name", "why"), [("folder.png", "Is a directory"), ("zero\0.png", "null byte")])
def test_a_picture_that_cannot_be_read_is_told_with_its_reason(tmp_path, name, why):
    (tmp_path / "folder.png").mkdir()
    with (
        Collection.open(tmp_path / "c", Palette(), write=True) as collection,
        pytest.raises(BadInput, match=rf"not readable \(.*{why}"),
    ):
        collection.search(Term(1.0, "picture", str(tmp_path / name)))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A red picture and a copy of it, one more of each colour, and a row without a file."""
    folder = tmp_path_factory.mktemp("shown")
    for name in COLOURS:
        paint(folder / f"{name}.png", name)
    (folder / "copy.png").write_bytes((folder / "red.png").read_bytes())
    with Collection.open(folder / "c", Palette(), write=True) as collection:
        collection.add(folder)
        collection.put([Entry("row", Palette().encode_texts(["red"])[0], captions=["of a blue sea"], tags=["sea"])])
        yield collection


def names(answer: Any) -> set[str]:
    return {Path(hit.key).stem for hit in answer.results}


EVERY = {*COLOURS, "copy", "row"}


def test_a_picture_asked_for_with_something_else_is_no_answer(shown: Collection) -> None:
    place = Path(shown.get(shown.ids()[0]).path or "").parent
    red, row = shown.ids(str(place / "red.png"))[0], shown.ids("row")[0]
    file = Term.of(place / "red.png")
    for asked in (
        f"{place}/red.png + blue",
        "red.png + blue",
        f"#{red} + blue",
        f"blue - #{red}",
        f"#{red} + 2:sea",
        [file, "blue"],
        [Term.of(red), Term.of("blue")],
        [file, Palette().encode_texts(["blue"])[0]],
    ):
        answer = shown.search(asked, k=20)
        assert names(answer) == EVERY - {"red", "copy"} and answer.total == len(EVERY) - 2, asked
        assert names(shown.search(asked, k=20, where="has(tag)")) == {"row"}
        assert shown.search(asked, where="NOT has(tag)").total == len(EVERY) - 3
    both = shown.search(f"#{red} + #{row}", k=20)
    assert names(both) == EVERY - {"red", "copy", "row"} and both.total == len(EVERY) - 3
    pages = [hit.id for start in range(0, 9, 2) for hit in shown.search(f"#{red} + blue", k=2, offset=start).results]
    assert len(pages) == len(set(pages)) == len(EVERY) - 2
    # What is said of it does not bring it back.
    for keywords in (0.5, 1.0):
        answer = shown.search(f"#{row} + sea", k=20, keywords=keywords)
        assert names(answer) == EVERY - {"row"} and answer.total == len(EVERY) - 1


def test_a_picture_asked_for_alone_is_the_first_answer(shown: Collection) -> None:
    place = Path(shown.get(shown.ids()[0]).path or "").parent
    red, row = shown.ids(str(place / "red.png"))[0], shown.ids("row")[0]
    for asked in (f"{place}/red.png", f"#{red}", f"#{red} NOT blue", f"#{red} NOT has(tag)", [Term.of(red)]):
        assert names(shown.search(asked, k=2 + (asked == f"#{red}"))) >= {"red", "copy"}, asked
    assert shown.search(f"#{row} has(tag)").results[0].id == row
    assert shown.search(f"#{red}").total == len(EVERY)
