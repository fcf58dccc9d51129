import numpy as np
import pytest

from diptych.features.feature import Feature
from diptych.features.word_sequence import WordSequence
from diptych.features.word_vectors import WordVectors
from diptych.kinds import BadInput

VECTORS = {"dog": [1.0, 0.0, 2.0], "runs": [0.0, 4.0, 0.0], "cat": [-1.0, 0.5, 0.25], "nil": [0.0, 0.0, 0.0]}
TEXTS = ["a dog, a DOG runs", "the cat", "cat runs"]


@pytest.fixture
def file(tmp_path):
    lines = [f"{word} {' '.join(map(str, vector))}\n" for word, vector in VECTORS.items()]
    (tmp_path / "v.txt").write_text("".join(lines))
    return str(tmp_path / "v.txt")


def test_words_stand_in_their_order_and_padding_behind_them(file):
    rows = WordSequence(file).fit(TEXTS).transform([*TEXTS, "runs cat", "xyzzy"])
    words = [["dog", "dog", "runs"], ["cat"], ["cat", "runs"], ["runs", "cat"], []]
    expected = [[VECTORS[word] for word in row] + [[0.0] * 3] * (3 - len(row)) for row in words]
    np.testing.assert_array_equal(rows, expected)
    assert rows.dtype == np.float32


def test_a_word_whose_vector_is_zeros_is_no_padding_between_others(file):
    rows = WordSequence(file).fit(TEXTS).transform(["dog nil xyzzy cat"])
    np.testing.assert_array_equal(rows[0], [VECTORS["dog"], VECTORS["cat"], [0, 0, 0]])


def test_length_bounds_what_is_read_and_the_training_texts_what_is_kept(file):
    short = WordSequence(file, length=2).fit(TEXTS)
    np.testing.assert_array_equal(short.transform(TEXTS[:1])[0], [VECTORS["dog"]] * 2)
    fitted = WordSequence(file, length=9).fit(TEXTS[1:])
    assert fitted.length_ == 2
    np.testing.assert_array_equal(fitted.transform(["dog cat runs dog"])[0], [VECTORS["dog"], VECTORS["cat"]])


def test_the_mean_of_a_sequence_is_that_of_word_vectors(file):
    rows, texts = WordSequence(file).fit(TEXTS).transform(TEXTS), WordVectors(file, weight="mean").fit(TEXTS)
    number = (rows != 0).any(axis=2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rows.sum(axis=1) / number, texts.transform(TEXTS), atol=1e-6)


def test_a_loaded_one_needs_no_file(file, tmp_path):
    fitted = WordSequence(file).fit(TEXTS)
    fitted.save_pretrained(tmp_path / "f")
    (tmp_path / file).unlink()
    assert np.array_equal(Feature.from_pretrained(tmp_path / "f").transform(TEXTS), fitted.transform(TEXTS))


def test_no_texts_are_no_rows_and_what_it_cannot_read_is_told(file):
    fitted = WordSequence(file).fit(TEXTS)
    assert fitted.transform([]).shape == (0, 3, 3)
    with pytest.raises(BadInput, match=r"text 1 .* holds no word"):
        fitted.transform(["dog", "?!"])
    with pytest.raises(BadInput, match="arrays go through `given`"):
        fitted.transform(np.zeros((2, 3)))
    with pytest.raises(BadInput, match="none of its words stands in the 1 texts"):
        WordSequence(file).fit(["hund"])


@pytest.mark.data
def test_glove_reads_a_caption(data):
    rows = WordSequence().fit(["a dog runs on the grass"]).transform(["the dog", "dog the"])
    assert rows.shape == (2, 6, 50)
    assert np.array_equal(rows[0, :2], rows[1, 1::-1]) and rows[0, 0].any() and not rows[:, 2:].any()


def test_without_a_file_each_training_word_has_a_dimension_of_its_own():
    feature = WordSequence(file="").fit(["a red dog", "a black cat"])
    rows = feature.transform(["red dog a zebra", "cat"])
    assert rows.shape == (2, 3, 5)
    words = ["a", "black", "cat", "dog", "red"]
    assert [[words[row.argmax()] for row in text if row.any()] for text in rows] == [["red", "dog", "a"], ["cat"]]
    assert rows.sum() == 4
