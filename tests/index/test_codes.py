"""Binary codes in memory, refined on rows from elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diptych.index.codes import Codes, Turned
from diptych.index.flat import Flat
from diptych.kinds import Array, BadInput, cosine, hamming, l2

Cones = tuple[Array, Array, Array, Array]


@dataclass
class Signs:
    """A coder of which nothing is known but codes, as a fitted method is; and of coarse ones, so that ties abound."""

    images: Array
    texts: Array
    turn: Array

    def encode_images(self, items: Any) -> Array:
        return hamming.normalise((items - self.images) @ self.turn)

    def encode_texts(self, items: Any) -> Array:
        return hamming.normalise((items - self.texts) @ self.turn)


def turn(dims: int, bits: int) -> Array:
    return np.linalg.qr(np.random.default_rng(7).standard_normal((dims, dims)))[0][:, :bits].astype(np.float32)


def reading(rows: Array, read: list[int] | None = None) -> Any:
    """What gives rows of ids, which are three times their place; and tells how many it was asked for."""

    def rows_of(ids: Array) -> Array:
        if read is not None:
            read.append(len(ids))
        return rows[ids // 3]

    return rows_of


def built(cones: Cones, bits: int = 64, signs: bool = False, order: Array | None = None) -> Codes:
    rows, train, tune, _ = cones
    mean, directions = rows.mean(axis=0), turn(rows.shape[1], bits)
    coder = Signs(mean, train.mean(axis=0), directions) if signs else Turned(mean, directions)
    index = Codes(cosine, rows.shape[1], bits, "somewhere" if signs else "")
    index.reads(reading(rows)).train(rows, train, coder)
    order = np.arange(len(rows)) if order is None else order
    index.add(order * 3, rows[order])
    index.tune(tune[:100])
    return index


@pytest.fixture(scope="module")
def small(cones: Cones) -> Cones:
    return cones[0][:3000], *cones[1:]


@pytest.fixture(scope="module")
def index(small: Cones) -> Codes:
    return built(small)


@pytest.fixture(scope="module")
def exact(small: Cones) -> Flat:
    flat = Flat(cosine, small[0].shape[1])
    flat.add(np.arange(len(small[0])) * 3, small[0])
    return flat


def recall(found: Array, true: Array) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true, strict=True)]))


@pytest.mark.parametrize("bits", [12, 64])
def test_codes_that_ask_codes_are_ranked_by_faiss_as_the_hamming_metric_ranks(small: Cones, bits: int) -> None:
    index, asked = built(small, bits, signs=True), small[3][:20]
    coder = index._coder
    assert coder is not None
    scores = hamming.score(coder.encode_texts(asked), coder.encode_images(small[0]))
    for k in (1, 10, 700, 3000):
        found = index._candidates(index._asked(asked), index._rows.values, index._rows.ids, k)
        for row, values in enumerate(scores):
            np.testing.assert_array_equal(found[row], 3 * np.lexsort((np.arange(3000), -values))[:k])


def test_rows_that_ask_are_weighed_with_the_signs_of_codes(small: Cones, index: Codes) -> None:
    asked, coder = small[3][:20], index._coder
    assert isinstance(coder, Turned)
    signs = np.where((small[0] - small[0].mean(axis=0)) @ coder.turn >= 0, 1.0, -1.0)
    scores = (asked @ coder.turn) @ signs.T
    found = index._candidates(index._asked(asked), index._rows.values, index._rows.ids, 50)
    for row, ids in enumerate(found):
        np.testing.assert_allclose(scores[row][ids // 3], np.sort(scores[row])[::-1][:50], atol=1e-4)


@pytest.mark.parametrize("bits", [5, 64])
def test_what_asks_reads_few_rows_and_finds_what_was_measured(small: Cones, exact: Flat, bits: int) -> None:
    index, read = built(small, bits), list[int]()
    found = index.reads(reading(small[0], read)).search(small[3][:100], 10)
    assert index.recall is not None and index.recall.queries == 100 and index.recall.rows == 3000
    assert abs(recall(found[1], exact.search(small[3][:100], 10)[1]) - index.recall.value) < 0.05
    assert sum(read) == 100 * min(3000, 10 * index.candidates)
    assert (index.recall.value >= 0.95 and index.candidates <= 96) if bits == 64 else index.candidates > 100
    true = np.einsum("qd,qkd->qk", small[3][:100], small[0][found[1] // 3])
    np.testing.assert_allclose(found[0], true, atol=1e-5)


def test_a_method_codes_texts_and_pictures_each_in_its_way(small: Cones) -> None:
    index, coder = built(small, signs=True), Signs(np.zeros(64), np.ones(64), turn(64, 64))
    index.reads(reading(small[0]), coder)
    np.testing.assert_array_equal(index._asked(small[0][:5]), coder.encode_images(small[0][:5]))
    np.testing.assert_array_equal(index._asked(small[3][:5]), coder.encode_texts(small[3][:5]))
    index._means[1] = index._means[0]
    np.testing.assert_array_equal(index._asked(small[0][:5]), coder.encode_texts(small[0][:5]))


def test_where_texts_and_pictures_lie_among_each_other_all_that_asks_is_a_text(small: Cones, index: Codes) -> None:
    among = Codes(cosine, 64)
    among.train(small[0][:300], small[0][300:600], index._coder)
    assert (among._means[0] == among._means[1]).all()
    assert (index._means[0] != index._means[1]).any()


def test_a_ranking_is_the_same_however_much_of_it_is_asked_for(
    small: Cones, index: Codes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diptych.index.refined.FEW", 10)
    asked = small[3][:3]
    whole = index.ranked(asked, 3000)
    assert (np.sort(whole[1], axis=1) == np.arange(3000) * 3).all()
    mask = np.random.default_rng(1).random(9_000) < 0.5
    some = index.ranked(asked, 1400, mask)
    for k in (1, 15, 16, 17, 100, 350, 1000, 1400):
        for longer, shorter in ((whole, index.ranked(asked, k)), (some, index.ranked(asked, k, mask))):
            np.testing.assert_array_equal(longer[1][:, :k], shorter[1])
            np.testing.assert_array_equal(longer[0][:, :k], shorter[0])


def test_of_a_filter_that_lets_few_pass_all_that_is_found_passes(
    small: Cones, index: Codes, exact: Flat, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = np.zeros(9_000, dtype=bool)
    mask[np.random.default_rng(2).choice(3000, 42, replace=False) * 3] = True  # .7 %
    truth = exact.search(small[3][:100], 10, mask)[1]
    np.testing.assert_array_equal(index.search(small[3][:100], 10, mask)[1], truth)
    monkeypatch.setattr("diptych.index.refined.FEW", 10)
    found = index.search(small[3][:100], 10, mask)[1]
    assert mask[found].all() and recall(found, truth) >= 0.95
    mask[np.random.default_rng(3).choice(3000, 2000, replace=False) * 3] = True
    found = index.search(small[3][:100], 10, mask)[1]
    assert mask[found].all() and recall(found, exact.search(small[3][:100], 10, mask)[1]) >= 0.95


def test_candidates_do_not_depend_on_the_order_in_which_rows_came(small: Cones) -> None:
    for signs in (True, False):
        one, other = (built(small, 12, signs, order) for order in (None, np.random.default_rng(4).permutation(3000)))
        one.candidates = other.candidates = 3
        for k in (10, 40):
            np.testing.assert_array_equal(one.ranked(small[3][:20], k)[1], other.ranked(small[3][:20], k)[1])


def test_what_is_removed_is_gone_and_what_is_added_is_found(small: Cones) -> None:
    index = built(small)
    gone = index.search(small[3][:1], 10)[1][0]
    assert index.remove(gone) == 10 and len(index) == len(index._rows.values) == 2990
    assert not np.isin(index.search(small[3][:1], 20)[1], gone).any()
    index.add(gone[:1], index._read(gone[:1]))
    assert index.search(small[3][:1], 1)[1][0, 0] == gone[0]
    assert not index.drift().stale
    index.remove(index.ids[:2000])
    assert index.drift().stale


@pytest.mark.parametrize("signs", [False, True], ids=["kept coder", "coder from elsewhere"])
def test_it_comes_back_from_its_file_with_all_it_learned(small: Cones, tmp_path: Path, signs: bool) -> None:
    index = built(small, 60, signs)
    index.save(tmp_path / "index")
    assert (tmp_path / "index").stat().st_size < 3000 * 16 + 64 * 64 * 4 + 3 * 4 * 64 + 1, "codes and ids; no rows"
    back = Codes.load(tmp_path / "index")
    with pytest.raises(BadInput, match="call `reads`" if not signs else "no coder"):
        back.search(small[3][:1], 1)
    back.reads(reading(small[0]), index._coder if signs else None)
    for mine, other in zip(index.ranked(small[3][:20], 30), back.ranked(small[3][:20], 30), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert (back.bits, back.learned, back.recall) == (60, "somewhere" if signs else "", index.recall)
    assert back.drift() == index.drift()
    body = bytearray((tmp_path / "index").read_bytes())
    body[100] ^= 1
    (tmp_path / "index").write_bytes(body)
    with pytest.raises(BadInput, match="damaged"):
        Codes.load(tmp_path / "index")


def test_rows_are_those_that_are_read(small: Cones, index: Codes) -> None:
    np.testing.assert_array_equal(index.rows([33, 0]), small[0][[11, 0]])
    with pytest.raises(BadInput, match="ids: 1 is not in the index"):
        index.rows([0, 1])


def test_squared_distance_is_refined_by_itself(small: Cones) -> None:
    rows, texts = small[0], small[1]
    index = Codes(l2, 64)
    index.reads(reading(rows)).train(rows, texts, Turned(rows.mean(axis=0), turn(64, 64)))
    index.add(np.arange(3000) * 3, rows)
    index.tune(small[2][:100])
    true = Flat(l2, 64)
    true.add(np.arange(3000) * 3, rows)
    found, wanted = index.search(small[3][:100], 10), true.search(small[3][:100], 10)
    assert recall(found[1], wanted[1]) >= 0.9 and (found[0] <= 0).all()


def test_it_says_what_it_cannot_learn_from(small: Cones, index: Codes) -> None:
    coder = index._coder
    assert coder is not None
    for rows, queries, given, why in (
        (small[0][:0], small[1], coder, "0 rows"),
        (small[0], small[1][:0], coder, "0 queries"),
        (small[0], small[1], None, "no coder"),
        (small[0], small[1], Signs(small[0][0], small[0][0], turn(64, 32)), "64 bits"),
    ):
        with pytest.raises(BadInput, match=why):
            Codes(cosine, 64).train(rows, queries, given)
    with pytest.raises(BadInput, match="3,000 rows"):
        index.train(*small[:2])
    with pytest.raises(BadInput, match="bits: 0"):
        Codes(cosine, 64, 0)
    with pytest.raises(BadInput, match="space"):
        Codes(hamming, 8)
    for queries, wished, why in ((small[2][:0], 0.9, "0 queries"), (small[2], 0.0, "recall: 0.0")):
        with pytest.raises(BadInput, match=why):
            index.tune(queries, wished)
