"""Would the tests notice? Random faults are put into single lines of a package, and its tests are run against each.

    make mutants PACKAGE=src/diptych/metrics N=100 SEED=7

Lines are drawn by the seed, then a fault of each (`faults.py`). Everything happens in copies of the tree, which is left
as it is. The tests are those that mirror the package and those that import it (`reach.py`). They are run once as they
are, to learn which test calls which function and how long each takes (`traced.py`). A fault is then shown to the tests
that call its function, in the mirrored files first; where it stands outside of functions, or in one that nobody calls,
to all the others as well. The first that fails ends it, and so does a time ten times the usual one. Tests of real data
($DIPTYCH_DATA) are left out.

What was learned and found is kept in build/mutants/ as it comes: a run that was cut off goes on, and after the tests
have changed only what had survived is tried again, and only tests that changed are watched again.
`tests/equivalent_mutants.toml` names faults that change nothing anybody could see; they are not drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import reach
from faults import Fault, faults, parses

ROOT = reach.ROOT
JUDGED = ROOT / "tests" / "equivalent_mutants.toml"
WATCHED = ROOT / "build" / "mutants" / "watched"
PATIENCE, AT_LEAST = 10, 60.0
"""A test that takes so many times what the longest of them took before, and these seconds more, hangs: it is caught."""


def judged() -> set[tuple[str, str, str]]:
    """(file, line, mutated line) of each fault that somebody has judged to change nothing."""
    with open(JUDGED, "rb") as file:
        entries = tomllib.load(file).get("mutant", [])
    for entry in entries:
        if entry["line"] not in map(str.strip, (ROOT / entry["file"]).read_text(encoding="utf-8").splitlines()):
            print(f"{JUDGED.name}: no line of {entry['file']} is {entry['line']!r} any more")
    return {(entry["file"], entry["line"], entry["mutated"]) for entry in entries}


def drawn(package: Path, seed: int) -> Iterator[Fault]:
    """Faults of a package in the order of the seed: one of each line, then another of each, and so on."""
    dull = judged()
    chance = random.Random(seed)
    lines = defaultdict(list)
    for path in sorted(package.rglob("*.py")) if package.is_dir() else [package]:
        source = path.read_text(encoding="utf-8")
        for fault in faults(source, path.relative_to(ROOT).as_posix()):
            lines[fault.file, fault.number].append(fault)
    rounds = [chance.sample(of_a_line, len(of_a_line)) for _, of_a_line in sorted(lines.items())]
    chance.shuffle(rounds)
    while rounds:
        for of_a_line in rounds:
            fault = of_a_line.pop()
            seen = (fault.file, fault.line.strip(), fault.mutated.strip())
            if seen not in dull and parses(fault, (ROOT / fault.file).read_text(encoding="utf-8")):
                yield fault
        rounds = [of_a_line for of_a_line in rounds if of_a_line]


class Copy:
    """A copy of the tree, in which tests are run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        shutil.rmtree(home, ignore_errors=True)
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
            if name and (ROOT / name).is_file():
                (home / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, home / "tree" / name)
        (home / "begun").mkdir()
        (home / "begun" / "sitecustomize.py").write_text("import traced\ntraced.begin()\n")

    def pytest(self, *arguments: str, seconds: float | None = None, **environment: str) -> tuple[int | None, str]:
        """The exit status and what was printed; None after so many seconds."""
        tree, own = self.home / "tree", self.home / "tmp"
        own.mkdir(exist_ok=True)
        path = os.pathsep.join([str(tree / "src"), environment.pop("ALSO", "")]).rstrip(os.pathsep)
        kept = {key: value for key, value in os.environ.items() if key != "DIPTYCH_DATA"}
        places = {"PYTHONPATH": path, "TMPDIR": str(own), "DIPTYCH_CACHE": str(own / "cache")}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        child = subprocess.Popen(
            command,
            cwd=tree,
            env=kept | {"OMP_NUM_THREADS": "1"} | places | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            told, _ = child.communicate(timeout=seconds)
            return child.returncode, told
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            if child.returncode is None or child.returncode < 0:  # children that it leaves behind go with it
                _end(child)
            shutil.rmtree(own, ignore_errors=True)


def _end(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@dataclass
class Usual:
    """What the tests do with the package as it is."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Of each test."""
    callers: dict[str, dict[int, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """File -> first line of a function -> the tests that call it."""
    failed: set[str] = field(default_factory=set)

    @classmethod
    def learn(cls, copy: Copy, files: list[str], jobs: int) -> Usual:
        """Runs each of these files once, watched; those that were watched on the same source are not run again."""
        source = digest((ROOT / "src").rglob("*.py"))
        kept = {name: WATCHED / f"{source}-{digest([ROOT / name, *reach.built_on(ROOT / name)])}" for name in files}
        logs = {name: path.read_text(encoding="utf-8").splitlines() for name, path in kept.items() if path.is_file()}
        if new := [name for name in files if name not in logs]:
            print(f"a watched run of {len(new)} files of tests as they are", flush=True)
            logs |= _watched(copy, new, jobs)
        usual, seen = cls(), defaultdict(set)
        for line in (line for log in logs.values() for line in log):
            first, second, third = json.loads(line)
            if isinstance(second, float):
                usual.seconds[first] += second
                usual.failed |= {first} if third == "failed" else set()
            else:
                seen[second, third].add(first)
        for (file, number), places in seen.items():
            usual.callers[f"src/{file}"][number] = sorted(usual._tests(places))
        for test in usual.failed:
            print(f"fails already, and is left out: {test}")
        WATCHED.mkdir(parents=True, exist_ok=True)
        for name in set(new) - {test.partition("::")[0] for test in usual.failed}:
            kept[name].write_text("\n".join(logs[name]), encoding="utf-8")
        return usual

    def _tests(self, places: Iterable[str]) -> set[str]:
        """The tests of these places (`$PYTEST_CURRENT_TEST`). What a fixture calls serves every test of its file."""
        found = set()
        for place in places:
            test, _, when = place.rpartition(" ")
            if when == "(setup)":
                found |= {one for one in self.seconds if one.partition("::")[0] == test.partition("::")[0]}
            elif test:
                found.add(test)
        return found & self.seconds.keys() - self.failed

    def guarding(self, fault: Fault) -> tuple[set[str], set[str]]:
        """The tests that call the function that a fault stands in; and those to ask after them.

        Of a fault outside of functions those that call a method of the class, or anything of the module, come first:
        others may have read a constant of it. But whoever does not call a function tells nothing of it.
        """
        first, last, function = fault.scope
        functions = self.callers.get(fault.file, {})
        if function and functions.get(first):
            return set(functions[first]), set()
        near = {test for number, tests in functions.items() if first <= number <= last for test in tests}
        return near, self.seconds.keys() - self.failed - near

    def order(self, tests: Iterable[str], nearness: dict[str, int]) -> list[str]:
        """File by file, for the sake of their fixtures, the nearest file first and the shortest test of it."""
        cost = defaultdict(float)
        for test in tests:
            cost[test.partition("::")[0]] += self.seconds[test]
        place = lambda file: (nearness.get(file, 9), cost[file], file)  # noqa: E731
        return sorted(tests, key=lambda test: (place(test.partition("::")[0]), self.seconds[test]))

    def patience(self, tests: Iterable[str]) -> float:
        return AT_LEAST + PATIENCE * sum(self.seconds[test] for test in tests)


def _watched(copy: Copy, files: list[str], jobs: int) -> dict[str, list[str]]:
    """File of tests -> what was logged of it, each line once."""
    log = copy.home / "traced"
    log.unlink(missing_ok=True)
    also = os.pathsep.join([str(copy.home / "begun"), str(copy.home / "tree" / "tests" / "tools")])
    environment = {"ALSO": also, "TRACED": str(log), "TRACED_SOURCE": str(copy.home / "tree" / "src")}
    code, told = copy.pytest("-p", "traced", f"-n{jobs}", "--dist", "loadfile", *files, **environment)
    if code not in (0, 1):
        sys.exit(told)
    lines: dict[str, list[str]] = {name: [] for name in files}
    for line in dict.fromkeys(log.read_text(encoding="utf-8").splitlines()):
        lines.get(json.loads(line)[0].partition("::")[0], []).append(line)
    return lines


def shown(fault: Fault, copy: Copy, usual: Usual, nearness: dict[str, int]) -> str:
    """What caught a fault: a test, "time", or "" where nothing did."""
    path = copy.home / "tree" / fault.file
    source = path.read_text(encoding="utf-8")
    for kept in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        kept.unlink()  # it is told apart by size and second, which a fault may share
    path.write_text(fault.written(source), encoding="utf-8")
    try:
        for tests in filter(None, (usual.order(some, nearness) for some in usual.guarding(fault))):
            asked = copy.home / "asked"
            asked.write_text("\n".join(tests))
            each = f"--timeout={usual.patience([max(tests, key=usual.seconds.__getitem__)]):.0f}"
            all_of_them = usual.patience(tests)  # where a test hears nothing of its own limit
            code, told = copy.pytest(
                "-x", "-n0", "--tb=no", each, f"@{asked}", seconds=all_of_them, PYTHONDONTWRITEBYTECODE="1"
            )
            if code is None:
                return "time"
            if code != 0:
                named = re.search(r"^(?:FAILED|ERROR) (\S+)", told, re.MULTILINE)
                return named[1] if named else f"exit status {code}"
        return ""
    finally:
        path.write_text(source, encoding="utf-8")


def digest(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:16]


class Kept:
    """What was found before: a fault that was caught stays so; one that survived, as long as the tests are the same."""

    def __init__(self, path: Path) -> None:
        self.path, self.tests = path, digest((ROOT / "tests").rglob("*.py"))
        self.found: dict[tuple, str] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            one = json.loads(line)
            if one["caught by"] or one["tests"] == self.tests:
                self.found[one["source"], one["number"], one["mutated"]] = one["caught by"]

    def key(self, fault: Fault) -> tuple:
        return digest([ROOT / fault.file]), fault.number, fault.mutated

    def keep(self, fault: Fault, by: str) -> None:
        source, number, mutated = self.key(fault)
        one = {"file": fault.file, "number": number, "line": fault.line, "mutated": mutated, "caught by": by}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(one | {"source": source, "tests": self.tests}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="a folder or a file under src/diptych")
    parser.add_argument("-n", type=int, default=100, help="how many faults (100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at a time (2)")
    options = parser.parse_args()
    package = options.package.resolve()
    slug = "-".join(package.relative_to(ROOT / "src").with_suffix("").parts)
    kept = Kept(ROOT / "build" / "mutants" / f"{slug}-{options.seed}.jsonl")

    chosen = [fault for fault, _ in zip(drawn(package, options.seed), range(options.n), strict=False)]
    found = {fault: kept.found.get(kept.key(fault)) for fault in chosen}
    left = [fault for fault, by in found.items() if by is None]
    if left:
        with ThreadPoolExecutor(options.jobs) as pool:
            for fault, by in zip(left, _tried(left, package, options.jobs, pool, kept), strict=True):
                found[fault] = by
    survivors = sorted(fault for fault, by in found.items() if not by)
    for fault in survivors:
        print(f"\n{fault.file}:{fault.number}\n- {fault.line.strip()}\n+ {fault.mutated.strip()}")
    print(f"\n{len(found) - len(survivors)} of {len(found)} caught; everything is in {kept.path.relative_to(ROOT)}")


def _tried(left: list[Fault], package: Path, jobs: int, pool: ThreadPoolExecutor, kept: Kept) -> list[str]:
    """What caught each fault, in order."""
    nearness = _guards(package)
    if not nearness:
        sys.exit(f"no test mirrors or imports {package.relative_to(ROOT)}")
    copies = [Copy(kept.path.with_suffix(f".{number}")) for number in range(jobs)]
    print(f"{len(left)} faults, {len(nearness)} files of tests", flush=True)
    usual = Usual.learn(copies[0], list(nearness), jobs)
    print(f"{len(usual.seconds)} tests, {sum(usual.seconds.values()):.0f} s", flush=True)
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(fault: Fault) -> str:
        copy = free.get()
        try:
            by = shown(fault, copy, usual, nearness)
        finally:
            free.put(copy)
        kept.keep(fault, by)
        print(f"{fault.file}:{fault.number}: {'caught by ' + by if by else 'SURVIVED'}", flush=True)
        return by

    try:
        return list(pool.map(one, left))
    finally:
        for copy in copies:
            shutil.rmtree(copy.home, ignore_errors=True)


def _guards(package: Path) -> dict[str, int]:
    """The files of tests that guard a file or a folder, and how near each is; importers where nothing is nearer."""
    near: dict[str, int] = {}
    for path in package.rglob("*.py") if package.is_dir() else [package]:
        for test, distance in reach.guards(reach.module_of(path) or "", reach.IMPORTS).items():
            name = test.relative_to(ROOT).as_posix()
            near[name] = min(distance, near.get(name, distance))
    return dict(sorted(near.items(), key=lambda one: one[1]))


if __name__ == "__main__":
    main()
