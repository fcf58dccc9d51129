"""What makes a collection fast, counted in statements and rows rather than in seconds; and it changes no answer."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collection_world import Palette

from diptych.collection import Collection, Entry, Marks
from diptych.collection.items import Item, Records
from diptych.collection.nearest import Nearest
from diptych.collection.query import parse
from diptych.index import ivf, refined
from diptych.index.index import Index
from diptych.kinds import BadInput, cosine
from diptych.sources.metadata.about import Words


def entries(n: int) -> list[Entry]:
    rng = np.random.default_rng(3)
    rows = cosine.normalise(rng.normal(size=(n, 16)).astype(np.float32))
    found = []
    for number, row in enumerate(rows):
        captions = (f"a red card number {number}",) if number % 3 == 0 else ()
        tags = ("Even",) * (number % 2 == 0) + (f"of ten {number % 10}",)
        taken = f"{2000 + number % 20}-{1 + number % 12:02d}-03T10:00:00" if number % 5 else None
        metadata = {"price": float(number), "maker": f"M{number % 7}"}
        found.append(Entry(f"item {number}", row, captions, tags, metadata, width=number, taken=taken))
    return found


def made(folder: Path, n: int) -> Collection:
    collection = Collection.open(folder, Palette(), write=True)
    collection.put(entries(n))
    return collection


@contextmanager
def statements(collection: Collection) -> Iterator[list[str]]:
    """The statements that are run meanwhile, without those that full-text search runs of itself."""
    told: list[str] = []
    collection._store._connection.set_trace_callback(lambda sql: None if sql.startswith("--") else told.append(sql))
    try:
        yield told
    finally:
        collection._store._connection.set_trace_callback(None)


@pytest.mark.parametrize(
    "written",
    """tag:even|tag ~ ten|has(tag)|year = 2003|year >= 2010|year < 2010|month = 3|taken = 2003-02|taken >= 2010
