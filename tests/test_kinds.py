import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from diptych.kinds import (
    BadInput,
    Card,
    LabelCosine,
    Listed,
    Pairs,
    Protocol,
    Qrels,
    Report,
    Run,
    SharedLabels,
    batches,
    cosine,
    dot,
    hamming,
    l2,
    nearest,
    sets,
    tables,
    take,
    words,
)

few = settings(max_examples=30, deadline=None)


def seeded(seed):
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------------------------ rows


def test_nearest_offers_the_close_name_else_all_of_them():
    assert nearest("cac", ["cca", "pls"]) == "; did you mean 'cca'?"
    assert nearest("zzz", ["pls", "cca"]) == "; there are: cca, pls"


def test_take_keeps_the_kind_of_thing():
    dense, rows = np.arange(12).reshape(6, 2), np.array([4, 0])
    np.testing.assert_array_equal(take(dense, rows), dense[[4, 0]])
    np.testing.assert_array_equal(take(sparse.csr_matrix(dense), rows).toarray(), dense[[4, 0]])
    assert take(list("abcdef"), rows) == ["e", "a"]
    assert take(list("abcdef"), slice(1, 3)) == ["b", "c"]


@pytest.mark.parametrize("rows", [list(range(7)), np.arange(7), sparse.csr_matrix(np.arange(7)[:, None])])
def test_batches_are_the_rows_in_order(rows):
    parts = [part.toarray().ravel().tolist() if sparse.issparse(part) else list(part) for part in batches(rows, 3)]
    assert parts == [[0, 1, 2], [3, 4, 5], [6]]


# ----------------------------------------------------------------------------------------------------------- pairs


def test_defaults_pair_row_by_row_and_number_the_ids():
    pairs = Pairs(np.eye(3), ["a", "b", "c"], labels=[[1, 0], [0, 1], [0, 0]])
    assert pairs.owner.tolist() == [0, 1, 2]
    assert pairs.image_ids == pairs.text_ids == ("0", "1", "2")
    assert pairs.labels.dtype == bool
    assert pairs.labels.tolist() == [[True, False], [False, True], [False, False]]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"images": np.eye(2), "texts": ["a"] * 3}, "2 images against 3 texts"),
        ({"images": np.eye(2), "texts": ["a"] * 3, "owner": [0, 1]}, "owner"),
        ({"images": np.eye(2), "texts": ["a"] * 2, "owner": [0, 2]}, "from 0 to 2"),
        ({"images": np.eye(2), "texts": ["a"] * 2, "owner": [-1, 0]}, "from -1 to 0"),
        ({"images": np.array([[1.0], [np.nan]]), "texts": ["a", "b"]}, "images: row 1"),
        ({"images": np.eye(2), "texts": np.array([[np.inf], [0.0]])}, "texts: row 0"),
        ({"images": sparse.csr_matrix([[np.nan], [0.0]]), "texts": ["a", "b"]}, "images: a value is NaN"),
        ({"images": np.eye(2), "texts": ["a"] * 2, "labels": [1, 0]}, "labels have shape"),
        ({"images": np.eye(2), "texts": ["a"] * 2, "labels": np.eye(3)}, "labels have shape"),
        ({"images": np.eye(2), "texts": ["a"] * 2, "image_ids": ("x",)}, "image_ids: 1 ids for 2 rows"),
        ({"images": np.eye(2), "texts": ["a"] * 2, "text_ids": ("x", "y", "z")}, "text_ids: 3 ids for 2 rows"),
    ],
)
def test_pairs_that_do_not_fit_say_so_in_one_line(given, says):
    with pytest.raises(BadInput) as error:
        Pairs(**given)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def captioned():
    return Pairs(
        ["x", "y", "z"],
        ["z0", "x0", "y0", "x1"],
        owner=[2, 0, 1, 0],
        labels=np.eye(3),
        image_ids=("X", "Y", "Z"),
        text_ids=("Z0", "X0", "Y0", "X1"),
    )


