import numpy as np
import pytest
from scipy import sparse

from diptych.features.feature import paths_of, rows_of, texts_of
from diptych.features.given import Given
from diptych.kinds import BadInput


def test_given_takes_dense_and_sparse_rows_as_they_are():
    rows = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert Given().fit(rows).transform(rows).dtype == np.float32
    assert np.array_equal(Given().transform(rows), rows)
    back = Given().transform(sparse.csc_matrix(rows))
    assert back.format == "csr" and np.array_equal(back.toarray(), rows)


@pytest.mark.parametrize("items", [["a text"], [], np.zeros(3), np.zeros((2, 2, 2)), np.array([["a"]])])
def test_given_refuses_what_is_no_array_of_rows(items):
    with pytest.raises(BadInput, match="given reads"):
        Given().transform(items)


def test_arrays_are_no_paths_and_no_texts():
    with pytest.raises(BadInput, match="arrays go through `given`"):
        paths_of("colour", np.zeros((2, 3)))
    with pytest.raises(BadInput, match="arrays go through `given`"):
        texts_of("tfidf", np.zeros((2, 3)))
    assert texts_of("tfidf", np.array(["one", "two"])) == ["one", "two"]


@pytest.mark.parametrize("nothing", ["", "  ", "?!", "_", "…"])
def test_a_text_without_a_word_is_named_by_its_row(nothing):
    with pytest.raises(BadInput, match=r"text 1 .* holds no word"):
        texts_of("tfidf", ["a dog", nothing])


def test_letters_of_every_script_are_words():
    assert texts_of("tfidf", ["狗", "собака", "7"]) == ["狗", "собака", "7"]


def test_rows_of_leaves_what_it_was_given_alone():
    rows = sparse.csr_matrix(np.eye(3))
    rows_of("given", rows).data[:] = 7
    assert rows.data.tolist() == [1, 1, 1]
