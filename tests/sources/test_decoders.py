import contextlib
import hashlib
import io
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diptych.sources import decoders
from diptych.sources.decoders import Decoders, look
from diptych.sources.pictures import Preprocessing


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


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("preprocessing", [None, Preprocessing(16)])
def test_a_picture_on_its_side_has_the_size_it_has_upright(tmp_path, name, preprocessing):
    exif = Image.Exif()
    exif[0x0112] = 6
    found = look(str(paint(tmp_path / name, exif=exif)), preprocessing=preprocessing)
    assert (found.width, found.height) == (30, 40)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_good_picture_with_exif_that_does_not_read_is_seen_and_the_loss_is_said(tmp_path, name):
    path = str(paint(tmp_path / name, exif=b"Exif\0\0no header of a TIFF"))
    for preprocessing in (None, Preprocessing(16)):
        found = look(path, preprocessing=preprocessing)
        assert (found.reason, found.width, found.height) == ("", 40, 30)
        assert found.note == "EXIF left out: damaged"


def test_a_jpeg_that_came_smaller_has_the_size_of_its_file(tmp_path):
    path = str(paint(tmp_path / "a.jpg", (1600, 801)))
    for preprocessing in (None, Preprocessing(16, enough=16), Preprocessing(16)):
        found = look(path, preprocessing=preprocessing)
        assert (found.width, found.height, found.reason) == (1600, 801, "")


def test_what_is_missing_of_a_picture_is_a_note_and_the_picture_is_well(tmp_path):
    path = paint(tmp_path / "a.jpg", (400, 320))
    whole = path.read_bytes()
    assert look(str(path)).note == ""
    for missing, note in [(2, "its end is missing"), (len(whole) // 6, "its end is missing, 1")]:
        path.write_bytes(whole[:-missing])
        for preprocessing in (None, Preprocessing(16), Preprocessing(16, enough=64)):
            found = look(str(path), preprocessing=preprocessing)
            assert (
                found.reason == ""
                and found.note.startswith(note)
                and (preprocessing is None or found.pixels is not None)
            )


def test_words_that_do_not_read_are_all_told_and_the_picture_is_well(tmp_path):
    path = paint(tmp_path / "a.jpg", xmp=b"nothing")
    (tmp_path / "a.txt").write_bytes(b"\x89PNG\0\0\0data")
    found = look(str(path), [str(tmp_path / "a.txt"), str(tmp_path / "gone.xmp")])
    assert (found.reason, found.captions, found.width) == ("", (), 40)
    assert found.note == (
        "words left out of a.txt: not a text; save it as UTF-8; "
        "words left out of gone.xmp: not readable (No such file or directory); "
        "XMP left out: there is no RDF in it"
    )


def test_what_stands_beside_a_picture_is_believed_before_what_stands_in_it(tmp_path):
    exif = Image.Exif()
    exif[0x0110], exif[0x010E] = "X100V", "in it"
    exif.get_ifd(0x8769)[0x9003] = "2020:05:01 12:30:15"
    path = paint(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "a.txt").write_bytes("Büro".encode("latin-1"))
    (tmp_path / "a.xmp").write_text(
        '<rdf:Description exif:DateTimeOriginal="2019-04-01T10:00:00" dc:title="beside it" dc:subject="in  it"/>'
    )
    found = look(str(path), [str(tmp_path / "a.txt"), str(tmp_path / "a.xmp")])
    assert (found.taken, found.camera, found.note) == ("2019-04-01T10:00:00", "X100V", "")
    assert (found.captions, found.tags) == (("Büro", "beside it", "in it"), ("in it",))


def test_what_an_encoder_would_see_comes_with_the_look(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [str(paint(tmp_path / "a.jpg", (300, 200), exif=exif)), str(paint(tmp_path / "b.png", (9, 7)))]
    (tmp_path / "c.png").write_bytes(b"not a picture")
    for preprocessing in (Preprocessing(32, "squash", enough=32), Preprocessing(16, "crop", "bilinear")):
        with Decoders(1, preprocessing=preprocessing) as some:
            looks = list(some.looks((file, ()) for file in [*files, str(tmp_path / "c.png")]))
        assert [found.reason != "" for found in looks] == [False, False, True]
        for file, found in zip(files, looks, strict=False):
            assert np.array_equal(found.pixels, preprocessing.of(file)) and found == look(file)
        assert looks[0].pixels.shape == (preprocessing.side, preprocessing.side, 3) and looks[2].pixels is None
        assert look(files[0]).pixels is None


def test_workers_tell_the_same_in_the_order_of_the_files(tmp_path):
    files = [str(paint(tmp_path / f"{number:02d}.png", (number + 1, 5))) for number in range(20)]
    (tmp_path / "07.png").write_bytes(b"not a picture")
    with Decoders(2) as some:
        assert list(some.looks((file, ()) for file in files)) == [look(file) for file in files]


def many_frames(path, n):
    """A GIF of n frames of one pixel."""
    frame = b"\x2c" + bytes(4) + b"\x01\x00\x01\x00\x00" + b"\x02\x02\x44\x01\x00"
    path.write_bytes(b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + bytes(3) + b"\xff\xff\xff" + n * frame + b";")
    return path


def many_pages(path, n, side):
    """A TIFF of n pages that say they are so large, each of the same few bytes."""
    data = b"II*\x00" + (8).to_bytes(4, "little")
    for page in range(n):
        at = len(data)
        tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, side), (279, 64)]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        after = at + 2 + len(entries) + 4
        data += struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0 if page == n - 1 else after)
    path.write_bytes(data)
    return path


