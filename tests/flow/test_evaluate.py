"""From a dataset and a method to numbers, checked against loops that share no code with it."""

from dataclasses import replace

import numpy as np
import pytest
from flow_world import MadeUp

from diptych.catalogue import Dataset
from diptych.flow.evaluate import Direction, evaluate, measure
from diptych.flow.prepare import prepare
from diptych.kinds import BadInput, Listed, Pairs, cosine, hamming
from diptych.metrics import measures

METRICS = ("map@all", "r@1", "r@5", "r@10", "recall@5", "medr")


def brute(scores, relevant):
    """Metric -> one value a query, by sorting each row; scores without ties."""
    found = {metric: [] for metric in METRICS}
    for row, right in zip(scores, relevant, strict=True):
        hits = right[np.argsort(-row)]
        places = np.flatnonzero(hits) + 1
        if not len(places):
            continue
        found["map@all"].append(np.mean(np.arange(1, len(places) + 1) / places))
        found["recall@5"].append(hits[:5].sum() / len(places))
        found["medr"].append(places[0])
        for k in (1, 5, 10):
            found[f"r@{k}"].append(float(hits[:k].any()))
    return found


def means(found):
    return {metric: np.median(values) if metric == "medr" else np.mean(values) for metric, values in found.items()}


def encoded(evaluation, split):
    """Rows of a split as the fitted encoder makes them, and the pairs."""
    pairs = evaluation.prepared.items(split)
    encoder = evaluation.encoder
    return encoder.encode_images(pairs.images), encoder.encode_texts(pairs.texts), pairs


def test_numbers_by_pair_are_those_of_a_loop_over_sorted_rows():
    found = evaluate("cca", MadeUp().dataset, metrics=METRICS, settings={"dims": "4"})
    images, texts, pairs = encoded(found, "test")
    belongs = np.arange(20)[:, None] == pairs.owner
    assert found.report.i2t == pytest.approx(means(brute(images @ texts.T, belongs)), abs=1e-9)
    assert found.report.t2i == pytest.approx(means(brute(texts @ images.T, belongs.T)), abs=1e-9)
    assert found.report.protocol_text == "test against test, relevant by pair, trained on train"


def test_numbers_by_label_ask_one_split_of_another():
    found = evaluate("cca", MadeUp().dataset, protocol="labels", metrics=METRICS, settings={"dims": "4"})
    images, texts, query = encoded(found, "test")
    stored_images, stored_texts, database = encoded(found, "train")
    share = (query.labels.astype(int) @ database.labels.T.astype(int)) > 0
    i2t = brute(images @ stored_texts.T, share[:, database.owner])
    t2i = brute(texts @ stored_images.T, share[query.owner])
    assert 0 < len(i2t["r@1"]) < 20  # some pictures have no label, and count for nothing
    assert found.report.i2t == pytest.approx(means(i2t), abs=1e-9)
    assert found.report.t2i == pytest.approx(means(t2i), abs=1e-9)
    assert found.report.counts == {"queries": 20, "images": 60, "texts": 120}


def test_folds_are_ranked_each_inside_itself_and_averaged():
    found = evaluate("cca", MadeUp().dataset, protocol="folds", metrics=METRICS, settings={"dims": "4"})
    images, texts, pairs = encoded(found, "test")
    each = {"i2t": [], "t2i": []}
    for first in range(0, 20, 4):
        rows = np.arange(first, first + 4)
        told = [text for text in range(pairs.n_texts) if pairs.owner[text] in rows]
        belongs = rows[:, None] == pairs.owner[told]
        scores = images[rows] @ texts[told].T
        each["i2t"].append(means(brute(scores, belongs)))
        each["t2i"].append(means(brute(scores.T, belongs.T)))
    for side, values in (("i2t", found.report.i2t), ("t2i", found.report.t2i)):
        for metric in set(METRICS) - {"medr"}:
            assert values[metric] == pytest.approx(np.mean([fold[metric] for fold in each[side]]), abs=1e-9), metric
    whole = evaluate("cca", MadeUp().dataset, metrics=METRICS, settings={"dims": "4"}).report
    assert found.report.i2t["map@all"] > whole.i2t["map@all"]
    assert len(found.report.per_query["t2i"]["r@1"]) == pairs.n_texts
    in_folds = sorted(range(pairs.n_texts), key=lambda text: pairs.owner[text] // 4)
    assert found.report.owners == {"i2t": list(range(20)), "t2i": [int(pairs.owner[text]) for text in in_folds]}


def test_intervals_draw_pictures_with_all_their_texts():
    found = evaluate("cca", MadeUp().dataset, metrics=METRICS, settings={"dims": "4"}, seed=3).report
    reciprocal = np.array(found.per_query["t2i"]["map@all"])
    owner = np.array(found.owners["t2i"])
    of = [reciprocal[owner == picture] for picture in range(20)]
    rng = np.random.default_rng(3)
    means = [np.concatenate([of[row] for row in rng.integers(0, 20, 20)]).mean() for _ in range(2000)]
    assert found.intervals["t2i"]["map@all"] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-5)


@pytest.mark.parametrize(
    ("protocol", "world", "says"),
    [
        ("folded_labels", MadeUp(), "folds are for annotated pairs alone"),
        ("crossed_pairs", MadeUp(), "its queries and database are one split"),
        ("labels", MadeUp(labelled=False), "split test has no labels"),
    ],
)
def test_protocols_that_cannot_be_judged_say_why(protocol, world, says):
    with pytest.raises(BadInput, match=says):
        evaluate("cca", world.dataset, protocol=protocol)


