"""What methods share whose unknowns are solved for in turn: rows in, codes out, and those that were learned."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from diptych.kinds import BadInput, Pairs, hamming
from diptych.method import Alternating, Method, unaligned


@dataclass
class Turning(Alternating):
    """Codes of their own for the pairs, and functions that are their least squares."""

    def start(self, X, Y, L):
        B = np.random.default_rng(self.seed).choice([-1.0, 1.0], (len(X), self.bits))
        return SimpleNamespace(X=X, Y=Y, B=B, W=[np.ones((rows.shape[1], self.bits)) for rows in (X, Y)])

    def steps(self):
        return self.images, self.texts

    def images(self, now):
        now.W[0] = np.linalg.lstsq(now.X, now.B)[0]

    def texts(self, now):
        now.W[1] = np.linalg.lstsq(now.Y, now.B)[0]

    def objective(self, now):
        return sum(np.square(now.B - rows @ W).sum() for rows, W in zip((now.X, now.Y), now.W, strict=True))

    def maps(self, now):
        return tuple(now.W)

    def codes(self, now):
        return now.B, now.B


@dataclass
class Cut(Turning):
    def cut(self, projected):
        return np.median(projected, axis=0)


@dataclass
class Upside(Turning):
    def met(self, signed, side):
        return -signed if side == "texts" else signed


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    return Pairs(
        rng.standard_normal((40, 6)) + 3, rng.standard_normal((60, 5)) - 7, np.r_[np.arange(40), np.arange(20)]
    )


def test_the_objective_is_kept_at_the_start_and_after_every_step(pairs):
    made = Turning(bits=8, rounds=2).fit(pairs)
    assert len(made.descent_) == 5
    assert made.descent_[0] > made.descent_[1] > made.descent_[2] == pytest.approx(made.descent_[-1])
    assert len(Turning(bits=8, rounds=0).fit(pairs).descent_) == 1


def test_rows_are_centred_one_a_pair_and_of_mean_square_length_1(pairs):
    seen = []

    @dataclass
    class Seeing(Turning):
        def start(self, X, Y, L):
            seen.extend((X, Y, L))
            return super().start(X, Y, L)

    Seeing(bits=4).fit(pairs)
    X, Y, L = seen
    assert X.shape == (60, 6) and Y.shape == (60, 5) and L is None
    for rows in (X, Y):
        assert np.abs(rows.mean(axis=0)).max() < 1e-12
        assert np.square(rows).sum(axis=1).mean() == pytest.approx(1)


def test_a_code_is_the_signs_of_centred_rows_in_features_of_any_scale(pairs):
    made = Turning(bits=8, rounds=1).fit(pairs)
    X = pairs.images - pairs.images[pairs.owner].mean(axis=0)
    expected = hamming.normalise(X @ made.A_)
    np.testing.assert_array_equal(made.encode_images(pairs.images), expected)
    louder = Turning(bits=8, rounds=1).fit(pairs.features(100 * pairs.images, pairs.texts))
    np.testing.assert_array_equal(louder.encode_images(100 * pairs.images), expected)


def test_a_bit_changes_where_the_method_says(pairs):
    made = Cut(bits=8, rounds=1).fit(pairs)
    ones = np.unpackbits(made.encode_texts(pairs.texts), axis=1)
    np.testing.assert_allclose(ones.mean(axis=0), 0.5, atol=1 / 60)


def test_unified_rows_that_were_learned_from_have_their_learned_codes(pairs):
    own, known = (Turning(bits=8, rounds=1, unified=unified).fit(pairs) for unified in (False, True))
    B = own.start(*unaligned_free(pairs)).B
    np.testing.assert_array_equal(known.encode_texts(pairs.texts), hamming.normalise(B))
    summed = np.stack([B[pairs.owner == picture].sum(axis=0) for picture in range(40)])
    np.testing.assert_array_equal(known.encode_images(pairs.images), hamming.normalise(summed))
    np.testing.assert_array_equal(known.encode_images(pairs.images + 1), own.encode_images(pairs.images + 1))
    assert (own.encode_texts(pairs.texts) != known.encode_texts(pairs.texts)).any()


def unaligned_free(pairs):
    return pairs.images[pairs.owner], pairs.texts, None


def test_what_is_compared_may_be_another_code_than_ones_own(pairs):
    plain, turned = (kind(bits=8, rounds=1, unified=True).fit(pairs) for kind in (Turning, Upside))
    for items in (pairs.texts, pairs.texts + 1):
        np.testing.assert_array_equal(turned.encode_texts(items), ~plain.encode_texts(items))
    np.testing.assert_array_equal(turned.encode_images(pairs.images), plain.encode_images(pairs.images))


def test_landmarks_stand_for_features_and_are_kept(pairs, tmp_path):
    made = Turning(bits=8, rounds=1, landmarks=9).fit(pairs)
    assert made.A_.shape[0] <= 9
    made.save_pretrained(tmp_path)
    again = Method.from_pretrained(tmp_path, modules=[__name__])
    np.testing.assert_array_equal(again.encode_texts(pairs.texts), made.encode_texts(pairs.texts))
    with pytest.raises(BadInput, match="5 wide"):
        made.encode_images(pairs.texts)


def test_settings_out_of_bounds_are_told_before_any_work(pairs):
    with pytest.raises(BadInput, match="bits is 0"):
        Turning(bits=0).fit(pairs)


def test_unaligned_rows_stand_once_each_with_labels_of_their_own(pairs):
    labels = np.random.default_rng(1).random((40, 3)) < 0.5
    X, Y, (of_x, of_y), shown = unaligned(replace(pairs, labels=labels))
    np.testing.assert_array_equal(X, pairs.images)
    np.testing.assert_array_equal(Y, pairs.texts)
    np.testing.assert_array_equal(of_x, labels)
    np.testing.assert_array_equal(of_y, labels[pairs.owner])
    np.testing.assert_array_equal(shown, np.arange(40))
