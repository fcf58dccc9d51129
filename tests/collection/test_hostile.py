"""Full, read-only and foreign disks, too little memory, files that mean harm, and paths that lead elsewhere."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from collection_world import COLOURS, Palette, album, paint
from PIL import Image

import diptych
from diptych.collection import Collection, Entry
from diptych.kinds import BadInput

HERE = str(Path(__file__).parents[1] / "worlds")
BEGIN = f"""
import json, subprocess, sys
from pathlib import Path
sys.path.insert(0, {HERE!r})
import os
os.cpu_count = lambda: 1
from collection_world import Palette, album, paint
from diptych.collection import Collection, Entry
from diptych.kinds import BadInput
import numpy as np
disk = Path(sys.argv[1])

def entries(n, words):
    return [Entry(f"new {{i}}", np.eye(16, dtype=np.float32)[i % 16], ["words " * words]) for i in range(n)]

def mount(*options):
    subprocess.run(["mount", *options, str(disk)], check=True)

def found(collection):
    return [(hit.path, hit.score) for hit in collection.search("red", k=30).results]
"""


def with_mounts(script: str, disk: Path) -> dict[str, object]:
    """What a process tells that may mount what it likes and is seen by nobody."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount anything")
    disk.mkdir()
    command = ["unshare", "-m", sys.executable, "-c", BEGIN + script, str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_a_disk_that_fills_up_is_said_and_what_was_there_is_still_found(tmp_path):
    script = """
mount("-t", "tmpfs", "-o", "size=3m", "tmpfs")
album(disk / "pictures")
errors = []
with Collection.open(disk / "c", Palette(), write=True) as collection:
    collection.add(disk / "pictures")
    before = found(collection)
    (disk / "filler").write_bytes(bytes(900_000))
    for work in (lambda: collection.put(entries(900, 400)), lambda: collection.backup(disk / "b")):
        try:
            while True:
                work()
        except BadInput as error:
            errors.append(str(error))
    with Collection.open(disk / "c", Palette()) as reader:
        same = found(collection) == before == found(reader)
(disk / "filler").unlink()
with Collection.open(disk / "c", Palette(), write=True) as collection:
    again = found(collection) == before and collection.verify() == []
    collection.put(entries(3, 1))
    print(json.dumps({"errors": errors, "same": same, "again": again, "items": len(collection)}))
"""
    told = with_mounts(script, tmp_path / "disk")
    assert told["same"] and told["again"] and told["items"] == 27
    assert "no room on the disk; what was acknowledged is kept" in told["errors"][0]
    assert "no backup could be written" in told["errors"][1]


def test_a_read_only_disk_is_searched_and_not_written(tmp_path):
    script = """
mount("-t", "tmpfs", "tmpfs")
album(disk / "pictures")
with Collection.open(disk / "c", Palette(), write=True) as collection:
    collection.add(disk / "pictures")
    collection.reindex()
    before = found(collection)
mount("-o", "remount,ro")
with Collection.open(disk / "c", Palette()) as collection:
    same = found(collection) == before and collection.verify() == []
try:
    Collection.open(disk / "c", Palette(), write=True)
except BadInput as error:
    print(json.dumps({"same": same, "error": str(error)}))
"""
    told = with_mounts(script, tmp_path / "disk")
    assert told["same"] and "not writable" in str(told["error"]) and "another folder" in str(told["error"])


def test_the_collection_of_a_folder_that_is_read_only_lies_in_the_cache(tmp_path):
    script = """
from diptych.app import places
home = disk.parent / "cache"
os.environ["DIPTYCH_CACHE"] = str(home)
mount("-t", "tmpfs", "tmpfs")
album(disk / "pictures")
mount("-o", "remount,ro")
before = sorted(map(str, disk.rglob("*")))
where = places.beside(disk / "pictures")
with Collection.open(where, Palette(), write=True) as collection:
    collection.add(disk / "pictures")
os.chdir(disk / "pictures" / "1")
with Collection.open(places.near(), Palette()) as collection:
    print(json.dumps({
        "inside": str(where).startswith(str(home)), "items": len(collection), "best": found(collection)[0][0],
        "same": sorted(map(str, disk.rglob("*"))) == before, "near": places.near() == where,
    }))
"""
    told = with_mounts(script, tmp_path / "disk")
    assert told["inside"] and told["same"] and told["near"] and told["items"] == 24
    assert str(told["best"]).startswith(str(tmp_path / "disk" / "pictures"))


def test_too_little_memory_costs_the_picture_that_wants_it_and_nothing_else(tmp_path):
    script = """
import resource
album(disk / "pictures")
paint(disk / "pictures" / "large.png", "red", size=(6000, 5000))
with Collection.open(disk / "c", Palette(), write=True) as collection:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (300 << 20)  # its pixels as bytes fit, as numbers they do not
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    report = collection.add(disk / "pictures", workers=1)
    print(json.dumps({"failures": report.failures, "items": len(collection), "best": found(collection)[0][1]}))
"""
    (tmp_path / "disk").mkdir()
    command = [sys.executable, "-c", BEGIN + script, str(tmp_path / "disk")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    ((path, why),) = told["failures"]
    assert path.endswith("large.png") and "memory" in why
    assert told["items"] == 24 and told["best"] > 0.9


def test_the_rest_of_a_folder_of_bombs_is_indexed_and_each_is_told_with_its_reason(tmp_path):
    folder = tmp_path / "pictures"
    album(folder, 12)
    chunk = lambda kind, data: (  # noqa: E731
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    )
    size = (30_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(bytes(50_000)))
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b""))
    whole = paint(folder / "whole.jpg", "red", size=(300, 200)).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "page.png").write_bytes(b"%PDF-1.4\n%<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")
    (folder / "empty.gif").write_bytes(b"")
    (folder / "exif.jpg").write_bytes(whole[:2] + 100 * (b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)) + whole[2:])
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        report = collection.add(folder)
        assert len(collection) == 13
        reasons = {Path(path).name: why for path, why in report.failures}
        assert set(reasons) == {"huge.png", "cut.jpg", "page.png", "empty.gif", "exif.jpg"} and all(reasons.values())
        assert dict(collection.failures()) == dict(report.failures)
        again = collection.add(folder)
        assert (again.encoded, again.newly_failed, again.failed) == (0, 0, 5)