def test_bombs_are_refused_or_read_at_once_and_in_little_memory(tmp_path):
    whole = paint(tmp_path / "whole.jpg", (400, 300)).read_bytes()
    png = paint(tmp_path / "whole.png", (40, 30)).read_bytes()
    fifty = 50_000_000

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    def within(extra):
        """Behind the header of the PNG."""
        return png[:33] + extra + png[33:]

    def segments(mark, start, n):
        return whole[:2] + n * (b"\xff" + mark + b"\xff\xff" + start + bytes(65_533 - len(start))) + whole[2:]

    profile = zlib.compress(bytes(fifty))
    bombs = {
        "cut.jpg": whole[: len(whole) // 2],
        "exif.jpg": segments(b"\xe1", b"Exif\0\0", 800),
        "icc.jpg": segments(b"\xe2", b"ICC_PROFILE\0\x01\x01", 800),
        "icc.png": within(chunk(b"iCCP", b"icc\0\0" + profile)),
        "text.png": within(100 * chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(fifty)))),
        "exif.png": within(chunk(b"eXIf", b"II*\0" + bytes(fifty))),
        "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hosts"/></svg>',
        "pdf.jpg": b"%PDF-1.7\n1 0 obj << /JS (app.alert(1)) >> endobj\n" + whole,
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(/etc/hosts) (r) file\n",
    }
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in bombs]
    paths += [
        declared(tmp_path / "huge.png", 30_000, 30_000),
        paint(tmp_path / "wide.png", (100_000, 1)),
        paint(tmp_path / "tall.png", (1, 100_000)),
        paint(tmp_path / "dot.png", (1, 1)),
        many_frames(tmp_path / "frames.gif", 10_000),
        many_pages(tmp_path / "huge.tif", 10, 30_000),
        many_pages(tmp_path / "pages.tif", 1000, 8),
    ]
    script = (
        "import sys, time, resource, zlib\n"
        "from diptych.sources.decoders import look\n"
        "look(sys.argv[1])\n"
        "start = time.process_time()\n"
        "for _ in range(64): zlib.compress(bytes(1 << 20))\n"
        "measure = time.process_time() - start\n"
        "for path in sys.argv[2:]:\n"
        "    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()\n"
        "    reason = look(path).reason\n"
        "    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "    print(round(peak / 1024), round((time.process_time() - start) / measure, 2), reason, sep='\\t')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "whole.png"), *map(str, paths)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    reasons = {}
    for path, line in zip(paths, told.stdout.splitlines(), strict=True):
        megabytes, work, reasons[path.name] = line.split("\t")
        # As much as compressing 64 MB three times, which takes a second.
        assert int(megabytes) < 300 and float(work) < 3, f"{path.name}: {megabytes} MB, {work} times as long"
    assert "more than 80,000,000" in reasons["huge.png"] and "more than 80,000,000" in reasons["huge.tif"]
    assert "damaged" in reasons["cut.jpg"]
    assert [reasons[name].startswith("not a picture") for name in ("svg.png", "pdf.jpg", "eps.jpg")] == [True] * 3
    assert "more than 4,000,000 bytes of EXIF" in reasons["exif.jpg"]
    sound = ("wide.png", "tall.png", "dot.png", "frames.gif", "pages.tif")
    assert [reasons[name] for name in sound] == [""] * len(sound)


