"""A collection brought elsewhere: to a backup, to files of other programs and back, to another encoder."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diptych.collection import anonymous, database
from diptych.collection.entries import Entry
from diptych.collection.identity import EncoderProtocol, Identity
from diptych.collection.ingest import BATCH
from diptych.collection.items import Item
from diptych.collection.store import FILE, Damaged, OtherEncoder, Store
from diptych.collection.vectors import Vectors
from diptych.collection.writing import Written, encoded, encoded_texts, write
from diptych.kinds import Array, BadInput, Progress, batches
from diptych.sources import jsonl

SHARD = 100_000
"""Items in one file of a folder of shards."""

_ROWS = 1000
_PLAIN = {"width": int, "height": int, "taken": str, "camera": str, "lat": float, "lon": float}
_ENCODER = "encoder.json"


# ------------------------------------------------------------------------------------------------------ another encoder


def encode_anew(
    vectors: Vectors, encoder: EncoderProtocol, made: Identity, at: str, progress: Progress | None
) -> Vectors:
    """The vectors of every item under another encoder; the old ones are dropped when the last one is written.

    What an interrupted call encoded with the same encoder is taken up. An item given as a row cannot be encoded: a
    collection that holds one is refused. A picture that this encoder cannot read fails, as in `add`.
    """
    store = vectors.store
    given = store.rows("SELECT path FROM items WHERE size IS NULL AND status = 'ok' LIMIT 1")
    if given:
        raise BadInput(
            f"{given[0][0]} was given as a vector, so another encoder cannot encode it; begin a new collection"
        )
    begun = json.loads(store.meta("next encoder", "{}"))
    number = begun.get("number", 0) if begun.get("digest") == made.digest else 0
    if not number:
        number = 1 + max(vectors.encoder, begun.get("number", 0))
        with store.transaction():
            store.change("DELETE FROM vectors WHERE encoder != ?", [(vectors.encoder,)])
            store.set_meta("next encoder", json.dumps({"number": number, "digest": made.digest}))
    new = Vectors(store, number, made)
    done = "SELECT item FROM vectors WHERE encoder = ? AND side = 'image'"
    sql = f"SELECT id FROM items WHERE status = 'ok' AND id NOT IN ({done}) ORDER BY id"
    todo = [id for (id,) in store.rows(sql, (number,))]
    finished = 0
    for some in batches(todo, BATCH):
        items = store.items(some)
        rows, _ = encoded(new, lambda: encoder, [store.full_path(item.kept) for item in items])
        texts = encoded_texts(new, lambda: encoder, {item.kept: item.captions for item in items})
        with store.transaction():
            for item, row in zip(items, rows, strict=True):
                if isinstance(row, str):
                    write(new, [Written(replace(item, status="failed", reason=row, digest=None))])
                else:
                    new.put("image", [item.id], [0], row[None])
                    mine = texts[item.kept]
                    new.put("text", [item.id] * len(mine), range(len(mine)), mine)
        finished += len(some)
        if progress:
            progress("pictures", finished, len(todo))
    with store.transaction():
        store.change("DELETE FROM vectors WHERE encoder != ?", [(number,)])
        store.change("DELETE FROM meta WHERE key = ?", [("next encoder",)])
        store.run("DELETE FROM learned")  # of another order of answers
        new.remember(at)
    return new


# --------------------------------------------------------------------------------------------------------------- backup


def backup(store: Store, folder: Path) -> Path:
    """Copy the file of a store into a new folder, a state of it that was committed. The index is built when needed."""
    target = folder / FILE
    if target.exists():
        raise BadInput(f"{target} is there already; name a new folder")
    part = folder / f"{FILE}.part"
    failures: tuple[type[Exception], ...] = (OSError, BadInput, *database.errors())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with closing(store.beside(part)) as copy:
            store.copy_to(copy)
            # It lies elsewhere, but the pictures are where they were.
            home = str(store.home)
            crc = zlib.crc32(f"home={home}".encode())
            copy.execute("INSERT OR REPLACE INTO meta VALUES ('home', ?, ?)", (home, crc))
            copy.execute("PRAGMA journal_mode = DELETE")  # all of it in the one file
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except failures as error:
        part.unlink(missing_ok=True)
        if isinstance(error, Damaged):
            raise
        raise BadInput(f"{folder}: no backup could be written ({error})") from None
    return target


# --------------------------------------------------------------------------------------------------------------- export


def export(vectors: Vectors, path: Path, with_vectors: bool) -> int:
    """Write all items that can be found; how many. The form is told by the ending; a name without one is a folder."""
    ending = path.suffix.lower()
    if ending not in (".jsonl", ".parquet", ""):
        raise BadInput(f"{path}: name a .jsonl or .parquet file, or a folder")
    if path.exists():
        raise BadInput(f"{path} is there already; name another")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if ending == ".jsonl":
            return _jsonl(vectors, path, with_vectors)
        return _parquet(vectors, path, with_vectors) if ending else _shards(vectors, path)
    except OSError as error:
        raise BadInput(f"{path}: not written ({error.strerror})") from None


def export_anonymous(vectors: Vectors, path: Path, k: int) -> int:
    """Write to a `.jsonl` file what may be told to strangers (see `anonymous`); how many records."""
    return write_lines(path, lambda: anonymous.lines([item for some, _ in _blocks(vectors, _ROWS) for item in some], k))


def write_lines(path: Path, made: Callable[[], Iterable[Any]]) -> int:
    """Write a new `.jsonl` file; how many lines. made: asked for them once the file can be there."""
    if path.suffix.lower() != ".jsonl":
        raise BadInput(f"{path}: name a .jsonl file")
    if path.exists():
        raise BadInput(f"{path} is there already; name another")
    lines = list(made())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    except OSError as error:
        raise BadInput(f"{path}: not written ({error.strerror})") from None
    return len(lines)


def _blocks(vectors: Vectors, size: int) -> Iterator[tuple[list[Item], Array]]:
    store = vectors.store
    ids = [id for (id,) in store.rows("SELECT id FROM items WHERE status = 'ok' ORDER BY id")]
    for some in batches(ids, size):
        yield store.items(some), vectors.of(some)


def _fields(store: Store, item: Item) -> dict[str, Any]:
    return {
        "key": (key := store.key(item.kept, item.size is not None)),
        "path": key,
        "captions": list(item.captions),
        "tags": list(item.tags),
        "metadata": dict(item.metadata),
        **{name: getattr(item, name) for name in _PLAIN},
    }


def _jsonl(vectors: Vectors, path: Path, with_vectors: bool) -> int:
    n = 0
    with open(path, "w", encoding="utf-8") as file:
        for items, rows in _blocks(vectors, _ROWS):
            for item, row in zip(items, rows, strict=True):
                fields = _fields(vectors.store, item)
                if with_vectors:
                    fields |= {"encoder": vectors.identity.digest, "vector": row.tolist()}
                file.write(json.dumps(fields, ensure_ascii=False) + "\n")
            n += len(items)
    return n


def _parquet(vectors: Vectors, path: Path, with_vectors: bool) -> int:
    pyarrow, parquet = _arrow(path)
    text, number = pyarrow.string(), pyarrow.float64()
    columns = [
        ("key", text),
        ("path", text),
        ("captions", pyarrow.list_(text)),
        ("tags", pyarrow.list_(text)),
        ("metadata", text),
    ]
    columns += [("width", pyarrow.int64()), ("height", pyarrow.int64()), ("taken", text), ("camera", text)]
    columns += [("lat", number), ("lon", number)]
    kind = pyarrow.from_numpy_dtype(vectors.identity.dtype)
    if with_vectors:
        columns.append(("vector", pyarrow.list_(kind, vectors.identity.width)))
    schema = pyarrow.schema(columns, metadata={"encoder": vectors.identity.to_json()})
    n = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for items, rows in _blocks(vectors, _ROWS):
            fields = [_fields(vectors.store, item) for item in items]
            for line in fields:
                line["metadata"] = json.dumps(line["metadata"])
            arrays = [pyarrow.array([line[name] for line in fields], of) for name, of in columns if name != "vector"]
            if with_vectors:
                flat = pyarrow.array(rows.ravel(), kind)
                arrays.append(pyarrow.FixedSizeListArray.from_arrays(flat, vectors.identity.width))
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            n += len(items)
    return n


def _shards(vectors: Vectors, folder: Path) -> int:
    """img_emb/img_emb_0.npy and metadata/metadata_0.parquet, as clip-retrieval reads and writes them."""
    pyarrow, parquet = _arrow(folder)
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    (folder / _ENCODER).write_text(vectors.identity.to_json() + "\n", encoding="utf-8")
    n = 0
    for shard, (items, rows) in enumerate(_blocks(vectors, SHARD)):
        np.save(folder / "img_emb" / f"img_emb_{shard}.npy", rows)
        fields = [_fields(vectors.store, item) for item in items]
        table = {
            "key": [line["key"] for line in fields],
            "image_path": [line["path"] for line in fields],
            "caption": [(line["captions"] or [None])[0] for line in fields],
            "captions": pyarrow.array([line["captions"] for line in fields], pyarrow.list_(pyarrow.string())),
            "tags": pyarrow.array([line["tags"] for line in fields], pyarrow.list_(pyarrow.string())),
            "metadata": [json.dumps(line["metadata"]) for line in fields],
            **{name: [line[name] for line in fields] for name in _PLAIN},
        }
        parquet.write_table(pyarrow.table(table), folder / "metadata" / f"metadata_{shard}.parquet")
        n += len(items)
    return n


# --------------------------------------------------------------------------------------------------------------- import


def entries(vectors: Vectors, path: Path) -> Iterator[list[Entry]]:
    """What `export` wrote, a thousand entries at a time."""
    if path.is_dir():
        return _from_shards(vectors, path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file or folder")
    ending = path.suffix.lower()
    if ending == ".jsonl":
        lines = ((f"{path}, line {number}", fields) for number, fields in jsonl.objects(path))
        return _entries(vectors, lines)
    if ending == ".parquet":
        return _entries(vectors, _from_parquet(vectors, path))
    raise BadInput(f"{path}: name a .jsonl or .parquet file, or a folder of shards")


def _entries(vectors: Vectors, lines: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[list[Entry]]:
    some: list[Entry] = []
    for where, fields in lines:
        if fields.get("encoder", vectors.identity.digest) != vectors.identity.digest:
            raise OtherEncoder(f"{where}: its vector is of another encoder than {vectors.identity}")
        some.append(_entry(vectors, where, fields))
        if len(some) == _ROWS:
            yield some
            some = []
    if some:
        yield some


def _entry(vectors: Vectors, where: str, fields: dict[str, Any]) -> Entry:
    key = next((fields[name] for name in ("key", "path", "image_path") if fields.get(name) is not None), None)
    if not isinstance(key, str) or not key:
        raise BadInput(f"{where}: `key` (or `path`) must be what an item is called, found {key!r}")
    captions = fields.get("captions")
    if captions is None and fields.get("caption"):
        captions = [fields["caption"]]
    metadata = fields.get("metadata")
    try:
        metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
        row = None if fields.get("vector") is None else _row(fields["vector"], vectors.identity.dtype)
        plain: dict[str, Any] = {
            name: kind(fields[name]) for name, kind in _PLAIN.items() if fields.get(name) is not None
        }
        return Entry(key, row, captions, fields.get("tags"), metadata, **plain)
    except (TypeError, ValueError, OverflowError) as error:  # BadInput is a ValueError
        raise BadInput(f"{where}: {error}") from None


def _row(numbers: Any, kind: np.dtype[Any]) -> Array:
    """As it was written, packed bits as bytes: whatever is no byte stays as it is, and is refused as such."""
    row = np.asarray(numbers)
    if row.dtype.kind not in "fiu":
        raise ValueError("vector: not a list of numbers")
    if kind.kind == "u" and row.dtype.kind == "i" and row.size and row.min() >= 0 and row.max() <= 255:
        return row.astype(kind)
    return row


def _from_parquet(vectors: Vectors, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    pyarrow, parquet = _arrow(path)
    try:
        file = parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise BadInput(f"{path}: not a parquet file ({error})") from None
    made = (file.schema_arrow.metadata or {}).get(b"encoder")
    if made and "vector" in file.schema_arrow.names:
        _check(vectors, path, made)
    number = 0
    for batch in file.iter_batches(batch_size=_ROWS):
        for fields in batch.to_pylist():
            number += 1
            yield f"{path}, row {number}", fields


def _from_shards(vectors: Vectors, folder: Path) -> Iterator[list[Entry]]:
    pyarrow, parquet = _arrow(folder)
    if (folder / _ENCODER).is_file():
        _check(vectors, folder, (folder / _ENCODER).read_bytes())
    shards = sorted((folder / "img_emb").glob("img_emb_*.npy"), key=lambda path: (len(path.name), path.name))
    if not shards:
        raise BadInput(f"{folder}: no img_emb/img_emb_0.npy in it; not a folder of shards")
    for file in shards:
        facts = folder / "metadata" / f"metadata_{file.stem.rpartition('_')[2]}.parquet"
        try:
            rows = np.load(file, mmap_mode="r", allow_pickle=False)
            lines = parquet.read_table(facts)
        except (OSError, ValueError, pyarrow.ArrowInvalid) as error:
            raise BadInput(f"{file}: not a shard with {facts.name} beside it ({error})") from None
        if len(rows) != len(lines):
            raise BadInput(f"{file}: {len(rows)} vectors for {len(lines)} lines of {facts.name}")
        for start in range(0, len(rows), _ROWS):
            some = lines.slice(start, _ROWS).to_pylist()
            yield [
                _entry(vectors, f"{facts}, row {start + at + 1}", {**fields, "vector": rows[start + at]})
                for at, fields in enumerate(some)
            ]


def _check(vectors: Vectors, path: Path, made: bytes) -> None:
    try:
        identity = Identity.read(made.decode())
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path}: it does not say which encoder its vectors are of ({error})") from None
    if identity != vectors.identity:
        raise OtherEncoder(f"{path}: its vectors are of {identity}, and the collection holds {vectors.identity}")


def _arrow(path: Path) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise BadInput(f"{path}: parquet needs pyarrow; pip install 'diptych[parquet]'") from None
    return pyarrow, parquet