WATCHED = """
import os, sys
secret, log = os.environ["SECRET"], os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str | bytes):
        if os.path.realpath(os.fsdecode(arguments[0])).startswith(secret):
            os.write(log, os.fsencode(arguments[0]) + b"\\n")

sys.addaudithook(hook)
"""

ODD = ("..%2f..%2fa", "..\\..\\a", "CON", "NUL.", "．．／a", "a\u202e", "~", "$HOME", "-rf", "a;b", "new\nline")


def test_nothing_outside_the_folder_is_read_whatever_lies_in_it(tmp_path):
    """Links, names and lines of files that lead out; every open of every process is written down."""
    secret, folder = tmp_path / "secret", tmp_path / "pictures"
    for place in (secret, secret / "deep"):
        paint(place / "private.png", "red")
        (place / "private.txt").write_text("a private sentence\n")
    album(folder, 6)
    (folder / "link.png").symlink_to(secret / "private.png")
    (folder / "hop.png").symlink_to(folder / "link.png")
    (folder / "folder").symlink_to(secret)
    (folder / "0" / "up.png").symlink_to("../../secret/private.png")
    paint(folder / "words.png", "blue")
    (folder / "words.txt").symlink_to(secret / "private.txt")
    (folder / "words.xmp").symlink_to("../secret/private.txt")
    for name in ODD:
        paint(folder / f"{name}.png", "green")
    names = ["../secret/private.png", str(secret / "private.png"), "folder/private.png", "../secret/./deep/private.png"]
    with open(folder / "captions.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "captions"])
        table.writerows((name, "stolen") for name in [*names, "words.png\0", "nowhere.png"])
        table.writerow(["words.png", "given"])
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(WATCHED)
    script = f"""
import json, sys
sys.path.insert(0, {HERE!r})
import diptych
from collection_world import Palette
from diptych.collection import Collection
with Collection.open(sys.argv[1], Palette(), write=True) as collection:
    report = collection.add(sys.argv[2], captions=sys.argv[2] + "/captions.csv", workers=1)
    paths = [collection.get(id).path for id in collection.ids()]
    words = [text for id in collection.ids() for text in collection.get(id).captions]
    collection.verify(contents=True)
    collection.export(sys.argv[1] + "/all.jsonl")
    print(json.dumps([paths, words, report.failures, report.unmatched, diptych.__file__]))
"""
    log = tmp_path / "log"
    path = os.pathsep.join([str(tmp_path / "spy"), str(Path(diptych.__file__).parents[1])])
    env = {**os.environ, "PYTHONPATH": path, "SECRET": str(secret), "LOG": str(log)}
    command = [sys.executable, "-c", script, str(tmp_path / "c"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    paths, words, failures, unmatched, imported = json.loads(done.stdout)
    assert imported == diptych.__file__, "what is tested here runs there"
    assert log.read_text() == "", "these were opened"
    assert all(Path(path).is_relative_to(folder) for path in paths) and len(paths) == 7 + len(ODD) - 2, "two are hidden"
    assert "given" in words and not {"stolen", "a private sentence"} & set(words)
    assert sorted(Path(path).name for path, why in failures if "leads out" in why) == [
        "folder",
        "hop.png",
        "link.png",
        "up.png",
    ]
    assert unmatched == len(names) + 2
    subprocess.run([sys.executable, "-c", f"open({str(secret / 'private.txt')!r})"], env=env, check=True)
    assert "private.txt" in log.read_text(), "the check sees what is opened"


@pytest.mark.parametrize("path", ["a\0b", "\0", "/tmp/\0.jsonl", "./a\0.png"])
def test_a_path_that_no_file_system_has_is_bad_input_wherever_one_is_named(tmp_path, path):
    with pytest.raises(BadInput):
        Collection.open(path, Palette(), write=True)
    with pytest.raises(BadInput):
        Collection.open(path)
    album(tmp_path / "pictures", 4)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(tmp_path / "pictures")
        for work in (
            lambda: collection.add(path),
            lambda: collection.add(tmp_path / "pictures", captions=f"{path}.csv"),
            lambda: collection.search(f'"{path}.png"'),
            lambda: collection.similar(path),
            lambda: collection.captions(path),
            lambda: collection.region(path, "red"),
            lambda: collection.export(f"{path}.jsonl"),
            lambda: collection.export(path),
            lambda: collection.import_(path),
            lambda: collection.import_(f"{path}.jsonl"),
            lambda: collection.backup(path),
            lambda: collection.reindex(path),
        ):
            with pytest.raises(BadInput):
                work()
        with pytest.raises(BadInput):
            collection.forget(path)
        assert len(collection) == 4


def test_what_is_imported_is_a_name_and_no_file(tmp_path):
    """An export by a stranger names files: nobody opens them, and words are text wherever they turn up."""
    row = Palette().encode_texts(["red"])[0].tolist()
    lines = [
        {"path": str(tmp_path / "secret.png"), "captions": ["<img src=x onerror=alert(1)>"], "row": row},
        {"path": "../../secret.png", "captions": ["'; DROP TABLE items; --"], "row": row},
    ]
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.put(Entry(line["path"], line["row"], line["captions"]) for line in lines)
        assert collection.verify(contents=True) == [] and len(collection) == 2
        assert collection.search("red", keywords=0).results[0].key == lines[0]["path"]
        assert collection.search("drop table items", k=2).results[0].key == "../../secret.png"


def test_a_collection_on_a_file_system_without_locks_is_refused_with_the_way_out(tmp_path, monkeypatch):
    import errno
    import fcntl

    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(BadInput, match=r"has no locks .* keep the collection on a local disk"):
        Collection.open(tmp_path / "c", Palette(), write=True)


def test_colours_are_what_this_world_is_made_of(tmp_path):
    """The pictures above are told apart by their colours, or nothing here would prove anything."""
    album(tmp_path / "pictures", len(COLOURS))
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(tmp_path / "pictures")
        for place, colour in enumerate(COLOURS):
            best = collection.search(colour, k=1, keywords=0).results[0].path
            assert Path(best).name == f"{place:03d}.png" and Image.open(best).size == (12, 9)
