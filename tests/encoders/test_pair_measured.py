"""An encoder that was brought is measured as it is, from pictures and strings."""

import numpy as np
import pytest
import tiny

from diptych.encoders import shelf
from diptych.encoders.pair import OnnxPair
from diptych.flow import report
from diptych.flow.evaluate import evaluate
from diptych.kinds import BadInput

COLOURS = ["red", "green", "blue"]


@pytest.fixture
def table(tmp_path, pictures):
    rows = [f"{path},a {COLOURS[row % 3]} {('dog', 'cat')[row % 2]}" for row, path in enumerate(pictures)]
    (tmp_path / "mine.csv").write_text("image,caption\n" + "\n".join(rows) + "\n")
    return tmp_path / "mine.csv"


def test_numbers_are_those_of_a_loop_over_its_rows(tmp_path, table, pictures):
    folder = tiny.pair(tmp_path / "pair")
    found = evaluate(folder, table, metrics=["r@1", "r@5", "mrr"], ties="optimistic")
    encoder = OnnxPair(folder)
    pairs = found.query
    scores = encoder.encode_images(pairs.images) @ encoder.encode_texts(pairs.texts).T
    ranks = [(scores[owner] > scores[owner, text]).sum() + 1 for text, owner in enumerate(pairs.owner)]
    by_picture = [min(r for r, owner in zip(ranks, pairs.owner, strict=True) if owner == row) for row in range(8)]
    assert found.report.i2t["mrr"] == pytest.approx(np.mean(1 / np.array(by_picture)), abs=1e-9)
    back = [(scores[:, text] > scores[owner, text]).sum() + 1 for text, owner in enumerate(pairs.owner)]
    assert found.report.t2i["r@5"] == pytest.approx(np.mean(np.array(back) <= 5))


def test_the_report_says_what_was_measured(tmp_path, table):
    found = evaluate(tiny.pair(tmp_path / "pair"), table)
    assert found.report.method == "tiny" and found.report.counts["queries"] == 8
    assert found.report.features == {"images": "24 pixels, squash, bicubic", "texts": "6 tokens"}
    assert found.report.trained_on["dataset"] == "nothing" and found.report.trained_on["terms"] == "CC0-1.0"
    assert "fitted elsewhere on nothing" in found.report.protocol_text
    assert found.report.settings["digest"] == OnnxPair(tmp_path / "pair").digest
    page = report.write(found, tmp_path / "out").read_text()
    assert "tiny" in page and "data:image/jpeg" in page


def test_a_name_of_the_shelf_is_measured(tmp_path, table, monkeypatch):
    monkeypatch.setattr(shelf, "_BUNDLED", tiny.pair(tmp_path / "pair"))
    assert evaluate("mini", table).report.i2t == evaluate(tmp_path / "pair", table).report.i2t


def test_what_cannot_be_measured_is_told(tmp_path, table):
    folder = tiny.pair(tmp_path / "pair")
    with pytest.raises(BadInput, match="its settings and features cannot be changed"):
        evaluate(folder, table, text_features="tfidf")
    with pytest.raises(BadInput, match=r"'minni' is no method and no fitted folder.* did you mean 'mini'"):
        evaluate("minni", table)
    with pytest.raises(BadInput, match="models get clip-vit-b32"):
        evaluate("clip-vit-b32", table)