def test_text_labels_are_those_of_the_picture():
    assert captioned().text_labels.argmax(axis=1).tolist() == [2, 0, 1, 0]
    assert Pairs(["x"], ["a"]).text_labels is None


def test_select_takes_pictures_with_their_texts_in_the_order_asked():
    chosen = captioned().select([2, 0])
    assert chosen.images == ["z", "x"]
    assert chosen.texts == ["z0", "x0", "x1"]
    assert chosen.owner.tolist() == [0, 1, 1]
    assert chosen.labels.argmax(axis=1).tolist() == [2, 0]
    assert (chosen.image_ids, chosen.text_ids) == (("Z", "X"), ("Z0", "X0", "X1"))
    nothing = captioned().select([])
    assert (nothing.n_images, nothing.n_texts) == (0, 0)


@few
@given(st.integers(1, 12), st.integers(0, 2**31))
def test_select_keeps_every_pair_of_what_it_takes(n, seed):
    rng = seeded(seed)
    owner = rng.integers(0, n, rng.integers(0, 3 * n))
    pairs = Pairs(np.arange(n)[:, None], sparse.csr_matrix(owner[:, None] * 1.0), owner)
    keep = rng.permutation(n)[: rng.integers(1, n + 1)]
    chosen = pairs.select(keep)
    assert chosen.images.ravel().tolist() == keep.tolist()
    np.testing.assert_array_equal(chosen.texts.toarray().ravel(), keep[chosen.owner])  # a text says whose it is
    assert sorted(map(int, chosen.text_ids)) == np.flatnonzero(np.isin(owner, keep)).tolist()


def test_select_by_a_mask_or_twice_is_bad_input():
    for rows in (np.array([True, True, False]), [1, 1]):
        with pytest.raises(BadInput, match="flatnonzero"):
            captioned().select(rows)


def test_joined_texts_are_one_document_a_picture():
    joined = captioned().joined()
    assert joined.texts == ["x0 x1", "y0", "z0"]
    assert joined.owner.tolist() == [0, 1, 2]
    assert joined.text_ids == ("X", "Y", "Z")
    silent = Pairs(["x", "y", "z"], ["b", "a"], owner=[2, 2]).joined(" | ")
    assert (silent.texts, silent.owner.tolist(), silent.text_ids) == (["b | a"], [2], ("2",))
    assert silent.images == ["x", "y", "z"]


def test_features_take_the_place_of_what_was_seen():
    seen = captioned().features(np.eye(3), np.ones((4, 2)))
    assert seen.images.shape == (3, 3)
    assert seen.owner.tolist() == [2, 0, 1, 0]
    assert seen.text_ids == captioned().text_ids
    with pytest.raises(BadInput):
        captioned().features(np.eye(3), np.ones((3, 2)))


# ----------------------------------------------------------------------------------------------------------- qrels


