"""The index of a collection: of the kind its size asks for, caught up, kept when it is worth it, trained anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from collection_world import COLOURS, Palette

from diptych.collection import Collection, Entry
from diptych.index import choice
from diptych.index.flat import Flat
from diptych.index.ivf import IVF
from diptych.kinds import BadInput, cosine

N = 1200
IVF_BYTES, FLAT_BYTES = 2 * 16 + 16 + 16, 4 * 16 + 8
"""Of a row of 16 columns."""

MIXED = [f"{one} {other}" for one in COLOURS for other in COLOURS]


def entries(n: int, first: int = 0, captions: bool = True) -> list[Entry]:
    """Items whose rows are near those of their captions."""
    rng = np.random.default_rng(first + 1)
    texts = [MIXED[number % len(MIXED)] for number in range(first, first + n)]
    rows = cosine.normalise(Palette().encode_texts(texts) + 0.3 * rng.standard_normal((n, 16)))
    return [
        Entry(f"item {number}", row.astype(np.float32), captions=[f"{text} {number}"] if captions else None)
        for number, row, text in zip(range(first, first + n), rows, texts, strict=True)
    ]


def found(collection: Collection, query: str, k: int = 10) -> list[int]:
    return [hit.id for hit in collection.search(query, k=k, keywords=0).results]


def exactly(collection: Collection, query: str, k: int = 10) -> list[int]:
    ids, rows = collection._vectors.all("image")
    scores = cosine.score(Palette().encode_texts([query]), rows)[0]
    return ids[np.lexsort((ids, -scores))[:k]].tolist()


def files(collection: Collection) -> list[str]:
    return sorted(path.name for path in (collection.folder / "index").glob("*.index"))


def agreement(collection: Collection) -> float:
    return float(np.mean([len({*found(collection, q)} & {*exactly(collection, q)}) / 10 for q in MIXED[::5]]))


@pytest.fixture
def inverted(tmp_path: Path) -> Collection:
    """A collection that was given too little memory for an exact index."""
    collection = Collection.open(tmp_path / "c", Palette(), write=True)
    collection.put(entries(N))
    assert collection.status()["index"]["kind"] == "flat"
    collection.reindex(memory=IVF_BYTES * 4 * N)
    assert collection.status()["index"]["kind"] == "flat", "there is room for it"
    collection.reindex(memory=FLAT_BYTES * N - 1)
    yield collection
    collection.close()


def test_where_an_exact_index_does_not_fit_there_is_an_inverted_one_that_learned_from_captions(inverted):
    told = inverted.status()["index"]
    assert (told["kind"], told["count"]) == ("ivf", N)
    assert told["recall"]["queries"] == N // 2 and told["recall"]["rows"] == N, "half of the captions measure it"
    assert told["recall"]["value"] >= 0.9 and agreement(inverted) >= 0.9
    assert inverted.verify() == []
    with Collection.open(inverted.folder, Palette()) as reader:
        assert isinstance(reader._nearest.current(), IVF) and agreement(reader) >= 0.9


def test_without_captions_it_learns_from_what_people_ask_for(tmp_path):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(N, captions=False))
        asked = []
        collection._nearest.asking = lambda: asked.append(1) or Palette().encode_texts(MIXED)
        collection.reindex(memory=FLAT_BYTES * N - 1)
        assert asked == [1]
        told = collection.status()["index"]
        assert (told["kind"], told["recall"]["queries"]) == ("ivf", len(MIXED) // 2) and agreement(collection) >= 0.9


def test_an_inverted_index_takes_in_changes_and_is_trained_anew_when_it_has_doubled(inverted, monkeypatch):
    # Here it is wanted at every size, so that no other kind takes its place.
    ivf = lambda n, dims, space, **wishes: choice.Choice(IVF(space, dims), "", 0, 0)  # noqa: E731
    monkeypatch.setattr(choice, "choose", ivf)
    gone = found(inverted, "red green")
    inverted.remove(gone)
    assert not set(gone) & set(found(inverted, "red green")) and agreement(inverted) >= 0.9
    (new,) = inverted.put([Entry("new", Palette().encode_texts(["red green"])[0])])
    assert found(inverted, "red green")[0] == new and inverted.status()["index"]["recall"]["rows"] == N
    inverted.put(entries(N - 1, N))
    assert inverted._nearest.current().recall.rows == N
    inverted.put(entries(10, 3 * N))
    assert inverted._nearest.current().recall.rows == inverted.status()["index"]["count"] == 2 * N
    assert agreement(inverted) >= 0.9 and inverted.verify() == []


def test_a_collection_that_outgrows_its_index_gets_another(tmp_path):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(500))
        collection.reindex(memory=FLAT_BYTES * 600)
        assert isinstance(collection._nearest.current(), Flat)
        collection.put(entries(120, 500))
        assert collection.status()["index"] | {"recall": None} == {"kind": "ivf", "count": 620, "recall": None}
        with pytest.raises(BadInput, match="allow as much"):
            collection.reindex(memory=IVF_BYTES * 620 - 1)


def test_the_file_is_written_again_when_more_changed_than_a_reader_catches_up_with(tmp_path):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(1000))
        assert files(collection) == [], "a thousand rows are caught up with at once"
        collection.put(entries(1, 1000))
        (first,) = files(collection)
        collection.put(entries(1000, 1001))
        assert files(collection) == [first]
        ids = collection.ids()
        collection.remove(ids[:1])
        collection.put(entries(1, 3000))
        (second,) = files(collection)
        assert second != first and sorted(path.name for path in (tmp_path / "c" / "index").iterdir()) == [
            second,
            f"{second}.json",
        ]
        with Collection.open(tmp_path / "c", Palette()) as reader:
            assert found(reader, "red blue", 50) == exactly(collection, "red blue", 50)


def test_status_tells_the_bytes_of_the_database_and_of_the_indexes(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(40))
        collection._nearest.rebuild()
        (index,) = (collection.folder / "index").glob("*.index")
        size = collection.status()["bytes"]
        assert size == {"database": (tmp_path / "c" / "diptych.db").stat().st_size, "index": index.stat().st_size}
