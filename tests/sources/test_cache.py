import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diptych.kinds import BadInput
from diptych.sources import cache, pictures
from diptych.sources.cache import RowCache, per_picture


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Ten flat pictures; picture i has the red value 10 i."""
    home = tmp_path / "pictures"
    home.mkdir()
    for i in range(10):
        Image.new("RGB", (8, 8), (10 * i, 0, 0)).save(home / f"{i}.png")
    return home


class Red:
    """Describes a picture by its red value, and counts how many it was shown."""

    def __init__(self):
        self.seen = 0

    def __call__(self, images):
        self.seen += len(images)
        return [np.array([image.getpixel((0, 0))[0]], dtype=np.float16) for image in images]


def reds(paths, describe, fingerprint="red", **options):
    return [float(row[0]) for row in per_picture(list(paths), fingerprint, describe, what="red", **options)]


def test_arrays_come_back_with_dtype_and_shape():
    rows = {
        b"a": np.arange(6, dtype=np.uint8).reshape(2, 3),
        b"b": np.array([1.5, -2], dtype=np.float16),
        b"c": np.empty((0, 128), dtype=np.float32),
    }
    RowCache().put("f", rows)
    back = RowCache().get("f", [b"a", b"b", b"c", b"d", b"a"])
    assert back.keys() == rows.keys()
    for key, row in rows.items():
        assert back[key].dtype == row.dtype and np.array_equal(back[key], row) and back[key].shape == row.shape
    assert RowCache().get("other", [b"a"]) == {}


def test_more_keys_than_one_question_to_sqlite_holds():
    rows = {i.to_bytes(4): np.array([i]) for i in range(1300)}
    RowCache().put("f", rows)
    back = RowCache().get("f", list(rows))
    assert all(back[key] == row for key, row in rows.items()) and len(back) == 1300


def test_the_second_time_nothing_is_computed(folder):
    describe, paths = Red(), sorted(folder.iterdir())
    first = reds(paths, describe)
    assert first == [10.0 * i for i in range(10)] and describe.seen == 10
    assert reds(paths[::-1], describe) == first[::-1] and describe.seen == 10


def test_content_decides_and_not_the_name(folder):
    describe, paths = Red(), sorted(folder.iterdir())
    reds(paths, describe)
    paths[0].rename(folder / "renamed.png")
    assert reds([folder / "renamed.png"], describe) == [0.0] and describe.seen == 10
    Image.new("RGB", (8, 8), (77, 0, 0)).save(paths[1])
    assert reds([paths[1]], describe) == [77.0] and describe.seen == 11


def test_another_fingerprint_computes_anew(folder):
    describe, paths = Red(), sorted(folder.iterdir())
    reds(paths, describe, "one")
    reds(paths, describe, "two")
    assert describe.seen == 20
    assert cache.fingerprint(a=1, b="x") == cache.fingerprint(b="x", a=1) != cache.fingerprint(a=2, b="x")


def test_what_was_computed_from_pixels_of_another_decoding_is_computed_anew(folder, monkeypatch):
    describe, paths = Red(), sorted(folder.iterdir())
    reds(paths, describe)
    monkeypatch.setattr(pictures, "DECODING", pictures.DECODING + 1)
    reds(paths, describe)
    assert describe.seen == 20


def test_copies_of_a_picture_are_described_once(folder):
    describe, one = Red(), folder / "3.png"
    assert reds([one] * 5, describe) == [30.0] * 5 and describe.seen == 1


def test_an_interrupted_run_keeps_the_chunks_it_finished(folder, monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK", 4)
    paths = sorted(folder.iterdir())

    class Interrupted(Red):
        def __call__(self, images):
            if self.seen >= 8:
                raise KeyboardInterrupt
            return super().__call__(images)

    with pytest.raises(KeyboardInterrupt):
        reds(paths, Interrupted())
    describe = Red()
    assert reds(paths, describe) == [10.0 * i for i in range(10)] and describe.seen == 2


def test_every_picture_that_does_not_decode_is_told_of_and_the_others_are_kept(folder):
    for i in (1, 4, 5, 7):
        (folder / f"{i}.png").write_bytes(b"no picture %d" % i)
    describe, paths = Red(), sorted(folder.iterdir())
    with pytest.raises(BadInput, match=r"1\.png.*4\.png.*5\.png.*and 1 more of 10 pictures") as caught:
        reds(paths, describe)
    assert "\n" not in str(caught.value) and describe.seen == 6
    good = [path for path in paths if path.stem not in "1457"]
    assert reds(good, describe) == [0.0, 20.0, 30.0, 60.0, 80.0, 90.0] and describe.seen == 6


def test_a_missing_picture_is_named(folder):
    with pytest.raises(BadInput, match=r"gone\.png: not readable"):
        reds([folder / "0.png", folder / "gone.png"], Red())


@pytest.mark.parametrize("damage", ["noise", "middle", "short"])
def test_a_damaged_cache_is_thrown_away(folder, damage):
    paths = sorted(folder.iterdir())
    reds(paths, Red())
    file = RowCache().file
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    data = bytearray(file.read_bytes())
    if damage == "noise":
        data = bytearray(np.random.default_rng(0).bytes(len(data)))
    elif damage == "middle":
        data[4096:] = np.random.default_rng(0).bytes(len(data) - 4096)
    else:
        data = data[:5000]
    file.write_bytes(data)
    describe = Red()
    assert reds(paths, describe) == [10.0 * i for i in range(10)]
    again = describe.seen
    assert reds(paths, describe) == [10.0 * i for i in range(10)] and describe.seen == again


def test_a_row_whose_bytes_changed_is_computed_anew(folder):
    describe, paths = Red(), sorted(folder.iterdir())
    reds(paths, describe)
    with sqlite3.connect(RowCache().file) as database:
        database.execute("UPDATE rows SET bytes = x'0000'")
    database.close()
    assert reds(paths, describe)[1:] == [10.0 * i for i in range(1, 10)] and describe.seen >= 19


def test_without_a_place_to_write_it_still_computes(folder, monkeypatch, tmp_path):
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "a_file" / "below"))
    describe = Red()
    assert reds(sorted(folder.iterdir()), describe) == [10.0 * i for i in range(10)] and describe.seen == 10


def test_several_processes_write_at_the_same_time():
    code = (
        "import sys, numpy; from diptych.sources.cache import RowCache\n"
        "for i in range(20): RowCache().put(sys.argv[1], {bytes([i]): numpy.array([i])})"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    for name in "abc":
        assert len(RowCache().get(name, [bytes([i]) for i in range(20)])) == 20


def test_progress_ends_at_the_number_of_pictures_and_never_falls(folder):
    told = []
    paths = sorted(folder.iterdir())
    reds(paths, Red(), size=3, progress=lambda *said: told.append(said))
    assert told == [("red", 3, 10), ("red", 6, 10), ("red", 9, 10), ("red", 10, 10)]


def test_progress_counts_what_was_known_and_goes_on_from_chunk_to_chunk(folder, monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK", 4)
    paths, told = sorted(folder.iterdir()), []
    reds(paths[1:3], Red())
    for _ in range(2):
        reds(paths, Red(), size=3, progress=lambda *said: told.append(said))
    assert told == [("red", n, 10) for n in (4, 7, 8, 10, 4, 8, 10)]


def test_without_the_cache_nothing_is_looked_up_or_kept_and_afterwards_it_is_as_before(folder):
    describe, paths = Red(), sorted(folder.iterdir())
    with cache.without():
        reds(paths, describe)
        assert not RowCache().file.exists()
    reds(paths, describe)
    assert describe.seen == 20 and RowCache().file.exists()
    with pytest.raises(KeyError), cache.without():
        reds(paths, describe)
        raise KeyError
    reds(paths, describe)
    assert describe.seen == 30


def test_a_cache_that_holds_something_else_is_done_without_and_left_alone(folder):
    file = RowCache().file
    file.parent.mkdir()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE rows (mine TEXT)")
        database.execute("INSERT INTO rows VALUES ('kept')")
    database.close()
    describe = Red()
    assert reds(sorted(folder.iterdir()), describe) == [10.0 * i for i in range(10)] and describe.seen == 10
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT mine FROM rows").fetchall() == [("kept",)]
    database.close()


def test_what_is_forgotten_is_gone_from_the_disk_under_every_fingerprint_and_the_rest_is_not():
    RowCache().forget([b"a"])
    assert not RowCache().file.exists(), "nothing is made to forget in"
    secret = np.frombuffer(b"a secret that is long enough to be found", np.uint8)
    for name in ("f", "g"):
        RowCache().put(name, {b"a": secret, b"b": np.arange(3)})
    RowCache().forget([])
    RowCache().forget([b"a", b"c"])
    for name in ("f", "g"):
        assert RowCache().get(name, [b"a", b"b"]).keys() == {b"b"}
    assert all(bytes(secret) not in path.read_bytes() for path in RowCache().file.parent.iterdir())


def test_a_small_file_is_read_each_time(tmp_path):
    (tmp_path / "small").write_bytes(b"as it was")
    assert cache.file_fingerprint(tmp_path / "small") == hashlib.sha256(b"as it was").hexdigest()
    assert not RowCache().file.exists()


def test_a_large_file_is_read_once_and_again_when_it_changed(tmp_path, monkeypatch):
    file, read = tmp_path / "weights", []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *told: read.append(told) or digest(*told))
    monkeypatch.setattr(cache, "_LARGE", 8)
    monkeypatch.setattr(cache, "_COARSE", -1)
    for content in (b"as it was", b"other now"):  # of one size
        file.write_bytes(content)
        read.clear()
        for _ in range(3):
            assert cache.file_fingerprint(file) == hashlib.sha256(content).hexdigest()
        assert len(read) == 1
    monkeypatch.setattr(cache, "_COARSE", 10**18)  # so young that a change might not show
    file.write_bytes(b"once more")
    read.clear()
    assert cache.file_fingerprint(file) == cache.file_fingerprint(file) and len(read) == 2


def test_home_follows_the_platform(monkeypatch):
    assert cache.home() == Path(os.environ["DIPTYCH_CACHE"])
    monkeypatch.delenv("DIPTYCH_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.home() == Path("/somewhere/diptych")
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache.home() == Path.home() / "Library/Caches/diptych"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache.home() == Path("/local/diptych/Cache")
    monkeypatch.delenv("LOCALAPPDATA")
    assert cache.home() == Path.home() / "AppData/Local/diptych/Cache"
    monkeypatch.setattr("sys.platform", "linux")
    for unset in (lambda: monkeypatch.setenv("XDG_CACHE_HOME", ""), lambda: monkeypatch.delenv("XDG_CACHE_HOME")):
        unset()
        assert cache.home() == Path.home() / ".cache/diptych"
