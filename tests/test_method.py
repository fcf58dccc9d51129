"""What all methods share: the linear closed form, how it streams, and what it refuses."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import sparse

from diptych.kinds import BadInput, Pairs, l2
from diptych.method import ClosedForm, Streaming, aligned, check, featured, project


@dataclass
class Regression(ClosedForm):
    """Texts as they are, pictures by least squares: the smallest closed form there is."""

    needs = "nothing"
    space = l2

    def solve(self, X, Y, L):
        self.saw_ = np.array([X.shape[0], np.abs(X.mean(axis=0)).max(), np.abs(Y.mean(axis=0)).max()])
        return np.linalg.lstsq(X, Y)[0], np.eye(Y.shape[1])


@dataclass
class Cross(Streaming):
    space = l2

    def directions(self, moments):
        return moments.c_xy, np.eye(moments.c_xy.shape[1])


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5)) + 3
    owner = np.repeat(np.arange(40), 2)
    Y = X[owner] @ rng.standard_normal((5, 3)) + 7
    return Pairs(X, Y, owner, rng.random((40, 4)) < 0.5)


def test_a_closed_form_sees_centred_rows_one_a_text_and_maps_new_ones_alike(pairs):
    made = Regression().fit(pairs)
    assert made.saw_[0] == 80
    assert made.saw_[1:].max() < 1e-12
    # Texts are a linear function of pictures, so least squares lands on them, up to the common mean.
    np.testing.assert_allclose(made.encode_images(pairs.images)[pairs.owner], made.encode_texts(pairs.texts), atol=1e-4)


def test_a_streaming_form_is_a_closed_form_too(pairs):
    X, Y, L = aligned(pairs, "pairs")
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    np.testing.assert_allclose(Cross().solve(X, Y, L)[0], Cross().fit(pairs).A_, atol=1e-12)
    np.testing.assert_allclose(Cross().fit(pairs).A_, X.T @ Y / 80, atol=1e-12)


def test_partial_fit_counts_batches_in_and_fit_starts_anew(pairs):
    made = Cross()
    for start in (0, 13, 14):
        made.partial_fit(pairs.select(np.arange(start, {0: 13, 13: 14, 14: 40}[start])))
    np.testing.assert_allclose(made.A_, Cross().fit(pairs).A_, atol=1e-12)
    np.testing.assert_array_equal(made.fit(pairs).A_, Cross().fit(pairs).A_)


solved: list[int] = []


@dataclass
class Told(Cross):
    """Which says of how many pairs it solved."""

    def directions(self, moments):
        solved.append(moments.n)
        return super().directions(moments)


def test_partial_fit_solves_only_when_the_solution_is_asked_for(pairs, tmp_path):
    solved.clear()
    made = Told()
    for start in range(0, 40, 10):
        made.partial_fit(pairs.select(np.arange(start, start + 10)))
    assert solved == []
    once = made.encode_images(pairs.images)
    made.encode_texts(pairs.texts)
    assert made.learned().keys() == {"A_", "B_", "mean_x_", "mean_y_"}
    assert solved == [80]
    np.testing.assert_allclose(once, Cross().fit(pairs).encode_images(pairs.images), atol=1e-5)
    made.partial_fit(pairs)
    assert solved == [80]
    made.save_pretrained(tmp_path)  # keeps the new solution, not the one before
    assert solved == [80, 160]
    Told().fit(pairs)
    assert solved == [80, 160, 80]
    with pytest.raises(AttributeError, match="no attribute 'gone_'"):
        _ = made.gone_
    with pytest.raises(AttributeError, match="A_"):
        _ = Told().A_


@pytest.mark.parametrize("side", ["images", "texts"])
def test_a_side_that_is_always_the_same_is_bad_input(pairs, side):
    rows = getattr(pairs, side)
    for flat in (np.full_like(rows, 0.1), sparse.csr_matrix(np.full_like(rows, 0.1))):
        with pytest.raises(BadInput, match=f"all {side} have the same features"):
            check(replace(pairs, **{side: flat}), "pairs")
        check(replace(pairs, **{side: flat}), "nothing")
        made = Cross().partial_fit(replace(pairs, **{side: flat}))  # the next batch may be another
        with pytest.raises(BadInput, match=f"all {side} have the same features"):
            made.encode_images(pairs.images)


def test_aligned_rows_repeat_the_picture_and_its_labels_for_every_text(pairs):
    X, Y, L = aligned(pairs, "labels")
    np.testing.assert_array_equal(X, pairs.images[pairs.owner])
    np.testing.assert_array_equal(L, pairs.labels[pairs.owner])
    wide = Pairs(sparse.csr_matrix(pairs.images), sparse.csr_array(pairs.texts), pairs.owner, pairs.labels)
    for one, two in zip(aligned(wide, "labels"), (X, Y, L), strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype


@pytest.mark.parametrize("labels", [None, np.zeros((2, 3))])
def test_what_learns_from_labels_wants_some(labels):
    pairs = Pairs(np.eye(2), np.eye(2), labels=labels)
    check(pairs, "pairs")
    with pytest.raises(BadInput, match="labels and the data has none"):
        check(pairs, "labels")


def test_project_is_the_same_for_dense_sparse_and_no_rows(pairs):
    rng = np.random.default_rng(1)
    mean, directions = rng.standard_normal(5), rng.standard_normal((5, 2))
    expected = (pairs.images - mean) @ directions
    np.testing.assert_allclose(project(pairs.images, mean, directions, "images"), expected)
    np.testing.assert_allclose(project(sparse.csr_matrix(pairs.images), mean, directions, "images"), expected)
    assert project(pairs.images[:0], mean, directions, "images").shape == (0, 2)


@pytest.mark.parametrize("items", [["a dog"], np.array(["a dog"]), np.zeros(3), np.zeros((2, 2, 2)), np.array([["a"]])])
def test_what_is_no_table_of_numbers_must_pass_a_feature_first(items):
    with pytest.raises(BadInput, match="texts are not feature rows"):
        featured(items, "texts")


def test_rows_of_another_width_name_both_widths(pairs):
    with pytest.raises(BadInput, match="images are 4 wide; this method was fitted on 5"):
        featured(pairs.images[:, :4], "images", 5)
    assert featured(pairs.images, "images", 5) is pairs.images