width > 30|height < 4|size > 2MB|lat > 1|lon < 2|camera = x|has(camera)|price = 3|price < 50|price >= 50
maker = m3|has(maker)|near(48, 2, 20km)""".replace("\n", "|").split("|"),
)
def test_a_filter_reads_an_index_and_no_row(tmp_path: Path, written: str) -> None:
    with made(tmp_path, 60) as collection:
        sql, values = parse(written).where.sql()
        plan = [line for *_, line in collection._store.rows(f"EXPLAIN QUERY PLAN {sql}", values)]
        reads = [line for line in plan if line.startswith(("SCAN", "SEARCH"))]
        assert reads and all("USING COVERING INDEX" in line for line in reads), plan
        narrow = not any(word in written for word in ("~", "has(tag)", "has(camera)", "year <", "month"))
        assert not narrow or all(line.startswith("SEARCH") for line in reads), plan


def test_a_page_costs_as_many_statements_whatever_it_is_chosen_from(tmp_path: Path) -> None:
    counts = []
    for n in (900, 1800):
        with made(tmp_path / str(n), n) as collection:
            collection.search("red")
            with statements(collection) as told:
                for query in ("tag:even", "red AND tag:even", "#3 AND price < 70", "#3"):
                    collection.search(query)
                collection.similar(5)
                collection.search("red", offset=50)
            counts.append(len(told))
    assert counts[0] == counts[1]


def test_a_search_reads_once_which_generation_it_is_of(tmp_path: Path) -> None:
    with made(tmp_path, 60) as collection:
        collection.search("red")
        with statements(collection) as told:
            collection.search("red", fields=True)
        assert len([sql for sql in told if "'generation'" in sql]) == 1


def test_whoever_writes_sees_the_generation_that_they_write(tmp_path: Path) -> None:
    with made(tmp_path, 9) as collection, Collection.open(tmp_path, Palette()) as reader:
        store = collection._store
        before = store.generation
        with reader._store.snapshot():
            assert reader._store.generation == before
            with store.transaction():
                assert store.generation == before + 1
                with store.snapshot():
                    assert store.generation == before + 1
            with pytest.raises(ZeroDivisionError), store.transaction():
                assert store.generation == before + 2
                raise ZeroDivisionError
            assert store.generation == before + 1
            assert reader._store.generation == before
        assert reader._store.generation == before + 1


def test_rows_are_added_by_statements_for_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made(tmp_path, 30) as collection:
        many: list[str] = []
        store = collection._store
        real = store._connection

        class Counting:
            def __getattr__(self, name: str) -> object:
                if name in ("execute", "executemany"):
                    return lambda sql, *values: (many.append(sql), getattr(real, name)(sql, *values))[1]
                return getattr(real, name)

        monkeypatch.setattr(store, "_connection", Counting())
        counts = []
        for n in (100, 300):
            many.clear()
            collection.put(
                Entry(f"{n} {number}", some.row, (), some.tags, some.metadata) for number, some in enumerate(entries(n))
            )
            counts.append(sum(not sql.startswith("SELECT") for sql in many))
        assert counts[0] < 40 and counts[1] - counts[0] <= 7 * 200 / 50, "seven rows an entry, fifty by one statement"
        monkeypatch.undo()


def test_what_is_put_together_is_what_is_put_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New items, others in their place, and a mixture of both; some rows by one statement, the rest one by one."""
    monkeypatch.setattr("diptych.collection.store._TOGETHER", (12, 7))
    kinds = [1, 1.0, True, "1", "true", [1, 1.0, True], [], [""], 2**62, -0.0]
    mixed = [replace(entry, metadata={"kind": kinds[place % 10]}) for place, entry in enumerate(entries(40))]
    works = [mixed, [Entry(some.key, None, ("other",), ("New",), {"price": 1}) for some in entries(20)]]
    works.append([Entry(f"item {number}", some.row, ("x",)) for number, some in enumerate(entries(50))])
    told = []
    for name, size in (("together", 50), ("alone", 1)):
        with Collection.open(tmp_path / name, Palette(), write=True) as collection:
            ids = [
                id
                for work in works
                for start in range(0, len(work), size)
                for id in collection.put(work[start : start + size])
            ]
            items = [collection.get(id) for id in collection.ids()]
            answers = [
                [(hit.id, hit.score) for hit in collection.search(query, k=60).results]
                for query in ("red", "tag:new", "price = 1", "#7", 'caption ~ "x"')
            ]
            assert collection.verify() == []
            told.append((ids, repr(items), answers))
    assert told[0] == told[1]


def test_the_garbage_collector_is_on_again_whatever_came_of_a_batch(tmp_path: Path) -> None:
    with made(tmp_path, 10) as collection:
        assert gc.isenabled()
        with pytest.raises(BadInput, match="needs a row"):
            collection.put([Entry("new")])
        assert gc.isenabled()
        gc.disable()
        try:
            collection.put(entries(10))
            assert not gc.isenabled(), "who turned it off wants it so"
        finally:
            gc.enable()


def test_put_asks_for_entries_as_it_writes_them_and_says_what_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diptych.collection.collection.ENTRIES", 10)
    asked: list[int] = []
    durable: list[tuple[int, int]] = []

    def some() -> Iterator[Entry]:
        for number, entry in enumerate(entries(25)):
            asked.append(number)
            yield entry

    with Collection.open(tmp_path, Palette(), write=True) as collection:

        def told(what: str, done: int, total: int) -> None:
            with Collection.open(tmp_path, Palette()) as reader:
                durable.append((len(asked), len(reader)))
            assert (what, done) == ("entries", durable[-1][1])

        assert len(collection.put(some(), progress=told)) == 25
    assert durable == [(10, 10), (20, 20), (25, 25)]


