"""The TREC files of an evaluation: another program finds our figures in them, whatever the protocol."""

from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest
from flow_world import MadeUp

import diptych as d
from diptych.flow.report import page, write
from diptych.kinds import LabelCosine, Listed, Qrels, Run
from diptych.metrics import measures

ir = pytest.importorskip("ir_measures")

THEIRS = {
    "map@all": ir.AP,
    "r@1": ir.Success @ 1,
    "r@5": ir.Success @ 5,
    "recall@5": ir.R @ 5,
    "p@10": ir.P @ 10,
    "ndcg@all": ir.nDCG,
    "ndcg@10": ir.nDCG @ 10,
    "mrr": ir.RR,
}
SMOOTH, CODED = ("cca", {"dims": "4"}), ("cmfh", {"bits": "8"})
"""A method whose scores never tie, and one whose scores nearly always do."""


def said(folder, side) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What the other program makes of two files: figures, and metric -> query -> value."""
    qrels = list(ir.read_trec_qrels(str(folder / f"{side}.qrels")))
    run = list(ir.read_trec_run(str(folder / f"{side}.run")))
    figures = ir.calc_aggregate(THEIRS.values(), qrels, run)
    each: dict[str, dict[str, float]] = {name: {} for name in THEIRS}
    names = {measure: name for name, measure in THEIRS.items()}
    for found in ir.iter_calc(THEIRS.values(), qrels, run):
        each[names[found.measure]][unquote(found.query_id)] = found.value
    return {name: figures[measure] for name, measure in THEIRS.items()}, each


def agree(folder, evaluation) -> None:
    for side, ours in (("i2t", evaluation.report.i2t), ("t2i", evaluation.report.t2i)):
        figures, each = said(folder, side)
        assert figures == pytest.approx({name: ours[name] for name in THEIRS}, abs=1e-6)
        queries = [name for part in evaluation.ranked(side) for name in part.qrels.query_ids]
        for metric, values in each.items():
            kept = dict(zip(queries, evaluation.report.per_query[side][metric], strict=True))
            assert values == pytest.approx({name: v for name, v in kept.items() if v is not None}, abs=2e-6), metric


@pytest.mark.parametrize("protocol", ["pairs", "folds", "labels"])
@pytest.mark.parametrize(("method", "ties"), [(SMOOTH, "expected"), (SMOOTH, "stable"), (CODED, "stable")])
def test_another_program_finds_our_figures(protocol, method, ties, tmp_path):
    name, settings = method
    world = MadeUp().dataset
    found = d.evaluate(name, world, settings=settings, protocol=protocol, ties=ties, metrics=list(THEIRS))
    write(found, tmp_path, depth=None)
    agree(tmp_path, found)


def test_the_codes_of_that_test_do_tie():
    found = d.evaluate(CODED[0], MadeUp().dataset, settings=CODED[1], metrics=list(THEIRS), ties="optimistic").report
    assert found.i2t["map@all"] > 0.01 + d.evaluate(CODED[0], MadeUp().dataset, settings=CODED[1]).report.i2t["map@all"]


def graded(kind: str, n_q: int, n_d: int) -> Qrels:
    rng = np.random.default_rng(8)
    ids = [f"q {row}" for row in range(n_q)], [f"d {row}" for row in range(n_d)]
    if kind == "cosine":
        return LabelCosine(rng.random((n_q, 6)) < 0.4, rng.random((n_d, 6)) < 0.4, 0.5, *ids)
    where = np.argwhere(rng.random((n_q, n_d)) < 0.1)
    return Listed(*where.T, *ids, rng.choice([0.25, 1 / 3, 0.9], len(where)))


@pytest.mark.parametrize("kind", ["cosine", "listed"])
@pytest.mark.parametrize("space", [d.cosine, d.hamming])
def test_grades_that_are_no_whole_numbers_are_counted_in_thousandths(kind, space, tmp_path):
    rng = np.random.default_rng(3)
    found = d.evaluate("cca", MadeUp().dataset, settings={"dims": "4"}, ties="stable")
    directions = {}
    for side, n_q, n_d in (("i2t", 20, 40), ("t2i", 40, 20)):
        rows = [space.normalise(rng.standard_normal((n, 8))) for n in (n_q, n_d)]
        directions[side] = replace(
            found.directions[side], queries=rows[0], items=rows[1], qrels=graded(kind, n_q, n_d), space=space
        )
    made = replace(found, directions=directions)
    for side, direction in directions.items():
        for part in made.ranked(side):
            page._write_run(part, tmp_path / f"{side}.run", "x", None, False)
            part.qrels.write_trec(tmp_path / f"{side}.qrels")
        ours = measures.evaluate(list(THEIRS), direction.rankings("stable", graded=True))
        figures, _ = said(tmp_path, side)
        means = {name: measures.summary(name, values) for name, values in ours.items()}
        for name, value in means.items():
            assert figures[name] == pytest.approx(value, abs=3e-4 if name.startswith("ndcg") else 1e-6), name


def test_runs_end_at_the_depth_that_was_asked_for_and_are_whole_by_blocks(tmp_path, monkeypatch):
    found = d.evaluate("cca", MadeUp().dataset, settings={"dims": "4"})
    write(found, tmp_path, depth=7)
    assert len((tmp_path / "i2t.run").read_text().splitlines()) == 20 * 7
    whole = {}
    for block in (page.RUN_BLOCK, 90):  # 90: two queries at a time, the last by itself
        monkeypatch.setattr(page, "RUN_BLOCK", block)
        write(found, tmp_path, depth=None)
        whole[block] = (tmp_path / "i2t.run").read_text()
    assert len(set(whole.values())) == 1 and len(whole[90].splitlines()) == 20 * 40
    direction = found.directions["i2t"]
    back = Run.read_trec(tmp_path / "i2t.run", direction.qrels.query_ids, direction.qrels.item_ids)
    np.testing.assert_array_equal(back.items, direction.run(40).items)
    np.testing.assert_allclose(back.scores, direction.run(40).scores, atol=1e-6)


def test_judgements_by_label_that_would_fill_the_disk_are_left_out_unless_asked_for(tmp_path, monkeypatch):
    found = d.evaluate("cca", MadeUp().dataset, settings={"dims": "4"}, protocol="labels")
    write(found, tmp_path)
    lines = len((tmp_path / "i2t.qrels").read_text().splitlines())
    monkeypatch.setattr(page, "QRELS_LINES", lines - 1)
    write(found, tmp_path)
    assert not (tmp_path / "i2t.qrels").exists() and (tmp_path / "i2t.run").exists()
    write(found, tmp_path, depth=None)
    assert len((tmp_path / "i2t.qrels").read_text().splitlines()) == lines


def test_equal_scores_are_put_a_hair_apart_in_their_order():
    scores = np.array([[3.0, 3.0, 1.0, 0.0, -0.0, -2.0, -2.0, -np.inf], [1 / 3] * 8])
    items = np.array([[4, 2, 0, 1, 3, 6, 5, -1], range(8)])
    run = Run(("a", "b"), tuple("abcdefgh"), items, scores)
    apart = run.untied()
    assert (np.diff(apart.scores.astype(np.float32)) < 0).all()
    np.testing.assert_allclose(apart.scores, scores, atol=1e-5)
    assert apart.scores[0, [0, 2, 3, 5]].tolist() == [3, 1, 0, -2] and apart.items is items
    untouched = Run(("a",), ("x", "y"), np.array([[1, 0]]), np.array([[0.5, 0.25]]))
    np.testing.assert_array_equal(untouched.untied().scores, untouched.scores)
    # A group that ties runs into what stands just below it.
    low = float(np.nextafter(np.float32(1), np.float32(0)))
    close = Run(("a",), ("x", "y", "z"), np.array([[0, 1, 2]]), np.array([[1.0, 1.0, low]])).untied().scores
    assert (np.diff(close) < 0).all()
