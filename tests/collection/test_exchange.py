"""A collection brought elsewhere and back: more items than one block, with and without vectors, what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from collection_world import COLOURS, Palette

from diptych.collection import Collection, Entry, OtherEncoder, exchange
from diptych.kinds import BadInput, cosine

MANY = 2100
"""Items: three blocks, the last of them not full."""

FORMS = pytest.mark.parametrize("form", ["all.jsonl", "all.parquet", "shards"])


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of given rows, each with words and facts of its own."""
    rows = cosine.normalise(np.random.default_rng(1).standard_normal((MANY, 16))).astype(np.float32)
    colours = list(COLOURS)
    folder = tmp_path_factory.mktemp("many") / "c"
    with Collection.open(folder, Palette(), write=True) as collection:
        collection.put(
            Entry(
                f"item {number}",
                row,
                captions=[f"{colours[number % 8]} number {number}"],
                tags=[f"t{number % 7}", "all"],
                metadata={"number": number, "half": number / 2, "by": f"nobody {number}"},
                width=number + 1,
                height=2,
                taken=f"{1900 + number % 100}-05-01",
                camera=f"box {number % 3}",
                lat=number / 100,
                lon=-number / 100,
            )
            for number, row in enumerate(rows)
        )
    return folder


def told(collection: Collection) -> list[object]:
    """Everything there is to tell of each item, in the order of their paths."""
    items = sorted(collection._store.items(collection.ids()), key=lambda item: item.kept)
    facts = [
        (i.kept, i.captions, i.tags, dict(i.metadata), i.width, i.height, i.taken, i.camera, i.lat, i.lon)
        for i in items
    ]
    return [facts, collection._vectors.of([item.id for item in items]).tolist()]


@FORMS
def test_thousands_of_items_come_back_the_same(many, tmp_path, monkeypatch, form):
    if form != "all.jsonl":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(exchange, "SHARD", 1500)
    with Collection.open(many, Palette()) as collection:
        assert collection.export(tmp_path / form) == MANY
        before = told(collection)
    with Collection.open(tmp_path / "other", Palette(), write=True) as other:
        assert other.import_(tmp_path / form) == len(other) == MANY
        assert told(other) == before
    if form == "shards":
        sizes = [len(np.load(file)) for file in sorted((tmp_path / form / "img_emb").iterdir())]
        assert sizes == [1500, 600]


def test_columns_of_shards_are_lists_of_texts_although_nothing_is_said(tmp_path):
    """Or the shards of one export had columns of different kinds, which no reader puts together."""
    parquet = pytest.importorskip("pyarrow.parquet")
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put([Entry("one", np.eye(16, dtype=np.float32)[0])])
        collection.export(tmp_path / "shards")
    schema = parquet.read_schema(tmp_path / "shards" / "metadata" / "metadata_0.parquet")
    assert [str(schema.field(name).type) for name in ("captions", "tags")] == ["list<element: string>"] * 2


@pytest.mark.parametrize("form", ["all.jsonl", "all.parquet"])
def test_words_alone_go_to_a_collection_that_has_the_items_and_to_no_other(many, tmp_path, form):
    if form != "all.jsonl":
        pytest.importorskip("pyarrow")
    with Collection.open(many, Palette()) as collection:
        assert collection.export(tmp_path / form, vectors=False) == MANY
        before = told(collection)
    if form == "all.jsonl":
        lines = [json.loads(line) for line in (tmp_path / form).read_text().splitlines()]
        assert len(lines) == MANY and not any({"vector", "encoder"} & set(line) for line in lines)
    else:
        assert "vector" not in pytest.importorskip("pyarrow.parquet").read_schema(tmp_path / form).names
    with Collection.open(tmp_path / "new", Palette(), write=True) as new, pytest.raises(BadInput, match="needs a row"):
        new.import_(tmp_path / form)
    rows = dict(zip((path for path, *_ in before[0]), before[1], strict=True))
    # Another encoder's collection of the same items: words are of no encoder.
    with Collection.open(tmp_path / "other", Palette(scale=2.0), write=True) as other:
        other.put(Entry(path, np.array(row, np.float32)) for path, row in rows.items())
        assert other.import_(tmp_path / form) == MANY and told(other)[0] == before[0]


def test_an_export_names_a_form_it_can_write(many, tmp_path):
    with Collection.open(many, Palette()) as collection:
        for name in ("all.csv", "all.json"):
            with pytest.raises(BadInput, match=r"name a \.jsonl or \.parquet file, or a folder"):
                collection.export(tmp_path / name)
        (tmp_path / "file").touch()
        with pytest.raises(BadInput, match="not written"):
            collection.export(tmp_path / "file" / "all.jsonl")
        assert collection.export(tmp_path / "new" / "folders" / "ALL.JSONL") == MANY
    assert (tmp_path / "new" / "folders" / "ALL.JSONL").stat().st_size


@pytest.mark.parametrize("row", [[1.7, 2], [1, 256], [-1, 2], ["1", "2"], [True, False]])
def test_packed_bits_are_bytes_and_nothing_is_cut_to_one(tmp_path, row):
    (tmp_path / "all.jsonl").write_text(json.dumps({"key": "sound", "vector": [1, 255]}) + "\n")
    (tmp_path / "odd.jsonl").write_text(json.dumps({"key": "odd", "vector": row}) + "\n")
    with Collection.open(tmp_path / "c", space="hamming", width=2, write=True) as collection:
        assert collection.import_(tmp_path / "all.jsonl") == 1
        assert collection._vectors.of(collection.ids("sound")).tolist() == [[1, 255]]
        with pytest.raises(BadInput, match=r"odd(:|\.jsonl, line 1)"):
            collection.import_(tmp_path / "odd.jsonl")


