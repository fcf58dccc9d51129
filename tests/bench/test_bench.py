"""The scripts that measure: each starts, what they share measures right, and a peer that disagrees stops them."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
TEXTS = {file.name: file.read_text(encoding="utf-8") for file in sorted(BENCH.glob("*.py"))}
SCRIPTS = [name for name, text in TEXTS.items() if "argparse" in text and "\nimport torch" not in text]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_tells_how_it_is_called(script: str) -> None:
    done = subprocess.run([sys.executable, BENCH / script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--json" in done.stdout or script == "random_clip.py"


@pytest.fixture
def weighed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], Path]:
    """weighed(n): a file that comes when n processes of more than 150 MB have each been looked at three times."""
    import processes

    looks: Counter[int] = Counter()
    wanted: list[tuple[int, Path]] = []
    look = processes._resident_mb

    def resident_mb(pid: int) -> float:
        found = look(pid)
        looks[pid] += found > 150
        for n, file in wanted:
            if sum(times >= 3 for times in looks.values()) >= n:
                file.touch()
        return found

    def weighed(n: int) -> Path:
        looks.clear()
        wanted[:] = [(n, tmp_path / str(n))]
        return wanted[0][1]

    monkeypatch.setattr(processes, "_resident_mb", resident_mb)
    return weighed


HOLD = """
import sys, time
from pathlib import Path
held = bytearray(150 << 20)
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
"""


def test_a_process_is_timed_and_weighed_with_its_children(weighed: Callable[[int], Path]) -> None:
    import processes

    alone = processes.run([sys.executable, "-c", f"import time; print('said'); time.sleep(0.5)\n{HOLD}", weighed(1)])
    assert alone.output == "said\n" and alone.seconds >= 0.5 and 0 < alone.cpu <= alone.seconds
    assert 150 < alone.peak_mb < 250
    child = f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {HOLD!r}, sys.argv[1]])"
    both = processes.run([sys.executable, "-c", f"{child}\n{HOLD}\nchild.wait()", weighed(2)])
    assert 300 < both.peak_mb < 450


def test_every_script_parses() -> None:
    for name, text in TEXTS.items():
        compile(text, name, "exec")


def test_a_process_that_fails_stops_the_script_with_what_it_wrote() -> None:
    import processes

    with pytest.raises(SystemExit, match="no such luck"):
        processes.run([sys.executable, "-c", "raise SystemExit('no such luck')"])


def test_rows_of_another_network_stop_the_comparison() -> None:
    import rclip

    rows = np.random.default_rng(0).standard_normal((2, 20, 32)).astype(np.float32)
    mine, other = ({str(number): row for number, row in enumerate(side)} for side in rows)
    assert rclip.same_network(mine, mine) == pytest.approx(1, abs=1e-5)
    with pytest.raises(SystemExit, match="differ"):
        rclip.same_network(mine, other)
    with pytest.raises(SystemExit, match="pictures"):
        rclip.same_network(mine, {name: row for name, row in mine.items() if name != "3"})


def test_texts_of_a_modality_gap_lie_apart_from_pictures_and_still_find_them() -> None:
    import ann

    pictures, texts = ann.two_cones(3000, 200, 64)
    across, within = (texts @ pictures.T).mean(), (pictures[:500] @ pictures[500:1000].T).mean()
    assert across < within - 0.3
    flat = np.argsort(-(texts @ pictures.T), axis=1)[:, : ann.K]
    assert ann.share_found(flat, flat) == 1
    assert ann.share_found(flat[:, ::-1], flat) == 1 and ann.share_found(np.roll(flat, 1, axis=0), flat) < 0.5


def test_the_time_in_a_function_is_added_up_under_its_name_and_the_function_is_put_back() -> None:
    import mini

    class Work:
        def done(self, n: int) -> int:
            return sum(range(n))

    done, spent = Work.done, Counter[str]()
    with mini.clocked(spent, work=(Work, "done")):
        assert Work().done(10**6) == 499_999_500_000 and Work().done(n=2) == 1
    assert Work.done is done and spent["work"] > 0


def test_the_parts_of_what_a_picture_costs_are_all_of_it(tmp_path: Path) -> None:
    import mini
    from PIL import Image

    for number in range(9):
        Image.new("RGB", (300, 200), (number * 20, 0, 0)).save(tmp_path / f"{number}.jpg")
    told = mini.indexed("mini", tmp_path)
    *parts, whole = told["CPU ms a picture"].items()
    assert [part for part, _ in parts] == [
        "storing", "read, hash", "words, EXIF", "decode", "resize", "network", "the rest",
    ]  # fmt: skip
    assert sum(took for _, took in parts) == pytest.approx(whole[1], abs=0.05) and told["pictures/s"] > 0