def brute(qrels: Qrels, grade) -> None:
    """Every view of the judgements against `grade(query, item)`, whole, in blocks and turned round."""
    n_q, n_d = qrels.shape
    table = np.array([[grade(q, d) for d in range(n_d)] for q in range(n_q)]).reshape(n_q, n_d)
    for start, stop in ((0, n_q), (n_q // 2, n_q), (0, 1)):
        np.testing.assert_allclose(qrels.grades(start, stop), table[start:stop], atol=1e-6)
        np.testing.assert_array_equal(qrels.relevant(start, stop), table[start:stop] > 0)
        query, item, grades = qrels.listed(start, stop)
        found = np.zeros((stop - start, n_d))
        found[query, item] = grades
        np.testing.assert_allclose(found, table[start:stop], atol=1e-6)
        assert len(query) == (table[start:stop] > 0).sum()
        assert (np.diff(query) >= 0).all()
    turned = qrels.transposed()
    assert (turned.query_ids, turned.item_ids) == (qrels.item_ids, qrels.query_ids)
    np.testing.assert_allclose(turned.grades(0, n_d), table.T, atol=1e-6)
    np.testing.assert_array_equal(turned.relevant(0, n_d), table.T > 0)


@few
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_listed_judgements(n_q, n_d, seed):
    rng = seeded(seed)
    table = rng.integers(1, 4, (n_q, n_d)) * (rng.random((n_q, n_d)) < 0.4)
    query, item = np.nonzero(table)
    order = rng.permutation(len(query))
    ids = [tuple(f"{side}{i}" for i in range(n)) for side, n in (("q", n_q), ("d", n_d))]
    brute(Listed(query[order], item[order], *ids, table[query, item][order]), lambda q, d: table[q, d])


@few
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 8, 24, 64, 80, 130, 1000]), st.integers(0, 2**31))
def test_judgements_by_label_with_any_number_of_labels(n_q, n_d, classes, seed):
    rng = seeded(seed)
    rate = min(0.5, 2 / classes)
    query, item = rng.random((n_q, classes)) < rate, rng.random((n_d, classes)) < rate
    query[0] = False  # a query without labels
    query[-1, -1] = item[-1, -1] = True  # the last of all labels counts
    brute(SharedLabels(query, item), lambda q, d: sum(a and b for a, b in zip(query[q], item[d], strict=True)))

    def cosine_at_least(threshold):
        def grade(q, d):
            norm = np.sqrt(query[q].sum() * item[d].sum())
            value = (query[q] & item[d]).sum() / norm if norm else 0.0
            return value if value >= threshold else 0.0

        return grade

    for threshold in (0.1, 0.5, 1.0):
        brute(LabelCosine(query, item, threshold), cosine_at_least(threshold))


def test_pairs_are_sparse_and_labels_are_not():
    assert Listed([0], [0], ("q",), ("d",)).sparse
    assert not SharedLabels(np.eye(2), np.eye(2)).sparse


@few
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_qrels_survive_a_trec_file(tmp_path_factory, n_q, n_d, seed):
    rng = seeded(seed)
    table = rng.integers(0, 3, (n_q, n_d))
    ids = [tuple(f"{side} {i}.jpg" for i in range(n)) for side, n in (("my query", n_q), ("d", n_d))]
    path = tmp_path_factory.mktemp("trec") / "qrels"
    Listed(*np.nonzero(table), *ids, table[np.nonzero(table)]).write_trec(path)
    brute(Qrels.read_trec(path, *ids), lambda q, d: table[q, d])


def test_qrels_of_labels_are_written_block_by_block(tmp_path):
    labels = seeded(0).random((600, 5)) < 0.3
    SharedLabels(labels, labels[:4]).write_trec(tmp_path / "qrels")
    lines = (tmp_path / "qrels").read_text().splitlines()
    shared = labels.astype(int) @ labels[:4].T
    assert lines == [f"{q} 0 {d} {shared[q, d]}" for q, d in zip(*np.nonzero(shared), strict=True)]


def test_qrels_of_a_file_take_its_own_ids_and_drop_what_was_not_asked(tmp_path):
    path = tmp_path / "qrels"
    path.write_text("q2 0 d9 1\nq1 0 d3 2\nq1 0 d9 0\n\nq3 0 d3 1\n".replace("\n\n", "\n"))
    found = Qrels.read_trec(path)
    assert (found.query_ids, found.item_ids) == (("q2", "q1", "q3"), ("d9", "d3"))
    np.testing.assert_array_equal(found.grades(0, 3), [[1, 0], [0, 2], [0, 1]])
    np.testing.assert_array_equal(Qrels.read_trec(path, ("q1",), ("d3", "d4")).grades(0, 1), [[2, 0]])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"labels": [[1, 0], [0, 2]]}, "labels: row 1 holds 2"),
        ({"labels": [[1.0, 0.0], [0.0, np.nan]]}, "labels: row 1 holds nan"),
        ({"owner": [0.0, 1.5]}, "owner holds float64"),
        ({"image_ids": ("a", "a")}, "image_ids: 'a' stands there more than once"),
        ({"text_ids": ("x", "x")}, "text_ids: 'x' stands there more than once"),
    ],
)
def test_labels_owners_and_names_that_mean_nothing_are_bad_input(changed, says):
    with pytest.raises(BadInput, match=says):
        Pairs(np.eye(2), ["a", "b"], **changed)


