"""Nothing of an encrypted collection, and nothing of an erased item, can be read from any file."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diptych.collection import Collection, Damaged, Entry, database, secret
from diptych.kinds import BadInput, cosine
from diptych.sources.cache import RowCache, per_picture

pytest.importorskip("sqlcipher3", reason="encrypted collections need sqlcipher3")

KEY, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch, tmp_path):
    for name in (secret.VARIABLE, secret.FILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(secret, "_keyring", lambda: None)


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "yellow", "purple")):
        Image.new("RGB", (40, 30), colour).save(folder / f"holiday-{number}.png")
    return folder


class Cached:
    """An encoder that keeps what it computes of a picture, as features do."""

    name, version, space = "cached", "1", cosine

    def encode_images(self, items):
        paths = [Path(item) for item in items]
        rows = per_picture(paths, "colour", lambda some: [np.asarray(one).mean((0, 1)) + 1 for one in some], what="x")
        return cosine.normalise(np.array(rows, np.float32).reshape(-1, 3))

    def encode_texts(self, items):
        return cosine.normalise(np.ones((len(items), 3), np.float32))


def written(collection: Collection) -> tuple[int, list[bytes]]:
    """An item, and what could betray it: words in several encodings, its name, its vector in several precisions."""
    item = collection.get(collection.ids()[2])
    collection.annotate(
        item.id, captions=["a zebra in Timbuktu"], tags=["quagga"], metadata={"owner": "Mephistopheles", "price": 77.25}
    )
    collection.feedback.record("Beelzebub", "where is Behemoth", item.id, "yes")
    row = collection._vectors.of([item.id])[0]
    words = [
        "Beelzebub",
        "Behemoth",
        "zebra",
        "Timbuktu",
        "timbuktu",
        "quagga",
        "Mephistopheles",
        "mephistophel",
        "holiday-2",
    ]
    encoded = [word.encode(encoding) for word in words for encoding in ("utf-8", "utf-16-le", "utf-32-le")]
    vector = [row.astype(kind).tobytes()[:24] for kind in ("<f4", "<f8", "<f2", ">f4")]
    text = [json.dumps(row[:3].tolist())[1:-1].encode()]
    return item.id, [*encoded, *vector, *text]


def betrayed(folder: Path, signs: list[bytes]) -> list[tuple[str, bytes]]:
    """Which of them stand in which file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [(path.name, sign) for path in files for sign in signs if sign in path.read_bytes()]


@pytest.mark.parametrize("while_open", [True, False])
def test_nothing_of_an_encrypted_collection_is_readable(tmp_path, pictures, while_open):
    home = tmp_path / "encrypted"
    with Collection.open(home, "mini", write=True, key=KEY) as collection:
        assert collection.add(pictures).added == 5
        assert collection.is_encrypted
        _, signs = written(collection)
        collection.calibrate()
        collection._nearest.rebuild()
        collection.backup(tmp_path / "encrypted" / "backup")
        if while_open:
            assert not betrayed(home, signs)
    assert not betrayed(home, signs)
    assert not (tmp_path / "cache").exists() or not betrayed(tmp_path / "cache", signs)
    with Collection.open(home, key=KEY) as collection:
        assert collection.search("zebra").results[0].why[0] == "said of it: zebra"
        assert collection.verify() == []


def test_a_plain_one_betrays_all_of_it(tmp_path, pictures):
    """What the test above looks for is found where nothing is encrypted, or it would prove nothing."""
    with Collection.open(tmp_path / "plain", "mini", write=True) as collection:
        collection.add(pictures)
        _, signs = written(collection)
    found = {sign for _, sign in betrayed(tmp_path / "plain", signs)}
    words = {"zebra", "Timbuktu", "quagga", "Mephistopheles", "holiday-2", "mephistophel"}
    assert {word.encode() for word in words} <= found
    assert any(sign in found for sign in signs[21:22]), "the vector as float32"


def test_features_of_encrypted_pictures_are_not_kept_in_the_cache(tmp_path, pictures):
    encoder = Cached()
    cache = tmp_path / "cache" / "features.sqlite"
    with Collection.open(tmp_path / "encrypted", encoder, write=True, key=KEY) as collection:
        assert collection.add(pictures).added == 5
        collection.search(pictures / "holiday-1.png")
    assert not cache.exists()
    with Collection.open(tmp_path / "plain", encoder, write=True) as collection:
        collection.add(pictures)
    assert cache.exists()


def test_the_key_is_needed_and_must_be_its_own(tmp_path, monkeypatch):
    home = tmp_path / "c"
    with Collection.open(home, space="cosine", width=2, write=True, key=KEY) as collection:
        collection.put([Entry("one", [1.0, 0.0])])
    with pytest.raises(Damaged, match=secret.FILE_VARIABLE):
        Collection.open(home)
    with pytest.raises(BadInput, match="not that of this collection"):
        Collection.open(home, key=OTHER)
    for write in (False, True):
        with Collection.open(home, key=bytes.fromhex(KEY), write=write) as collection:
            assert len(collection) == 1
    monkeypatch.setenv(secret.VARIABLE, KEY)
    with Collection.open(home) as collection:
        assert len(collection) == 1
    monkeypatch.delenv(secret.VARIABLE)
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    monkeypatch.setenv(secret.FILE_VARIABLE, str(file))
    with Collection.open(home) as collection:
        assert len(collection) == 1
    file.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        Collection.open(home)