@pytest.mark.parametrize(
    "query", ["tag:even", "price < 90 AND NOT tag:even", "red AND price < 90", "#3 AND tag:even", "#3"]
)
def test_pages_put_together_are_the_whole_answer(tmp_path: Path, query: str) -> None:
    with made(tmp_path, 120) as collection:
        whole = collection.search(query, k=120)
        pages = [collection.search(query, k=7, offset=offset) for offset in range(0, 120, 7)]
        assert [(hit.id, hit.score) for page in pages for hit in page.results] == [
            (hit.id, hit.score) for hit in whole.results
        ]
        first = collection.search(query, k=7)
        assert first.results == pages[0].results
        assert collection.search(query, k=7).results == first.results, "asked again, from what was kept"


@pytest.fixture(params=["exact", "of cells"])
def deep(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    """More items than the first steps give; in cells, of which so few are looked into that much is found late."""
    with made(tmp_path, 900) as collection:
        if request.param == "of cells":
            monkeypatch.setattr(refined, "FEW", 40)
            monkeypatch.setattr(ivf, "SCANNED", 200)
            monkeypatch.setattr(refined, "SECOND", 30)
            monkeypatch.setattr(Nearest, "_chosen", lambda self, n: ivf.IVF(cosine, 16, cells=24))
            collection.reindex()
            cells = collection._nearest.current()
            assert isinstance(cells, ivf.IVF)
            cells.probes, cells.candidates = 1, 2  # what is deep down misses much
        yield collection


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("red", {}),  # said of a third of them, so that keywords have their say
        ("red", {"keywords": 0.0}),
        ("red", {"keywords": 1.0}),
        ("red", {"keywords": 0.9, "diverse": 0.4}),
        ("red", {"marks": Marks([3, 8], [4, 5, 30])}),
        ("red AND price < 500", {}),
        ("red AND price < 30", {}),
        ("red NOT blue", {}),
        ("red NOT #5", {"keywords": 0.0}),
        ("red NOT blue", {"diverse": 0.4}),
        ("#3", {}),
        ("#3 AND price < 600", {}),
        ("#3 AND price < 150", {}),
        ("#3 AND price < 30", {}),
        ("#3 + red", {}),
        ("#3 NOT #4", {}),
        ("#3", {"diverse": 0.4}),
        ("tag:even", {}),
        ("tag:even NOT red", {}),
    ],
)
def test_pages_of_any_size_in_any_order_are_those_of_the_whole(deep: Collection, query: str, options: Any) -> None:
    def page(k: int, offset: int) -> list[tuple[int, float]]:
        return [(hit.id, hit.score) for hit in deep.search(query, k=k, offset=offset, **options).results]

    whole = page(900, 0)
    assert len({id for id, _ in whole}) == len(whole)
    assert len(whole) == deep.search(query, k=1, **options).total or "NOT" in query
    rng, at = np.random.default_rng(0), 0
    while at <= len(whole):  # one after the other, of sizes of their own
        k = int(rng.integers(1, 160))
        assert page(k, at) == whole[at : at + k]
        at += k
    for k, at in ((1, 0), (10, 0), (16, 5), (100, 25), (101, 0), (3, 880), (10, 899), (10, 950), (10, 100_000)):
        assert page(k, at) == whole[at : at + k]


def test_pages_of_many_vectors_are_those_of_each(deep: Collection) -> None:
    vectors = np.stack([entries(9)[number].row for number in (2, 5)])
    for where in (None, "price < 500"):
        whole = [[hit.id for hit in answer.results] for answer in deep.search(vectors, k=900, where=where)]
        for k, offset in ((10, 0), (20, 0), (20, 20), (7, 400), (300, 350), (10, 899)):
            for number, answer in enumerate(deep.search(vectors, k=k, offset=offset, where=where)):
                ids = [hit.id for hit in answer.results]
                assert ids == whole[number][offset : offset + k]
                alone = deep.search(vectors[number], k=k, offset=offset, where=where)
                assert ids == [hit.id for hit in alone.results]


