import numpy as np
import pytest

from diptych.index.flat import Flat
from diptych.index.index import best
from diptych.kinds import BadInput, Space, cosine, dot, hamming, l2


def by_sorting(queries: np.ndarray, rows: np.ndarray, ids: np.ndarray, space: Space, k: int) -> tuple:
    """Brute force: every score, a full sort by score and id."""
    scores = np.asarray(space.score(queries, rows), dtype=np.float32)
    order = np.stack([np.lexsort((ids, -row)) for row in scores])[:, :k]
    return np.take_along_axis(scores, order, axis=1), ids[order]


def grid(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.permutation(10 * n)[:n], rng.integers(-2, 3, (n, 6)).astype(np.float32)


@pytest.mark.parametrize("space", [dot, l2], ids=repr)
@pytest.mark.parametrize("k", [1, 7, 400])
def test_equals_a_full_sort_even_where_scores_tie(space: Space, k: int) -> None:
    ids, rows = grid(400)
    index = Flat(space, 6)
    index.add(ids, rows)
    scores, found = index.search(rows[:50], k)
    true_scores, true = by_sorting(rows[:50], rows, ids, space, k)
    np.testing.assert_array_equal(found, true)
    np.testing.assert_array_equal(scores, true_scores)


def test_cosine_equals_space_score() -> None:
    rng = np.random.default_rng(1)
    rows, queries = (cosine.normalise(rng.standard_normal((n, 32))) for n in (3000, 20))
    index = Flat(cosine, 32)
    index.add(np.arange(3000), rows)
    scores, found = index.search(queries, 10)
    true_scores, true = by_sorting(queries, rows, np.arange(3000), cosine, 10)
    np.testing.assert_array_equal(found, true)
    np.testing.assert_allclose(scores, true_scores, atol=1e-6)


@pytest.mark.parametrize("space", [dot, l2], ids=repr)
@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("block", [{"_SCORES": 100}, {"_QUERIES": 7}, {"_ITEM_BYTES": 480}, {"_SCORES": 1}])
def test_blocks_do_not_change_the_answer(
    monkeypatch: pytest.MonkeyPatch, space: Space, filtered: bool, block: dict[str, int]
) -> None:
    ids, rows = grid(900)
    index = Flat(space, 6)
    index.add(ids, rows)
    among = np.sort(ids)[::3] if filtered else None
    whole = index.search(rows[:40], 12, among)
    for name, value in block.items():
        monkeypatch.setattr(f"diptych.index.index.{name}", value)
    for mine, other in zip(index.search(rows[:40], 12, among), whole, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_among_one_in_a_hundred_is_exact_and_passes_over_strangers() -> None:
    ids, rows = grid(2000)
    index = Flat(dot, 6)
    index.add(ids, rows)
    some = np.random.default_rng(2).choice(2000, 20, replace=False)
    scores, found = index.search(rows[:30], 25, among=[*ids[some], *ids[some[:3]], 10**9])
    true_scores, true = by_sorting(rows[:30], rows[some], ids[some], dot, 25)
    np.testing.assert_array_equal(found[:, :20], true)
    np.testing.assert_array_equal(scores[:, :20], true_scores)
    assert (found[:, 20:] == -1).all() and np.isneginf(scores[:, 20:]).all()


def test_adding_and_removing_at_random_agrees_with_a_dict() -> None:
    rng = np.random.default_rng(3)
    index, truth = Flat(dot, 4), {}
    for _ in range(300):
        if truth and rng.random() < 0.4:
            gone = rng.choice([*truth, 10**6], min(len(truth), int(rng.integers(1, 6))), replace=False)
            assert index.remove(gone) == sum(int(name) in truth for name in gone)
            for name in gone:
                truth.pop(int(name), None)
        else:
            new = [int(name) for name in rng.choice(500, 8, replace=False) if int(name) not in truth]
            rows = rng.integers(-3, 4, (len(new), 4)).astype(np.float32)
            index.add(np.array(new, dtype=np.int64), rows)
            truth |= dict(zip(new, rows, strict=True))
        assert len(index) == len(truth)
        if truth:
            query = rng.integers(-3, 4, (1, 4)).astype(np.float32)
            found = index.search(query, 5)[1]
            true = by_sorting(query, np.stack([*truth.values()]), np.array([*truth]), dot, 5)[1]
            np.testing.assert_array_equal(found[:, : true.shape[1]], true)


def test_an_empty_index_answers_nothing() -> None:
    scores, ids = Flat(cosine, 3).search(np.ones((2, 3)), 4)
    assert (ids == -1).all() and np.isneginf(scores).all() and ids.shape == (2, 4)
    assert Flat(cosine, 3).search(np.empty((0, 3)), 4)[1].shape == (0, 4)
    full = Flat(cosine, 3)
    full.add([5], np.ones((1, 3)))
    scores, ids = full.search(np.empty((0, 3)), 4)
    assert scores.shape == ids.shape == (0, 4) and (scores.dtype, ids.dtype) == (np.float32, np.int64)


def test_a_refused_add_changes_nothing() -> None:
    index = Flat(dot, 2)
    index.add([4], [[1, 2]])
    for ids, rows, said in (
        ([5, 5], np.ones((2, 2)), "5 is given twice"),
        ([6, 4], np.ones((2, 2)), "4 is already in the index"),
        ([-1], np.ones((1, 2)), "-1 is negative"),
        ([1.5], np.ones((1, 2)), "whole numbers"),
        ([7], np.ones((2, 2)), "1 for 2 rows"),
        ([7], np.ones((1, 3)), r"shape \(1, 3\)"),
        ([7, 8], [[1, 2], [np.nan, 0]], "row 1 holds NaN"),
    ):
        with pytest.raises(BadInput, match=said):
            index.add(ids, rows)
        assert index.ids.tolist() == [4]
    with pytest.raises(BadInput, match="at least one answer"):
        index.search(np.ones((1, 2)), 0)
    with pytest.raises(BadInput, match="hamming"):
        Flat(hamming, 2)


def test_what_is_no_row_of_numbers_is_refused_wherever_it_comes() -> None:
    index = Flat(dot, 2)
    for rows, said in (
        (np.ones(2), r"shape \(2,\); this index compares rows of 2 columns"),
        (np.ones((1, 1, 2)), r"shape \(1, 1, 2\)"),
        (np.ones((1, 2), bool), "bool; this index compares real numbers"),
        (np.ones((1, 2), complex), "complex128; this index compares real numbers"),
        ([[1, np.inf]], "row 0 holds NaN or infinity; drop it"),
    ):
        for what, call in (
            ("rows", lambda rows: index.train(rows)),
            ("rows", lambda rows: index.add([0], rows)),
            ("queries", lambda rows: index.search(rows, 1)),
        ):
            with pytest.raises(BadInput, match=f"^{what}: {said}"):
                call(rows)  # type: ignore[arg-type]
    index.add([], np.empty((0, 2)))
    index.add(np.array([3], np.uint8), [[3e38, 3e38]])  # type: ignore[arg-type]  # whose sum is beyond float32
    assert index.ids.tolist() == [3] and repr(index) == "Flat(dot, 2 columns, 1 rows)"


def test_what_are_no_ids_is_refused_by_the_name_they_have_there() -> None:
    index = Flat(dot, 2)
    index.add([1], np.ones((1, 2)))
    for ids in ([[1]], 1, [1.0], ["1"]):
        for what, call in (
            ("ids", lambda ids: index.add(ids, np.ones((1, 2)))),
            ("ids", index.remove),
            ("ids", index.rows),
            ("among", lambda ids: index.search(np.ones((1, 2)), 1, ids)),
        ):
            with pytest.raises(BadInput, match=f"^{what}: .*ids are one row of whole numbers"):
                call(ids)
    with pytest.raises(BadInput, match=r"^among: bool of shape \(1, 2\)"):
        index.search(np.ones((1, 2)), 1, [[True, True]])


def test_best_takes_ids_a_row() -> None:
    scores, ids = best(np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), np.array([[5, 9, 1], [3, 2, 1]]), 2)
    assert ids.tolist() == [[1, 9], [1, 2]] and scores.tolist() == [[3, 3], [2, 2]]
