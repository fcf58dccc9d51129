"""`diptych index` as a person meets it: stopped, kept looking, cut off from the network. Whole processes."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import diptych
from diptych import catalogue
from diptych.collection import Collection
from diptych.encoder import Encoder
from diptych.kinds import Pairs

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "yellow": (230, 220, 20)}

pytestmark = pytest.mark.usefixtures("own_cache")


def paint(path: Path, colour: str, seed: int = 0, size: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = np.random.default_rng(seed).integers(-30, 30, (size, size, 3))
    Image.fromarray(np.clip(np.array(COLOURS[colour]) + shade, 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest that `diptych fit` could have written: it knows four colours."""
    home = tmp_path_factory.mktemp("encoder")
    names = list(COLOURS) * 8
    paths = [str(paint(home / "p" / f"{place}.png", name, place)) for place, name in enumerate(names)]
    texts = [f"a {name} thing number {place % 3}" for place, name in enumerate(names)]
    pairs = Pairs(paths, texts, np.arange(len(names)))
    Encoder.of("colour", "tfidf", catalogue.method("cca")(dims=3)).fit(pairs).save_pretrained(home / "fitted")
    return home / "fitted"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "diptych.app.cli", *map(str, arguments)]


def started(*words: str, at: Path) -> subprocess.Popen[str]:
    """A process that hears ctrl-C, also where a shell has put these tests in the background and so made them deaf."""
    return subprocess.Popen(
        words,
        cwd=at,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout
    return (line.rstrip("\n") for line in process.stdout)


WATCHING = """
from functools import partialmethod
from diptych.app.cli import main
from diptych.collection import Collection

Collection.watch = partialmethod(Collection.watch, every=0.05)  # and not every two seconds
main()
"""


def test_watch_tells_each_change_and_ends_clean(encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for place, colour in enumerate(COLOURS):
        paint(folder / f"{colour}.png", colour, place)
    script = [sys.executable, "-c", WATCHING, "index", str(folder), "--model", str(encoder), "--watch", "--json"]
    process = started(*script, at=tmp_path)
    try:
        told = lines(process)
        assert json.loads(next(told))["added"] == 4
        paint(tmp_path / "new.png", "red", 9).rename(folder / "new.png")
        assert json.loads(next(told)) == {"change": "added", "path": str(folder / "new.png"), "why": ""}
        (folder / "new.png").rename(folder / "renamed.png")
        assert json.loads(next(told)) == {"change": "renamed", "path": str(folder / "renamed.png"), "why": ""}
        (folder / "blue.png").unlink()
        assert json.loads(next(told)) == {"change": "removed", "path": str(folder / "blue.png"), "why": ""}
        (folder / "bad.png").write_bytes(b"no picture")
        bad = json.loads(next(told))
        assert bad["change"] == "failed" and bad["path"].endswith("bad.png") and "not a picture" in bad["why"]
        with Collection.open(folder / ".diptych") as reader:
            assert len(reader) == 4, "others may read meanwhile"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 0 and out == ""
    assert "watching" in err and "stopped; 4 pictures are indexed" in err and "Traceback" not in err


WAITING = """
import sys, time
from pathlib import Path
from diptych.app.cli import main
from diptych.encoder import Encoder

waits, whole, batches = Path(sys.argv.pop(1)), Encoder.encode_images, []

def encode_images(self, images):
    batches.append(images)
    if len(batches) == 3:
        waits.touch()
        while True:
            time.sleep(0.05)  # not `pause`, which a signal that comes just before it does not end
    return whole(self, images)

Encoder.encode_images = encode_images
main()
"""


def test_ctrl_c_keeps_what_was_told_says_how_to_go_on_and_exits_130(encoder: Path, tmp_path: Path) -> None:
    folder, waits = tmp_path / "many pictures", tmp_path / "waits"
    for place in range(400):
        paint(folder / f"{place:03d}.png", list(COLOURS)[place % 4], place)
    script = [sys.executable, "-c", WAITING, str(waits), "index", str(folder), "--model", str(encoder)]
    process = started(*script, at=tmp_path)
    try:
        while not waits.exists() and process.poll() is None:  # it is in the middle of the third batch
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out == "" and "Traceback" not in err and err.count("\n") == 1
    with Collection.open(folder / ".diptych") as collection:
        kept = len(collection)
        assert 0 < kept < 400 and collection.verify() == []
        assert f"stopped; {kept} pictures are indexed and kept. Go on: diptych index" in err
    again = subprocess.run(command(*go_on(err), "--json"), cwd=tmp_path, capture_output=True, text=True, check=True)
    report = json.loads(again.stdout)
    assert report["items"] == 400 and report["unchanged"] == kept and report["encoded"] == 400 - kept


def go_on(message: str) -> list[str]:
    """The arguments of the command that a message ends with."""
    return shlex.split(message.strip().rpartition("Go on: diptych ")[2])


DEAF = """
import sys

def hook(event, arguments):
    if event.startswith("socket.") and event not in ("socket.gethostname",):
        raise RuntimeError(f"asked the network: {event} {arguments}")

sys.addaudithook(hook)
"""


def test_nothing_asks_the_network(encoder: Path, tmp_path: Path) -> None:
    """Every Python process, the workers too, fails at the first socket; where the user may, there is no network."""
    (tmp_path / "deaf").mkdir()
    (tmp_path / "deaf" / "sitecustomize.py").write_text(DEAF)
    path = os.pathsep.join([str(tmp_path / "deaf"), str(Path(diptych.__file__).parents[1])])
    env = {**os.environ, "PYTHONPATH": path}
    cut_off = ["unshare", "-n"] if not subprocess.run(["unshare", "-n", "true"], check=False).returncode else []

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        at = tmp_path / "pictures"
        return subprocess.run([*cut_off, *command(*arguments)], cwd=at, env=env, capture_output=True, text=True)

    for place, colour in enumerate(COLOURS):
        paint(tmp_path / "pictures" / f"{colour}.png", colour, place)
    assert "diptych" in run("--help").stdout
    indexed = run("index", ".", "--model", encoder, "--json")
    assert indexed.returncode == 0 and json.loads(indexed.stdout)["added"] == 4, indexed.stderr
    found = run("search", "red", "--json", "--html", tmp_path / "sheet.html")
    assert found.returncode == 0 and json.loads(found.stdout)["results"][0]["path"].endswith("red.png"), found.stderr
    ask = "import diptych, socket; print(diptych.__file__); socket.getaddrinfo('localhost', 80)"
    deaf = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=False)
    assert "asked the network" in deaf.stderr, "the check hears who asks"
    assert deaf.stdout.strip() == diptych.__file__, "what is tested here runs there"
