"""Vectors of one's own: collections without an encoder, encoders from elsewhere, and rows that are looked at."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collection_world import COLOURS, Palette, album, paint
from PIL import Image

from diptych.collection import Collection, Entry, OtherEncoder, Term
from diptych.kinds import BadInput, Space, cosine, dot, hamming, l2, sets

N, WIDTH = 200, 24


def random(n: int = N, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    return cosine.normalise(np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32))


@pytest.fixture
def items(tmp_path: Path) -> Iterator[Collection]:
    """Rows alone, of which every second is new and every tenth is of the brand Acme."""
    with Collection.open(tmp_path / "items", space=cosine, width=WIDTH, write=True) as collection:
        rows = random()
        collection.put(
            Entry(
                f"sku-{at}",
                row,
                captions=[f"thing number {at}"] if at < 5 else None,
                tags=["new"] * (at % 2),
                metadata={"brand": "Acme" if at % 10 == 0 else "Bolt", "price": at},
            )
            for at, row in enumerate(rows)
        )
        yield collection


def keys(answer: Any) -> list[str]:
    return [hit.key for hit in answer.results]


def wanted(vector: np.ndarray, k: int, among: Any = range(N)) -> list[str]:
    scores = random() @ vector
    return [f"sku-{at}" for at in sorted(among, key=lambda at: -scores[at])[:k]]


# ---------------------------------------------------------------------------------------------------- without encoder


def test_a_vector_finds_the_nearest_rows_and_filters_hold(items):
    vector = random(1, seed=1)[0]
    answer = items.search(vector, k=7)
    assert keys(answer) == wanted(vector, 7) and answer.total == N and answer.verdict == "unrated"
    assert [hit.score for hit in answer.results] == pytest.approx(sorted(random() @ vector)[:-8:-1], abs=1e-6)
    acme = items.search(vector, k=7, where='brand = "Acme"')
    assert keys(acme) == wanted(vector, 7, range(0, N, 10)) and acme.total == N // 10
    assert keys(items.search([vector, 'brand = "Acme"'], k=7)) == keys(acme)
    assert keys(items.search(vector.tolist(), k=7)) == keys(answer) == keys(items.search(5 * vector, k=7))
    assert keys(items.search(vector, k=3, offset=4)) == wanted(vector, 7)[4:]


def test_many_vectors_are_answered_together_as_each_alone(items, monkeypatch):
    vectors = random(9, seed=2)
    alone = [items.search(vector, k=5, where="price < 100") for vector in vectors]
    asked = []
    index = items._nearest.current()
    monkeypatch.setattr(type(index), "ranked", spy(type(index).ranked, asked))
    for together in (
        items.search(vectors, 5, where="price < 100"),
        items.search(list(vectors), 5, where="price < 100"),
    ):
        assert [keys(answer) for answer in together] == [keys(answer) for answer in alone]
        assert [answer.total for answer in together] == [100] * 9
    assert asked == [9, 9], "one call of the index"
    assert items.search(np.empty((0, WIDTH), np.float32)) == []
    assert len(items.search(vectors, 5, diverse=0.5)[0].results) == 5


def spy(search: Any, asked: list[int]) -> Any:
    def spied(self: Any, queries: Any, *arguments: Any) -> Any:
        asked.append(len(queries))
        return search(self, queries, *arguments)

    return spied


def test_similar_takes_a_key_an_id_or_a_vector(items):
    row = random()[3]
    assert keys(items.similar("sku-3", 5)) == wanted(row, 6)[1:] == keys(items.similar(items.ids("sku-3")[0], 5))
    assert keys(items.similar(row, 5)) == wanted(row, 5)
    assert keys(items.similar("sku-3", 5, where="tag:new")) == wanted(row, 6, range(1, N, 2))[1:]
    assert items.similar("sku-3").total == N - 1


def test_vectors_are_weighed_beside_items_and_each_other(items):
    one, other = random(2, seed=3)
    found = items.search([Term.of(one, 2), Term.of(other, -0.5), "price >= 50"], k=5)
    assert keys(found) == wanted(cosine.normalise(2 * one - other / 2), 5, range(50, N))
    item = items.ids("sku-7")[0]
    others = [place for place in range(N) if place != 7]
    joined = wanted(cosine.normalise(one + random()[7]), 5, others)
    assert keys(items.search([Term.of(one), f"#{item}"], k=5)) == joined
    assert keys(items.search([Term.of(one), Term.of(item)], k=5)) == joined


@pytest.mark.parametrize("size", [1e308, 1e39, 1e20, 1e-320])
def test_weights_of_any_size_tell_by_their_ratio(items, size, tmp_path):
    one, other = random()[:2]
    usual = items.search([Term.of(one), Term.of(other, -0.5)], k=5)
    answer = items.search([Term.of(one, size), Term.of(other, -size / 2)], k=5)
    assert keys(answer) == keys(usual)
    assert [hit.score for hit in answer.results] == pytest.approx([hit.score for hit in usual.results], abs=1e-3)
    with Collection.open(tmp_path / "dot", space=dot, width=WIDTH, write=True) as collection:
        collection.put([Entry("k", one)])
        with pytest.raises(BadInput, match="too large"):
            collection.search([Term.of(one, 1e308), Term.of(other, 1e308)])


def test_words_need_an_encoder_and_the_line_says_the_way_out(items, tmp_path):
    for ask in (
        lambda: items.search("red shoes"),
        lambda: items.search([random()[0], "red"]),
        lambda: items.captions("sku-1", among=["red"]),
        lambda: items.search(paint(tmp_path / "a.png", "red")),
    ):
        with pytest.raises(BadInput, match=r"has no encoder: search by a vector, an item .* or a filter") as caught:
            ask()
        assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match="put"):
        items.add(tmp_path)
    assert {hit.key for hit in items.search("caption ~ number", k=N).results} == {f"sku-{at}" for at in range(5)}


def test_a_collection_of_rows_is_looked_after_like_any_other(items, tmp_path):
    assert items.verify() == [] and items.reindex().text is None and items.calibrate(weak=0.5).points[0] == 0.5
    assert items.status()["encoder"]["name"] == "rows"
    vector = random(1, seed=1)[0]
    items.export(tmp_path / "all.jsonl")
    items.close()
    with Collection.open(tmp_path / "items") as again:
        assert keys(again.search(vector, 7)) == wanted(vector, 7)
    with Collection.open(tmp_path / "items", space="cosine", width=WIDTH):
        pass
    for other in ({"space": dot, "width": WIDTH}, {"space": cosine, "width": 8}, {"encoder": Palette()}):
        with pytest.raises(OtherEncoder):
            Collection.open(tmp_path / "items", **other)
    with Collection.open(tmp_path / "other", space=cosine, width=WIDTH, write=True) as other:
        assert other.import_(tmp_path / "all.jsonl") == N and keys(other.search(vector, 7)) == wanted(vector, 7)


@pytest.mark.parametrize("arguments", [{"space": cosine}, {"width": 8}, {"space": "round", "width": 8},
    {"space": sets, "width": 8}, {"space": cosine, "width": 0}, {"space": cosine, "width": "8"},
    {"space": cosine, "width": 8, "encoder": Palette()}])  # fmt: skip
def test_space_and_width_are_looked_at_before_anything_is_written(arguments, tmp_path):
    with pytest.raises(BadInput):
        Collection.open(tmp_path / "c", write=True, **arguments)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("space", [dot, l2, hamming])
def test_rows_of_other_spaces_are_compared_as_the_space_says(space: Space, tmp_path):
    raw = np.random.default_rng(4).normal(size=(50, 64)).astype(np.float32)
    rows = space.normalise(3 * raw)
    with Collection.open(tmp_path / "c", space=space, width=rows.shape[1], write=True) as collection:
        assert collection.put(Entry(str(at), row) for at, row in enumerate(rows)).normalised == 0
        best = space.score(rows[:1], rows)[0]
        hits = collection.search(rows[0], k=50).results
        assert [hit.score for hit in hits] == pytest.approx(sorted(best.tolist(), reverse=True), rel=1e-5)
        if space is hamming:
            for wrong in (np.zeros(64, np.uint8), np.zeros(8, np.int64), np.zeros(8, np.float32)):
                with pytest.raises(BadInput, match="row"):
                    collection.put([Entry("x", wrong)])
        assert collection.verify() == []


# ------------------------------------------------------------------------------------------------ encoders of others


class Mine:
    """Nothing of Diptych: what the protocol asks for, and a name and a version."""

    name, version, space = "mine", "1.0", cosine

    def __init__(self, length: float = 1.0) -> None:
        self.palette, self.length = Palette(), length

    def encode_images(self, items: Any) -> np.ndarray:
        return self.length * self.palette.encode_images(items).astype(np.float64)

    def encode_texts(self, items: Any) -> np.ndarray:
        return self.length * self.palette.encode_texts(items).astype(np.float64)


def test_any_object_of_the_protocol_indexes_and_is_known_by_name_and_version(tmp_path):
    album(tmp_path / "p", 24)
    with Collection.open(tmp_path / "c", Mine(), write=True) as collection:
        report = collection.add(tmp_path / "p")
        assert (report.added, report.normalised) == (24, 0)
        assert all("green" in hit.captions[0] for hit in collection.search("green", k=3, fields=True).results)
        assert collection.verify() == []
    with Collection.open(tmp_path / "c", Mine()) as again:
        assert again.search("blue", k=1).results
    other = Mine()
    other.version = "2.0"
    with pytest.raises(OtherEncoder, match=r"mine 2\.0"):
        Collection.open(tmp_path / "c", other)
    with Collection.open(tmp_path / "c", write=True) as collection:
        collection.reindex(other)
        assert collection.status()["encoder"]["revision"] == "2.0"


def test_rows_of_an_encoder_that_forgets_to_normalise_are_brought_to_unit_length_and_counted(tmp_path):
    album(tmp_path / "p", 24)
    with Collection.open(tmp_path / "c", Mine(7.0), write=True) as collection:
        assert collection.add(tmp_path / "p").normalised == 24
        hits = collection.search("red", keywords=0).results
        assert all(-1 <= hit.score <= 1.00001 for hit in hits) and hits[0].score > 0.9
        assert collection.verify() == []


@dataclass
class Odd:
    """An encoder that gives what it was made with for one text."""

    space: Any
    rows: Any = None
    name: str = "odd"
    version: str = "1"

    def encode_images(self, paths: list[str]) -> Any:
        return self.rows

    def encode_texts(self, texts: list[str]) -> Any:
        return self.rows


def test_who_states_no_name_or_lacks_a_part_is_told_in_one_line(tmp_path):
    nameless = Mine()
    nameless.version = ""
    for encoder, why in (
        (nameless, "`name` and a `version`"),
        (Mine, "is no encoder"),
        (object(), "encode_images"),
        (Odd("cosine"), "Odd: space: 'cosine'; give one of diptych.kinds"),
        (Odd(cosine, np.ones(4)), r"odd: of one text it made float64 \(4,\); give one row a text$"),
        (Odd(cosine, np.ones((2, 4))), "give one row a text"),
        (Odd(hamming, np.ones((1, 4))), "give one row a text of packed bits, uint8"),
    ):
        with pytest.raises(BadInput, match=why) as caught:
            Collection.open(tmp_path / "c", encoder, write=True)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "c").exists()


def test_pictures_that_are_open_and_their_pixels_are_asked_with(tmp_path):
    paths = album(tmp_path / "p", 24)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(tmp_path / "p")
        picture = Image.open(paths[0])
        pixels = np.asarray(picture.convert("RGB"))
        by_path = [hit.id for hit in collection.search(paths[0], keywords=0).results]
        for thing in (picture, pixels, [pixels], Term.of(picture)):
            answer = collection.search(thing)
            assert [hit.id for hit in answer.results] == by_path and answer.verdict == "match"
        assert [hit.id for hit in collection.similar(pixels).results] == by_path
        assert collection.captions(pixels, 1)[0][0] == collection.captions(paths[0], 1)[0][0]
        green = [hit.key for hit in collection.search([pixels, Term.of("red", -1), "green"], k=3).results]
        assert green != by_path[:3]
        with pytest.raises(BadInput, match="pixels"):
            collection.search(pixels.astype(float))
        with pytest.raises(BadInput, match="pixels"):
            collection.search(np.stack([pixels, pixels]))
        picture.close()
        with pytest.raises(BadInput, match="does not open"):
            collection.search(picture)
    assert COLOURS


# --------------------------------------------------------------------------------------------------- rows are looked at


@pytest.mark.parametrize("way", ["put", "all.jsonl", "all.parquet", "shards"])
def test_rows_of_any_length_are_normalised_on_the_way_in_and_counted(items, tmp_path, way):
    rows = random(20, seed=5) * np.linspace(0.1, 9.7, 20, dtype=np.float32)[:, None]
    rows[3] /= np.linalg.norm(rows[3])
    with Collection.open(tmp_path / "c", space=cosine, width=WIDTH, write=True) as collection:
        if way == "put":
            written: Any = collection.put(Entry(str(at), row) for at, row in enumerate(rows))
            assert written == collection.ids()
        else:
            if way != "all.jsonl":
                pytest.importorskip("pyarrow")
            with Collection.open(tmp_path / "l2", space=l2, width=WIDTH, write=True) as raw:
                raw.put(Entry(str(at), row) for at, row in enumerate(rows))
                raw.export(tmp_path / way)
            taken_at_its_word(tmp_path / way)
            written = collection.import_(tmp_path / way)
            assert written == 20
        assert written.normalised == 19
        hits = collection.search(rows[7], k=20).results
        assert hits[0].key == "7" and hits[0].score == pytest.approx(1, abs=1e-6)
        assert all(abs(hit.score) <= 1 + 1e-6 for hit in hits) and collection.verify() == []


def taken_at_its_word(path: Path) -> None:
    """An export that does not say whose vectors it holds, as another program writes it."""
    if path.suffix == ".jsonl":
        path.write_text(path.read_text().replace('"encoder"', '"made by"'))
    elif path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(parquet.read_table(path).replace_schema_metadata(None), path)
    else:
        (path / "encoder.json").unlink()


@pytest.mark.parametrize("wrong", [0.0, np.nan, np.inf, -np.inf])
def test_a_row_that_is_like_nothing_is_refused_by_its_key_and_nothing_is_written(items, wrong):
    rows = random(3, seed=6)
    rows[1] = wrong if wrong == 0 else np.where(np.arange(WIDTH) == 4, wrong, rows[1])
    with pytest.raises(BadInput, match=r"^bad one: its row"):
        items.put([Entry("good", rows[0]), Entry("bad one", rows[1]), Entry("other", rows[2])])
    with pytest.raises(BadInput, match="query: the vector: its row"):
        items.search(rows[1])
    with pytest.raises(BadInput, match=r"^short: its row is \(3,\)"):
        items.put([Entry("short", rows[0][:3])])
    with pytest.raises(BadInput, match=r"^ragged: its row is \(\)"):
        items.put([Entry("good", rows[0]), Entry("ragged", [[1.0], [1.0, 2.0]])])
    assert len(items) == N


def test_whole_numbers_are_taken_and_what_is_no_number_is_refused_by_its_key(items):
    ones = [int(place == 3) for place in range(WIDTH)]
    items.put([Entry("list", ones), Entry("array", np.array(ones) * 5)])
    assert {hit.key for hit in items.search(ones, k=2).results} == {"list", "array"}
    good = np.ones(WIDTH, np.float32)
    for odd in ([None] * WIDTH, good.astype(complex), good.astype(bool), good.astype(np.uint8)):
        with pytest.raises(BadInput, match=r"^odd: rows are "):
            items.put([Entry("good", good), Entry("odd", odd)])
    with pytest.raises(BadInput, match=r"^query: the vector: rows are "):
        items.search(good[:3])


@pytest.mark.parametrize("space", ["dot", "l2"])
def test_numbers_whose_squares_are_infinite_are_refused(tmp_path, space):
    with Collection.open(tmp_path, space=space, width=3, write=True) as collection:
        with pytest.raises(BadInput, match=r"^large: its row holds numbers above 1e\+18"):
            collection.put([Entry("large", [1.0, 0.0, -1e19])])
        collection.put([Entry("nearly", [1.0, 0.0, -1e17]), Entry("zeros", [0, 0, 0])])
        assert collection.verify() == [] and len(collection) == 2


@dataclass
class Blind(Palette):
    """Sees nothing in some pictures."""

    def encode_images(self, items: Any) -> np.ndarray:
        rows = super().encode_images(items)
        rows[["zero" in path for path in items]] = 0
        rows[["nan" in path for path in items]] = np.nan
        return rows


def test_a_picture_whose_row_is_like_nothing_fails_and_the_others_do_not(tmp_path):
    for name in ("a", "zero", "nan", "b"):
        paint(tmp_path / "p" / f"{name}.png", "red", len(name) + ord(name[0]))
    with Collection.open(tmp_path / "c", Blind(), write=True) as collection:
        report = collection.add(tmp_path / "p")
        assert (report.added, report.failed) == (2, 2)
        assert {Path(path).stem: why.split(";")[0][:24] for path, why in report.failures} == {
            "zero": "its row is all zeros, wh",
            "nan": "its row holds NaN or inf",
        }
        assert collection.verify() == []


def test_rows_that_an_older_version_took_are_noticed_and_mended(items):
    vector = random(1, seed=1)[0]
    with items._store.transaction():
        for id, row in zip(items.ids(), random(), strict=True):
            blob = (row * (3.9 if id % 3 else 1)).astype("<f4").tobytes()
            items._store.change("UPDATE vectors SET data = ?, crc = ? WHERE item = ?", [(blob, zlib.crc32(blob), id)])
    items._nearest.forget()
    found = items.verify()
    assert len(found) == sum(id % 3 > 0 for id in items.ids())
    way = f"diptych reindex --collection {items.folder} mends it"
    assert found[0] == f"item 1: its vector has the length 3.9 and not 1; {way}"
    items.reindex()
    assert items.verify() == [] and keys(items.search(vector, 7)) == wanted(vector, 7)
