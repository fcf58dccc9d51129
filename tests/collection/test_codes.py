"""A collection that answers from binary codes: learned from its own rows, or by a method that was fitted before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collection_world import COLOURS, Palette

from diptych import catalogue
from diptych.collection import Collection, Entry, codes
from diptych.collection.nearest import Nearest
from diptych.collection.vectors import Vectors
from diptych.encoder import Encoder
from diptych.index.codes import Codes
from diptych.index.flat import Flat
from diptych.kinds import Array, BadInput, Pairs, cosine, hamming

N = 600
MIXED = [f"{one} {other}" for one in COLOURS for other in COLOURS]


def rows(n: int, first: int = 0) -> tuple[list[str], Array]:
    """Texts, and rows that are near theirs."""
    rng = np.random.default_rng(first + 1)
    texts = [MIXED[number % len(MIXED)] for number in range(first, first + n)]
    near = cosine.normalise(Palette().encode_texts(texts) + 0.3 * rng.standard_normal((n, 16)))
    return texts, near.astype(np.float32)


def entries(n: int, first: int = 0) -> list[Entry]:
    return [
        Entry(f"item {number}", row, captions=[f"{text} {number}"], metadata={"number": number})
        for number, text, row in zip(range(first, first + n), *rows(n, first), strict=True)
    ]


def found(collection: Collection, query: str, k: int = 10, offset: int = 0) -> list[int]:
    return [hit.id for hit in collection.search(query, k=k, offset=offset, keywords=0).results]


def exactly(collection: Collection, query: str, k: int = 10) -> list[int]:
    ids, kept = collection._vectors.all("image")
    scores = cosine.score(Palette().encode_texts([query]), kept)[0]
    return ids[np.lexsort((ids, -scores))[:k]].tolist()


def agreement(collection: Collection) -> float:
    return float(np.mean([len({*found(collection, q)} & {*exactly(collection, q)}) / 10 for q in MIXED[::7]]))


def file_of(collection: Collection) -> Path:
    (path,) = (collection.folder / "index").glob("*.index")
    return path


def want_of(collection: Collection, ids: list[int]) -> Array:
    return collection._vectors.of(ids)


def kind(collection: Collection) -> type:
    return type(collection._nearest.current())


@pytest.fixture
def coded(tmp_path: Path) -> Any:
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(N))
        collection.use_codes()
        yield collection


def fitted(folder: Path, method: str = "acq", width: int = 16, features: str = "given", **settings: Any) -> Path:
    texts, pictures = rows(300)
    told = Palette().encode_texts(texts) + 0.1 * np.random.default_rng(0).standard_normal((300, 16))
    pairs = Pairs(pictures[:, :width], told[:, :width].astype(np.float32))
    encoder = Encoder.of(features, features, catalogue.method(method)(**settings))
    encoder.fit(pairs).save_pretrained(folder)
    return folder


def test_codes_of_its_own_rows_answer_as_an_exact_search_does_and_status_tells_what_they_cost(
    coded: Collection,
) -> None:
    told = coded.status()["index"]
    assert (told["kind"], told["count"], told["bits"], told["bytes"]) == ("codes", N, 64, {"memory": 16, "disk": 52})
    assert told["recall"]["queries"] == N // 2 and told["recall"]["rows"] == N and told["recall"]["value"] >= 0.95
    assert 10 < told["rescored"] < N and told["milliseconds"] > 0
    assert file_of(coded).stat().st_size < 16 * N + 16 * 64 * 4 + 1000
    assert agreement(coded) >= 0.95 and coded.verify() == []
    with Collection.open(coded.folder, Palette()) as reader:
        assert kind(reader) is Codes and agreement(reader) >= 0.95
        assert [found(reader, q, 50) for q in MIXED[:9]] == [found(coded, q, 50) for q in MIXED[:9]]
        assert reader.similar("item 3", k=5).results[0].score > 0.5
        few = reader.search("red", k=5, where="number < 4", keywords=0)
        assert few.total == 4 and {hit.key for hit in few.results} == {f"item {number}" for number in range(4)}
        pages = [found(reader, "red", 7, first) for first in range(0, 70, 7)]
        assert [id for page in pages for id in page] == found(reader, "red", 70)


def test_few_pictures_are_searched_exactly_until_there_are_enough_to_learn_from(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.use_codes()
        collection.put(entries(codes.LEAST - 1))
        assert kind(collection) is Flat and collection.status()["index"] is None
        collection.put(entries(1, codes.LEAST - 1))
        assert kind(collection) is Codes and collection.status()["index"]["count"] == codes.LEAST


def test_the_wish_stays_until_reindex_takes_it_back(coded: Collection) -> None:
    before = file_of(coded)
    coded.use_codes()
    assert file_of(coded) == before, "nothing to do"
    coded.use_codes(bits=24)
    assert coded.status()["index"]["bits"] == 24 and agreement(coded) >= 0.9
    coded.reindex(codes="own", bits=70)
    assert coded.status()["index"]["bits"] == 70 and coded.status()["index"]["bytes"]["memory"] == 17
    coded.reindex()
    assert coded.status()["index"]["kind"] == "flat"
    coded.put(entries(1, N))
    assert kind(coded) is Flat


def test_another_encoder_gets_codes_of_its_own(coded: Collection) -> None:
    for id in coded.ids():
        coded.annotate(id, captions=[])  # rows that were given cannot be encoded anew
    coded.remove(coded.ids())
    other = Palette(scale=2.0)
    coded.reindex(other, codes="own")
    coded.put(entries(N))
    assert kind(coded) is Codes and agreement(coded) >= 0.95


def test_rows_that_changed_or_are_damaged_or_gone_are_read_from_the_database(coded: Collection) -> None:
    (shelf,) = (coded.folder / "index").glob("*.rows")
    assert coded.status()["bytes"]["index"] == file_of(coded).stat().st_size + shelf.stat().st_size
    ids, want = coded.ids(), coded._vectors.of
    np.testing.assert_allclose(coded._nearest._rows_of(np.array(ids)), want(ids), atol=1e-3)
    assert (coded._nearest._rows_of(np.array(ids)) != want(ids)).any(), "read from the file"
    turned = -want(ids[5:6])[0]
    coded.put([Entry("item 5", turned)])
    coded.close()
    with Collection.open(coded.folder, Palette()) as reader:
        assert reader.search(turned, k=1).results[0].score > 0.999
        np.testing.assert_array_equal(reader._nearest._rows_of(np.array(ids[5:6]))[0], turned)
    body = bytearray(shelf.read_bytes())
    body[36 * ids[7]] ^= 64
    shelf.write_bytes(body)
    with Collection.open(coded.folder, Palette()) as reader:
        assert agreement(reader) >= 0.95
        np.testing.assert_array_equal(reader._nearest._rows_of(np.array(ids[7:8])), want_of(reader, ids[7:8]))
    shelf.unlink()
    with Collection.open(coded.folder, Palette(), write=True) as writer:
        assert kind(writer) is Codes and agreement(writer) >= 0.95 and writer.verify() == []
        writer.reindex()
        assert not list((writer.folder / "index").glob("*.rows"))


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "facts"])
def test_a_file_that_is_damaged_or_gone_is_built_anew_and_answers_meanwhile(coded: Collection, damage: str) -> None:
    path = file_of(coded)
    coded.close()
    body = bytearray(path.read_bytes())
    body[500] ^= 4
    if damage == "gone":
        path.unlink()
    else:
        victim = Path(f"{path}.json") if damage == "facts" else path
        victim.write_bytes(b"{}" if damage == "facts" else body[:-1] if damage == "cut" else body)
    with Collection.open(coded.folder, Palette()) as reader:
        assert kind(reader) is Flat and agreement(reader) == 1.0
    with Collection.open(coded.folder, Palette(), write=True) as writer:
        writer.put(entries(1, N))
        assert kind(writer) is Codes and writer.status()["index"]["count"] == N + 1
        assert writer.verify() == [] and agreement(writer) >= 0.95


def test_changes_are_caught_up_with_and_much_of_it_teaches_anew(coded: Collection) -> None:
    with Collection.open(coded.folder, Palette()) as reader:
        gone = found(coded, "red green")
        found(reader, "red green")
        coded.remove(gone)
        (new,) = coded.put([Entry("new", Palette().encode_texts(["red green"])[0])])
        for one in (coded, reader):
            assert kind(one) is Codes and found(one, "red green")[0] == new
            assert not set(gone) & set(found(one, "red green", 100))
            assert not np.isin(one._nearest.current().ids, gone).any()
    assert coded.status()["index"]["recall"]["rows"] == N
    coded.put(entries(N, N))
    assert coded.status()["index"]["recall"]["rows"] == 2 * N - 9 and agreement(coded) >= 0.95


def test_what_mends_an_index_of_codes_keeps_them(coded: Collection) -> None:
    coded.use_codes(bits=24)
    index = coded._nearest.current()
    index.remove(index.ids[:1])
    index.save(file_of(coded))
    with Collection.open(coded.folder, Palette()) as reader:
        (told,) = reader.verify()
    assert f"diptych reindex --codes own --bits 24 --collection {coded.folder} mends it" in told


def test_what_is_erased_leaves_the_file_of_codes(coded: Collection) -> None:
    (gone,) = found(coded, "red green", 1)
    row = coded._vectors.of([gone])[0].astype(np.float16).tobytes()
    (shelf,) = (coded.folder / "index").glob("*.rows")
    assert row in shelf.read_bytes()
    coded.erase([gone])
    kept, (shelf,) = file_of(coded), (coded.folder / "index").glob("*.rows")
    assert row not in shelf.read_bytes()
    assert gone not in coded._nearest.current().ids and np.int64(gone).tobytes() not in kept.read_bytes()
    assert kind(coded) is Codes


def test_a_wish_that_was_written_when_the_process_died_is_fulfilled_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(N))
        with monkeypatch.context() as dying:
            dying.setattr(Nearest, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                collection.use_codes()
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        assert kind(collection) is Flat and collection.status()["index"] is None
        collection.put([])
        assert kind(collection) is Codes and agreement(collection) >= 0.95


def test_building_holds_few_rows_at_a_time(coded: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "SAMPLE", 300)
    monkeypatch.setattr("diptych.index.codes._BLOCK", 16)
    asked: list[int] = []
    real = Vectors.of
    monkeypatch.setattr(Vectors, "of", lambda self, ids: asked.append(len(ids)) or real(self, ids))
    coded._nearest.rebuild()
    assert max(asked) == 300 and kind(coded) is Codes


def test_own_codes_are_turned_principal_directions() -> None:
    rng = np.random.default_rng(0)
    made = rng.standard_normal((2000, 24)) * np.arange(24, 0, -1) + 5
    coder = codes.own(made.astype(np.float32), 8)
    np.testing.assert_allclose(coder.turn.T @ coder.turn, np.eye(8), atol=1e-4)
    leading = np.linalg.svd(made - made.mean(axis=0), full_matrices=False)[2][:8]
    assert np.linalg.svd(leading @ coder.turn)[1].min() > 0.99, "they span the same"
    turned = (made - made.mean(axis=0)) @ coder.turn
    loss = np.square(np.sign(turned) - turned).sum()
    drawn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    other = (made - made.mean(axis=0)) @ leading.T @ drawn
    assert loss < np.square(np.sign(other) - other).sum()
    more = codes.own(made.astype(np.float32), 40).turn
    assert more.shape == (24, 40)
    np.testing.assert_allclose(more @ more.T, np.eye(24), atol=1e-3)


# ------------------------------------------------------------------------------------------------- of a fitted method


@pytest.mark.parametrize("features", ["given", "given:standard"])
def test_codes_of_a_fitted_method(tmp_path: Path, features: str) -> None:
    folder = fitted(tmp_path / "acq", features=features, bits=16)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(N))
        collection.use_codes(folder)
        told = collection.status()["index"]
        assert (told["kind"], told["bits"], told["bytes"]["memory"]) == ("codes", 16, 10)
        assert abs(agreement(collection) - told["recall"]["value"]) < 0.1
        index = collection._nearest.current()
        method = Encoder.from_pretrained(folder)
        ids, kept = collection._vectors.all("image")
        np.testing.assert_array_equal(index._rows.at(index._rows.find(ids)), method.encode_images(kept))
        with Collection.open(tmp_path / "c", Palette()) as reader:
            assert kind(reader) is Codes
            assert found(reader, "red blue", 40) == found(collection, "red blue", 40)


def test_a_folder_that_changed_or_is_gone_is_told_and_answers_stay_exact(tmp_path: Path) -> None:
    folder = fitted(tmp_path / "acq", bits=16)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(N))
        collection.use_codes(folder)
    fitted(folder, bits=16, seed=1)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        assert kind(collection) is Flat and agreement(collection) == 1.0
        with pytest.raises(BadInput, match=r"fitted anew.*reindex --codes .*acq"):
            collection.put(entries(1, N))
        assert len(collection) == N + 1
        collection.use_codes(folder)
        assert kind(collection) is Codes
    for file in [*folder.rglob("*")][::-1]:
        file.rmdir() if file.is_dir() else file.unlink()
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        with pytest.raises(BadInput, match=r"acq: no config.json.*--codes own"):
            collection.put(entries(1, N + 1))
        collection.use_codes()
        assert kind(collection) is Codes and agreement(collection) >= 0.95


def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_wished(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        for of, why in (
            (fitted(tmp_path / "narrow", width=8, bits=8), "narrow: acq does not take the rows of Palette, 16 wide"),
            (fitted(tmp_path / "cca", method="cca", dims=3), "cca holds cca, which makes no binary codes"),
            (tmp_path / "nowhere", "nowhere: no config.json in it"),
        ):
            with pytest.raises(BadInput, match=why) as told:
                collection.use_codes(of)
            assert "\n" not in str(told.value) and str(of) in str(told.value)
        with pytest.raises(BadInput, match="has its own number of bits"):
            collection.use_codes(fitted(tmp_path / "acq", bits=16), bits=16)
        for bits in (0, True, 64.0, 10**6):
            with pytest.raises(BadInput, match="bits: "):
                collection.use_codes(bits=bits)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="leave memory and latency out"):
            collection.reindex(codes="own", memory=1e6)
        with pytest.raises(BadInput, match="say codes too"):
            collection.reindex(bits=64)
        assert collection._store.meta("codes", "null") == "null"


def test_features_that_are_not_rows_of_its_encoder_are_refused(tmp_path: Path) -> None:
    encoder = Encoder.of("given+given", "given", catalogue.method("acq")(bits=8))
    encoder.fit(Pairs(rows(300)[1], rows(300)[1])).save_pretrained(tmp_path / "two")
    why = r"two was fitted on given\+given, and this collection holds rows of Palette"
    collection = Collection.open(tmp_path / "c", Palette(), write=True)
    with collection, pytest.raises(BadInput, match=why):
        collection.use_codes(tmp_path / "two")


def test_given_rows_learn_codes_of_their_own_and_rows_that_are_codes_have_none(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "rows", space=cosine, width=16, write=True) as collection:
        collection.put([Entry(entry.key, entry.row) for entry in entries(N)])
        collection.use_codes(bits=32)
        assert kind(collection) is Codes and collection.status()["index"]["recall"]["value"] >= 0.9
        row = rows(N)[1][5]
        assert collection.search(row, k=1).results[0].key == "item 5"
        with pytest.raises(BadInput, match="nobody knows which side"):
            collection.use_codes(fitted(tmp_path / "acq", bits=16))
    collection = Collection.open(tmp_path / "bits", space=hamming, width=2, write=True)
    with collection, pytest.raises(BadInput, match="compared by hamming; there is nothing to code"):
        collection.use_codes()


def test_an_encrypted_collection_has_none(tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3", reason="encrypted collections need sqlcipher3")
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(entries(N))
        collection.use_codes()
        collection.encrypt("ab" * 32)
    assert list((tmp_path / "c" / "index").glob("*")) == []
    with Collection.open(tmp_path / "c", Palette(), write=True, key="ab" * 32) as collection:
        assert agreement(collection) == 1.0 and kind(collection) is Flat
        collection.put(entries(1, N))
        assert kind(collection) is Flat
        with pytest.raises(BadInput, match=r"encrypted.*leave codes out"):
            collection.use_codes()
        with pytest.raises(BadInput, match=r"encrypted.*leave codes out"):
            collection.reindex(codes="own")