@pytest.mark.parametrize("empty", ["test", "train"])
def test_a_split_without_texts_is_named(empty):
    world = MadeUp()

    def read(split):
        pairs = world.read(split)
        return Pairs(pairs.images, np.zeros((0, 7))) if split == empty else pairs

    with pytest.raises(BadInput, match=rf"made_up: split {empty} has \d\d pictures and no texts"):
        evaluate("cca", Dataset(world.dataset.card, read))


@pytest.mark.parametrize("space", [cosine, hamming])
@pytest.mark.parametrize("depth", [1, 5, 40, 100])
def test_a_run_is_the_head_of_a_stable_sort_however_many_ties(space, depth):
    rng = np.random.default_rng(depth)
    items = space.normalise(rng.integers(-1, 2, (40, 8)))[rng.integers(0, 12, 40)]
    queries = space.normalise(rng.integers(-1, 2, (9, 8)))
    qrels = Listed([], [], list(map(str, range(9))), list(map(str, range(40))))
    scores = np.round(space.score(queries, items).astype(float), 5)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    found = Direction(queries, items, qrels, space, np.arange(9)).run(depth)
    np.testing.assert_array_equal(np.take_along_axis(scores, found.items, 1), np.take_along_axis(scores, expected, 1))
    assert len(np.unique(scores[0])) < 40
    exact = np.argsort(-found.scores, axis=1, kind="stable")
    np.testing.assert_array_equal(exact, np.broadcast_to(np.arange(found.items.shape[1]), exact.shape))
    for items_found, scores_found in zip(found.items, found.scores, strict=True):
        same = np.flatnonzero(scores_found[1:] == scores_found[:-1])
        assert (items_found[same + 1] > items_found[same]).all()
    if space is hamming:
        np.testing.assert_array_equal(found.items, expected)


def test_a_report_says_what_data_it_speaks_of_and_how_much_r_at_k_adds_up_to():
    same, again = (evaluate("cca", MadeUp().dataset, settings={"dims": "4"}).report for _ in range(2))
    other = evaluate("cca", MadeUp(seed=1).dataset, settings={"dims": "4"}).report
    assert same.data == again.data != other.data and same.dataset == other.dataset
    assert same.rsum == measures.rsum(same.i2t, same.t2i) <= 6
    assert {"r@1", "r@5", "r@10", "recall@1", "recall@5", "recall@10"} <= set(same.i2t)
    assert evaluate("cca", MadeUp().dataset, metrics=["r@1"]).report.rsum is None


def test_a_fitted_folder_says_what_it_was_fitted_on(tmp_path):
    fresh = evaluate("cca", MadeUp().dataset, settings={"dims": "4"}, seed=7)
    fresh.encoder.save_pretrained(tmp_path)
    said = evaluate(tmp_path, MadeUp().dataset).report
    assert (said.protocol, said.protocol_text, said.i2t) == ("pairs", fresh.report.protocol_text, fresh.report.i2t)
    assert said.seed == 7 and said.trained_on["split"] == "train" == fresh.report.trained_on["split"]

    trained = evaluate(tmp_path, MadeUp().dataset, split="train").report
    assert trained.protocol == "pairs@train"
    assert trained.protocol_text == (
        "train against train, relevant by pair, trained on train, and asked about pictures it was trained on"
    )
    assert "asked about pictures" in evaluate(tmp_path, MadeUp().dataset, split="all").report.protocol_text

    # Of the same name, but other data.
    elsewhere = evaluate(tmp_path, MadeUp(seed=1).dataset).report
    assert elsewhere.protocol_text == "test against test, relevant by pair, fitted elsewhere on made_up:train"
    far = evaluate(tmp_path, MadeUp("another", seed=1).dataset, split="train").report
    assert far.protocol_text == "train against train, relevant by pair, fitted elsewhere on made_up:train"


def test_a_fitted_folder_is_asked_every_row_of_data_without_splits(tmp_path):
    evaluate("cca", MadeUp().dataset, settings={"dims": "4"}).encoder.save_pretrained(tmp_path)
    world = MadeUp("own", seed=3)
    found = evaluate(tmp_path, Dataset(replace(world.dataset.card, splitless=True), world.read))
    assert found.report.counts["queries"] == 80 and found.report.protocol == "pairs@all"
    images, texts, pairs = encoded(found, "all")
    expected = means(brute(images @ texts.T, np.arange(80)[:, None] == pairs.owner))
    assert found.report.i2t["map@all"] == pytest.approx(expected["map@all"], abs=1e-9)


@pytest.mark.parametrize("changed", [{"settings": {"dims": "3"}}, {"image_features": "given"}])
def test_a_fitted_folder_cannot_be_changed(changed, tmp_path):
    evaluate("cca", MadeUp().dataset, settings={"dims": "4"}).encoder.save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="is fitted already"):
        evaluate(tmp_path, MadeUp().dataset, **changed)


def test_what_is_no_method_may_have_been_meant_as_a_folder():
    with pytest.raises(BadInput, match="'cards' is no method and no fitted folder"):
        evaluate("cards", MadeUp().dataset)


@pytest.mark.parametrize("metric", ["r@99999999999999999999", "r@0", "recall"])
def test_measures_that_do_not_exist_are_bad_input(metric):
    with pytest.raises(BadInput, match=f"no measure '{metric}'"):
        measure("cca", prepare(MadeUp().dataset), metrics=[metric])


def test_an_unknown_tie_policy_is_told_before_any_work():
    world = MadeUp()
    with pytest.raises(BadInput, match="'expected'"):
        measure("cca", prepare(world.dataset), ties="expectd")
    assert world.asked == []