ODD = ("a b", "a%20b", "%", "a\u2028b", "100%25", "a  b", "ä")
"""Names that a TREC file could confuse."""


def test_odd_names_come_back_from_trec_files_as_they_were(tmp_path):
    n = len(ODD)
    Listed(range(n), range(n), ODD, ODD).write_trec(tmp_path / "qrels")
    assert (tmp_path / "qrels").read_text(encoding="utf-8").startswith("a%20b 0 a%20b 1\na%2520b 0 a%2520b 1\n")
    for found in (Qrels.read_trec(tmp_path / "qrels"), Qrels.read_trec(tmp_path / "qrels", ODD, ODD)):
        assert found.query_ids == found.item_ids == ODD
        np.testing.assert_array_equal(found.grades(0, n), np.eye(n))
    Run(ODD, ODD, np.arange(n)[:, None], np.ones((n, 1))).write_trec(tmp_path / "run")
    for run in (Run.read_trec(tmp_path / "run"), Run.read_trec(tmp_path / "run", ODD, ODD)):
        assert run.query_ids == run.item_ids == ODD and run.items.ravel().tolist() == list(range(n))


def test_a_trec_file_holds_no_empty_name(tmp_path):
    with pytest.raises(BadInput, match="an id is empty"):
        Listed([0], [0], ("q",), ("",)).write_trec(tmp_path / "qrels")
    with pytest.raises(BadInput, match="an id is empty"):
        Run(("",), ("d",), np.array([[0]]), np.ones((1, 1))).write_trec(tmp_path / "run")


@pytest.mark.parametrize("read", [Qrels.read_trec, Run.read_trec])
def test_a_trec_file_that_does_not_read_is_named(read, tmp_path):
    with pytest.raises(BadInput, match="gone does not read as a TREC file"):
        read(tmp_path / "gone")
    (tmp_path / "latin").write_bytes(b"q 0 \xe4 1\n")
    with pytest.raises(BadInput, match="latin does not read as a TREC file"):
        read(tmp_path / "latin")


@pytest.mark.parametrize("line", ["q 0 d", "q 0 d x", "q 0 d nan", "q 0 d 1 2"])
def test_a_broken_qrels_line_is_named(tmp_path, line):
    (tmp_path / "qrels").write_text(f"q 0 d 1\n{line}\n")
    with pytest.raises(BadInput, match="qrels, line 2: expected"):
        Qrels.read_trec(tmp_path / "qrels")


# ---------------------------------------------------------------------------------------------------------- spaces


@pytest.fixture
def outputs():
    return seeded(0).standard_normal((9, 6))


def test_cosine_stores_unit_rows_and_leaves_zeros(outputs):
    outputs[3] = 0
    normalised = cosine.normalise(outputs)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(normalised, axis=1), [1, 1, 1, 0, 1, 1, 1, 1, 1], atol=1e-6)
    lengths = np.maximum(np.linalg.norm(outputs, axis=1), 1e-9)
    expected = outputs @ outputs.T / np.outer(lengths, lengths)
    np.testing.assert_allclose(cosine.score(normalised, normalised), expected, atol=1e-6)
    assert (cosine.score(normalised[3:4], normalised) == 0).all()


def test_dot_scores_rows_as_they_are(outputs):
    normalised = dot.normalise(outputs)
    np.testing.assert_allclose(normalised, outputs, rtol=1e-6)
    np.testing.assert_allclose(dot.score(normalised[:2], normalised), outputs[:2] @ outputs.T, atol=1e-5)