ROW = [0.25] * 16


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"vector": ROW}, r"`key` \(or `path`\) must be what an item is called, found None"),
        ({"path": "", "vector": ROW}, r"`key` \(or `path`\) must be what an item is called, found ''"),
        ({"path": "a", "vector": ROW, "captions": "one"}, "captions: "),
        ({"path": "a", "vector": ROW, "tags": [1]}, "tags: "),
        ({"path": "a", "vector": ROW, "metadata": [1]}, "metadata"),
        ({"path": "a", "vector": ROW, "metadata": "{"}, "line 2: "),
        ({"path": "a", "vector": ROW, "width": "wide"}, "line 2: .*wide"),
        ({"path": "a", "vector": [1, "x"]}, "line 2: "),
        ({"path": "a", "vector": [1.0]}, "its row is"),
    ],
)
def test_a_line_that_is_no_item_is_named_with_its_field(tmp_path, line, message):
    first = {"path": "first", "vector": ROW}
    file = tmp_path / "in.jsonl"
    file.write_text(json.dumps(first) + "\n" + json.dumps(line) + "\n")
    with (
        Collection.open(tmp_path / "c", Palette(), write=True) as collection,
        pytest.raises(BadInput, match=message) as error,
    ):
        collection.import_(file)
    assert "\n" not in str(error.value)


def test_what_clip_retrieval_wrote_is_read_its_one_caption_too(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "theirs"
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    rows = cosine.normalise(np.random.default_rng(2).standard_normal((24, 16))).astype(np.float16)
    for shard in range(12):  # _10 comes after _9, not after _1
        np.save(folder / "img_emb" / f"img_emb_{shard}.npy", rows[2 * shard : 2 * shard + 2])
        names = [f"{2 * shard + at:02d}.jpg" for at in range(2)]
        table = pyarrow.table({"image_path": names, "caption": ["a red one", None]})
        parquet.write_table(table, folder / "metadata" / f"metadata_{shard}.parquet")
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        assert collection.import_(folder) == 24
        paths = [collection.get(id).key for id in collection.ids()]
        assert [Path(path).name for path in paths] == [f"{number:02d}.jpg" for number in range(24)]
        assert [collection.get(id).captions for id in collection.ids()] == [("a red one",), ()] * 12
        kept = collection._vectors.of(collection.ids())  # of unit length again, which float16 rounded off
        assert np.allclose(kept, rows.astype(np.float32), atol=1e-3)
        (folder / "metadata" / "metadata_3.parquet").unlink()
        with pytest.raises(BadInput, match=r"img_emb_3\.npy: not a shard with metadata_3\.parquet beside it"):
            collection.import_(folder)
        np.save(folder / "img_emb" / "img_emb_0.npy", rows[:1])
        with pytest.raises(BadInput, match=r"1 vectors for 2 lines of metadata_0\.parquet"):
            collection.import_(folder)


def test_what_is_no_export_is_refused(tmp_path):
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        with pytest.raises(BadInput, match="no such file or folder"):
            collection.import_(tmp_path / "nothing.jsonl")
        (tmp_path / "a.csv").touch()
        with pytest.raises(BadInput, match=r"name a \.jsonl or \.parquet file, or a folder of shards"):
            collection.import_(tmp_path / "a.csv")
        pytest.importorskip("pyarrow")
        (tmp_path / "a.parquet").write_bytes(b"nothing")
        with pytest.raises(BadInput, match="not a parquet file"):
            collection.import_(tmp_path / "a.parquet")
        (tmp_path / "empty").mkdir()
        with pytest.raises(BadInput, match="not a folder of shards"):
            collection.import_(tmp_path / "empty")


@FORMS
def test_vectors_of_another_encoder_are_refused_and_nothing_is_written(many, tmp_path, form):
    if form != "all.jsonl":
        pytest.importorskip("pyarrow")
    with Collection.open(many, Palette()) as collection:
        collection.export(tmp_path / form)
    with Collection.open(tmp_path / "other", Palette(scale=3.0), write=True) as other:
        with pytest.raises(OtherEncoder):
            other.import_(tmp_path / form)
        assert len(other) == 0


def test_an_encoder_is_taken_over_one_batch_after_another(tmp_path, monkeypatch):
    from collection_world import album

    monkeypatch.setattr(exchange, "BATCH", 7)
    album(tmp_path / "pictures", 24)
    told: list[tuple[str, int, int]] = []
    other = Palette(scale=-1.0)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(tmp_path / "pictures")
        collection.reindex(other, progress=lambda *said: told.append(said))
        assert told == [("pictures", done, 24) for done in (7, 14, 21, 24)]
        ids = collection.ids()
        assert np.allclose(collection._vectors.of(ids), other.encode_images([collection.get(id).path for id in ids]))
        (id,) = collection.ids(tmp_path / "pictures" / "1" / "001.png")
        texts = other.encode_texts(collection.get(id).captions)
        assert np.allclose(collection._vectors.all("text", "item = ?", (id,))[1], texts)
        assert {encoder for (encoder,) in collection._store.rows("SELECT encoder FROM vectors WHERE item != 0")} == {2}
        collection.put([Entry("given", texts[0])])
        with pytest.raises(BadInput, match="given was given as a vector"):
            collection.reindex(Palette(scale=2.0))