@pytest.fixture
def asked(monkeypatch):
    """The files that workers were asked for together, in order."""
    questions = []
    ask = decoders._Worker.ask

    def counted(worker, files, how):
        questions.append([path for path, _ in files])
        worker.in_hand = [None] * worker._file + questions[-1]
        return ask(worker, files, how)

    monkeypatch.setattr(decoders._Worker, "ask", counted)
    return questions


def test_a_file_that_kills_its_worker_costs_itself_alone(tmp_path, monkeypatch, asked):
    files = [str(paint(tmp_path / f"{number}.png")) for number in range(6)]
    (tmp_path / "2.png").unlink()
    os.mkfifo(tmp_path / "2.png")  # so that no answer is there before it is struck
    answer = decoders._Worker._answer

    def struck(worker):
        if worker.in_hand[worker._file] == files[2]:
            worker._process.kill()
        return answer(worker)

    monkeypatch.setattr(decoders._Worker, "_answer", struck)
    with Decoders(1) as some:
        reasons = [found.reason for found in some.looks((file, ()) for file in files)]
    assert reasons.pop(2) == "the decoder died of it (exit code -9); leave it out" and reasons == [""] * 5
    assert asked == [files, files[2:], files[3:]], "it was tried twice, and what was answered is not asked again"


def test_a_worker_that_died_of_something_else_is_replaced_and_no_file_is_blamed(tmp_path):
    files = [str(paint(tmp_path / f"{number}.png")) for number in range(3)]
    with Decoders(1) as some:
        assert not next(some.looks([(files[0], ())])).reason
        (worker,) = some._all
        worker._process.kill()
        assert [found.reason for found in some.looks((file, ()) for file in files)] == [""] * 3


def test_a_file_that_hangs_is_given_up_after_one_try_and_is_worth_another_later(tmp_path, asked, monkeypatch):
    endless, good = tmp_path / "endless.png", paint(tmp_path / "good.png")
    os.mkfifo(endless)  # whoever opens it waits for a writer that never comes
    patience = iter([1, 1e6])  # the good one may wait for its turn as long as it likes
    worker = decoders._Worker
    monkeypatch.setattr(decoders, "_Worker", lambda seconds: worker(next(patience)))
    with Decoders(1, seconds=1) as some:
        slow, well = some.looks([(str(endless), ()), (str(good), ())])
    assert "took more than 1 s" in slow.reason and "waiting" in slow.reason and not well.reason
    assert slow.again and not well.again
    assert asked == [[str(endless), str(good)], [str(good)]]


def test_a_file_that_computes_too_long_is_given_up_after_one_try_and_tried_again_later(tmp_path, asked, monkeypatch):
    monkeypatch.setattr(decoders, "_PATIENCE", 1000)  # however long it waits for its turn
    path = tmp_path / "large.png"
    Image.new("L", (9000, 8000)).save(path, compress_level=1)
    with Decoders(1, seconds=0.02) as some:
        (late,) = some.looks([(str(path), ())])
    assert "took more than 0.02 s of computing" in late.reason and late.again
    assert asked == [[str(path)]]


class Watched(decoders._Worker):
    """One without a process, at each look of its watch: file in hand (None: none), seconds computed, of the clock."""

    def __init__(self, monkeypatch, *looks):
        self._looks, self.killed, self._given_up = iter(looks), False, (-1, "")
        self._over = self._process = self
        monkeypatch.setattr(decoders.time, "monotonic", lambda: self._clock)

    def wait(self, pause):
        self._file, self._time, self._clock = next(self._looks, (None, 0, None))
        self._busy = self._file is not None
        return self._clock is None

    def kill(self):
        self.killed = True

    def _computed(self):
        return self._time


