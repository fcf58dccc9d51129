"""Whole programs, each in an environment of its own, timed and weighed. The other scripts here use it."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diptych.sources import cache

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """One process from its start to its end.

    seconds   on the clock
    cpu       seconds that it and its children computed: what a machine with nothing else to do would take, or more
    peak_mb   the most memory that it and its children held at the same time, looked at every 20 ms; pages that they
              share count for each
    """

    seconds: float
    cpu: float
    peak_mb: float
    output: str

    @classmethod
    def median(cls, runs: Sequence[Run]) -> Run:
        """The median of each figure, and the most memory."""
        middle = (statistics.median(getattr(run, name) for run in runs) for name in ("seconds", "cpu"))
        return cls(*middle, max(run.peak_mb for run in runs), runs[-1].output)


def run(command: Sequence[str | Path], cwd: str | Path | None = None, **environment: str | Path) -> Run:
    """Run it and say what it cost; SystemExit with what it wrote where it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    told = inherited | {name: str(value) for name, value in environment.items()}
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=told, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    over, peak = threading.Event(), [0.0]

    def watch() -> None:
        # What wait4 tells of a child begins with the memory of this process, of which it is a copy before it is itself.
        while not over.wait(0.02):
            peak[0] = max(peak[0], sum(map(_resident_mb, _family(process.pid))))

    watching = threading.Thread(target=watch)
    watching.start()
    errors: list[str] = []
    reading = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
    reading.start()
    output = process.stdout.read()  # type: ignore[union-attr]
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    over.set()
    watching.join()
    reading.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\nexit code {process.returncode}\n{''.join(errors)[-2000:]}")
    return Run(seconds, used.ru_utime + used.ru_stime, peak[0], output)


def computed() -> float:
    """Seconds of a processor that this process used, and its children that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(some.ru_utime + some.ru_stime for some in used)


def _family(pid: int) -> list[int]:
    """A process and its children's children."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):  # it may have ended by now
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _resident_mb(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def installed(name: str, *requirements: str) -> Path:
    """The programs of a virtual environment with these packages and nothing else, kept in the cache."""
    home = cache.home() / "bench" / name
    if not (home / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    pip = [home / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q", "--compile"]
    subprocess.run([*pip, *requirements], check=True)
    return home / "bin"


def ours() -> Path:
    """Those of Diptych as it stands here, without extras."""
    return installed("diptych", str(ROOT), "-c", str(ROOT / "constraints.txt"))