def test_a_key_in_the_environment_changes_nothing_for_a_plain_collection(tmp_path, monkeypatch):
    monkeypatch.setenv(secret.VARIABLE, KEY)
    with Collection.open(tmp_path / "c", space="cosine", width=2, write=True) as collection:
        collection.put([Entry("one", [1.0, 0.0])])
        assert not collection.is_encrypted
    with Collection.open(tmp_path / "c") as collection:
        assert len(collection) == 1
    with pytest.raises(BadInput, match="diptych encrypt"):
        Collection.open(tmp_path / "c", key=KEY)


@pytest.mark.parametrize("key", ["", "ab" * 31, "xy" * 32, b"short", 5])
def test_what_is_no_key_is_refused_without_being_told(tmp_path, key):
    with pytest.raises(BadInput) as refused:
        Collection.open(tmp_path / "c", space="cosine", width=2, write=True, key=key)
    assert "64 hexadecimal digits" in str(refused.value)
    assert not key or str(key) not in str(refused.value)


def test_a_new_key_file_is_its_owner_s_alone_and_is_found_again(tmp_path):
    made = secret.in_file(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0 or os.name == "nt"
    assert secret.in_file(tmp_path / "key") == made == secret.of_file(tmp_path / "key")
    assert len(made) == 32


def test_an_encrypted_copy_takes_the_place_of_a_plain_collection(tmp_path, pictures):
    home = tmp_path / "c"
    with Collection.open(home, "mini", write=True) as collection:
        collection.add(pictures)
        _, signs = written(collection)
        collection._nearest.rebuild()
        before = collection.search("zebra", fields=True).results
        collection.encrypt(KEY)
    assert database.is_encrypted(home / "diptych.db")
    assert not betrayed(home, signs)
    with Collection.open(home, key=KEY, write=True) as collection:
        assert collection.search("zebra", fields=True).results == before
        assert collection.verify() == []
        assert collection.add().unchanged == 5
        with pytest.raises(BadInput, match="encrypted already"):
            collection.encrypt(KEY)


def test_another_that_reads_keeps_a_collection_from_being_encrypted(tmp_path):
    with Collection.open(tmp_path / "c", space="cosine", width=2, write=True) as writer:
        writer.put([Entry("one", [1.0, 0.0])])
        with Collection.open(tmp_path / "c") as reader, reader._reading():
            reader._store.rows("SELECT * FROM items")
            writer._store.run("PRAGMA busy_timeout = 10")
            writer.put([Entry("two", [0.0, 1.0])])
            with pytest.raises(BadInput, match="another program reads"):
                writer.encrypt(KEY)
            with pytest.raises(BadInput, match="another program reads"):
                writer.erase(["one"])
        assert writer.ids("one") == []


def test_nothing_of_an_erased_item_is_left(tmp_path, pictures):
    home = tmp_path / "c"
    with Collection.open(home, "mini", write=True) as collection:
        collection.add(pictures)
        collection._nearest.rebuild()
        id, signs = written(collection)
        collection.annotate(id, captions=["it was said: an okapi"])
        signs += [b"okapi"]
        assert collection.erase([id]) == 1
        assert not betrayed(home, signs)
        assert collection.verify() == []
        assert len(collection) == 4
    assert not betrayed(home, signs)


def test_an_erased_item_has_no_words_that_wait_and_no_bar(tmp_path, pictures):
    home = tmp_path / "c"
    with Collection.open(home, "mini", write=True) as collection:
        collection.add(pictures)
        id, signs = written(collection)
        collection.remove([id], forever=True)
        collection.readmit()
        collection.add()
        (back,) = [one for one in collection.ids() if collection.get(one).tags == ("quagga",)]
        assert collection.erase([back]) == 1
        assert collection.status()["waiting"] == 0
        assert not betrayed(home, signs)
        assert collection.add().added == 1, "its file lies there, and is one that was never seen"
        assert not any(collection.get(one).tags for one in collection.ids())


def test_a_copy_keeps_what_was_said_of_the_content(tmp_path, pictures):
    (pictures / "copy.png").write_bytes((pictures / "holiday-2.png").read_bytes())
    with Collection.open(tmp_path / "c", "mini", write=True) as collection:
        collection.add(pictures)
        collection.annotate(collection.ids(pictures / "copy.png")[0], tags=["kept"])
        collection.erase([pictures / "holiday-2.png"])
        assert collection.get(pictures / "copy.png").tags == ("kept",)


def test_cached_features_of_an_erased_picture_go(tmp_path):
    cache = RowCache()
    cache.put("f", {b"one": np.arange(3.0) + 0.25, b"two": np.arange(4.0)})
    cache.put("g", {b"one": np.arange(2.0)})
    cache.forget([b"one"])
    assert not cache.get("f", [b"one"]) and not cache.get("g", [b"one"])
    assert list(cache.get("f", [b"two"])) == [b"two"]
    assert (np.arange(3.0) + 0.25).tobytes() not in cache.file.read_bytes()