@pytest.mark.parametrize(
    ("looks", "given_up"),
    [
        ([(0, 0, 0), (0, 4, 4), (0, 9, 9), (1, 11, 11), (1, 20, 20), (2, 22, 22)], (-1, "")),
        ([(0, 0, 0), (0, 9, 9), (1, 11, 11), (1, 21, 21)], (1, decoders._LATE)),
        ([(0, 5, 0), (0, 6, 20), (0, 6, 49)], (-1, "")),
        ([(0, 5, 0), (0, 6, 20), (0, 6, 50)], (0, decoders._HANGING)),
        ([(0, 5, 0), (None, 6, 20), (1, 6, 80), (1, 7, 99)], (-1, "")),
        ([(3, 5, 0), (None, 6, 20), (3, 16, 80), (3, 17, 99)], (-1, "")),
    ],
    ids=["each its own", "the second", "waits", "hangs", "rests", "begins again"],
)
def test_each_file_is_judged_by_what_was_computed_over_it_alone(monkeypatch, looks, given_up):
    worker = Watched(monkeypatch, *looks)
    worker._watch(10)
    assert worker._given_up == given_up and worker.killed == (given_up[0] >= 0)


def test_what_is_not_read_because_all_is_ended_says_so(tmp_path):
    with Decoders(1) as some:
        pass
    found = some._some([(str(tmp_path / "a.png"), ())])
    assert [(look.reason, look.again) for look in found] == [(decoders._STOPPED, True)]


def test_time_in_which_a_worker_does_not_compute_is_not_its_own(tmp_path, monkeypatch):
    """On a machine that is busy with other things it may be long before a worker has its turn."""
    monkeypatch.setattr(decoders, "_PATIENCE", 1000)
    ask = decoders._Worker.ask

    def stopped(worker, files, how):
        os.kill(worker._process.pid, signal.SIGSTOP)
        threading.Timer(3 * 0.5, os.kill, (worker._process.pid, signal.SIGCONT)).start()
        return ask(worker, files, how)

    with Decoders(1, seconds=0.5) as some:
        file = (str(paint(tmp_path / "a.png")), ())
        assert not next(some.looks([file])).reason  # the worker has started
        monkeypatch.setattr(decoders._Worker, "ask", stopped)
        assert next(some.looks([file])).reason == ""


def test_what_could_not_be_opened_is_worth_another_look_and_what_is_damaged_is_not(tmp_path):
    assert look(str(tmp_path / "gone.png")).again
    (tmp_path / "text.png").write_text("hello")
    assert not look(str(tmp_path / "text.png")).again


def test_no_worker_is_left_behind(tmp_path):
    files = [str(paint(tmp_path / f"{number}.png")) for number in range(4)]
    with Decoders(2) as some:
        next(some.looks((file, ()) for file in files))
        workers = list(some._all)
    assert workers and all(worker._process.poll() is not None for worker in workers)


def test_a_file_beyond_the_bound_is_not_read(tmp_path, monkeypatch):
    path = paint(tmp_path / "a.png")
    monkeypatch.setattr(decoders, "MAX_BYTES", path.stat().st_size)
    assert look(str(path)).reason == ""
    monkeypatch.setattr(decoders, "MAX_BYTES", path.stat().st_size - 1)
    assert re.search(r"bytes, more than [\d,]+; scale it down first$", look(str(path)).reason)


def test_a_file_is_read_once_and_a_very_large_one_is_seen_the_same(tmp_path, monkeypatch):
    path = paint(tmp_path / "a.jpg", (300, 200), comment=b"words")
    given = []
    opened = decoders.pictures.opened
    monkeypatch.setattr(decoders.pictures, "opened", lambda file, name: given.append(file) or opened(file, name))
    held = look(str(path), preprocessing=Preprocessing(16))
    monkeypatch.setattr(decoders, "_WHOLE", path.stat().st_size - 1)
    streamed = look(str(path), preprocessing=Preprocessing(16))
    assert held == streamed and np.array_equal(held.pixels, streamed.pixels)
    assert [isinstance(file, io.BytesIO) for file in given] == [True, False]


LINUX = pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="Linux tells such things of a process so")


