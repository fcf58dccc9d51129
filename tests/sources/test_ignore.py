"""Patterns of what to leave out, against git itself, whose language they are."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from diptych.kinds import BadInput
from diptych.sources.ignore import FILE, Patterns, Rules

NAMES = ["a", "b", "ab", "a.jpg", "b.jpg", "b c", "[x]", "#n", "!m", "foo", "a*b"]
PIECES = [
    "a",
    "b",
    "*",
    "?",
    "**",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-c]",
    ".jpg",
    "foo",
    "\\#n",
    "\\[x]",
    "\\!m",
    " ",
    "*.jpg",
    "\\*",
]


def pattern(rng):
    parts = ["".join(rng.choices(PIECES, k=rng.choice([1, 1, 2, 3]))) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    return rng.choice(["", "", "", "!"]) + rng.choice(["", "", "/"]) + "/".join(parts) + rng.choice(["", "", "/"])


def left_out(rules, path, is_folder):
    """As a walk does it: nothing below a folder that is left out is looked at."""
    *folders, name = path.split("/")
    for folder in folders:
        if rules.leave_out(f"{folder}/"):
            return True
        rules = rules.inside(folder)
    return rules.leave_out(name + "/" * is_folder)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here to compare with")
def test_patterns_leave_out_what_git_ignores(tmp_path):
    rng = random.Random(0)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    paths = {}
    for _ in range(60):
        path = "/".join(rng.choices(NAMES, k=rng.randrange(1, 5)))
        if not any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in [*paths, path]):
            paths[path] = rng.random() < 0.3
    for path, is_folder in paths.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).mkdir(exist_ok=True) if is_folder else (tmp_path / path).touch()
    for path in list(paths):  # the folders on the way, of which a pattern may mean only what lies in them
        paths |= {path[:end]: True for end in range(len(path)) if path[end] == "/"}
    decided = 0
    for _ in range(150):
        lines = [line for line in (pattern(rng) for _ in range(rng.randrange(1, 5))) if line.strip(" !/")]
        (tmp_path / ".gitignore").write_text("\n".join(lines) + "\n")
        asked = "\0".join(paths)  # a / behind a folder would be matched by the * of a/*
        ask = ["git", "check-ignore", "--no-index", "-z", "--stdin"]
        told = subprocess.run(ask, input=asked, cwd=tmp_path, capture_output=True, text=True, check=False)
        ignored = {path.rstrip("/") for path in told.stdout.split("\0") if path}
        rules = Rules(((Patterns(lines, "here"), ""),))
        assert {path for path, is_folder in paths.items() if left_out(rules, path, is_folder)} == ignored, lines
        decided += len(ignored)
    assert decided > 1000


def test_what_lies_in_a_folder_is_left_out_and_some_of_it_taken_back():
    for inside in ("skip/*", "skip/**", "skip/**/*", "/skip/***"):
        rules = Rules(((Patterns([inside, "!skip/a.jpg"], "here"), ""),))
        assert not left_out(rules, "skip", True) and not left_out(rules, "skip/a.jpg", False), inside
        assert left_out(rules, "skip/b.jpg", False) and left_out(rules, "skip/c", True)


@pytest.mark.parametrize("written", ["[ab", "a[", "[[:alpha:]]", "[z-a]"])
def test_a_pattern_that_is_not_understood_is_refused_and_named(written):
    with pytest.raises(BadInput, match=r"^--exclude: pattern .*\["):
        Patterns([written], "--exclude")


def test_a_file_that_is_no_text_is_an_error_and_not_a_file_without_patterns(tmp_path):
    (tmp_path / FILE).write_bytes(b"Gr\xfc\xdfe")
    with pytest.raises(BadInput, match=rf"{FILE}: not readable \(not UTF-8\)"):
        Rules.of(Path(tmp_path), ()).read(tmp_path)


def test_a_pattern_that_a_file_holds_is_named_with_the_file(tmp_path):
    (tmp_path / FILE).write_text("\ufeff# [ab in words\n*.png\n[ab\n", encoding="utf-8")
    with pytest.raises(BadInput, match=rf"^{tmp_path}/{FILE}: pattern '\[ab' has a \[ that is not understood"):
        Rules().read(tmp_path)
    (tmp_path / FILE).write_text("[z-a]")
    with pytest.raises(BadInput, match=rf"{FILE}: pattern '\[z-a\]' has a range in \[ \] that runs backwards"):
        Rules().read(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(
        BadInput, match=rf"{FILE}: not readable \(Is a directory\); it holds a pattern a line, in UTF-8"
    ):
        Rules().read(tmp_path)


def test_what_is_given_wins_then_what_lies_nearest_then_what_is_usual(tmp_path):
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (tmp_path / FILE).write_text("a/b/c/*.jpg\n!*.lrdata\n")
    assert Rules.of(deep, ()).leave_out("x.jpg") and not Rules.of(deep, ()).leave_out("x.lrdata/")
    assert Rules.of(deep, ()).leave_out("Thumbs.db") and not Rules.of(deep, ()).leave_out("x.png")
    (tmp_path / "a" / FILE).write_text("!b/c/x.jpg\nb/c/x.png\n")
    rules = Rules.of(deep, ())
    assert [rules.leave_out(name) for name in ("x.jpg", "y.jpg", "x.png")] == [False, True, True]
    (deep / FILE).write_text("x.jpg\n!x.png\n")
    assert [rules.read(deep).leave_out(name) for name in ("x.jpg", "y.jpg", "x.png")] == [True, True, False]
    rules = Rules.of(deep, ["!*.jpg", "/x.png"]).read(deep)
    assert [rules.leave_out(name) for name in ("x.jpg", "y.jpg", "x.png")] == [False, False, True]
    assert not rules.inside("d").leave_out("x.png") and rules.inside("d").leave_out("@eaDir/")