def test_l2_ranks_by_distance_nearest_first(outputs):
    normalised = l2.normalise(outputs)
    distance = np.square(outputs[:4, None] - outputs[None]).sum(axis=2)
    np.testing.assert_allclose(l2.score(normalised[:4], normalised), -distance, atol=1e-4)
    np.testing.assert_array_equal(
        np.argsort(-l2.score(normalised[:4], normalised), axis=1), np.argsort(distance, axis=1)
    )


@pytest.mark.parametrize("bits", [1, 8, 13, 16, 32, 64, 72, 256])
def test_hamming_counts_differing_signs_and_zero_is_positive(bits):
    rows = seeded(bits).integers(-1, 2, (7, bits)).astype(float)
    normalised = hamming.normalise(rows)
    assert normalised.dtype == np.uint8
    assert normalised.shape == (7, -(-bits // 8))
    signs = np.where(rows >= 0, 1, -1)
    np.testing.assert_array_equal(hamming.normalise(signs), normalised)
    np.testing.assert_array_equal(
        hamming.score(normalised[:3], normalised), -(signs[:3, None] != signs[None]).sum(axis=2)
    )


def test_words_are_the_bytes_in_the_widest_words_that_divide_them():
    for width, dtype in ((8, np.uint64), (12, np.uint32), (6, np.uint16), (3, np.uint8), (16, np.uint64)):
        codes = seeded(0).integers(0, 256, (5, width)).astype(np.uint8)
        packed = words(codes[:, ::1])
        assert packed.dtype == dtype
        np.testing.assert_array_equal(np.ascontiguousarray(packed.T).view(np.uint8), codes)
    np.testing.assert_array_equal(words(np.ones((4, 16), np.uint8)[:, ::2]), words(np.ones((4, 8), np.uint8)))


def test_sets_take_the_best_match_of_every_token():
    rng = seeded(1)
    queries, items = sets.normalise(rng.standard_normal((4, 3, 5))), sets.normalise(rng.standard_normal((6, 4, 5)))
    queries[0, 2:], queries[3], items[1, 1:] = 0, 0, 0  # padding; a query of nothing
    slow = np.zeros((4, 6))
    for q in range(4):
        real = [token for token in queries[q] if token.any()]
        for d in range(6):
            best = [max(float(token @ other) for other in items[d] if other.any()) for token in real]
            slow[q, d] = sum(best) / len(best) if best else 0.0
    np.testing.assert_allclose(sets.score(queries, items), slow, atol=1e-6)


def test_padding_changes_no_score_of_sets():
    rng = seeded(2)
    queries, items = sets.normalise(rng.standard_normal((2, 3, 5))), sets.normalise(rng.standard_normal((3, 4, 5)))
    padded = [np.concatenate([side, np.zeros((len(side), 2, 5), np.float32)], axis=1) for side in (queries, items)]
    np.testing.assert_allclose(sets.score(*padded), sets.score(queries, items), atol=1e-6)


def test_an_item_scores_what_its_words_give_whoever_asks():
    queries, items = tables.normalise(seeded(3).standard_normal((4, 2, 5))), seeded(4).integers(0, 5, (6, 2))
    slow = [[sum(float(asked[book, item[book]]) for book in range(2)) for item in items] for asked in queries]
    np.testing.assert_allclose(tables.score(queries, items.astype(np.uint8)), slow, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------- runs


@few
@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 2**31))
def test_runs_survive_a_trec_file(tmp_path_factory, n_q, n_d, seed):
    rng = seeded(seed)
    depth = int(rng.integers(1, n_d + 1))
    items = np.array([rng.permutation(n_d)[:depth] for _ in range(n_q)])
    scores = -np.sort(-rng.choice([0.1, 0.5, 1 / 3, -2.0], (n_q, depth)), axis=1)  # with ties
    ids = tuple(f"q {i}" for i in range(n_q)), tuple(f"d{i}.jpg" for i in range(n_d))
    path = tmp_path_factory.mktemp("trec") / "run"
    Run(*ids, items, scores).write_trec(path, tag="a method")
    back = Run.read_trec(path, *ids)
    np.testing.assert_array_equal(back.items, items)
    np.testing.assert_allclose(back.scores, scores, rtol=1e-8)
    assert (back.query_ids, back.item_ids) == ids


def test_a_run_that_ends_early_is_written_and_read_so(tmp_path):
    items = np.array([[2, -1], [0, 1]])
    run = Run(("a", "b"), ("x", "y", "z"), items, np.array([[0.5, -np.inf], [0.9, 0.1]]))
    run.write_trec(tmp_path / "run")
    assert (tmp_path / "run").read_text().splitlines() == [
        "a Q0 z 1 0.5 diptych",
        "b Q0 x 1 0.9 diptych",
        "b Q0 y 2 0.1 diptych",
    ]
    back = Run.read_trec(tmp_path / "run", ("a", "nobody", "b"), ("x", "y", "z"))
    assert back.items.tolist() == [[2, -1], [-1, -1], [0, 1]]
    assert Run.read_trec(tmp_path / "run").item_ids == ("z", "x", "y")


@pytest.mark.parametrize("line", ["q Q0 d 1 0.5", "q Q0 d first 0.5 t", "q Q0 d 1 high t", "q Q0 d 1 nan t"])
def test_a_broken_run_line_is_named(tmp_path, line):
    (tmp_path / "run").write_text(f"q Q0 d 1 0.5 t\n{line}\n")
    with pytest.raises(BadInput, match="run, line 2: expected"):
        Run.read_trec(tmp_path / "run")


def test_a_run_of_other_items_is_bad_input(tmp_path):
    (tmp_path / "run").write_text("q Q0 stranger 1 0.5 t\n")
    with pytest.raises(BadInput, match="stranger"):
        Run.read_trec(tmp_path / "run", ("q",), ("d",))


# --------------------------------------------------------------------------------------------------- card and report


def test_a_card_gives_its_protocols_by_name_and_the_first_by_default():
    pair = Protocol("pair", "train", "dev", "dev", "pair", folds=5)
    label = Protocol("label", "train", "dev", "train", "label", joined=True)
    card = Card("x", "X", "s", "l", "c", {"train": 1, "dev": 1}, (pair, label))
    assert card.protocol() is pair
    assert card.protocol("label") is label
    with pytest.raises(BadInput, match="x has no protocol 'labels'; did you mean 'label'"):
        card.protocol("labels")
    assert str(pair) == "dev against dev, relevant by pair, trained on train, mean of 5 folds"
    assert str(label) == "dev against train, relevant by label, trained on train, texts of a picture joined"
    assert json.loads(json.dumps(card.facts()))["protocols"] == {"pair": str(pair), "label": str(label)}


def report(**changed):
    facts = {
        "method": "cca",
        "dataset": "emoji",
        "protocol": "pair",
        "seed": 3,
        "i2t": {"r@1": 0.25},
        "t2i": {"r@1": 1 / 3},
        "seconds": {"fit": 0.1},
        "bytes_per_item": 2048,
        "versions": {"numpy": "2"},
        "per_query": {"i2t": {"r@1": [0.0, 1.0, None]}},
    }
    return Report(**facts | changed)


def test_a_report_survives_its_file_and_its_folder(tmp_path):
    report().save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json") == Report.load(tmp_path) == report()


@pytest.mark.parametrize("text", ["{", "[1]", "{}", '{"method": "cca", "colour": "red"}', "\x80"])
def test_what_is_no_report_says_so(tmp_path, text):
    (tmp_path / "report.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=r"report\.json: not a report"):
        Report.load(tmp_path)


def test_a_report_that_is_not_there_says_how_to_write_one(tmp_path):
    with pytest.raises(BadInput, match="no such report"):
        Report.load(tmp_path / "gone")