@LINUX
def test_a_worker_is_held_to_a_size_and_hears_no_ctrl_c(tmp_path):
    with Decoders(1) as some:
        assert not next(some.looks([(str(paint(tmp_path / "a.png")), ())])).reason
        (worker,) = some._all
        pid = worker._process.pid
        (most,) = re.findall(r"^Max address space +(\S+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
        assert int(most) < 5 << 30 and os.getsid(pid) == pid != os.getsid(0)


def test_a_look_that_takes_more_memory_than_it_may_is_no_look_to_come_again(tmp_path, monkeypatch):
    path = str(paint(tmp_path / "a.png"))
    for place in ("embedded.read", "sidecar.read"):
        with monkeypatch.context() as patch:
            patch.setattr(f"diptych.sources.metadata.{place}", lambda *_: bytes(1 << 60))
            found = look(path, [path])
        assert "takes more memory to read than it may" in found.reason and not found.again


@LINUX
def test_where_the_system_tells_no_time_of_a_worker_time_passes_for_it(tmp_path):
    with Decoders(1) as some:
        next(some.looks([(str(paint(tmp_path / "a.png")), ())]))
        (worker,) = some._all
        assert 0 < worker._computed() < 600, "of a processor"
    before = time.monotonic()
    assert before <= worker._computed() <= time.monotonic(), "it is gone"


def test_nothing_runs_on_when_it_is_left_though_files_are_in_hand(tmp_path):
    endless = tmp_path / "endless.png"
    os.mkfifo(endless)
    before = threading.active_count()
    with Decoders(2) as some:
        some.looks((str(endless), ()) for _ in range(5))
        while not some._all:
            time.sleep(0.01)
    assert threading.active_count() <= before
    assert all(worker._process.poll() is not None for worker in some._all)


@pytest.mark.parametrize(
    ("size", "seen"), [((40, 30), (30, 40, 3)), ((400, 300), (48, 64, 3)), ((90, 400), (64, 14, 3))]
)
def test_what_people_look_at_is_upright_scaled_down_and_never_up(tmp_path, size, seen):
    path = str(paint(tmp_path / "a.jpg", size))
    with Decoders(1, preprocessing=Preprocessing(16)) as some:
        found = some.small(path, 64)
    assert found.pixels.shape == seen and found.reason == "" and (found.width, found.height) == size
    assert np.array_equal(found.pixels, look(path, fit=64).pixels)


FORMS = {
    "JPEG": {},
    "PNG": {},
    "GIF": {},
    "WEBP": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "AVIF": {"speed": 10},
}


def test_ten_thousand_mutated_files_end_no_worker(tmp_path):
    """Bytes changed, cut off, put in and put twice, in every form that is read; `DIPTYCH_SEED` repeats a run."""
    rng = np.random.default_rng(int(os.environ.get("DIPTYCH_SEED", "3")))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "maker", 6
    wholes = []
    for form, options in FORMS.items():
        with contextlib.suppress(KeyError, OSError):  # this PIL does not write it
            wholes.append(paint(tmp_path / "whole", (16, 12), format=form, exif=exif, **options).read_bytes())
    assert len(wholes) >= 6
    folder = tmp_path / "mutated"
    folder.mkdir()
    files = []
    for number in range(10_000):
        data = bytearray(wholes[number % len(wholes)])
        for _ in range(int(rng.integers(1, 6))):
            at, length = int(rng.integers(0, len(data))), int(rng.integers(1, 9))
            match int(rng.integers(0, 5)):
                case 0:
                    data[at] ^= 1 << int(rng.integers(0, 8))
                case 1:
                    data[at : at + length] = rng.bytes(length)
                case 2:
                    data[at:at] = data[at : at + length]
                case 3:  # a number at its edge
                    data[at : at + 4] = [b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"][length % 3]
                case _ if len(data) > 40 and number % 3 == 0:
                    del data[max(at, 12) :]
        files.append(folder / f"{number}.bin")
        files[-1].write_bytes(data)
    with Decoders(1) as some:
        looks = list(some.looks((str(file), ()) for file in files))
        assert len(some._all) == 1, "the first worker is the last one"
    assert not [found.reason for found in looks if "died" in found.reason or "took more" in found.reason]
    read = sum(not found.reason for found in looks)
    assert 1000 < read < 9000, f"{read} were read: mutations must spoil some and spare some"


def test_who_is_there_is_asked_before_another_is_started(tmp_path):
    picture = str(paint(tmp_path / "one.png"))
    with Decoders(4) as some:
        assert all(not some.small(picture, 20).reason for _ in range(4))
        assert len(some._all) == 1