def test_a_deep_page_scores_no_row_twice(deep: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []
    real = Index._scored

    def counted(self: Index, queries: np.ndarray, places: Any) -> np.ndarray:
        found = real(self, queries, places)
        scored.append(found.shape[1])
        return found

    monkeypatch.setattr(Index, "_scored", counted)
    deep.search("#3", offset=700)
    assert 710 <= sum(scored) <= 900


def test_what_was_kept_of_a_filter_is_forgotten_with_the_next_change(tmp_path: Path) -> None:
    with made(tmp_path, 40) as collection, Collection.open(tmp_path, Palette()) as reader:
        before = {hit.id for hit in reader.search("price < 20", k=40).results}
        gone, (new,) = sorted(before)[0], collection.put([Entry("new", entries(1)[0].row, metadata={"price": 3})])
        collection.remove([gone])
        assert {hit.id for hit in reader.search("price < 20", k=40).results} == before - {gone} | {new}


def test_similar_asks_the_index_for_all_and_leaves_itself_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = Index.ranked

    def ranked(self: Index, queries: np.ndarray, k: int, among: object = None) -> object:
        asked.append((k, among))
        return real(self, queries, k, among)

    with made(tmp_path, 40) as collection:
        monkeypatch.setattr(Index, "ranked", ranked)
        found = collection.similar(7, k=12).results
        assert asked == [(13, None)]
        rows = np.stack([entry.row for entry in entries(40)])
        scores = rows @ rows[6]
        scores[6] = -2
        assert [hit.id - 1 for hit in found] == np.argsort(-scores, kind="stable")[:12].tolist()


def test_a_late_page_reads_the_vectors_of_what_is_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made(tmp_path, 300) as collection:
        collection.search("red")
        real, read = collection._vectors.of, []

        def of(self: object, ids: list[int]) -> np.ndarray:
            read.append(len(ids))
            return real(ids)

        monkeypatch.setattr(type(collection._vectors), "of", of)
        late = collection.search("red", k=5, offset=200, keywords=0)
        assert len(late.results) == 5 and sum(read) <= 20
        assert late.verdict == collection.search("red", k=205, keywords=0).verdict


def test_the_verdict_of_a_page_is_that_of_the_whole_answer(tmp_path: Path) -> None:
    with made(tmp_path, 120) as collection:
        for query in ("red", "red AND tag:even", "green NOT blue", "#4 + red", "#4"):
            whole = collection.search(query, k=100)
            for offset in (0, 10, 60):
                page = collection.search(query, k=20, offset=offset)
                assert [hit.verdict for hit in page.results] == [
                    hit.verdict for hit in whole.results[offset : offset + 20]
                ]
            assert page.verdict == collection.search(query, k=80).verdict


def test_checksums_made_together_are_those_made_one_by_one() -> None:
    odd = ['}, {"": ', '[{"": ', "}]", "%s %d %", "\n", '"', "\\", "\0", "ü", "", "[]", ", "]
    items = [
        Item(
            f"{text} {place}",
            camera=text if place % 2 else None,
            lat=[0.0, -0.0, 1e300, 5][place % 4],
            found=Words((text, "x"), (text,)),
            given=Words((text,) * (place % 3), ("y",) * (place % 2)),
            metadata={text or "k": text, "b": [text, 1, 1.0, True], "a": []} if place % 4 else {},
        )
        for place, text in enumerate(odd * 3)
    ]
    for some in (items, items[:1], []):
        assert Records.of(some).crcs() == [item.crc() for item in some]
    for text in odd:
        new = Records.new([text, "b"], {"camera": [text, None]}, [[], []], [[(text, True)], []], [{text: text}, {}])
        alone = Item(text, camera=text, given=Words((), (text,)), metadata={text: text})
        assert new.crcs() == [alone.crc(), Item("b").crc()]
