"""Rows computed elsewhere, found by name."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from diptych.features.given import Given
from diptych.kinds import BadInput

ROWS = np.random.default_rng(0).normal(size=(4, 3))


@pytest.fixture
def saved(tmp_path):
    def save(names, features=ROWS, **more):
        np.savez(tmp_path / "rows.npz", names=np.array(names), features=features, **more)
        return Given(str(tmp_path / "rows.npz"))

    return save


def test_rows_are_found_by_name_in_any_order(saved):
    given = saved(["a.jpg", "b.jpg", "a dog", "a cat"])
    assert np.array_equal(given.transform(["/far/b.jpg"]), ROWS[[1]].astype(np.float32))
    assert np.array_equal(given.transform(["x/b.jpg", "x/a.jpg"]), ROWS[[1, 0]].astype(np.float32))
    assert np.array_equal(given.transform(["a cat", "a dog", "a cat"]), ROWS[[3, 2, 3]].astype(np.float32))


def test_the_longest_end_of_a_path_that_is_known_counts(saved):
    given = saved(["1.jpg", "a/1.jpg", "b/1.jpg", "2.jpg"])
    items = ["/data/b/1.jpg", "/data/a/1.jpg", "/data/1.jpg", "/data/c/2.jpg"]
    assert np.array_equal(given.transform(items), ROWS[[2, 1, 0, 3]].astype(np.float32))


def test_one_text_may_stand_there_twice_with_one_row(saved):
    twice = ROWS[[0, 1, 0, 2]]
    assert np.array_equal(saved(["x", "y", "x", "z"], twice).transform(["x", "z"]), ROWS[[0, 2]].astype(np.float32))
    with pytest.raises(BadInput, match="'x' has two different rows, 0 and 2"):
        saved(["x", "y", "x", "z"]).transform(["x"])


NAMES = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
HOLE = np.where(np.arange(12).reshape(4, 3) == 7, np.nan, ROWS)


@pytest.mark.parametrize(
    ("names", "features", "items", "said"),
    [
        (NAMES, HOLE, ["a.jpg"], "row of 'c.jpg' holds NaN"),
        (NAMES, ROWS * 1e300, ["a.jpg"], "holds NaN or infinity"),
        (NAMES, ROWS[:3], ["a.jpg"], "4 names for 3 rows"),
        (NAMES, ROWS[0], ["a.jpg"], r"must be \(n, d\) numbers"),
        (NAMES, np.array(["x"] * 4)[:, None], ["a.jpg"], r"must be \(n, d\) numbers"),
        ([1, 2, 3, 4], ROWS, ["a.jpg"], "must be a row of strings"),
        (np.array(NAMES, dtype=object), ROWS, ["a.jpg"], "not an .npz file of strings and numbers"),
        (NAMES, ROWS, ["e.jpg"], "no row for 'e.jpg' among 4 names, such as 'a.jpg'"),
        (NAMES, ROWS, ["a dog/a.jpg is here"], "no row for"),
        (NAMES, ROWS, ["x/a.jpg", "y/a.jpg"], "share one name"),
        (NAMES, ROWS, ROWS, "rows already"),
    ],
)
def test_what_cannot_be_is_one_line(saved, names, features, items, said):
    given = saved(names, features)
    with pytest.raises(BadInput, match=said) as error:
        given.transform(items)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(BadInput, match="no file"):
        Given(str(tmp_path / "none.npz")).transform(["a.jpg"])
    (tmp_path / "rows.npz").write_bytes(b"PK no zip at all")
    with pytest.raises(BadInput, match=r"rows\.npz: not an \.npz file"):
        Given(str(tmp_path / "rows.npz")).transform(["a.jpg"])
    np.savez(tmp_path / "rows.npz", names=np.array(["a.jpg"]))
    with pytest.raises(BadInput, match="no array features"):
        Given(str(tmp_path / "rows.npz")).transform(["a.jpg"])


def cli(*arguments):
    command = [sys.executable, "-m", "diptych.app.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)


def test_rows_of_one_s_own_on_the_command_line(tmp_path):
    rng = np.random.default_rng(1)
    n, picture = 60, Image.new("RGB", (4, 4))
    lines = [{"image": f"{i}.png", "captions": [f"one {i}", f"two {i}"]} for i in range(n)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for i in range(n):
        picture.save(tmp_path / f"{i}.png")
    content = rng.normal(size=(n, 6))
    order = rng.permutation(n)
    np.savez(tmp_path / "i.npz", names=np.array([f"{i}.png" for i in order]), features=content[order])
    texts = np.array([caption for line in lines for caption in line["captions"]])
    np.savez(tmp_path / "t.npz", names=texts, features=content.repeat(2, axis=0) @ rng.normal(size=(6, 5)))
    asked = ("evaluate", "cca", "--dataset", tmp_path / "mine.jsonl", "--json", "--set", "ridge=1e-6")
    asked += ("--text-features", f"given@file={tmp_path / 't.npz'}", "--image-features")
    answer = cli(*asked, f"given@file={tmp_path / 'i.npz'}:standard")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    # Both sides hold the same five numbers up to a linear map, so each finds its partner.
    assert report["i2t"]["r@1"] == report["t2i"]["r@1"] == 1.0

    content[3, 2] = np.nan
    np.savez(tmp_path / "bad.npz", names=np.array([f"{i}.png" for i in range(n)]), features=content)
    answer = cli(*asked, f"given@file={tmp_path / 'bad.npz'}")
    assert answer.returncode == 2
    assert answer.stderr == f"diptych: {tmp_path / 'bad.npz'}: the row of '3.png' holds NaN or infinity; fill it\n"
    answer = cli(*asked, "given")
    assert answer.returncode == 2 and "given@file=rows.npz" in answer.stderr and answer.stderr.count("\n") == 1
