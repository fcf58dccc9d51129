import hashlib
import os
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from diptych.sources import decoders
from diptych.sources.decoders import Decoders, look


def paint(path, size=(40, 30), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def declared(path, width, height):
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(bytes(50_000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b""))
    return path


def test_a_look_tells_digest_size_and_words(tmp_path):
    path = paint(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("two dogs\n\nat the sea\n")
    found = look(str(path), [str(tmp_path / "a.txt")])
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.reason, found.width, found.height, found.size) == ("", 40, 30, path.stat().st_size)
    assert found.captions == ("two dogs", "at the sea")


def test_a_picture_on_its_side_has_the_size_it_has_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    found = look(str(paint(tmp_path / "a.jpg", exif=exif)))
    assert (found.width, found.height) == (30, 40)


def test_words_that_do_not_read_are_a_note_and_the_picture_is_well(tmp_path):
    path = paint(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes("Büro".encode("latin-1"))
    found = look(str(path), [str(tmp_path / "a.txt")])
    assert found.reason == "" and "not UTF-8" in found.note and found.captions == ()


def test_workers_tell_the_same_in_the_order_of_the_files(tmp_path):
    files = [str(paint(tmp_path / f"{number:02d}.png", (number + 1, 5))) for number in range(20)]
    (tmp_path / "07.png").write_bytes(b"not a picture")
    with Decoders(2) as some:
        assert list(some.looks((file, ()) for file in files)) == [look(file) for file in files]


def test_bombs_are_refused_or_read_at_once_and_in_little_memory(tmp_path):
    bombs = {
        "huge.png": declared(tmp_path / "huge.png", 30_000, 30_000),
        "wide.png": paint(tmp_path / "wide.png", (100_000, 1)),
        "tall.png": paint(tmp_path / "tall.png", (1, 100_000)),
    }
    whole = paint(tmp_path / "cut.jpg", (400, 300)).read_bytes()
    bombs["cut.jpg"] = tmp_path / "cut.jpg"
    bombs["cut.jpg"].write_bytes(whole[: len(whole) // 2])
    frames = [Image.new("P", (50, 50), number % 256) for number in range(2000)]
    frames[0].save(tmp_path / "frames.gif", save_all=True, append_images=frames[1:])
    bombs["frames.gif"] = tmp_path / "frames.gif"
    pages = [Image.new("RGB", (30, 30), (number, 0, 0)) for number in range(10)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    bombs["pages.tif"] = tmp_path / "pages.tif"
    segment = b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)
    (tmp_path / "exif.jpg").write_bytes(whole[:2] + 800 * segment + whole[2:])
    bombs["exif.jpg"] = tmp_path / "exif.jpg"
    (tmp_path / "svg.png").write_bytes(
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hosts"/></svg>'
    )
    bombs["svg.png"] = tmp_path / "svg.png"
    script = (
        "import sys, time, resource\n"
        "from diptych.sources.decoders import look\n"
        "from PIL import Image; Image.init()\n"
        "for path in sys.argv[1:]:\n"
        "    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()\n"
        "    reason = look(path).reason\n"
        "    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "    print(round(peak / 1024), round(time.process_time() - start, 2), reason, sep='\\t')\n"
    )
    told = subprocess.run([sys.executable, "-c", script, *map(str, bombs.values())], capture_output=True, text=True)
    reasons = {}
    for name, line in zip(bombs, told.stdout.splitlines(), strict=True):
        megabytes, seconds, reasons[name] = line.split("\t")
        assert int(megabytes) < 300 and float(seconds) < 1, f"{name}: {megabytes} MB, {seconds} s"
    assert "more than 80,000,000" in reasons["huge.png"]
    assert "damaged" in reasons["cut.jpg"]
    assert "not a picture" in reasons["svg.png"]
    assert "more than 4,000,000 bytes of EXIF" in reasons["exif.jpg"]
    assert [reasons[name] for name in ("wide.png", "tall.png", "frames.gif", "pages.tif")] == [""] * 4


def test_a_file_that_kills_its_worker_costs_itself_alone(tmp_path, monkeypatch):
    files = [str(paint(tmp_path / f"{number}.png")) for number in range(6)]
    ask = decoders._Worker.ask

    def struck(worker, question, seconds):
        if question["path"] == files[2]:
            worker._process.kill()
        return ask(worker, question, seconds)

    monkeypatch.setattr(decoders._Worker, "ask", struck)
    with Decoders(1) as some:
        reasons = [found.reason for found in some.looks((file, ()) for file in files)]
    assert "the decoder died of it (exit code -9)" in reasons.pop(2) and reasons == [""] * 5


def test_a_worker_that_died_of_something_else_is_replaced_and_no_file_is_blamed(tmp_path):
    files = [str(paint(tmp_path / f"{number}.png")) for number in range(3)]
    with Decoders(1) as some:
        assert not next(some.looks([(files[0], ())])).reason
        (worker,) = some._all
        worker._process.kill()
        assert [found.reason for found in some.looks((file, ()) for file in files)] == [""] * 3


def test_a_file_that_takes_too_long_is_given_up(tmp_path):
    endless, good = tmp_path / "endless.png", paint(tmp_path / "good.png")
    os.mkfifo(endless)  # whoever opens it waits for a writer that never comes
    started = time.perf_counter()
    with Decoders(1, seconds=1.5) as some:
        slow, well = some.looks([(str(endless), ()), (str(good), ())])
    assert "took more than 1.5 s" in slow.reason and not well.reason
    assert time.perf_counter() - started < 10


def test_no_worker_is_left_behind(tmp_path):
    files = [str(paint(tmp_path / f"{number}.png")) for number in range(4)]
    with Decoders(2) as some:
        next(some.looks((file, ()) for file in files))
        workers = list(some._all)
    assert workers and all(worker._process.poll() is not None for worker in workers)


def test_a_file_beyond_the_bound_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(decoders, "MAX_BYTES", 100)
    assert "bytes, more than 100" in look(str(paint(tmp_path / "a.png"))).reason


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_mutated_files_never_end_a_worker(tmp_path, form):
    rng = np.random.default_rng(3)
    whole = np.frombuffer(paint(tmp_path / "a", format=form).read_bytes(), dtype=np.uint8)
    files = []
    for number in range(60):
        data = whole.copy()
        data[rng.integers(0, len(data), 1 + number % 8)] = rng.integers(0, 256)
        files.append(tmp_path / f"{number}.bin")
        files[-1].write_bytes(data[: rng.integers(1, len(data))].tobytes() if number % 3 == 0 else data.tobytes())
    with Decoders(1) as some:
        looks = list(some.looks((str(file), ()) for file in files))
        assert len(some._all) == 1
    assert not any("died" in found.reason for found in looks)
